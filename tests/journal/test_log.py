"""The journal on a real server: append, since, tail, follow; and what survives a server that fails."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from live.errors import CursorLost, KeyReused, SettingsError, StaleVersion, Unavailable
from live.journal import Change, Journal, Keys, Rewound, State, changes, confirming, log
from live.journal.connection import Durability, waits_for_disk
from live.model import (
    ORIGIN,
    Cursor,
    Entry,
    Story,
    StoryEdit,
    StoryPublished,
    UpdateEdit,
    UpdatePublished,
    now,
)
from tests.journal.conftest import StartServer
from tests.journal.samples import (
    EDITOR,
    Server,
    append,
    create,
    cursors,
    following,
    new_story,
    new_update,
    post,
    post_many,
    receipt,
    text_of,
    until,
)

pytestmark = pytest.mark.anyio
DAY = 24 * 3600 * 1000


async def heard(client: Redis, keys: Keys, change: Change, journal: Journal) -> dict[str, Any]:
    """The pub/sub message that an append causes."""
    async with client.pubsub() as channel:
        await channel.subscribe(keys.channel)
        assert await channel.get_message(timeout=5)
        await append(journal, change)
        message: Any = await channel.get_message(timeout=5)
        assert message["channel"] == keys.channel
        parsed: dict[str, Any] = json.loads(message["data"])
        return parsed


async def everything(client: Redis, keys: Keys) -> dict[str, str]:
    """What the site's keys hold, byte for byte."""
    names = sorted([name async for name in client.scan_iter(match=f"live:{{{keys.site}}}:*")])
    raw: Any = client.execute_command
    return {name: repr(await raw("DUMP", name, NEVER_DECODE=True)) for name in names}


async def test_an_append_writes_state_log_and_message(
    journal: Journal, state: State, client: Redis, keys: Keys
) -> None:
    change = new_story("quay")
    message = await heard(client, keys, change, journal)
    entries = await journal.since(ORIGIN)
    assert message.keys() == {"id", "prev", "event"}
    assert (message["id"], message["prev"]) == (str(entries[0].cursor), "0-0")
    assert message["event"]["type"] == "story" and message["event"]["story"]["slug"] == "quay"
    assert [entry.event for entry in entries] == [change.event]
    assert await state.story("quay") == change.record


async def test_each_message_names_the_entry_before_it(journal: Journal, client: Redis, keys: Keys) -> None:
    story = await create(journal)
    first = (await journal.since(ORIGIN))[0].cursor
    message = await heard(client, keys, new_update(story, "one"), journal)
    assert message["prev"] == str(first)
    following_one = await heard(client, keys, new_update(story, "two"), journal)
    assert following_one["prev"] == message["id"]


async def test_the_message_carries_no_internal_note(journal: Journal, client: Redis, keys: Keys) -> None:
    change = new_story("quay", edNote="ask legal first")
    assert "ask legal first" not in json.dumps(await heard(client, keys, change, journal))
    assert change.record and "ask legal first" in change.record.model_dump_json()


async def stale_creation(journal: Journal, _: Story) -> Change:
    return new_story("quay", "another story of that name")


async def stale_edit(journal: Journal, story: Story) -> Change:
    edit = StoryEdit.model_validate(dict(story.model_dump(include=set(StoryEdit.model_fields))) | {"headline": "First"})
    await append(journal, changes.edit_story(story, edit, now()))
    return changes.edit_story(story, edit, now())


async def edit_of_nothing(journal: Journal, story: Story) -> Change:
    return changes.edit_story(story.model_copy(update={"slug": "nowhere"}), StoryEdit(**_edit_fields(story)), now())


async def stale_card(journal: Journal, story: Story) -> Change:
    await append(journal, changes.edit_story(story, StoryEdit(**_edit_fields(story)), now()))
    return new_update(story)


def _edit_fields(story: Story) -> dict[str, Any]:
    return {name: getattr(story, name) for name in StoryEdit.model_fields}


