"""People at the desk: tokens with a name of their own, browsers with an address of their own."""

import asyncio
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import httpx
from redis import Redis as SyncRedis

from live.journal import Keys
from live.journal.connection import connect
from live.journal.tokens import Token, Tokens
from live.model import Role
from live.web.sessions import csrf_of
from tests.node import Node


class Holder(NamedTuple):
    """Somebody with a token."""

    name: str
    token: str
    record: Token


def new_holder(valkey: str, site: str, role: Role = "editor", name: str = "") -> Holder:
    """Somebody new, whose name nobody else has."""
    name = name or f"Ada Quill {secrets.token_hex(4)}"

    async def create() -> tuple[Token, str]:
        client = connect(valkey)
        made = await Tokens(client, Keys(site)).create(name, role)
        await client.aclose()
        return made

    record, text = asyncio.run(create())
    return Holder(name, text, record)


def revoke(valkey: str, site: str, holder: Holder) -> None:
    async def work() -> None:
        client = connect(valkey)
        await Tokens(client, Keys(site)).revoke(holder.record.id)
        await client.aclose()

    asyncio.run(work())


def new_address() -> str:
    """An IP address (of those for documentation and private use) that nobody else has."""
    return "10." + ".".join(str(byte) for byte in secrets.token_bytes(3))


def browser(node: Node, **headers: str) -> httpx.Client:
    """A browser that comes from an address of its own and follows no redirect by itself."""
    return httpx.Client(base_url=node.url, headers={"X-Forwarded-For": new_address(), **headers}, timeout=15)


def sign_in(client: httpx.Client, holder: Holder, **fields: str) -> httpx.Response:
    return client.post("/desk/sign-in", data={"name": holder.name, "token": holder.token, **fields})


def signed_in(client: httpx.Client, holder: Holder) -> str:
    """Signs in; returns the session's secret."""
    assert sign_in(client, holder).status_code == 303
    return client.cookies["live-session"]


def proof(client: httpx.Client | httpx.AsyncClient) -> dict[str, str]:
    """The header by which this browser's pages show that they are the desk's."""
    return {"Live-CSRF": csrf_of(client.cookies["live-session"])}


def refusal(answer: httpx.Response) -> str:
    """What the sign-in page says is wrong."""
    shown = re.sub(r"<noscript>.*?</noscript>", "", answer.text, flags=re.DOTALL)
    found = re.search(r'<p class="refusal"[^>]*>(.*?)</p>', shown)
    assert found, answer.text
    return found[1]


@contextmanager
def stored(valkey: str) -> Iterator[SyncRedis]:
    """The server, to look at what is stored and to let time run out."""
    client: SyncRedis = SyncRedis.from_url(valkey, decode_responses=True)
    try:
        yield client
    finally:
        client.close()


def keys_of(client: SyncRedis, site: str, collection: str) -> list[str]:
    return [str(key) for key in client.scan_iter(match=f"live:{{{site}}}:{collection}*", count=1000)]
