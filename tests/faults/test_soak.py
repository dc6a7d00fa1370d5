"""Each bound of the soak: broken by the fault that it is for, kept without one."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.soak_bounds import Load, Sample, bounds

IDLE = Sample(
    seconds=0, readers=0, posts=100, stories=1, received=0, rss=90_000, descriptors=20, threads=1, tasks=10, cpu=0.0,
    keys=109, memory=10**6,
)  # fmt: skip
KEYS = Counter({"updates": 1, "receipt": 101, "trail": 1, "log": 1, "stories": 1})


def load_of(grown: Callable[[int], dict[str, Any]], **fields: Any) -> Load:
    """Forty minutes with 50 readers; `grown` gives what differs in the sample of a minute."""
    usual = replace(IDLE, readers=50, received=5_000, rss=100_000, descriptors=70)
    samples = [replace(usual, **{"seconds": 60.0 * minute, **grown(minute)}) for minute in range(41)]
    whole = Load(
        readers=50, idle=IDLE, samples=samples, after=IDLE, kinds_before=KEYS, kinds=KEYS + Counter(delivery=100),
        cut=0, written=5_000, confirmed=4_990, log=2_050, retention=2_000,
    )  # fmt: skip
    return replace(whole, **fields)


def broken(load: Load) -> list[str]:
    return [bound.text for bound in bounds(load) if not bound.holds]


def test_growth_while_all_is_new_breaks_no_bound() -> None:
    assert broken(load_of(lambda minute: {"rss": 50_000 + 10_000 * min(minute, 5)})) == []


@pytest.mark.parametrize(
    ("load", "says"),
    [
        (load_of(lambda minute: {"rss": 100_000 + 200 * minute}), "RSS"),
        (load_of(lambda minute: {"descriptors": 70 + minute}), "descriptors at most"),
        (load_of(lambda _: {}, after=replace(IDLE, descriptors=21)), "descriptors when"),
        (load_of(lambda minute: {"tasks": 10 + minute}), "tasks"),
        (load_of(lambda _: {}, after=replace(IDLE, tasks=40)), "tasks"),
        (load_of(lambda minute: {"threads": 1 + minute}), "threads"),
        (load_of(lambda _: {}, kinds=KEYS + Counter(updates=1)), "hashes of updates"),
        (load_of(lambda _: {}, kinds=KEYS + Counter(receipt=1)), "receipts of"),
        (load_of(lambda _: {}, kinds=KEYS + Counter(delivery=102)), "deliveries, one"),
        (load_of(lambda _: {}, kinds=KEYS + Counter(editing=1)), "other keys"),
        (load_of(lambda _: {}, log=2_101), "in the log"),
        (load_of(lambda _: {}, cut=1), "cut off"),
        (load_of(lambda _: {}, confirmed=4_000), "were confirmed"),
        (load_of(lambda _: {"received": 4_000}), "arrived"),
    ],
)
def test_what_grows_or_gets_lost_breaks_its_bound(load: Load, says: str) -> None:
    (text,) = broken(load)
    assert says in text
