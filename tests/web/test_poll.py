"""Polling: the stream's messages as one answer that caches may keep."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from live.model import Cursor
from tests.conftest import StartNode, editor_of, make_token
from tests.journal.samples import Server
from tests.node import Node, eventually
from tests.web import samples


@pytest.fixture
def slug(editor: httpx.Client) -> str:
    return str(samples.create(editor)["slug"])


def poll(client: httpx.Client, topics: str, form: str = "json", **headers: str) -> httpx.Response:
    return client.get("/poll.json", params={"topics": topics, "as": form}, headers=headers)


def messages(client: httpx.Client, topics: str, form: str = "json") -> list[dict[str, Any]]:
    answer = poll(client, topics, form)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["messages"]
    return found


def updates(client: httpx.Client, slug: str) -> list[str]:
    """The updates that a poll of the story tells of."""
    return [message["update"] for message in messages(client, f"story/{slug}") if "update" in message]


def post_seen(client: httpx.Client, slug: str, **fields: Any) -> dict[str, Any]:
    """A new update that a poll tells of already."""
    update = samples.post(client, slug, **fields)
    eventually(lambda: update["id"] in updates(client, slug))
    return update


def streamed(node: Node, topics: str, form: str, after: str, count: int) -> list[dict[str, Any]]:
    """What the stream gives after a cursor."""
    address = node.stream(topics=topics, after=after, **{"as": form})
    found: list[dict[str, Any]] = []
    with connect(address, proxy=None) as reader:
        while len(found) < count:
            message = json.loads(reader.recv(10))
            if message["type"] not in ("hello", "tick"):
                found.append(message)
    return found


def test_a_poll_says_from_where_to_where_it_is_complete(editor: httpx.Client, slug: str) -> None:
    post_seen(editor, slug)
    answer = poll(editor, f"story/{slug}").json()
    assert list(answer) == ["from", "id", "messages"]
    floor, cursor = Cursor.parse(answer["from"]), Cursor.parse(answer["id"])
    ids = [Cursor.parse(message["id"]) for message in answer["messages"]]
    assert floor < ids[0]
    assert ids[-1] <= cursor
    assert ids == sorted(ids)


@pytest.mark.parametrize("form", ["json", "html"])
def test_a_poll_gives_the_messages_of_the_stream(server: Node, editor: httpx.Client, slug: str, form: str) -> None:
    first, second = post_seen(editor, slug), post_seen(editor, slug)
    samples.patch(editor, samples.update_path(first), body="Other words.", correction="It was put wrongly.")
    samples.retract(editor, second)
    topics = f"story/{slug},front"
    path = f"story/{slug}"
    eventually(lambda: messages(editor, path)[-1]["type"] == "retraction")
    answer = poll(editor, topics, form).json()
    mine = [message for message in answer["messages"] if message.get("story") == slug]
    assert [message["type"] for message in mine if message["topic"] == path] == [
        "story",
        "update",
        "correction",
        "retraction",
    ]
    content = {"html": "item", "json": "html"}[form]
    assert not any(content in message for message in answer["messages"])
    assert any(form.replace("json", "item") in message for message in mine)
    assert streamed(server, topics, form, answer["from"], len(answer["messages"])) == answer["messages"]


def test_the_form_is_html_and_the_topics_are_those_of_every_page_unless_asked_otherwise(editor: httpx.Client) -> None:
    slug = samples.create(editor)["slug"]
    eventually(lambda: any(message.get("story") == slug for message in messages(editor, "front,breaking", "html")))
    answer = editor.get("/poll.json").json()
    assert answer["messages"] == messages(editor, "front,breaking", "html")


def test_topics_in_another_order_get_the_same_answer(editor: httpx.Client, slug: str) -> None:
    post_seen(editor, slug)
    one, other = poll(editor, f"story/{slug},breaking"), poll(editor, f"breaking,story/{slug}")
    assert (one.content, one.headers["etag"]) == (other.content, other.headers["etag"])


def test_only_the_last_entries_come_and_from_says_so(editor: httpx.Client, slug: str) -> None:
    posted = [samples.post(editor, slug)["id"] for _ in range(55)]
    eventually(lambda: posted[-1] in updates(editor, slug))
    assert updates(editor, slug) == posted[-50:]
    answer = poll(editor, f"story/{slug}").json()
    assert Cursor.parse(answer["from"]) < Cursor.parse(answer["messages"][0]["id"])
    assert Cursor.parse(answer["from"]) > Cursor(0, 0)


@pytest.mark.parametrize("form", ["json", "html"])
def test_who_has_the_answer_is_told_that_it_still_holds(editor: httpx.Client, slug: str, form: str) -> None:
    post_seen(editor, slug)
    answer = poll(editor, f"story/{slug}", form)
    again = poll(editor, f"story/{slug}", form, **{"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]
    assert again.headers["cache-control"] == answer.headers["cache-control"]
    update = samples.post(editor, slug)
    tag = {"If-None-Match": answer.headers["etag"]}
    changed = eventually(lambda: (new := poll(editor, f"story/{slug}", form, **tag)).status_code == 200 and new)
    assert changed
    assert changed.json()["messages"][-1]["update"] == update["id"]


def test_caches_may_keep_it_for_a_moment(editor: httpx.Client, slug: str) -> None:
    answer = poll(editor, f"story/{slug}")
    kept = re.fullmatch(r"public, max-age=(\d+)", answer.headers["cache-control"])
    assert kept and 1 <= int(kept[1]) <= 5
    assert answer.headers["content-type"] == "application/json"
    assert "accept-encoding" in answer.headers["vary"].lower()
    assert "set-cookie" not in answer.headers


def test_it_comes_zipped_to_those_who_take_that(server: Node, editor: httpx.Client, slug: str) -> None:
    post_seen(editor, slug)
    plain = poll(editor, f"story/{slug}", **{"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with editor.stream("GET", "/poll.json", params={"topics": f"story/{slug}", "as": "json"},
                       headers={"Accept-Encoding": "gzip"}) as zipped:  # fmt: skip
        raw = b"".join(zipped.iter_raw())
    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) == len(raw) < len(plain.content)
    assert gzip.decompress(raw) == plain.content


@pytest.mark.parametrize("after", ["1700000000000-0", "0-0", "", "nonsense"])
def test_a_cursor_is_refused_with_a_sentence_that_says_what_to_do(editor: httpx.Client, after: str) -> None:
    answer = editor.get("/poll.json", params={"topics": "front", "after": after})
    problem = samples.refused(answer, 400, "Bad query")
    assert "'after'" in problem["detail"]
    assert "id" in problem["detail"]


@pytest.mark.parametrize("topics", ["weather", "front,weather", "story/", "story/No-Such", "section/a b", "story/../x"])
def test_an_unknown_topic_is_refused(editor: httpx.Client, topics: str) -> None:
    problem = samples.refused(poll(editor, topics), 400, "Unknown topic")
    assert topics.split(",")[-1] in problem["detail"]


@pytest.mark.parametrize(
    "query", ["topics=", "topics=,", "topics=front&as=xml", "topics=" + ",".join(f"story/s{n}" for n in range(21))]
)
def test_a_query_that_is_not_understood_is_refused(editor: httpx.Client, query: str) -> None:
    samples.refused(editor.get(f"/poll.json?{query}"), 400, "Bad query")


def test_a_topic_without_news_gets_an_empty_answer(editor: httpx.Client) -> None:
    assert messages(editor, f"story/{samples.new_slug()}") == []


@pytest.mark.parametrize("form", ["json", "html"])
def test_a_retraction_takes_the_text_out(editor: httpx.Client, slug: str, form: str) -> None:
    update = post_seen(editor, slug, body="The dam has burst.", headline="Dam burst")
    assert "The dam has burst." in poll(editor, f"story/{slug}", form).text
    samples.retract(editor, update)
    eventually(lambda: messages(editor, f"story/{slug}", form)[-1]["type"] == "retraction")
    text = poll(editor, f"story/{slug}", form).text
    assert "The dam has burst." not in text
    assert "Dam burst" not in text
    assert "It was another lock." in text


def test_the_answer_stays_the_same_while_nothing_of_its_topics_changed(editor: httpx.Client, slug: str) -> None:
    post_seen(editor, slug)
    before = poll(editor, f"story/{slug}")
    other = samples.create(editor)["slug"]
    post_seen(editor, other)
    after = poll(editor, f"story/{slug}")
    assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])


def test_every_entry_of_the_topics_makes_a_new_answer(editor: httpx.Client, slug: str) -> None:
    tags = set()
    for _ in range(4):
        post_seen(editor, slug)
        tags.add(poll(editor, f"story/{slug}").headers["etag"])
    assert len(tags) == 4


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Server]:
    """A Valkey that the test may kill."""
    directory = tmp_path / "own"
    directory.mkdir()
    server = Server(directory)
    yield server
    server.stop()


def test_polls_are_answered_while_redis_is_down(start_node: StartNode, own_valkey: Server) -> None:
    node = start_node(redis_url=own_valkey.url)
    with editor_of(node, make_token(own_valkey.url, node.site, "admin")) as client:
        slug = samples.create(client)["slug"]
        update = post_seen(client, slug)
        own_valkey.kill()
        assert updates(client, slug) == [update["id"]]
        assert any(message.get("story") == slug for message in messages(client, "front", "html"))  # nobody asked before
        own_valkey.start()
        eventually(lambda: client.get(f"/api/stories/{slug}").is_success)
        post_seen(client, slug)
