"""The obvious server: Starlette, a WebSocket endpoint, and a `send_text` for each reader.

python -m tests.bench.peers.naive PORT REDIS_PORT CHANNEL
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

port, redis_port, channel = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
readers: set[WebSocket] = set()
page = b""


async def stream(socket: WebSocket) -> None:
    await socket.accept()
    readers.add(socket)
    try:
        await socket.receive_text()
    except WebSocketDisconnect:
        readers.discard(socket)


async def fan_out() -> None:
    async with Redis(port=redis_port, decode_responses=True).pubsub() as subscription:
        await subscription.subscribe(channel)
        async for message in subscription.listen():
            if message["type"] == "message":
                for reader in list(readers):
                    await reader.send_text(message["data"])


async def keep_page(request: Request) -> Response:
    global page
    page = await request.body()
    return Response()


async def get_page(request: Request) -> Response:
    return Response(page, media_type="text/html")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    task = asyncio.create_task(fan_out())
    yield
    task.cancel()


app = Starlette(
    routes=[
        WebSocketRoute("/ws", stream),
        Route("/page", get_page),
        Route("/page", keep_page, methods=["PUT"]),
    ],
    lifespan=lifespan,
)

if __name__ == "__main__":
    uvicorn.run(app, port=port, log_level="warning", access_log=False, ws="websockets-sansio", ws_ping_interval=None)
