"""The `websockets` library's own way: its asyncio server and `broadcast`, on uvloop.

python -m tests.bench.peers.broadcast PORT REDIS_PORT CHANNEL
"""

import sys

import uvloop
from redis.asyncio import Redis
from websockets.asyncio.server import ServerConnection, broadcast, serve

port, redis_port, channel = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
readers: set[ServerConnection] = set()


async def stream(reader: ServerConnection) -> None:
    readers.add(reader)
    try:
        await reader.wait_closed()
    finally:
        readers.discard(reader)


async def main() -> None:
    async with (
        serve(stream, "127.0.0.1", port, backlog=4096, ping_interval=None),
        Redis(port=redis_port, decode_responses=True).pubsub() as subscription,
    ):
        await subscription.subscribe(channel)
        async for message in subscription.listen():
            if message["type"] == "message":
                broadcast(readers, message["data"])


if __name__ == "__main__":
    uvloop.run(main())
