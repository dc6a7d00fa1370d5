"""Running the server: the embedded Valkey, the demo stories, uvicorn and its workers, and what is printed."""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, NoReturn

import httpx
import typer
import uvicorn

from live import demo
from live.errors import ServerUnusable
from live.fanout import HTTPProtocol, WebSocketProtocol
from live.journal import Journal, Keys, State
from live.journal.connection import connect, require_usable, waits_for_disk
from live.journal.embedded import embedded
from live.journal.sessions import sign_in_links
from live.journal.tokens import Tokens
from live.leaving import Server, Workers
from live.logs import logging_of
from live.settings import Settings
from live.web.metrics import DIRECTORY

READY_SECONDS = 30.0
BACKLOG = 16_384
"""Connections that may wait to be accepted, when everybody comes back at once; the kernel's somaxconn bounds it too."""
CONNECTION_OPTIONS = {
    "TCP_NODELAY": 1,
    "TCP_KEEPIDLE": 60,  # seconds of silence before the first probe
    "TCP_KEEPINTVL": 15,
    "TCP_KEEPCNT": 4,
    "TCP_USER_TIMEOUT": 60_000,  # milliseconds for which sent data may stay unacknowledged
    "TCP_NOTSENT_LOWAT": 16_384,  # unsent bytes from which on the kernel takes no more
}


def serve(settings: Settings) -> None:
    """Serves until a signal. Raises ServerUnusable or SettingsError when it cannot start."""
    signal.signal(signal.SIGTERM, _leave)  # so that what was started is stopped, whenever the signal comes
    listener = listen(settings.host, settings.port)
    with listener, _server(settings) as url, ExitStack() as stack:
        settings = settings.model_copy(update={"redis_url": url, "port": listener.getsockname()[1]})
        settings = _with_address(settings)
        prepared = asyncio.run(_prepare(settings))
        _export(settings)
        threading.Thread(target=_announce, args=(settings, prepared), daemon=True).start()
        shared = stack.enter_context(TemporaryDirectory(prefix="live-metrics-")) if settings.workers > 1 else None
        if shared is not None:
            os.environ[DIRECTORY] = shared
        config = uvicorn.Config(
            "live.app:create", factory=True, host=settings.host, port=settings.port, workers=settings.workers,
            http=HTTPProtocol, ws=WebSocketProtocol, ws_max_size=4096,
            log_config=logging_of(settings), access_log=False, server_header=False, backlog=BACKLOG,
            forwarded_allow_ips=settings.trusted_proxies, timeout_graceful_shutdown=2,
        )  # fmt: skip
        try:
            _run(config, listener, settings.drain_seconds)
        except KeyboardInterrupt:
            sys.exit(130)


def _run(config: uvicorn.Config, listener: socket.socket, seconds: float) -> None:
    if config.workers > 1:
        Workers(config, [listener], seconds).run()
        return
    server = Server(config, seconds)
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)


def _leave(*_: object) -> NoReturn:
    sys.exit(0)


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address. Raises ServerUnusable when it is taken or not ours."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        inherit(listener)
        listener.bind(address)
    except OSError as error:
        raise ServerUnusable(
            f"Cannot listen on {host} port {port} ({error.strerror}); choose others with --host and --port."
        ) from None
    listener.set_inheritable(True)
    return listener


def inherit(listener: socket.socket) -> None:
    """Sets what every accepted connection inherits (tcp(7)).

    Dead peers are found by the kernel, without a timer of ours, and little waits in the kernel for a slow reader, so
    that what is urgent can go ahead of what is not.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in CONNECTION_OPTIONS.items():
        if (option := getattr(socket, name, None)) is not None:  # not all systems have all of them
            listener.setsockopt(socket.IPPROTO_TCP, option, value)


@contextmanager
def _server(settings: Settings) -> Iterator[str]:
    if settings.redis_url is not None:
        yield settings.redis_url
        return
    with embedded(settings.data_dir) as url:
        yield url


class Prepared(NamedTuple):
    """What there is to look at: a story's slug, the demo's token, the code of a sign-in link; '' for what is not."""

    story: str
    token: str
    code: str


async def _prepare(settings: Settings) -> Prepared:
    """Makes sure of the server, and fills an empty site with the demo."""
    assert settings.redis_url is not None
    client = connect(settings.redis_url, settings.site)
    try:
        await require_usable(client, settings.redis_url)
        await waits_for_disk(client, settings.durability)  # here, where what is wrong can be said in a sentence
        keys = Keys(settings.site)
        state = State(client, keys)
        token = code = ""
        if settings.demo:
            await demo.fill(Journal(client, keys, retention=settings.retention), state)
            token = await _demo_token(settings, Tokens(client, keys))
            code = await sign_in_links(client, keys).keep(token.split("_")[1])
        cards = await state.cards("front", 1)
        return Prepared(cards[0].slug if cards else "", token, code)
    finally:
        await client.aclose()


def token_file(settings: Settings) -> Path:
    """Where the demo's token is kept for `live post` and `live demo`, readable by its owner only."""
    return settings.data_dir / "demo-token"


async def _demo_token(settings: Settings, tokens: Tokens) -> str:
    """An admin's token to try things out with: the one that is kept, if it is still in force, else a new one."""
    path = token_file(settings)
    if path.is_file() and await tokens.recognise(kept := path.read_text().strip()):
        return kept
    _, text = await tokens.create("demo", "admin")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    return text


def _export(settings: Settings) -> None:
    """Hands the settings to the worker processes, which read them from the environment."""
    for name, value in settings.model_dump(mode="json", exclude_none=True).items():
        text = ",".join(value) if isinstance(value, list) else str(value)
        os.environ[f"LIVE_{name.upper()}"] = text


def reachable(host: str) -> str:
    """An address that reaches a server which listens on `host`, as it stands in a URL."""
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _with_address(settings: Settings) -> Settings:
    """The demo is known by where it listens; any other site may stand behind a proxy, and only its operator knows."""
    if settings.public_url is not None or not settings.demo:
        return settings
    return settings.model_copy(update={"public_url": f"http://{reachable(settings.host)}:{settings.port}"})


def _announce(settings: Settings, prepared: Prepared) -> None:
    """Once the server answers, prints where to look and how to post."""
    base = f"http://{reachable(settings.host)}:{settings.port}"
    with httpx.Client(transport=httpx.HTTPTransport(retries=100, verify=False)) as client:  # plain HTTP, to itself
        try:
            client.get(f"{base}/livez", timeout=READY_SECONDS)
        except httpx.HTTPError:
            return
    story, token, code = prepared
    lines = [f"Front page  {base}/"]
    if code:
        lines.append(f"The desk    {base}/desk/sign-in/{code}  (once, within 15 minutes)")
    if story:
        lines.append(f"A story     {base}/story/{story}")
    if token and story:
        lines += [
            "",
            "Post a first update, and watch it appear there:",
            "",
            f"  curl {base}/api/stories/{story}/updates \\",
            f"    -H 'Authorization: Bearer {token}' \\",
            "    -H 'Content-Type: application/json' \\",
            """    -d '{"headline": "Hello", "body": "**What is new:** this update."}'""",
            "",
            "Or let a whole night play:  .venv/bin/live demo" if sys.prefix.endswith(".venv") else
            "Or let a whole night play:  live demo",
        ]  # fmt: skip
    else:
        lines.append("Make a token to post with:  live token create --name NAME --role editor")
    typer.echo("\n".join(["", *lines, "", "Stop with Ctrl-C."]))