@pytest.mark.parametrize("attempt", [stale_creation, stale_edit, edit_of_nothing, stale_card])
async def test_a_stale_change_changes_nothing(attempt: Any, journal: Journal, client: Redis, keys: Keys) -> None:
    change = await attempt(journal, await create(journal))
    before = await everything(client, keys)
    async with client.pubsub() as channel:
        await channel.subscribe(keys.channel)
        assert await channel.get_message(timeout=5)
        with pytest.raises(StaleVersion):
            await append(journal, change)
        assert await channel.get_message(timeout=0.1) is None
    assert await everything(client, keys) == before


async def test_a_repetition_gets_the_first_answer_and_changes_nothing(
    journal: Journal, client: Redis, keys: Keys
) -> None:
    named = receipt("the first answer")
    change = new_story("quay")
    first = await journal.append(change, named, EDITOR)
    before = await everything(client, keys)
    again = await journal.append(change, named._replace(answer="another answer"), EDITOR)
    assert (first.answer, first.repeated) == ("the first answer", False)
    assert again == await journal.recall(named) == first._replace(repeated=True)
    assert await everything(client, keys) == before


async def test_a_repetition_is_known_though_other_changes_came_between(journal: Journal) -> None:
    story = await create(journal)
    named, change = receipt("answer"), new_update(story)
    first = await journal.append(change, named, EDITOR)
    await post_many(journal, story, 3)
    assert await journal.append(change, named, EDITOR) == first._replace(repeated=True)
    assert len(await journal.since(ORIGIN)) == 5


async def test_two_at_once_with_one_receipt_are_one_change(journal: Journal) -> None:
    story = await create(journal)
    named, change = receipt("answer"), new_update(story)
    done = await asyncio.gather(*(journal.append(change, named, EDITOR) for _ in range(8)))
    assert sorted(one.repeated for one in done) == [False, *[True] * 7]
    assert len({one.cursor for one in done}) == 1
    assert len(await journal.since(ORIGIN)) == 2


async def test_a_key_used_for_another_request_is_refused(journal: Journal, client: Redis, keys: Keys) -> None:
    named = receipt()
    await journal.append(new_story("quay"), named, EDITOR)
    before = await everything(client, keys)
    with pytest.raises(KeyReused):
        await journal.append(new_story("harbour"), named._replace(digest="another"), EDITOR)
    with pytest.raises(KeyReused):
        await journal.recall(named._replace(digest="another"))
    assert await everything(client, keys) == before


async def test_an_unknown_key_recalls_nothing(journal: Journal) -> None:
    assert await journal.recall(receipt()) is None


async def test_a_receipt_is_kept_for_a_day(journal: Journal, client: Redis, keys: Keys) -> None:
    named = receipt()
    await journal.append(new_story(), named, EDITOR)
    assert DAY - 60_000 < await client.pttl(keys.receipt(named.key)) <= DAY


async def test_a_stale_change_leaves_no_receipt(journal: Journal) -> None:
    await create(journal)
    named = receipt()
    with pytest.raises(StaleVersion):
        await journal.append(new_story(), named, EDITOR)
    assert await journal.recall(named) is None


async def test_a_change_that_readers_do_not_learn_of_leaves_the_log_alone(journal: Journal, state: State) -> None:
    story = await create(journal)
    last = await journal.last()
    withheld = new_story("harbour", pubStatus="withheld")
    assert withheld.event is None
    assert await append(journal, withheld) == last
    assert await append(journal, new_update(story, "later", pubStatus="withheld")) == last
    assert await journal.last() == last
    assert await state.story("harbour") == withheld.record
    assert [update.body for update in await state.updates("quay")] == ["later"]


async def test_since_gives_what_came_after_in_order(journal: Journal) -> None:
    story = await create(journal)
    posted = await post_many(journal, story, 5)
    entries = await journal.since(posted[1])
    assert cursors(list(entries)) == posted[2:]
    assert [text_of(entry) for entry in entries] == ["number 2", "number 3", "number 4"]
    assert list(await journal.since(posted[-1])) == []


async def test_since_the_origin_gives_everything(journal: Journal) -> None:
    assert list(await journal.since(ORIGIN)) == []
    story = await create(journal)
    posted = await post_many(journal, story, 2)
    assert cursors(list(await journal.since(ORIGIN)))[1:] == posted


