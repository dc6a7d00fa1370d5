"""A server that cannot start says why in one sentence."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import StartNode
from tests.journal.samples import Server


def refuses_to_start(*needles: str, **settings: object) -> str:
    """`live serve` with these settings ends by itself: one sentence with these words in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LIVE_")}
    variables = {f"LIVE_{name.upper()}": str(value) for name, value in {"port": 0, **settings}.items()}
    done = subprocess.run(
        [sys.executable, "-m", "live", "serve"],
        env=kept | variables, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode not in (0, None), said
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) == 1, said
    for needle in needles:
        assert needle in said, said
    return said


def test_a_redis_that_is_not_there(tmp_path: Path) -> None:
    refuses_to_start("cannot be reached", "LIVE_REDIS_URL", redis_url=f"unix://{tmp_path}/nobody.sock")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, and nobody listens
        refuses_to_start("cannot be reached", redis_url=f"redis://127.0.0.1:{unused.getsockname()[1]}")


def test_a_redis_that_does_not_answer(redis: Server) -> None:
    redis.freeze()
    refuses_to_start("cannot be reached", redis_url=redis.url)


def test_a_host_that_does_not_exist() -> None:
    refuses_to_start("cannot be reached", redis_url="redis://no-such-host.invalid:6379")


def test_something_that_is_no_redis() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        pid = os.fork()
        if pid == 0:  # a server that greets as no Redis does, and hangs up
            while True:
                connection, _ = listener.accept()
                connection.sendall(b"220 mail.example ESMTP\r\n")
                connection.close()
        try:
            refuses_to_start("cannot be reached", redis_url=f"redis://127.0.0.1:{port}")
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def test_a_wrong_password_is_said_and_not_shown(redis: Server) -> None:
    redis.call("CONFIG", "SET", "requirepass", "right")
    url = redis.url.replace("unix://", "unix://:wrong-secret@")
    assert "wrong-secret" not in refuses_to_start("refused the password", redis_url=url)


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "", "redis://localhost:port", "unix://"])
def test_a_malformed_address_of_redis(url: str) -> None:
    refuses_to_start("LIVE_REDIS_URL", redis_url=url)


@pytest.mark.parametrize("port", ["http", "-1", "65536", "80.5", ""])
def test_a_wrong_port(tmp_path: Path, port: str) -> None:
    refuses_to_start("LIVE_PORT", port=port, data_dir=tmp_path / "data")


def test_a_port_that_is_taken(tmp_path: Path, start_node: StartNode) -> None:
    node = start_node()
    port = str(node.settings["port"])
    refuses_to_start(port, "--port", port=port, data_dir=tmp_path / "other")
    assert node.process.poll() is None


def test_a_host_that_is_not_ours(tmp_path: Path) -> None:
    refuses_to_start("192.0.2.1", "--host", host="192.0.2.1", data_dir=tmp_path / "data")


def test_a_data_directory_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refuses_to_start("LIVE_DATA_DIR", data_dir=tmp_path / "file" / "data")
    refuses_to_start("LIVE_DATA_DIR", data_dir="/proc/data")


def test_durability_that_redis_cannot_give(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    server = Server(tmp_path / "redis", appendonly="no")
    try:
        refuses_to_start("LIVE_DURABILITY", redis_url=server.url, durability="fsync")
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tick_seconds", "0"),
        ("tick_seconds", "soon"),
        ("ring", "0"),
        ("retention", "-5"),
        ("site", "Über"),
        ("durability", "perhaps"),
        ("workers", "0"),
    ],
)
def test_a_wrong_setting(tmp_path: Path, name: str, value: str) -> None:
    refuses_to_start(f"LIVE_{name.upper()}", value, data_dir=tmp_path / "data", **{name: value})
