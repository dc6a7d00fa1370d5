"""The order of a follower, on the pure core: whatever is dropped, late, trimmed or emptied."""

from hypothesis import given, settings
from hypothesis import strategies as st

from live.journal.sequence import Message, Sequence, Verdict
from live.model import ORIGIN, Cursor


class Log:
    """A model of the log: what is retained, and everything that was ever written."""

    def __init__(self) -> None:
        self.written: list[Cursor] = []
        self.retained: list[Cursor] = []
        self.floor = ORIGIN

    @property
    def last(self) -> Cursor:
        return self.retained[-1] if self.retained else ORIGIN

    def append(self, step: int) -> Message:
        before = self.last
        newest = self.written[-1] if self.written else ORIGIN
        cursor = Cursor(newest.millis, newest.sequence + 1) if step == 0 else Cursor(newest.millis + step, 0)
        self.written.append(cursor)
        self.retained.append(cursor)
        return Message(cursor, before, None)

    def trim(self, keep: int) -> None:
        if gone := self.retained[: max(0, len(self.retained) - keep)]:
            self.floor = gone[-1]
            self.retained = self.retained[len(gone) :]

    def empty(self) -> None:
        """A new life of the server."""
        self.retained.clear()
        self.floor = ORIGIN

    def since(self, after: Cursor) -> list[Cursor] | None:
        """None when the cursor is lost."""
        if after in self.retained:
            return self.retained[self.retained.index(after) + 1 :]
        if after == ORIGIN and self.floor == ORIGIN:
            return list(self.retained)
        return None


class Follower:
    """Does with the core's verdicts what Journal.follow does; keeps what it gives on."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.sequence = Sequence(ORIGIN)
        self.given: list[Cursor] = []
        self.lost: set[Cursor] = set()  # what explicit rewinds passed over

    def receive(self, message: Message) -> None:
        verdict = self.sequence.offer(message)
        if verdict is Verdict.DELIVER:
            self.given.append(message.cursor)
        elif verdict is Verdict.REFILL:
            self.refill()

    def refill(self) -> None:
        found = self.log.since(self.sequence.position)
        if found is None:
            before, end = self.sequence.position, self.log.last
            assert before not in self.log.retained
            self.lost |= {cursor for cursor in self.log.written if cursor > before} - {*self.given}
            self.sequence.rewind(end)
            return
        self.given += [cursor for cursor in found if self.sequence.advance(cursor)]

    def check(self) -> None:
        """Everything up to the position was given once and in order, unless a rewind said that it was passed over."""
        assert self.given == sorted(set(self.given))
        newest = self.given[-1] if self.given else ORIGIN
        passed = [cursor for cursor in self.log.written if cursor <= max(newest, self.sequence.position)]
        assert [cursor for cursor in passed if cursor not in self.lost] == self.given


STEP = st.one_of(
    st.tuples(st.just("publish"), st.integers(0, 3)),
    st.tuples(st.sampled_from(["deliver", "drop", "refill", "resubscribe"]), st.just(0)),
    st.tuples(st.just("late"), st.integers(0, 50)),
    st.tuples(st.just("trim"), st.integers(1, 6)),
    st.tuples(st.just("empty"), st.just(0)),
)


@settings(max_examples=1000)
@given(st.lists(STEP, max_size=80))
def test_every_entry_comes_once_and_in_order_or_a_rewind_says_it_is_lost(steps: list[tuple[str, int]]) -> None:
    log = Log()
    follower = Follower(log)
    sent: list[Message] = []
    channel: list[Message] = []
    for step, number in steps:
        match step:
            case "publish":
                sent.append(log.append(number))
                channel.append(sent[-1])
            case "deliver" if channel:
                follower.receive(channel.pop(0))
            case "drop" if channel:
                channel.pop(0)
            case "resubscribe":
                channel.clear()
            case "late" if sent:
                follower.receive(sent[number % len(sent)])
            case "refill":
                follower.refill()
            case "trim":
                log.trim(number)
            case "empty":
                log.empty()
                channel.clear()  # the old life's connections are gone, and what they carried
                sent.clear()
                if follower.sequence.position == ORIGIN:  # who has nothing yet begins with the new life
                    follower.lost |= {*log.written} - {*follower.given}
        follower.check()
    for message in channel:
        follower.receive(message)
        follower.check()
    if log.last != follower.sequence.position:  # what the canary sees
        follower.refill()
    assert follower.sequence.position == log.last
    follower.check()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.data())
def test_a_follower_who_sees_every_message_never_reads_the_log(steps: list[int], data: st.DataObject) -> None:
    log = Log()
    sequence = Sequence(ORIGIN)
    for step in steps:
        assert sequence.offer(log.append(step)) is Verdict.DELIVER
        log.trim(data.draw(st.integers(1, 3)))


def test_an_entry_read_from_the_log_is_ignored_when_its_message_comes() -> None:
    sequence = Sequence(ORIGIN)
    assert sequence.advance(Cursor(1, 0)) and sequence.advance(Cursor(1, 1))
    assert not sequence.advance(Cursor(1, 0))
    assert sequence.offer(Message(Cursor(1, 0), ORIGIN, None)) is Verdict.IGNORE
    assert sequence.offer(Message(Cursor(1, 1), Cursor(1, 0), None)) is Verdict.IGNORE
    assert sequence.offer(Message(Cursor(2, 0), Cursor(1, 1), None)) is Verdict.DELIVER


def test_a_hole_does_not_move_the_sequence() -> None:
    sequence = Sequence(Cursor(1, 0))
    assert sequence.offer(Message(Cursor(3, 0), Cursor(2, 0), None)) is Verdict.REFILL
    assert sequence.position == Cursor(1, 0)


def test_the_first_entry_of_an_emptied_server_is_a_hole() -> None:
    sequence = Sequence(Cursor(5, 0))
    assert sequence.offer(Message(Cursor(9, 0), ORIGIN, None)) is Verdict.REFILL
