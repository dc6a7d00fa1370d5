"""All that the checker can break, in the order in which it does."""

from tests.faults.checker.fault import Fault
from tests.faults.checker.group_faults import ClusterFailover, SentinelFailover, SlotMigration
from tests.faults.checker.node_faults import (
    Calm,
    ChannelCut,
    HalfOpenLink,
    NodeKilled,
    ReadersCut,
    RollingRestart,
)
from tests.faults.checker.store_faults import (
    ClockStepped,
    DiskFull,
    Emptied,
    MemoryFull,
    Trimmed,
    ValkeyFrozen,
    ValkeyKilled,
)

FAULTS: tuple[type[Fault], ...] = (
    Calm, NodeKilled, RollingRestart, ValkeyKilled, ValkeyFrozen, ChannelCut, HalfOpenLink, ReadersCut, Emptied,
    Trimmed, MemoryFull, DiskFull, ClockStepped, SentinelFailover, ClusterFailover, SlotMigration,
)  # fmt: skip
