"""The servers that are compared: each started alone on one core, fed with the same messages."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from redis import Redis

from live.bench.crowd import marker
from live.bench.measures import HTTPPublisher, Publisher, post_request
from live.journal.embedded import command as valkey_command

HERE = Path(__file__).parent
SERVER_CORE, GENERATOR_CORE = 0, 1
NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


@dataclass
class Running:
    """A server that is up: its port and process, where readers connect, and how to publish."""

    name: str
    port: int
    pid: int
    path: str
    publisher: Publisher
    events: bool = False
    """Server-sent events instead of WebSocket."""


class RedisPublisher:
    """Publishes on the channel that a peer follows."""

    def __init__(self, port: int, channel: str, payload: Callable[[int], bytes]) -> None:
        self._client = Redis(port=port)
        self._channel = channel
        self._payload = payload

    def send(self, numbers: Sequence[int]) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            for number in numbers:
                pipe.publish(self._channel, self._payload(number))
            pipe.execute()

    def settle(self) -> None:
        """PUBLISH answers when it is done."""


@contextmanager
def process(words: Sequence[str | Path], *, core: int, **options: str) -> Iterator[int]:
    """Runs a command on one core; yields its process ID, and ends it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LIVE_")} | options
    child = subprocess.Popen(
        [str(word) for word in words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )  # fmt: skip
    try:
        yield child.pid
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def wait_for(condition: Callable[[], bool]) -> None:
    """Waits until a server answers."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except (OSError, httpx.HTTPError):
            pass
        time.sleep(0.05)  # the pace of asking
    raise SystemExit("a server did not start")


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    import socket

    with socket.create_connection(("127.0.0.1", port), 1):
        return True


@contextmanager
def valkey(directory: Path, port: int) -> Iterator[str]:
    """A Valkey on the generator's core; yields its URL."""
    words = valkey_command(directory, directory / "valkey.sock")
    words[words.index("--port") + 1] = str(port)
    with process(words, core=GENERATOR_CORE):
        wait_for(lambda: answers(port))
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def live_server(url: str, directory: Path, port: int, *, events: bool = False) -> Iterator[Running]:
    """Live itself, posted to over HTTP: the whole way."""
    settings = {"LIVE_REDIS_URL": url, "LIVE_PORT": str(port), "LIVE_DATA_DIR": str(directory), "LIVE_DEMO": "1"}
    settings["LIVE_SITE"] = f"bench-{port}"  # a site of its own, whose story has not grown long in an earlier run
    slug = "storm-marla-nears-port-ellery"
    with process([sys.executable, "-m", "live", "serve"], core=SERVER_CORE, **settings) as pid:
        wait_for(lambda: httpx.get(f"http://127.0.0.1:{port}/livez").is_success)
        token = (directory / "demo-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

        def request(number: int) -> bytes:
            body = f'{{"body": "{marker(number)} {"The tide gauge reads a little more than before. " * 3}"}}'
            return post_request(f"/api/stories/{slug}/updates", body.encode(), headers)

        path = f"/stream?topics=story/{slug}&as=json"
        name = "Live, server-sent events" if events else "Live"
        yield Running(name, port, pid, path, HTTPPublisher(port, request), events)


@contextmanager
def fed_by_redis(name: str, words: Sequence[str | Path], port: int, redis: int, size: int) -> Iterator[Running]:
    """A peer that follows a Redis channel of its own; its messages have the size of Live's."""
    channel = f"news-{port}"
    with process([*words, str(port), str(redis), channel], core=SERVER_CORE) as pid:
        wait_for(lambda: answers(port))
        wait_for(lambda: dict(Redis(port=redis, decode_responses=True).pubsub_numsub(channel))[channel] > 0)
        yield Running(name, port, pid, "/ws", RedisPublisher(redis, channel, lambda number: payload(number, size)))


@contextmanager
def nchan(directory: Path, port: int, size: int) -> Iterator[Running]:
    """nginx with nchan, posted to over HTTP."""
    text = (HERE / "nginx.conf").read_text().replace("PORT", str(port)).replace("DIRECTORY", str(directory))
    configuration = directory / "nginx.conf"
    configuration.write_text(text)

    def request(number: int) -> bytes:
        return post_request("/publish", payload(number, size), {"Content-Type": "text/plain"})

    with process(["nginx", "-c", configuration, "-e", directory / "error.log"], core=SERVER_CORE) as master:
        wait_for(lambda: answers(port))
        worker = int(Path(f"/proc/{master}/task/{master}/children").read_text().split()[0])
        yield Running("nginx + nchan", port, worker, "/ws", HTTPPublisher(port, request))


def payload(number: int, size: int) -> bytes:
    """A message of that size with its marker."""
    return marker(number).encode().ljust(size, b".")


def compile_loop(directory: Path) -> Path | None:
    """The bare C loop, compiled; None without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    program = directory / "loop"
    subprocess.run([compiler, "-O2", "-o", program, HERE / "loop.c"], check=True)
    return program
