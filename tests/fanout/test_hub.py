"""The hub with readers on real sockets: the way in, what overtakes, who is too slow, and how streams end."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from live.errors import Unavailable
from live.fanout import CloseCode, Hub, hub, pump
from live.fanout.frames import Wire
from live.model import ORIGIN, Cursor, Entry, Event, NoticeChanged
from tests.fanout.newsroom import START, Connection, Data, ModelJournal, Newsroom, clock, settle, spin, until

pytestmark = pytest.mark.anyio
Open = Callable[..., Awaitable[Connection]]
EVERYTHING = {"front", "breaking", "story/quay", "story/harbour"}


@pytest.fixture
def journal() -> ModelJournal:
    return ModelJournal()


@pytest.fixture
def newsroom() -> Newsroom:
    return Newsroom()


@pytest.fixture
async def site(journal: ModelJournal) -> Hub:
    return Hub(journal.since, clock, ring=4)


@pytest.fixture
async def join(site: Hub) -> AsyncIterator[Open]:
    """Lets a reader in, and gives what that causes time to happen."""
    opened: list[Connection] = []

    async def join(
        after: Cursor | None = None,
        *,
        topics: set[str] = EVERYTHING,
        wire: Wire = "ws",
        limit: int = 100_000,
        buffer: int = 0,
        at: Hub = site,
    ) -> Connection:
        connection = Connection(at, wire, frozenset(topics), limit, buffer)
        opened.append(connection)
        await connection.open(after)
        await settle()
        return connection

    yield join
    for connection in opened:
        await connection.end()


def publish(site: Hub, journal: ModelJournal, *events: Event | None) -> list[Cursor]:
    entries = [journal.append(event) for event in events if event]
    for entry in entries:
        site.publish(entry)
    return [entry.cursor for entry in entries]


def told(messages: list[Data]) -> list[tuple[str, str]]:
    """Type and id of each message; `+` marks those that move no cursor."""
    return [(message["type"] + "+" * message.get("more", False), message["id"]) for message in messages]


def texts(messages: list[Data]) -> list[str]:
    return [message["item"]["body"] for message in messages if message["type"] == "update"]


async def read_all(connection: Connection) -> list[Data]:
    """What comes until nothing does; a reader who is behind catches up meanwhile."""
    messages: list[Data] = []
    while True:
        await settle()
        before = connection.received
        messages += connection.read()
        if connection.received == before:
            return messages


async def test_a_reader_is_greeted_with_where_it_stands(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    (cursor,) = publish(site, journal, newsroom.update("quay"))
    await settle()
    for connection in (await join(), await join(cursor)):
        hello, notice = connection.read()
        assert hello == {"type": "hello", "id": str(cursor), "now": "2026-03-01T20:00:00.000Z"}
        assert told([notice]) == [("notice+", str(cursor))] and "item" not in notice


async def test_a_reader_resumes_from_the_ring_without_asking_the_journal(journal: ModelJournal, join: Open) -> None:
    async def unreachable(_: Cursor) -> Sequence[Entry]:
        raise AssertionError("the ring has it")

    newsroom, site = Newsroom(), Hub(unreachable, clock, ring=4)
    cursors = publish(site, journal, *(newsroom.update("quay") for _ in range(6)))
    await settle()
    for number in range(1, 6):
        connection = await join(cursors[number], topics={"story/quay"}, at=site)
        assert told(connection.read()) == [("hello", str(cursors[number]))] + [
            ("update", str(cursor)) for cursor in cursors[number + 1 :]
        ]


async def test_a_reader_resumes_from_the_journal_and_then_from_the_ring(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    cursors = publish(site, journal, *(newsroom.update("quay") for _ in range(20)))
    await settle()
    connection = await join(cursors[0], topics={"story/quay"})
    assert told(await read_all(connection))[1:] == [("update", str(cursor)) for cursor in cursors[1:]]
    (newest,) = publish(site, journal, newsroom.update("quay"))
    assert told(await read_all(connection)) == [("update", str(newest))]


async def test_an_unknown_cursor_is_answered_with_a_reset(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    (cursor,) = publish(site, journal, newsroom.put_notice())
    await settle()
    connection = await join(Cursor(0, 7), topics={"breaking"})
    hello, reset, notice = await read_all(connection)
    assert (hello["type"], reset["type"], notice["type"]) == ("hello", "reset", "notice")
    assert reset["id"] == str(cursor)
    (newest,) = publish(site, journal, newsroom.clear_notice())
    assert told(await read_all(connection)) == [("notice", str(newest))]


async def test_a_cut_between_hello_and_reset_does_not_hide_the_loss(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    """The cursor that a client remembers after each message must never stand beyond what it was told of."""
    cursors = publish(site, journal, *(newsroom.update("quay") for _ in range(9)))
    await settle()
    journal.trim(6)
    connection = await join(cursors[0], topics={"story/quay"})
    remembered = cursors[0]
    for message in await read_all(connection):
        if message["type"] == "reset":
            break
        if not message.get("more"):
            remembered = Cursor.parse(message["id"])
    assert not journal.knows(remembered), "a client cut here resumes past what it lost"


async def test_a_log_trimmed_during_a_replay_resets_the_reader_where_it_stops(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    cursors = publish(site, journal, *(newsroom.update("quay") for _ in range(40)))
    await settle()
    connection = await join(cursors[0], topics={"story/quay"}, limit=2_000, buffer=2_048)
    assert connection.reader not in site.audience(frozenset({"story/quay"}), connection.reader.variant).others
    journal.trim(6)
    messages = told(await read_all(connection))
    replayed = [one for one in messages if one[0] == "update"]
    assert replayed == [("update", str(cursor)) for cursor in cursors[1 : len(replayed) + 1]]
    assert 0 < len(replayed) < 39
    assert messages[len(replayed) + 1] == ("reset", str(cursors[-1]))
    (newest,) = publish(site, journal, newsroom.update("quay"))
    assert told(await read_all(connection)) == [("update", str(newest))]


async def test_a_reader_who_is_ahead_of_this_node_waits_for_it(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    entries = [journal.append(newsroom.update("quay")) for _ in range(3)]
    connection = await join(entries[1].cursor, topics={"story/quay"})
    assert connection.read() == []
    site.publish(entries[0])
    assert await read_all(connection) == []
    site.publish(entries[1])
    site.publish(entries[2])
    await until(lambda: site.readers == 1)
    assert told(await read_all(connection)) == [
        ("hello", str(entries[1].cursor)),
        ("update", str(entries[2].cursor)),
    ]


async def test_a_node_that_stays_behind_says_so(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "AHEAD_SECONDS", 0.05)
    entry = journal.append(newsroom.update("quay"))
    connection = Connection(site, "ws", frozenset(EVERYTHING), 1000, 0)
    with pytest.raises(Unavailable):
        await site.join(connection.reader, entry.cursor)
    assert site.readers == 0
    connection.cut()
    connection._near.close()


async def test_a_journal_out_of_reach_says_so(newsroom: Newsroom, journal: ModelJournal) -> None:
    async def unreachable(_: Cursor) -> Sequence[Entry]:
        raise Unavailable()

    site = Hub(unreachable, clock, ring=4)
    publish(site, journal, newsroom.update("quay"))
    connection = Connection(site, "ws", frozenset(EVERYTHING), 1000, 0)
    with pytest.raises(Unavailable):
        await site.join(connection.reader, Cursor(0, 5))
    assert site.readers == 0
    connection.cut()
    connection._near.close()


async def test_a_reader_gets_only_what_it_follows(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    quay, harbour, breaking = [
        await join(topics=topics) for topics in ({"story/quay"}, {"story/harbour"}, {"breaking"})
    ]
    for connection in (quay, harbour, breaking):
        connection.read()
    one, other, notice = publish(
        site, journal, newsroom.update("quay"), newsroom.update("harbour"), newsroom.put_notice()
    )
    assert told(await read_all(quay)) == [("update", str(one))]
    assert told(await read_all(harbour)) == [("update", str(other))]
    assert [kind.rstrip("+") for kind, _ in told(await read_all(breaking))] == ["notice"]
    assert notice > other


@pytest.mark.parametrize("wire", ["ws", "deflated", "sse"])
async def test_urgent_entries_overtake_what_waits_for_a_slow_reader(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open, wire: Wire
) -> None:
    connection = await join(wire=wire, buffer=2_048)
    assert len(connection.read()) == 2
    cursors = []
    for number in range(30):
        cursors += publish(site, journal, newsroom.update("quay", size=number * 50))
        await settle()
    (retraction, notice) = publish(site, journal, newsroom.retract(29), newsroom.put_notice())
    messages = await read_all(connection)
    order = told(messages)
    assert order.index(("retraction+", str(retraction))) < order.index(("notice+", str(notice))) < len(order) - 20
    moved = [cursor for kind, cursor in order if not kind.endswith("+")]
    assert moved == [str(cursor) for cursor in cursors]
    assert len([one for one in order if one[1] in (str(retraction), str(notice))]) == 2


async def test_urgent_entries_come_once_to_a_reader_in_step(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    connection = await join()
    connection.read()
    events = [newsroom.update("quay"), newsroom.update("quay"), newsroom.retract(0), newsroom.put_notice()]
    cursors = publish(site, journal, *events)
    order = [(kind, cursor) for kind, cursor in told(await read_all(connection)) if kind != "story"]
    assert order == [
        ("retraction+", str(cursors[2])),
        ("notice+", str(cursors[3])),
        ("update+", str(cursors[1])),
    ]


async def test_a_reader_who_joins_while_something_overtakes_gets_it_too(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    cursors = publish(site, journal, newsroom.update("quay"), newsroom.put_notice())
    connection = Connection(site, "ws", frozenset(EVERYTHING), 100_000, 0)
    await connection.open(ORIGIN)
    await settle()
    order = told(await read_all(connection))
    assert ("update+", str(cursors[0])) in order and ("story", str(cursors[0])) in order
    assert [kind for kind, _ in order].count("update+") == 1
    assert any(kind.startswith("notice") for kind, _ in order)
    await connection.end()


async def test_a_reader_too_slow_is_closed_and_the_others_are_not(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    slow = await join(limit=5_000, buffer=2_048)
    quick = [await join(limit=5_000, buffer=2_048) for _ in range(3)]
    seen: list[list[Data]] = [[] for _ in quick]
    count = 40
    for _ in range(count):
        publish(site, journal, newsroom.update("quay", size=500))
        await settle()
        for messages, connection in zip(seen, quick, strict=True):
            messages += connection.read()
    assert site.readers == 3
    for messages, connection in zip(seen, quick, strict=True):
        messages += await read_all(connection)
        assert len(texts(messages)) == count
    got = await read_all(slow)
    assert slow.ended and slow.decoder.close_code == CloseCode.TOO_SLOW
    assert len(texts(got)) < count
    assert texts(got) == texts(seen[0])[: len(texts(got))]


async def test_who_was_closed_as_too_slow_gets_all_by_coming_back(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    cursor, messages, connection = ORIGIN, list[Data](), await join(ORIGIN, limit=5_000, buffer=2_048)
    cursors = []
    for _ in range(40):
        cursors += publish(site, journal, newsroom.update("quay", size=500))
        await settle()
    for _ in range(100):
        for message in await read_all(connection):
            messages.append(message)
            cursor = cursor if message.get("more") else Cursor.parse(message["id"])
        if not connection.ended:
            break
        connection = await join(cursor, limit=5_000, buffer=2_048)
    assert cursor == cursors[-1]
    assert [one["id"] for one in messages if one["type"] == "story"] == [str(one) for one in cursors]


@pytest.mark.parametrize("wire", ["ws", "sse"])
async def test_an_entry_larger_than_the_limit_reaches_who_has_nothing_waiting(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open, wire: Wire
) -> None:
    connection = await join(wire=wire, limit=4_096, buffer=2_048, topics={"story/quay"})
    connection.read()
    for _ in range(3):
        publish(site, journal, newsroom.update("quay", size=90_000))
        (text,) = texts(await read_all(connection))
        assert len(text) > 90_000
    assert site.readers == 1


async def test_a_rewind_tells_everybody(site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open) -> None:
    publish(site, journal, *(newsroom.update("quay") for _ in range(3)))
    behind = await join(buffer=2_048)
    in_step = await join()
    in_step.read()
    for _ in range(10):
        publish(site, journal, newsroom.update("quay", size=900))
        await settle()
        in_step.read()
    publish(site, journal, newsroom.update("quay"))  # on its way when the place is lost
    site.rewind(Cursor(900, 0), None)
    for connection in (behind, in_step):
        assert told(await read_all(connection))[-1] == ("reset", "900-0")
    site.publish(Entry(Cursor(901, 0), newsroom.put_notice()))
    for connection in (behind, in_step):
        assert told(await read_all(connection)) == [("notice", "901-0")]


@pytest.mark.parametrize("parts", [1, 3, 10])
async def test_the_heartbeat_reaches_everybody_once(site: Hub, journal: ModelJournal, join: Open, parts: int) -> None:
    connections = [await join(topics={"front"}) for _ in range(12)]
    for part in range(parts):
        site.tick(part, parts)
    await settle()
    for connection in connections:
        assert [message["type"] for message in await read_all(connection)] == ["hello", "tick"]


async def test_the_heartbeat_does_not_overtake(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    connection = await join(topics={"story/quay"}, buffer=2_048)
    connection.read()
    cursors = []
    for _ in range(20):
        cursors += publish(site, journal, newsroom.update("quay", size=300))
        site.tick(0, 1)
        await settle()
    moved = [Cursor.parse(message["id"]) for message in await read_all(connection)]
    assert moved == sorted(moved)
    assert moved[-1] == cursors[-1] and len(moved) == 40


async def test_the_heartbeat_waits_for_the_sweep_under_way(
    journal: ModelJournal, newsroom: Newsroom, join: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "SLICE", 1)
    site = Hub(journal.since, clock, ring=4)
    readers = [await join(topics={"story/quay"}, at=site) for _ in range(4)]
    publish(site, journal, newsroom.update("quay"))
    await spin(1)
    site.tick(0, 1)
    for connection in readers:
        assert [message["type"] for message in await read_all(connection)] == ["hello", "update", "tick"]


async def test_a_notice_past_its_time_is_not_shown_to_who_joins(
    journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    now = [START]
    site = Hub(journal.since, lambda: now[0], ring=4)
    event = newsroom.put_notice()
    assert isinstance(event, NoticeChanged) and event.notice
    expiring = event.notice.model_copy(update={"expires": START + timedelta(minutes=5)})
    publish(site, journal, event.model_copy(update={"notice": expiring}))
    await settle()
    for minutes, shown in ((4, True), (5, False), (60, False)):
        now[0] = START + timedelta(minutes=minutes)
        connection = await join(topics={"breaking"}, at=site)
        (notice,) = [message for message in connection.read() if message["type"] == "notice"]
        assert ("item" in notice) is shown


@pytest.mark.parametrize("after", ["ring", "journal"])
async def test_a_replay_shows_no_retracted_text(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open, after: str
) -> None:
    cursors = publish(site, journal, *(newsroom.update("quay") for _ in range(3)), newsroom.retract(1))
    for _ in range(0 if after == "ring" else 10):
        cursors += publish(site, journal, newsroom.update("harbour"))
    await settle()
    connection = await join(cursors[0], topics={"story/quay"})
    assert told(await read_all(connection))[1:] == [("update", str(cursors[2])), ("retraction", str(cursors[3]))]


async def test_text_that_is_retracted_before_it_was_sent_is_not_sent(
    site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    connection = await join(topics={"story/quay"})
    connection.read()
    publish(site, journal, newsroom.update("quay"), newsroom.retract(0), newsroom.update("quay"))
    assert [kind.rstrip("+") for kind, _ in told(await read_all(connection))] == ["retraction", "update"]


async def test_text_that_is_retracted_before_it_was_sent_is_not_sent_however_small_the_ring(
    journal: ModelJournal, newsroom: Newsroom, join: Open
) -> None:
    site = Hub(journal.since, clock, ring=1)
    connection = await join(topics={"story/quay"}, at=site)
    connection.read()
    publish(site, journal, newsroom.update("quay"), newsroom.update("harbour"), newsroom.retract(0))
    assert [kind.rstrip("+") for kind, _ in told(await read_all(connection))] == ["retraction"]


@pytest.mark.parametrize("ring", [100, 2, 1])
async def test_who_joins_while_something_overtakes_more_than_the_ring_holds_gets_it(
    journal: ModelJournal, newsroom: Newsroom, join: Open, ring: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "SLICE", 1)
    site = Hub(journal.since, clock, ring)
    (seen,) = publish(site, journal, newsroom.update("quay"))
    await settle()
    topics = frozenset({"story/quay"})
    others = [await join(topics=set(topics), at=site) for _ in range(5)]
    late = Connection(site, "ws", topics, 100_000, 0)
    await late.prepare()
    publish(site, journal, newsroom.update("harbour"), newsroom.update("harbour"), newsroom.update("quay"))
    urgent = publish(site, journal, newsroom.retract(0))
    await spin(2)
    assert site.begun == seen, "the routine entries wait"
    late.admit(None)
    messages = await read_all(late)
    await late.end()
    assert messages[0]["id"] == str(seen)
    assert [kind for kind, _ in told(messages)] == ["hello", "retraction+", "update"]
    assert messages[1]["id"] == str(urgent[0])
    for connection in others:
        assert [kind.rstrip("+") for kind, _ in told(await read_all(connection))] == ["hello", "retraction", "update"]


async def test_who_falls_behind_on_an_urgent_entry_gets_the_routine_sweep_after_it(
    journal: ModelJournal, newsroom: Newsroom, join: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "SLICE", 1)
    site = Hub(journal.since, clock, ring=100)
    readers = [await join(topics={"story/quay", "breaking"}, buffer=2_048, at=site) for _ in range(3)]
    probe = await join(topics={"story/quay", "breaking"}, buffer=2_048, at=site)
    taken = 0
    while probe.reader.in_step:
        publish(site, journal, newsroom.update("quay"))
        await settle()
        for connection in readers:
            connection.read()
        taken += 1
    for _ in range(taken):  # the probe's socket held this and its greeting; one more is too much for the others'
        publish(site, journal, newsroom.update("quay"))
        await settle()
    assert all(connection.reader.in_step for connection in readers)
    (routine,) = publish(site, journal, newsroom.update("quay"))
    await spin(1)  # the sweep has reached one of them
    (urgent,) = publish(site, journal, newsroom.put_notice())
    await until(lambda: not any(connection.reader.in_step for connection in readers))
    await until(lambda: len(site._pump._sweeps) == 1)  # the routine one goes on next
    orders = [told(connection.read()) for connection in readers]  # their sockets have room again
    for order, connection in zip(orders, readers, strict=True):
        order += told(await read_all(connection))
    ends = [[kind for kind, cursor in order if cursor in (str(routine), str(urgent))] for order in orders]
    assert sorted(ends) == [["notice+", "update"], ["notice+", "update"], ["update", "notice+"]]


@pytest.mark.parametrize("wire", ["ws", "sse"])
async def test_closing_all_ends_every_stream(site: Hub, join: Open, wire: Wire) -> None:
    connections = [await join(wire=wire) for _ in range(5)]
    site.close_all(CloseCode.RESTART)
    assert site.readers == 0
    for connection in connections:
        await read_all(connection)
        assert connection.ended
        assert connection.decoder.close_code == (CloseCode.RESTART if wire == "ws" else None)


async def test_who_leaves_is_forgotten(site: Hub, journal: ModelJournal, newsroom: Newsroom, join: Open) -> None:
    connections = [await join() for _ in range(4)]
    assert site.readers == 4
    for left, connection in enumerate(connections, 1):
        connection.cut()
        await until(lambda left=left: site.readers == 4 - left)  # type: ignore[misc]
        publish(site, journal, newsroom.update("quay"))
        await settle()
    assert site._audiences == {} and site._by_topic == {}


async def test_the_hub_starts_with_the_end_of_the_log(journal: ModelJournal, newsroom: Newsroom, join: Open) -> None:
    entries = [journal.append(newsroom.update("quay")) for _ in range(9)]
    site = Hub(journal.since, clock, ring=4)
    floor, tail = journal.tail(4)
    site.start(floor, tail, None)
    assert site.position == site.begun == entries[-1].cursor
    connection = await join(entries[5].cursor, topics={"story/quay"}, at=site)
    assert told(connection.read())[1:] == [("update", str(entry.cursor)) for entry in entries[6:]]


async def test_a_poll_holds_the_newest_messages_and_says_from_where(
    site: Hub, journal: ModelJournal, newsroom: Newsroom
) -> None:
    cursors = publish(
        site, journal, newsroom.update("quay"), newsroom.put_notice(), newsroom.update("harbour"), newsroom.retract(0)
    )
    floor, upto, messages = site.recent(frozenset({"story/quay", "story/harbour"}), "json", 50)
    assert (floor, upto) == (ORIGIN, cursors[-1])
    assert told(messages) == [("update", str(cursors[2])), ("retraction", str(cursors[3]))]
    floor, upto, messages = site.recent(frozenset({"story/harbour"}), "json", 1)
    assert (floor, upto) == (cursors[1], cursors[-1])
    assert told(messages) == [("update", str(cursors[2]))]