async def test_since_comes_in_batches(journal: Journal) -> None:
    posted = await post_many(journal, await create(journal), 7)
    found: list[Cursor] = []
    after, sizes = posted[0], []
    while batch := await journal.since(after, 4):
        found += cursors(list(batch))
        sizes.append(len(batch))
        after = batch[-1].cursor
    assert found == posted[1:]
    assert sizes == [4, 2]


@pytest.mark.parametrize("distance", [-1, 1])
async def test_since_a_cursor_that_was_never_there_is_lost(journal: Journal, distance: int) -> None:
    await create(journal)
    last = await journal.last()
    with pytest.raises(CursorLost):
        await journal.since(Cursor(last.millis + distance, 0))


async def test_a_cursor_of_an_empty_log_is_lost(journal: Journal) -> None:
    with pytest.raises(CursorLost):
        await journal.since(Cursor(1, 0))


@pytest.fixture
def short_journal(client: Redis, keys: Keys) -> Journal:
    return Journal(client, keys, retention=10)


async def test_the_log_is_trimmed_and_stories_stay(short_journal: Journal, state: State, client: Redis) -> None:
    story = await create(short_journal)
    posted = await post_many(short_journal, story, 250)
    kept = [entry.cursor for entry in (await short_journal.tail(1000))[1]]
    assert 10 <= len(kept) < 200
    assert kept == posted[-len(kept) :]
    assert await state.story("quay") == story.model_copy(update={"has_updates": True})
    assert len(await state.updates("quay")) == 250


async def test_what_was_trimmed_is_lost_and_what_is_kept_is_not(short_journal: Journal) -> None:
    posted = await post_many(short_journal, await create(short_journal), 250)
    oldest = (await short_journal.tail(1000))[0]
    before = posted[posted.index(oldest) - 1]
    for lost in (ORIGIN, posted[0], before):
        with pytest.raises(CursorLost):
            await short_journal.since(lost)
    kept = await short_journal.since(oldest)
    assert cursors(list(kept)) == posted[posted.index(oldest) + 1 :]


async def test_every_cursor_of_an_emptied_server_is_lost_but_the_origin(
    own_journal: Journal, own_server: Server
) -> None:
    posted = await post_many(own_journal, await create(own_journal), 2)
    own_server.call("FLUSHALL")
    for cursor in posted:
        with pytest.raises(CursorLost):
            await own_journal.since(cursor)
    await create(own_journal)
    for cursor in posted:
        with pytest.raises(CursorLost):
            await own_journal.since(cursor)
    assert len(await own_journal.since(ORIGIN)) == 1


async def test_a_retracted_update_comes_back_as_a_place_without_text(
    journal: Journal, client: Redis, keys: Keys
) -> None:
    story = await create(journal)
    wrong, _ = await post(journal, story, "the wrong bridge")
    await append(journal, changes.edit_update(story, wrong, UpdateEdit(body="the wrong bridge again"), now()))
    await post(journal, story, "something else")
    edited = wrong.model_copy(update={"version": 2})
    await append(journal, changes.retract_update(story, edited, "it was another bridge", now()))
    entries = await journal.since(ORIGIN)
    assert [entry.event.type if entry.event else None for entry in entries] == [
        "story", None, None, "update", "retraction"
    ]  # fmt: skip
    assert "wrong bridge" not in repr(entries)
    assert "wrong bridge" not in repr([await client.hgetall(keys.of(f"updates:{story.slug}"))])


async def test_a_withdrawn_story_and_its_updates_come_back_as_places_without_text(journal: Journal) -> None:
    kept = await create(journal, "harbour", body="The harbour is calm.")
    story = await create(journal, "quay", body="The quay burns.")
    await post(journal, story, "The quay burns still.")
    await post(journal, kept, "Calm still.")
    edit = StoryEdit(**_edit_fields(story) | {"pub_status": "withheld"})
    withdrawal = changes.edit_story(story, edit, now())
    await append(journal, withdrawal)
    entries = await journal.since(ORIGIN)
    kinds = [entry.event.type if entry.event else None for entry in entries]
    assert kinds == ["story", None, None, "update", "withdrawal"]
    assert "burns" not in repr(entries)


