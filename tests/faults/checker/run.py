"""One fault, from the start of the site to the verdict."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.faults.checker.fault import Fault
from tests.faults.checker.ledger import Ledger, Post, judge, recovery
from tests.faults.checker.newsroom import Newsroom
from tests.faults.checker.readers import KINDS, SILENCE, OverPolls, Reader, Streaming, crowd
from tests.faults.checker.report import Report
from tests.faults.checker.site import STORIES, Site
from tests.journal.samples import until

JOIN_WITHIN = 180.0
AFTERWARDS = 2.5
"""Seconds more in which a duplicate would show: more than a reader waits between two polls."""
WRONGS_SHOWN = 20


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    seconds: float = 10.0
    """From breaking to mending; posts go on for half as long before and after."""
    readers: int = 500
    rate: float = 6.0
    """Updates a second."""
    kinds: Sequence[type[Reader]] = KINDS
    quiet_within: float = 120.0
    """Seconds that readers have, after the last answer to an editor, to get everything."""


async def run(fault: Fault, plan: Plan, directory: Path, say: Callable[[str], None]) -> Report:
    """Does the fault to a site of its own. Raises AssertionError when the site or its readers cannot be started."""
    if why := fault.unavailable():
        return Report(fault.name, fault.what, why=why)
    site = Site(directory, await asyncio.to_thread(fault.store, directory / "store"))
    async with site.stack:
        site.stack.push_async_callback(asyncio.to_thread, site.store.stop)
        await site.open(await fault.settings(site))
        newsroom = Newsroom([node.url for node in site.nodes], STORIES, site.token, plan.rate)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        client = await site.stack.enter_async_context(httpx.AsyncClient(timeout=SILENCE, limits=limits))
        site.readers = crowd(plan.readers, STORIES, site.addresses, client, plan.kinds)
        site.stack.push_async_callback(stop, site.readers)
        ledgers = [reader.ledger for reader in site.readers]
        await until(lambda: all(ledger.connections for ledger in ledgers), JOIN_WITHIN)
        say(f"{fault.name}: {len(ledgers)} readers are here")
        mended = await disturb(fault, plan, site, newsroom)
        say(f"{fault.name}: mended; waiting until all is quiet")
        await newsroom.close()
        await quiet(newsroom, ledgers, site, plan.quiet_within)
        pages = await site.pages()
        verdict = judge(newsroom.posts, ledgers, pages, site.gone)
        for wrong in verdict.wrongs[:WRONGS_SHOWN]:
            say(f"{fault.name}: {wrong}")
        streams = [reader.ledger for reader in site.readers if isinstance(reader, Streaming)]
        polls = [reader.ledger for reader in site.readers if isinstance(reader, OverPolls)]
        took = recovery(newsroom.posts, streams, mended), recovery(newsroom.posts, polls, mended)
        return Report(fault.name, fault.what, newsroom.posts, ledgers, verdict, *took)


async def disturb(fault: Fault, plan: Plan, site: Site, newsroom: Newsroom) -> float:
    """Breaks and mends while posts go on. Returns when it was mended."""
    newsroom.open()
    await asyncio.sleep(plan.seconds / 2)
    await fault.inject(site)
    await fault.hold(site, plan.seconds)
    await fault.mend(site)
    mended = time.monotonic()
    await asyncio.sleep(plan.seconds / 2)
    return mended


async def quiet(newsroom: Newsroom, ledgers: Sequence[Ledger], site: Site, within: float) -> None:
    """Waits until every reader has all that was accepted, or is late, and then for what should not come."""
    accepted = [post for post in newsroom.posts if post.cursor and post.cursor > site.gone]
    with suppress(TimeoutError):
        await until(lambda: not any(lacks(ledger, accepted) for ledger in ledgers), within)
    await asyncio.sleep(AFTERWARDS)


def lacks(ledger: Ledger, accepted: Sequence[Post]) -> bool:
    """Whether anything that its reader follows is missing."""
    return bool(ledger.lacks(post.number for post in accepted if post.story in ledger.stories))


async def stop(readers: Sequence[Reader]) -> None:
    """Ends the readers. Raises what ended one of them before."""
    await asyncio.gather(*(reader.stop() for reader in readers))
