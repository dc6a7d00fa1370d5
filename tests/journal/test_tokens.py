"""Editors' tokens: made once, recognised by their text alone, refused for good once revoked."""

import pytest
from redis.asyncio import Redis

from live.journal import Keys
from live.journal.tokens import Token, Tokens
from live.model import Role

pytestmark = pytest.mark.anyio


@pytest.fixture
def tokens(client: Redis, keys: Keys) -> Tokens:
    return Tokens(client, keys)


async def test_a_token_is_recognised_by_its_text(tokens: Tokens) -> None:
    token, text = await tokens.create("Ada", "editor")
    assert await tokens.recognise(text) == token
    assert (token.name, token.role, token.revoked) == ("Ada", "editor", None)


async def test_no_two_tokens_are_alike(tokens: Tokens) -> None:
    made = [await tokens.create("Ada", "editor") for _ in range(5)]
    assert len({text for _, text in made}) == len({token.id for token, _ in made}) == 5


async def test_the_secret_is_not_stored(tokens: Tokens, client: Redis, keys: Keys) -> None:
    _, text = await tokens.create("Ada", "editor")
    secret = text.split("_", 2)[2]
    stored = await client.hgetall(keys.of("tokens"))
    assert len(stored) == 1
    assert secret not in repr(stored) and text not in repr(stored)


async def test_another_secret_is_refused(tokens: Tokens) -> None:
    token, text = await tokens.create("Ada", "editor")
    _, others = await tokens.create("Ben", "editor")
    assert await tokens.recognise(f"live_{token.id}_{others.split('_', 2)[2]}") is None
    assert await tokens.recognise(text[:-1] + ("A" if text[-1] != "A" else "B")) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: text + "\n",
        lambda text: text.upper(),
        lambda text: text.replace("live_", "dead_"),
        lambda text: text.replace("live_", ""),
        lambda text: f" {text}",
        lambda text: "live_000000000000_" + "A" * 43,
        lambda text: "\N{DIGIT ONE}".join(text.split("_")) + "é",
    ],
)
async def test_a_changed_text_is_refused(tokens: Tokens, change: object) -> None:
    assert callable(change)
    _, text = await tokens.create("Ada", "editor")
    assert await tokens.recognise(change(text)) is None
    assert await tokens.recognise(text) is not None


async def test_a_revoked_token_is_refused_and_stays_on_the_list(tokens: Tokens) -> None:
    token, text = await tokens.create("Ada", "editor")
    _, kept = await tokens.create("Ben", "reporter")
    revoked = await tokens.revoke(token.id)
    assert revoked and revoked.revoked
    assert await tokens.recognise(text) is None
    assert await tokens.recognise(kept) is not None
    assert [one.revoked for one in await tokens.all()] == [revoked.revoked, None]


async def test_revoking_twice_keeps_the_first_time(tokens: Tokens) -> None:
    token, _ = await tokens.create("Ada", "editor")
    assert await tokens.revoke(token.id) == await tokens.revoke(token.id)


async def test_revoking_an_unknown_token_says_there_is_none(tokens: Tokens) -> None:
    assert await tokens.revoke("000000000000") is None
    assert await tokens.all() == []


async def test_tokens_are_listed_oldest_first(tokens: Tokens) -> None:
    made = [(await tokens.create(name, "reporter"))[0] for name in ("Ada", "Ben", "Cleo")]
    assert sorted(await tokens.all(), key=lambda token: made.index(token)) == made
    assert [token.created for token in await tokens.all()] == sorted(token.created for token in made)


async def test_a_token_is_of_one_site_only(tokens: Tokens, client: Redis) -> None:
    _, text = await tokens.create("Ada", "admin")
    assert await Tokens(client, Keys("another-site")).recognise(text) is None


@pytest.mark.parametrize(
    ("holder", "may"),
    [("reporter", ["reporter"]), ("editor", ["reporter", "editor"]), ("admin", ["reporter", "editor", "admin"])],
)
async def test_roles_include_those_below(tokens: Tokens, holder: Role, may: list[Role]) -> None:
    token: Token = (await tokens.create("Ada", holder))[0]
    roles: tuple[Role, ...] = ("reporter", "editor", "admin")
    assert [role for role in roles if token.may(role)] == may
