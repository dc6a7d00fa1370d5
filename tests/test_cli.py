"""The `live` command, as a person runs it: a real process on a data directory of its own."""

import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from live.journal.embedded import embedded
from tests.node import Node, eventually


class Command:
    """Runs `live` with a set of LIVE_* variables."""

    def __init__(self, **settings: object) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LIVE_")}
        self.environment = kept | {f"LIVE_{name.upper()}": str(value) for name, value in settings.items()}

    def __call__(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "live", *words],
            env=self.environment, capture_output=True, text=True, input=text, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def live(directory: Path) -> Command:
    return Command(data_dir=directory)


@pytest.fixture
def demo_node(directory: Path) -> Iterator[Node]:
    node = Node({"data_dir": directory}, "--demo")
    yield node
    node.stop()


def assert_one_sentence(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode != 0
    assert "Traceback" not in done.stderr + done.stdout
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_serve_prints_where_to_look_and_a_first_post_that_works(demo_node: Node) -> None:
    story = re.search(r"A story\s+(http\S+)", demo_node.output)
    curl = re.search(r"(curl .*?)\n\n", demo_node.output, re.DOTALL)
    assert story and curl
    done = subprocess.run(["bash", "-c", curl[1] + " --fail --silent"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"headline":"Hello"' in done.stdout
    eventually(lambda: "What is new:" in httpx.get(story[1]).text)


def test_stories_updates_tokens_and_notice_outlive_the_server(demo_node: Node, directory: Path) -> None:
    token = (directory / "demo-token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    assert stat.S_IMODE((directory / "demo-token").stat().st_mode) == 0o600
    httpx.put(f"{demo_node.url}/api/notice", json={"text": "Still here"}, headers=headers).raise_for_status()
    before = httpx.get(f"{demo_node.url}/api/stories", headers=headers).json()
    story = httpx.get(f"{demo_node.url}/api/stories/storm-marla-nears-port-ellery", headers=headers).json()
    demo_node.stop()
    demo_node.start()
    assert token in demo_node.output
    assert httpx.get(f"{demo_node.url}/api/stories", headers=headers).json() == before
    assert httpx.get(f"{demo_node.url}/api/stories/{story['slug']}", headers=headers).json() == story
    assert "Still here" in httpx.get(demo_node.url).text


def test_demo_stories_come_once_only(demo_node: Node) -> None:
    def headlines() -> list[str]:
        return re.findall(r'<article[^>]* id="card-([a-z0-9-]+)"', httpx.get(demo_node.url).text)

    first = headlines()
    assert len(first) == len(set(first)) == 6
    demo_node.stop()
    demo_node.start()
    assert headlines() == first


def test_stop_takes_the_embedded_server_along(demo_node: Node, directory: Path) -> None:
    assert (directory / "valkey.sock").exists()
    demo_node.stop()
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(OSError):
        probe.connect(str(directory / "valkey.sock"))


def test_workers_share_the_port_and_the_stories(directory: Path) -> None:
    node = Node({"data_dir": directory, "workers": 2}, "--demo")
    try:
        for _ in range(10):
            assert "Storm Marla" in httpx.get(node.url).text
    finally:
        node.stop()


def test_token_is_made_listed_used_and_revoked(live: Command, directory: Path) -> None:
    with embedded(directory):
        made = live("token", "create", "--name", "Ada", "--role", "editor")
        assert made.returncode == 0, made.stderr
        token = made.stdout.strip()
        listed = live("token", "list").stdout
        assert "Ada" in listed and "editor" in listed and "in force" in listed
        assert token.split("_", 2)[2] not in listed
        token_id = token.split("_")[1]
        assert live("token", "revoke", token_id).stdout == f"Revoked {token_id}.\n"
        assert "revoked" in live("token", "list").stdout
    assert_one_sentence(live("token", "revoke", "000000000000"))


def test_token_secret_is_not_in_the_data_directory(live: Command, directory: Path) -> None:
    secret = live("token", "create", "--name", "Ada", "--role", "editor").stdout.strip().split("_", 2)[2]
    assert len(secret) == 43
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert files
    assert not any(secret.encode() in path.read_bytes() for path in files)


def test_wrong_role_is_refused(live: Command) -> None:
    done = live("token", "create", "--name", "Ada", "--role", "owner")
    assert done.returncode != 0
    assert "reporter, editor or admin" in done.stderr
    assert "Traceback" not in done.stderr


def test_post_from_the_terminal(demo_node: Node, directory: Path) -> None:
    live = Command(data_dir=directory, url=demo_node.url)
    slug = "recount-in-three-districts"
    done = live("post", slug, "-", "--headline", "Count begins", "--key-event", text="**What's happening:** counting\n")
    assert done.returncode == 0, done.stderr
    address, _, anchor = done.stdout.strip().partition("#")
    assert address == f"{demo_node.url}/story/{slug}"
    eventually(lambda: f'id="{anchor}"' in httpx.get(address).text)
    assert "Key event" in httpx.get(address).text
    refused = live("post", "no-such-story", "text")
    assert_one_sentence(refused)
    assert "no-such-story" in refused.stderr


def test_post_without_a_token_or_a_server_says_so(directory: Path) -> None:
    assert "LIVE_TOKEN" in Command(data_dir=directory)("post", "a", "b").stderr
    away = Command(data_dir=directory, token="live_x", url="http://127.0.0.1:1")("post", "a", "b")
    assert_one_sentence(away)
    assert "live serve" in away.stderr


def test_demo_night_plays_to_its_end(demo_node: Node, directory: Path) -> None:
    done = Command(data_dir=directory, url=demo_node.url)("demo", "--once", "--speed", "100")
    assert done.returncode == 0, done.stderr
    slug = re.search(r"/story/(blackout-northern-grid-\w+)", done.stdout)
    assert slug
    page = eventually(lambda: httpx.get(f"{demo_node.url}/story/{slug[1]}").text)
    assert "counted Aldham twice" in page
    assert "taken the statement back" in page
    assert "Corran substation" not in page
    assert 'class="notice' not in page


def test_doctor_is_content_with_the_embedded_server(live: Command) -> None:
    done = live("doctor")
    assert "appendfsync is 'always'" in done.stdout
    mended = [line for line in done.stdout.splitlines() if line.startswith("mend")]
    assert all("files" in line for line in mended), done.stdout  # a low limit of files is the machine's own
    assert done.returncode == (1 if mended else 0)


def test_doctor_says_what_to_mend_on_a_server_without_durability(tmp_path: Path) -> None:
    from live.journal.embedded import command

    path = tmp_path / "bare.sock"
    words = command(tmp_path, path)
    words[words.index("--appendonly") + 1] = "no"
    words += ["--maxmemory-policy", "allkeys-lru"]
    with subprocess.Popen(words) as server:
        try:
            eventually(path.exists)
            done = Command(redis_url=f"unix://{path}")("doctor")
        finally:
            server.terminate()
    assert done.returncode == 1
    assert "appendonly yes" in done.stdout
    assert "noeviction" in done.stdout


def test_help_and_version() -> None:
    assert "serve" in Command()("--help").stdout
    assert Command()("--version").stdout.startswith("live ")
    assert Command()("serve", "--help").returncode == 0