async def test_a_story_that_is_published_again_is_replayed_again(journal: Journal) -> None:
    story = await create(journal, "quay")
    for status in ("withheld", "usable"):
        edit = StoryEdit(**_edit_fields(story) | {"pub_status": status})
        change = changes.edit_story(story, edit, now())
        await append(journal, change)
        assert isinstance(change.record, Story)
        story = change.record
    newest = (await journal.since(ORIGIN))[-1].event
    assert isinstance(newest, StoryPublished) and newest.story.version == 3


async def test_an_entry_of_a_newer_version_keeps_its_place(journal: Journal, client: Redis, keys: Keys) -> None:
    story = await create(journal)
    await client.xadd(keys.log, {"event": '{"type": "poll", "at": "soon"}', "story": "", "update": ""})
    await post(journal, story)
    assert [entry.event is None for entry in await journal.since(ORIGIN)] == [False, True, False]


@pytest.mark.parametrize(("count", "found"), [(2, 2), (5, 5), (6, 6), (100, 6)])
async def test_the_tail_is_the_end_of_the_log_and_where_it_starts(journal: Journal, count: int, found: int) -> None:
    await post_many(journal, await create(journal), 5)
    entries = list(await journal.since(ORIGIN))
    start, tail = await journal.tail(count)
    assert list(tail) == entries[-found:]
    assert list(await journal.since(start)) == entries[-found:]


async def test_the_tail_of_an_empty_log(journal: Journal) -> None:
    assert await journal.tail(10) == (ORIGIN, [])


async def test_last_is_the_newest_cursor(journal: Journal) -> None:
    assert await journal.last() == ORIGIN
    posted = await post_many(journal, await create(journal), 2)
    assert await journal.last() == posted[-1]


async def test_sites_on_one_server_do_not_see_each_other(journal: Journal, client: Redis) -> None:
    other = Journal(client, Keys("another-site-altogether"), retention=1000)
    async with following(other, await other.last()) as items:
        await post_many(journal, await create(journal), 2)
        await asyncio.sleep(0)
        assert await other.last() == ORIGIN
    assert items == []


async def test_a_follower_gets_what_came_before_and_what_comes(journal: Journal) -> None:
    story = await create(journal)
    posted = await post_many(journal, story, 3)
    async with following(journal, posted[0]) as items:
        await until(lambda: len(items) == 2)
        posted += await post_many(journal, story, 50)
        await until(lambda: len(items) >= 52)
    assert cursors(items) == posted[1:]


async def test_an_entry_comes_well_before_the_next_look_at_the_log(journal: Journal) -> None:
    story = await create(journal)
    async with following(journal, ORIGIN) as items:
        await until(lambda: len(items) == 1)
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.05)  # past the refill of the beginning
        start = loop.time()
        await post(journal, story)
        await until(lambda: len(items) == 2)
        assert loop.time() - start < log.CANARY_SECONDS / 2


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 5, 8, 12, 17, 23, 30, 40])
async def test_a_follower_ends_when_it_is_cancelled(journal: Journal, steps: int) -> None:
    async def collect() -> None:
        async for _ in journal.follow(ORIGIN):
            pass

    for _ in range(5):
        task = asyncio.create_task(collect())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        _, pending = await asyncio.wait([task], timeout=2)
        task.cancel()
        assert not pending, "the first cancellation was swallowed"


async def test_many_writers_at_once_give_one_order(journal: Journal) -> None:
    story = await create(journal)
    async with following(journal, ORIGIN) as one, following(journal, ORIGIN) as other:
        await asyncio.gather(*(post_many(journal, story, 20) for _ in range(5)))
        await until(lambda: len(one) == 101 and len(other) == 101)
    assert one == other == list(await journal.since(ORIGIN))
    assert cursors(one) == sorted(set(cursors(one)))


async def write_in_silence(client: Redis, keys: Keys, change: Change) -> None:
    """Writes an entry whose pub/sub message gets lost."""
    assert change.event
    event = change.event.model_dump_json(by_alias=True, exclude_none=True)
    await client.xadd(keys.log, {"event": event, "story": "", "update": ""})


async def test_an_entry_whose_message_was_lost_comes_though_nothing_follows(
    journal: Journal, client: Redis, keys: Keys
) -> None:
    story = await create(journal)
    async with following(journal, ORIGIN) as items:
        await until(lambda: len(items) == 1)
        await write_in_silence(client, keys, new_update(story, "in silence"))
        await until(lambda: len(items) == 2)
    assert text_of(items[1]) == "in silence"


