"""The hot path: from one entry to the sockets of all readers."""

from live.fanout.hub import Hub
from live.fanout.reader import TOO_SLOW, Reader

__all__ = ["TOO_SLOW", "Hub", "Reader"]
