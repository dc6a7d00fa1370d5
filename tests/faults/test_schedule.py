"""What is due goes out on time and once, whichever node is alive."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.conftest import StartNode, editor_of, make_token
from tests.faults.readers import Faithful
from tests.node import Node, eventually
from tests.web.samples import STORY

SLUG = "norwick"
LATE_SECONDS = 2.0


@pytest.fixture
def token(valkey: str, site: str) -> str:
    return make_token(valkey, site, "editor")


def scheduled(node: Node, token: str, seconds: float, body: str = "It is time.") -> tuple[str, datetime]:
    """The path of an update that goes out in so many seconds, and when that is."""
    due = datetime.now(UTC) + timedelta(seconds=seconds)
    with editor_of(node, token) as editor:
        draft = {"body": body, "publishAt": due.isoformat()}
        update = editor.post(f"/api/stories/{SLUG}/updates", json=draft).raise_for_status().json()
    assert update["pubStatus"] == "withheld"
    return f"/api/stories/{SLUG}/updates/{update['id']}", due


def published(node: Node, token: str, path: str) -> datetime | None:
    with editor_of(node, token) as editor:
        record = editor.get(path).raise_for_status().json()
    return datetime.fromisoformat(record["published"]) if record["pubStatus"] == "usable" else None


def test_it_goes_out_though_the_node_that_took_it_is_dead(start_node: StartNode, token: str) -> None:
    first, second = start_node(), start_node()
    with editor_of(first, token) as editor:
        editor.post("/api/stories", json={**STORY, "slug": SLUG}).raise_for_status()
    with Faithful(second, "ws", topics=f"story/{SLUG}", **{"as": "json"}) as reader:
        path, due = scheduled(first, token, 5)
        first.kill()
        eventually(lambda: reader.bodies == ["It is time."], 5 + LATE_SECONDS + 2)
        assert datetime.now(UTC) <= due + timedelta(seconds=LATE_SECONDS)
        out = published(second, token, path)
        assert out is not None
        assert due <= out <= due + timedelta(seconds=LATE_SECONDS)
        _, _ = scheduled(second, token, 0.5, "The one after it.")
        eventually(lambda: reader.bodies == ["It is time.", "The one after it."])


def test_two_nodes_publish_it_once(start_node: StartNode, token: str) -> None:
    first, second = start_node(), start_node()
    with editor_of(first, token) as editor:
        editor.post("/api/stories", json={**STORY, "slug": SLUG}).raise_for_status()
        expected = [f"number {number}" for number in range(20)]
        with Faithful(second, "ws", topics=f"story/{SLUG}", **{"as": "json"}) as reader:
            for number, body in enumerate(expected):
                scheduled(first, token, 1.0 + number / 100, body)
            eventually(lambda: len(reader.bodies) >= len(expected))
            editor.post(f"/api/stories/{SLUG}/updates", json={"body": "end"}).raise_for_status()
            eventually(lambda: "end" in reader.bodies)
            assert sorted(reader.bodies) == sorted([*expected, "end"])


def test_what_was_due_while_nobody_ran_goes_out_at_the_start(start_node: StartNode, token: str) -> None:
    node = start_node()
    with editor_of(node, token) as editor:
        editor.post("/api/stories", json={**STORY, "slug": SLUG}).raise_for_status()
    path, due = scheduled(node, token, 0.8)
    node.kill()
    assert datetime.now(UTC) < due, "it was not due yet"
    eventually(lambda: datetime.now(UTC) > due)
    node.start()
    eventually(lambda: published(node, token, path))
    assert "It is time." in httpx.get(f"{node.url}/story/{SLUG}").text