async def test_a_hole_is_filled_before_what_follows_it(journal: Journal, client: Redis, keys: Keys) -> None:
    story = await create(journal)
    async with following(journal, ORIGIN) as items:
        await until(lambda: len(items) == 1)
        for number in range(5):
            await write_in_silence(client, keys, new_update(story, f"silent {number}"))
            await append(journal, new_update(story, f"loud {number}"))
        await until(lambda: len(items) == 11)
    told = [text_of(item) for item in items[1:]]
    assert told == [f"{kind} {number}" for number in range(5) for kind in ("silent", "loud")]


async def test_a_killed_subscription_is_made_anew(own_journal: Journal, own_server: Server) -> None:
    story = await create(own_journal)
    async with following(own_journal, ORIGIN) as items:
        for count in range(1, 4):
            await until(lambda count=count: len(items) == count)  # type: ignore[misc]
            own_server.call("CLIENT", "KILL", "TYPE", "pubsub")
            await post(own_journal, story)
        await until(lambda: len(items) == 4)
    assert items == list(await own_journal.since(ORIGIN))


async def test_a_subscription_that_went_deaf_is_made_anew(own_journal: Journal, own_server: Server, keys: Keys) -> None:
    """The connection stays, and no message comes on it any more, as after a failover behind a proxy."""
    story = await create(own_journal)
    async with following(own_journal, ORIGIN) as items:
        await until(lambda: len(items) == 1)
        own_server.call("ACL", "SETUSER", "default", "resetchannels")
        await until(lambda: own_server.call("PUBSUB", "NUMSUB", keys.channel) == [keys.channel, 0])
        own_server.call("ACL", "SETUSER", "default", "allchannels")
        posted = await post_many(own_journal, story, 3)
        await until(lambda: len(items) == 4)
        await until(lambda: own_server.call("PUBSUB", "NUMSUB", keys.channel) == [keys.channel, 1])
    assert cursors(items)[1:] == posted


async def test_a_follower_goes_on_after_the_server_was_killed(own_journal: Journal, own_server: Server) -> None:
    story = await create(own_journal)
    async with following(own_journal, ORIGIN) as items:
        posted = await post_many(own_journal, story, 3)
        await until(lambda: len(items) == 4)
        own_server.kill()
        with pytest.raises(Unavailable):
            await post(own_journal, story)
        await asyncio.to_thread(own_server.start)
        posted += await post_many(own_journal, story, 3)
        await until(lambda: len(items) >= 7)
    assert cursors(items)[1:] == posted


async def test_a_follower_may_begin_while_the_server_is_away(own_journal: Journal, own_server: Server) -> None:
    posted = await post_many(own_journal, await create(own_journal), 2)
    own_server.kill()
    async with following(own_journal, ORIGIN) as items:
        await asyncio.sleep(0.3)  # some of its attempts fail
        await asyncio.to_thread(own_server.start)
        await until(lambda: len(items) >= 3)
    assert cursors(items)[1:] == posted


async def test_a_follower_rewinds_when_the_server_was_emptied(own_journal: Journal, own_server: Server) -> None:
    story = await create(own_journal)
    await post_many(own_journal, story, 2)
    async with following(own_journal, ORIGIN) as items:
        await until(lambda: len(items) == 3)
        own_server.call("FLUSHALL")
        await until(lambda: len(items) == 4)
        assert items[3] == Rewound(ORIGIN)
        await create(own_journal)
        await until(lambda: len(items) == 5)
    assert isinstance(items[4], Entry)


async def test_a_follower_who_missed_the_emptying_rewinds_to_the_end_of_the_new_log(
    own_journal: Journal, own_server: Server
) -> None:
    story = await create(own_journal)
    (after,) = await post_many(own_journal, story, 1)
    own_server.call("FLUSHALL")
    new = await post_many(own_journal, await create(own_journal), 2)
    async with following(own_journal, after) as items:
        await until(lambda: len(items) == 1)
        assert items == [Rewound(new[-1])]
        newest = await post_many(own_journal, await create(own_journal, "harbour"), 1)
        await until(lambda: len(items) == 3)
    assert cursors(items)[2:] == newest


