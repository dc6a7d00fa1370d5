"""What a fault is: something that goes wrong for real, and is mended."""

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from tests.faults.checker.site import Site
from tests.journal.samples import Server

PATIENCE = 60.0
"""Seconds that real parts have for what they do by themselves, on a machine under load."""


class Fault(ABC):
    """One way of breaking a site. What it says of itself stands in the report."""

    name: ClassVar[str]
    what: ClassVar[str]

    def unavailable(self) -> str:
        """Why this machine cannot have it; empty if it can."""
        return ""

    def store(self, directory: Path) -> Any:
        """Starts the Redis of the site."""
        directory.mkdir()
        return Server(directory)

    async def settings(self, site: Site) -> list[dict[str, Any]]:
        """The settings of each node beside the usual ones; what the fault needs around the site is made here."""
        return [{}, {}]

    @abstractmethod
    async def inject(self, site: Site) -> None:
        """Breaks it."""

    async def hold(self, site: Site, seconds: float) -> None:
        """What goes on until it is mended."""
        await asyncio.sleep(seconds)

    async def mend(self, site: Site) -> None:  # noqa: B027 (some need none)
        """Puts it right. Returns when it is, not when the site has recovered."""
