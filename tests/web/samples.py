"""Sample records in full, and the few steps with them that the tests of the web share."""

import secrets
from typing import Any

import httpx

PUBLIC_URL = "https://news.example"
BODY = """
The river gauge at Norwick Lock passed four metres at noon, and the town below it was told to leave.

**Why it matters:** The last time the lock overflowed, the lower quarter stood under water for nine days.

**What's happening:** Buses leave from the corn market every ten minutes.

- Two sports halls are open for the night.
- The hospital takes emergencies only.

> We can rebuild a quay. Please do not stay to guard it.
>
> — Mara Lind, lock keeper

**What they're saying:** Most residents had packed by two in the afternoon.

**Worth noting:** [The gauge](https://example.org/gauge) can be read by anyone.

**The big picture:** Spring floods have come earlier in each of the past five years.

**What to watch:** The upper dam opens its gates at six.
"""
STORY: dict[str, Any] = {
    "headline": "Norwick leaves its lower quarter as the river rises",
    "sections": ["World", "Science & Nature"],
    "by": [{"name": "Ada Quill", "note": "reports on rivers"}, {"name": "Ben Oster"}],
    "image": {
        "src": "https://example.org/lock.jpg",
        "alt": "Brown water stands at the top of a lock gate",
        "caption": "The gate at noon.",
        "credit": "Photo: Cleo Marsh",
        "width": 1200,
        "height": 675,
    },
    "body": BODY,
    "urgency": 3,
    "pubStatus": "usable",
    "notice": "This story is moving. Please check back for updates.",
    "edNote": "INTERNAL-STORY-NOTE",
    "language": "en-GB",
    "related": [{"headline": "How the lock was built", "url": "/story/how-the-lock-was-built"}],
}
UPDATE: dict[str, Any] = {
    "headline": "The corn market is full",
    "body": "Buses now leave from **the station** as well.",
    "by": [{"name": "Ben Oster", "note": "in Norwick"}],
    "image": {
        "src": "/static/latest/demo/train.svg",
        "alt": "A queue at a bus stop",
        "caption": "At one o'clock.",
        "credit": "Photo: Dora Finch",
        "width": 800,
        "height": 450,
    },
    "urgency": 5,
    "keyEvent": True,
    "pinned": False,
    "pubStatus": "usable",
    "edNote": "INTERNAL-UPDATE-NOTE",
}
NOTICE: dict[str, Any] = {"text": "River overflows at Norwick Lock", "story": "norwick", "urgency": 1}
PROMO: dict[str, Any] = {"text": "Our morning letter, free", "url": "https://example.org/letter"}


def new_slug() -> str:
    return f"norwick-{secrets.token_hex(5)}"


def create(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    """A new story with a slug of its own; a field that is None is left out."""
    draft = {"slug": new_slug()} | STORY | fields
    return accepted(client.post("/api/stories", json={k: v for k, v in draft.items() if v is not None}), 201)


def post(client: httpx.Client, slug: str, **fields: Any) -> dict[str, Any]:
    """A new update; a field that is None is left out."""
    draft = UPDATE | fields
    path = f"/api/stories/{slug}/updates"
    return accepted(client.post(path, json={k: v for k, v in draft.items() if v is not None}), 201)


def update_path(update: dict[str, Any]) -> str:
    return f"/api/stories/{update['story']}/updates/{update['id']}"


def patch(client: httpx.Client, path: str, **fields: Any) -> dict[str, Any]:
    return accepted(client.patch(path, json=fields))


def retract(client: httpx.Client, update: dict[str, Any], reason: str = "It was another lock.") -> dict[str, Any]:
    return accepted(client.request("DELETE", update_path(update), json={"reason": reason}))


def read(client: httpx.Client, path: str) -> dict[str, Any]:
    return accepted(client.get(path))


def accepted(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """The record in an answer of this status, whose ETag is the record's version."""
    assert answer.status_code == status, answer.text
    record: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["etag"] == f'"{record["version"]}"'
    return record


def refused(answer: httpx.Response, status: int, title: str, *pointers: str) -> dict[str, Any]:
    """The problem details of a refusal, found complete; `pointers` are the fields it names, no more and no fewer."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem: dict[str, Any] = answer.json()
    assert (problem["type"], problem["status"], problem["title"]) == ("about:blank", status, title)
    assert problem["detail"].strip().endswith("."), problem
    assert [error["pointer"] for error in problem.get("errors", [])] == list(pointers)
    assert all(error["detail"] for error in problem.get("errors", []))
    for trace in ("Traceback", "site-packages", ".py", "pydantic", "redis.exceptions"):
        assert trace not in answer.text
    return problem