async def test_a_follower_who_fell_behind_the_trimmed_log_rewinds(short_journal: Journal) -> None:
    story = await create(short_journal)
    posted = await post_many(short_journal, story, 250)
    async with following(short_journal, posted[0]) as items:
        await until(lambda: len(items) == 1)
    assert items == [Rewound(posted[-1])]


@pytest.mark.parametrize(
    "foreign",
    [
        "hello",
        "",
        "[]",
        "{}",
        "null",
        '{"id": "9999999999999-0", "prev": "nonsense", "event": {"type": "notice", "at": "2026-01-01T00:00:00Z"}}',
        '{"id": "9999999999999-0", "prev": "0-0", "event": {"type": "unheard"}}',
        '{"id": "9999999999999-0", "prev": "0-0"}',
        b"\xff\xfe\x00",
    ],
)
async def test_a_foreign_message_is_ignored(journal: Journal, client: Redis, keys: Keys, foreign: str | bytes) -> None:
    story = await create(journal)
    async with following(journal, ORIGIN) as items:
        await until(lambda: len(items) == 1)
        await client.publish(keys.channel, foreign)
        posted = await post_many(journal, story, 2)
        await until(lambda: len(items) >= 3)
    assert cursors(items)[1:] == posted


async def test_messages_that_were_seen_before_are_ignored(journal: Journal, client: Redis, keys: Keys) -> None:
    story = await create(journal)
    async with following(journal, ORIGIN) as items, client.pubsub() as channel:
        await until(lambda: len(items) == 1)
        await channel.subscribe(keys.channel)
        await post_many(journal, story, 2)
        for _ in range(3):
            message: Any = await channel.get_message(timeout=5)
            if message["type"] == "message":
                await client.publish(keys.channel, message["data"])
        await post(journal, story, "the last")
        await until(lambda: text_of(items[-1]) == "the last" if len(items) > 1 else False)
    assert items == list(await journal.since(ORIGIN))


async def test_text_that_was_withdrawn_before_it_was_read_does_not_come(journal: Journal) -> None:
    story = await create(journal)
    wrong, _ = await post(journal, story, "the wrong bridge")
    await append(journal, changes.retract_update(story, wrong, "it was another bridge", now()))
    async with following(journal, ORIGIN) as items:
        await until(lambda: len(items) == 3)
    assert items[1].cursor and isinstance(items[1], Entry) and items[1].event is None
    assert "wrong bridge" not in repr(items)


def calls_of(server: Server, command: str) -> int:
    found: Any = server.call("INFO", "commandstats")
    assert isinstance(found, dict)
    return int(found.get(f"cmdstat_{command}", {}).get("calls", 0))


async def test_an_append_waits_until_the_disk_has_it(start_server: StartServer, keys: Keys) -> None:
    server = start_server(appendfsync="everysec")
    async with Redis.from_url(server.url, decode_responses=True) as client:
        journal = Journal(client, keys, retention=1000)
        journal.waits_for_disk = await waits_for_disk(client, "auto")
        assert journal.waits_for_disk
        named, change = receipt("answer"), new_story()
        first = await journal.append(change, named, EDITOR)
        assert calls_of(server, "waitaof") == 1
        assert await journal.append(change, named, EDITOR) == first._replace(repeated=True)
        assert calls_of(server, "waitaof") == 2, "a repetition waits for the first answer's data"
        assert await journal.recall(named) == first._replace(repeated=True)
        assert calls_of(server, "waitaof") == 3


async def test_a_disk_that_does_not_take_it_in_time_is_no_success(
    start_server: StartServer, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirming, "WAIT_MILLIS", 50)
    server = start_server(appendfsync="no")
    async with Redis.from_url(server.url, decode_responses=True) as client:
        journal = Journal(client, keys, retention=1000)
        journal.waits_for_disk = True
        with pytest.raises(Unavailable, match="disk"):
            await create(journal)


