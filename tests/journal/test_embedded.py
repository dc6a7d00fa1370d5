"""The embedded server: one a directory, its data safe from a kill, gone with its parent."""

import os
import secrets
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from live.errors import ServerUnusable
from live.journal.embedded import embedded, socket_path
from tests.journal.samples import answers
from tests.node import eventually

PARENT = """
import sys, time
from pathlib import Path
from live.journal.embedded import embedded
with embedded(Path(sys.argv[1])) as url:
    print(url, flush=True)
    time.sleep(600)
"""


def connected(url: str) -> Redis:
    return Redis.from_url(url, decode_responses=True, retry=None)


def number_of(client: Redis) -> int:
    """The process ID of the server."""
    info = client.info("server")
    assert isinstance(info, dict)
    return int(info["process_id"])


def test_data_outlives_a_stop(tmp_path: Path) -> None:
    with embedded(tmp_path) as url, connected(url) as client:
        client.set("headline", "kept")
    assert not answers(socket_path(tmp_path))
    with embedded(tmp_path) as url, connected(url) as client:
        assert client.get("headline") == "kept"


def test_whatever_was_answered_outlives_a_kill(tmp_path: Path) -> None:
    answered: list[int] = []
    with embedded(tmp_path) as url, connected(url) as client:

        def write() -> None:
            with connected(url) as writer:
                try:
                    for number in range(1_000_000):
                        writer.rpush("numbers", number)
                        answered.append(number)
                except (OSError, RedisError):
                    return

        thread = threading.Thread(target=write)
        thread.start()
        eventually(lambda: len(answered) > 100)
        os.kill(number_of(client), signal.SIGKILL)
        thread.join(10)
    with embedded(tmp_path) as url, connected(url) as client:
        assert len(answered) < 1_000_000
        stored = client.lrange("numbers", 0, len(answered) - 1)
        assert stored == [str(number) for number in answered]


def test_every_write_is_synced_before_its_answer_and_nothing_is_evicted(tmp_path: Path) -> None:
    wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "port": "0"}
    with embedded(tmp_path) as url, connected(url) as client:
        assert {name: client.config_get(name)[name] for name in wanted} == wanted


def test_the_second_user_of_a_directory_shares_the_server(tmp_path: Path) -> None:
    with embedded(tmp_path) as url, connected(url) as client:
        with embedded(tmp_path) as second, connected(second) as other:
            assert second == url
            assert number_of(other) == number_of(client)
        assert client.ping()
    assert not answers(socket_path(tmp_path))


def test_users_who_come_at_once_share_one_server(tmp_path: Path) -> None:
    found: list[int] = []
    everybody_is_in = threading.Barrier(4, timeout=30)

    def use() -> None:
        with embedded(tmp_path) as url, connected(url) as client:
            found.append(number_of(client))
            everybody_is_in.wait()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 4
    assert len(set(found)) == 1


def test_two_directories_have_two_servers(tmp_path: Path) -> None:
    with embedded(tmp_path / "a") as a, embedded(tmp_path / "b") as b, connected(a) as one, connected(b) as other:
        one.set("headline", "of a")
        assert other.get("headline") is None


def test_a_directory_with_a_long_name_serves(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 120) / secrets.token_hex(8)
    with embedded(directory) as url, connected(url) as client:
        client.set("headline", "kept")
        assert len(str(socket_path(directory))) <= 100
    with embedded(directory) as url, connected(url) as client:
        assert client.get("headline") == "kept"


def test_a_relative_directory_is_the_same_as_its_full_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with embedded(Path("data")) as url, embedded(tmp_path / "data") as same:
        assert url == same


def test_only_its_owner_can_reach_it(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    with embedded(directory):
        assert directory.stat().st_mode & 0o077 == 0
        assert socket_path(directory).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["file/data", "file"])
def test_a_directory_that_cannot_be_is_told_in_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ServerUnusable, match=r"cannot be used .*LIVE_DATA_DIR"), embedded(tmp_path / name):
        pass


def test_a_directory_that_may_not_be_written_is_told_in_a_sentence() -> None:
    with pytest.raises(ServerUnusable, match=r"cannot be used .*LIVE_DATA_DIR"), embedded(Path("/proc/data")):
        pass


def test_broken_data_is_told_and_not_overwritten(tmp_path: Path) -> None:
    with embedded(tmp_path) as url, connected(url) as client:
        client.set("headline", "kept")
    (log,) = tmp_path.glob("appendonlydir/*.incr.aof")
    broken = b"*3\r\n$3\r\nBAD" + log.read_bytes()
    log.write_bytes(broken)
    with pytest.raises(ServerUnusable, match="did not start"), embedded(tmp_path):
        pass
    assert log.read_bytes() == broken


def test_a_socket_left_by_a_crash_is_no_hindrance(tmp_path: Path) -> None:
    with embedded(tmp_path) as url, connected(url) as client:
        os.kill(number_of(client), signal.SIGKILL)
        eventually(lambda: not answers(socket_path(tmp_path)))
    assert socket_path(tmp_path).exists()
    with embedded(tmp_path) as url, connected(url) as client:
        assert client.ping()


def test_the_server_goes_with_a_killed_parent(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        url = parent.stdout.readline().strip()
        with connected(url) as client:
            client.set("headline", "kept")
            assert number_of(client) != parent.pid
        parent.kill()
    eventually(lambda: not answers(socket_path(tmp_path)))
    with embedded(tmp_path) as url, connected(url) as client:
        assert client.get("headline") == "kept"
