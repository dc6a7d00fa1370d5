"""The log in Redis and the state beside it: append, since, follow."""

from live.journal.changes import Change
from live.journal.keys import Keys
from live.journal.log import Appended, Journal, Receipt, Rewound
from live.journal.state import State
from live.journal.stores import Stores

__all__ = ["Appended", "Change", "Journal", "Keys", "Receipt", "Rewound", "State", "Stores"]