@pytest.mark.parametrize(("disk", "replica"), [(True, False), (False, True), (True, True)])
async def test_what_the_server_cannot_confirm_is_no_success(
    own_server: Server, own_journal: Journal, monkeypatch: pytest.MonkeyPatch, disk: bool, replica: bool
) -> None:
    monkeypatch.setattr(confirming, "WAIT_MILLIS", 50)
    own_journal.waits_for_disk, own_journal.waits_for_replica = disk, replica
    if disk:
        await create(own_journal, "before") if not replica else None
        own_server.call("CONFIG", "SET", "appendonly", "no")  # WAITAOF is an error from now on
    with pytest.raises(Unavailable, match="disk" if disk else "replica"):
        await create(own_journal)


async def test_many_appends_that_wait_for_the_disk_do_not_mix_up_their_answers(
    start_server: StartServer, keys: Keys
) -> None:
    server = start_server(appendfsync="everysec")
    async with Redis.from_url(server.url, decode_responses=True) as client:
        journal = Journal(client, keys, retention=1000)
        journal.waits_for_disk = True
        story = await create(journal)
        written = [new_update(story, f"number {number}") for number in range(10)]
        answered = await asyncio.gather(*(append(journal, change) for change in written))
        entries = {entry.cursor: entry.event for entry in await journal.since(ORIGIN)}
        assert [entries[cursor] for cursor in answered] == [change.event for change in written]


@pytest.mark.parametrize(
    ("options", "durability", "waits"),
    [
        ({"appendfsync": "always"}, "auto", False),
        ({"appendfsync": "always"}, "fsync", False),
        ({"appendfsync": "everysec"}, "auto", True),
        ({"appendfsync": "everysec"}, "fsync", True),
        ({"appendfsync": "everysec"}, "memory", False),
        ({"appendonly": "no"}, "auto", False),
        ({"appendonly": "no"}, "memory", False),
    ],
)
async def test_who_has_to_ask_for_the_disk(
    start_server: StartServer, options: dict[str, str], durability: Durability, waits: bool
) -> None:
    server = start_server(**options)
    async with Redis.from_url(server.url, decode_responses=True) as client:
        assert await waits_for_disk(client, durability) is waits


async def test_durability_that_the_server_cannot_give_is_refused(start_server: StartServer) -> None:
    server = start_server(appendonly="no")
    async with Redis.from_url(server.url, decode_responses=True) as client:
        with pytest.raises(SettingsError, match="LIVE_DURABILITY"):
            await waits_for_disk(client, "fsync")


async def test_a_full_server_takes_nothing_and_says_so(
    own_journal: Journal, own_server: Server, own_client: Redis, keys: Keys
) -> None:
    await create(own_journal)
    before = await everything(own_client, keys)
    own_server.call("CONFIG", "SET", "maxmemory", "1")
    change = new_story("harbour")
    with pytest.raises(Unavailable):
        await append(own_journal, change)
    assert await everything(own_client, keys) == before
    own_server.call("CONFIG", "SET", "maxmemory", "0")
    await append(own_journal, change)
    assert len(await own_journal.since(ORIGIN)) == 2


async def test_a_large_change_goes_through(journal: Journal) -> None:
    body = "\n\n".join(f"Paragraph {number} — “quoted”, {{braced}}, \\ and \x00?" for number in range(1500))[:90_000]
    story = await create(journal, "quay", body=body, sections=[f"Section {number}" for number in range(8)])
    entry = (await journal.since(ORIGIN))[0]
    assert isinstance(entry.event, StoryPublished)
    assert entry.event.story == story


async def test_an_event_says_what_was_posted(journal: Journal) -> None:
    story = await create(journal)
    update, _ = await post(journal, story, "as it was")
    entry = (await journal.since(ORIGIN))[-1]
    assert isinstance(entry.event, UpdatePublished)
    assert entry.event.update == update
    assert entry.event.card and entry.event.card.slug == story.slug


async def test_a_change_rests_on_every_record_that_it_names(journal: Journal) -> None:
    story = await create(journal)
    change = new_update(story)
    assert {guard.collection for guard in change.guards} == {"stories", "updates:quay"}
    for number, guard in enumerate(change.guards):
        wrong = replace(guard, version=guard.version + 1)
        guards = (*change.guards[:number], wrong, *change.guards[number + 1 :])
        with pytest.raises(StaleVersion):
            await append(journal, replace(change, guards=guards))
    await append(journal, change)
