"""What was seen of a server under load, and the bounds that it has to keep to."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

WARM_SECONDS = 300.0
LONG_SECONDS = 1200.0
"""A shorter run is warm after a quarter of its time."""
GROWTH = 0.05
SPARE_FILES = 32
"""Descriptors beside the readers': who leaves while another comes, the desk, and whoever asks for metrics."""
SPARE_TASKS = 16
"""Tasks that come and go with requests."""
ARRIVED = 0.95
"""Share of the messages that must arrive, and be confirmed."""
LOG_BLOCK = 100
"""Entries by which Valkey may keep more than it was told to (`MAXLEN ~`)."""
STORED = ("updates", "receipt", "delivery")
"""Kinds of keys that grow with what is stored; deliveries expire after an hour, receipts after a day."""


@dataclass(frozen=True)
class Sample:
    """What was held at one moment. `rss` is in KiB, `memory` (Valkey's) in bytes, `cpu` the share of a core."""

    seconds: float
    readers: int
    posts: int
    stories: int
    received: int
    rss: int
    descriptors: int
    threads: int
    tasks: int
    cpu: float
    keys: int
    memory: int


@dataclass(frozen=True)
class Load:
    """One run: before the readers came, while they were there, and after they had gone."""

    readers: int
    idle: Sample
    samples: Sequence[Sample]
    after: Sample
    kinds_before: Counter[str]
    kinds: Counter[str]
    """Keys by their kind, at the end."""
    cut: int
    """Readers whose connection the server ended."""
    written: int
    confirmed: int
    """Messages to readers, and those that their browsers confirmed."""
    log: int
    retention: int

    @property
    def warm(self) -> list[Sample]:
        """The samples after the time in which growth is no fault."""
        whole = self.samples[-1].seconds
        start = WARM_SECONDS if whole >= LONG_SECONDS else whole / 4
        return [sample for sample in self.samples if sample.seconds >= start]


class Bound(NamedTuple):
    """What was to hold, with its figures, and whether it does."""

    holds: bool
    text: str


def head() -> str:
    """The table's first lines."""
    names = "time readers updates received RSS descriptors threads tasks CPU keys Valkey".split()
    return f"| {' | '.join(names)} |\n|{' --: |' * len(names)}"


def row(sample: Sample) -> str:
    """One line of the table."""
    minutes, seconds = divmod(round(sample.seconds), 60)
    cells = (
        f"{minutes}:{seconds:02}", f"{sample.readers:,}", f"{sample.posts:,}", f"{sample.received:,}",
        f"{sample.rss / 1024:.1f} MiB", f"{sample.descriptors:,}", str(sample.threads), f"{sample.tasks:,}",
        f"{sample.cpu:.0%}", f"{sample.keys:,}", f"{sample.memory / 2**20:.1f} MiB",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def bounds(load: Load) -> list[Bound]:
    """Everything that had to hold."""
    return [_memory(load), *_descriptors(load), *_counted(load), *_keys(load), *_readers(load)]


def _memory(load: Load) -> Bound:
    sizes = [sample.rss for sample in load.warm]
    few = max(1, len(sizes) // 10)
    first, last = fmean(sizes[:few]), fmean(sizes[-few:])
    growth, spread = last / first - 1, (max(sizes) - min(sizes)) / fmean(sizes)
    return Bound(
        growth <= GROWTH,
        f"RSS grows by {growth:+.1%} once warm, at most {GROWTH:.0%} ({first / 1024:.1f} to {last / 1024:.1f} MiB, "
        f"means of the first and last tenth; from least to most {spread:.1%})",
    )


def _descriptors(load: Load) -> list[Bound]:
    most = max(sample.descriptors for sample in load.samples)
    limit = load.idle.descriptors + load.readers + SPARE_FILES
    before, after = load.idle.descriptors, load.after.descriptors
    return [
        Bound(most <= limit, f"{most:,} descriptors at most, of {limit:,} ({SPARE_FILES} to spare)"),
        Bound(after == before, f"{after} descriptors when the readers have gone, {before} before they came"),
    ]


def _counted(load: Load) -> list[Bound]:
    found = []
    for name in ("tasks", "threads"):
        numbers = [getattr(sample, name) for sample in load.warm]
        found.append(
            Bound(
                max(numbers) - min(numbers) <= SPARE_TASKS and getattr(load.after, name) <= numbers[0] + SPARE_TASKS,
                f"{min(numbers):,} to {max(numbers):,} {name} once warm, {SPARE_TASKS} apart at most; "
                f"{getattr(load.after, name)} in the end",
            )
        )
    return found


def _keys(load: Load) -> list[Bound]:
    end, kinds = load.after, load.kinds
    requests = end.posts + end.stories
    entries = requests - load.idle.posts - load.idle.stories
    others = {kind: count for kind, count in kinds.items() if kind not in STORED}
    before = {kind: count for kind, count in load.kinds_before.items() if kind not in STORED}
    each = (end.memory - load.samples[0].memory) / max(1, end.posts - load.samples[0].posts)
    return [
        Bound(kinds["updates"] <= end.stories, f"{kinds['updates']:,} hashes of updates, one for a story"),
        Bound(kinds["receipt"] <= requests, f"{kinds['receipt']:,} receipts of {requests:,} requests, kept for a day"),
        Bound(
            kinds["delivery"] <= requests,
            f"{kinds['delivery']:,} deliveries, one for an entry ({entries:,} while readers were here), kept an hour",
        ),
        Bound(others == before, f"{sum(others.values())} other keys, {sum(before.values())} before readers came"),
        Bound(
            load.log <= load.retention + LOG_BLOCK,
            f"{load.log:,} entries in the log, which is to keep {load.retention:,}; Valkey grows by "
            f"{each / 1024:.1f} KiB an update (record, audit record, receipt, delivery)",
        ),
    ]


def _readers(load: Load) -> list[Bound]:
    received, written = load.samples[-1].received, load.written
    return [
        Bound(load.cut == 0, f"the server cut off {load.cut:,} readers"),
        Bound(
            min(received, load.confirmed) >= ARRIVED * written > 0,
            f"{written:,} messages were written to readers, {received:,} arrived, {load.confirmed:,} were confirmed, "
            f"{ARRIVED:.0%} at least (the rest went to readers who had left, or told of a new story)",
        ),
    ]
