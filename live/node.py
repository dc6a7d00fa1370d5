"""One server process: its parts, and how they are put together. Writers know the journal, readers the hub."""

import asyncio
import logging
import resource
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from itertools import cycle
from typing import TYPE_CHECKING

from redis.asyncio import Redis

from live import model
from live.fanout import Connections, Hub, Limits, drain
from live.journal import Keys, Rewound, Stores
from live.journal.catalogue import Catalogue
from live.journal.sessions import Accounts
from live.measures import Complaints, sources_of
from live.settings import Settings
from live.web.auth import Doorkeeper
from live.web.cache import Cache
from live.web.desk import Desk
from live.web.desk_events import DeskEvents
from live.web.embed import Embed
from live.web.feeds import Feeds
from live.web.layout import Layout, Site
from live.web.limits import RequestRates
from live.web.metrics import Metrics
from live.web.networks import Networks
from live.web.oembed import OEmbed
from live.web.operations import Operator
from live.web.pages import Pages
from live.web.poll import Poll
from live.web.sign_in import SignIn
from live.web.stream import Stream
from live.web.tracing import Traces

if TYPE_CHECKING:
    from live.web.oidc import SingleSignOn

TICK_SHARES = 10
TIDYING_SECONDS = 4.0
"""How much of its time a stopping process keeps for what follows when its readers are gone."""
FILES_OF_ITS_OWN = 2 * 100 + 56
"""Files that a process opens beside those of its readers: connections beyond the limit, Redis, the listener."""


class Node:
    """One server process: its parts, made from the settings, and its two background tasks."""

    def __init__(self, settings: Settings, client: Redis) -> None:
        keys = Keys(settings.site)
        self.settings = settings
        self.client = client
        self.stores = Stores.of(client, keys, retention=settings.retention)
        self.journal, self.state = self.stores.journal, self.stores.state
        self.hub = Hub(self.journal.since, model.now, settings.ring, settings.receipt_seconds)
        self.proxies = Networks(settings.trusted_proxies.replace("*", "0.0.0.0/0,::/0"))
        self.connections = Connections(limits_of(settings), exempt=Networks(settings.trusted_proxies, least="*"))
        self.layout = Layout(Site(settings.site_name, settings.language, settings.public_url or ""))
        self.cache = Cache(settings.cache_bytes)
        self.pages = Pages(self.journal, self.state, self.layout, self.cache)
        self.feeds = Feeds(Catalogue(client, keys), self.state, self.layout, self.cache)
        self.embed = Embed(self.journal, self.state, self.layout, self.cache, settings.allowed_origins)
        self.oembed = OEmbed(self.state, self.layout, self.cache)
        self.poll = Poll(self.hub, self.cache, settings.max_topics)
        accounts = Accounts.of(client, keys, timedelta(hours=settings.session_hours))
        base = settings.public_url or ""
        self.doorkeeper = Doorkeeper(accounts.tokens, accounts.sessions, base)
        sign_on, audit = sign_on_of(settings), self.stores.trail.note
        self.sign_in = SignIn(accounts, self.doorkeeper, self.layout, audit, sign_on, base)
        self.rates = RequestRates(settings.api_requests_per_minute)
        self.traces = Traces(settings.otel_endpoint, self.hub.tally.traced) if settings.otel_endpoint else None
        self.operator = Operator(
            self.stores, self.doorkeeper, settings.max_body_bytes, self.rates, settings.language, self.traces
        )
        self.desk = Desk(self.doorkeeper, self.stores, self.layout)
        self.desk_events = DeskEvents(client, keys.desk_channel, self.doorkeeper.require)
        self.stream = Stream(
            self.hub, self.connections, queue_limit=settings.reader_queue_bytes, max_topics=settings.max_topics,
            origins=settings.allowed_origins,
        )  # fmt: skip

        # Where any client may say what its address is, no address opens a door.
        allowed = Networks("" if settings.trusted_proxies.strip() == "*" else settings.metrics_allowed)
        self.complaints = Complaints()
        self.metrics = Metrics(sources_of(self, self.complaints), allowed, self.doorkeeper.require)

    def tasks(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """What runs beside the requests, each by its name."""
        yield "feed", self.feed
        yield "tick", self.tick
        yield "schedule", self.stores.schedule.run
        yield "presence", self.tell
        yield "desk events", self.desk_events.run
        yield "warm", self.pages.warm
        yield "metrics", self.metrics.run
        if self.traces:
            yield "traces", self.traces.run

    async def start(self) -> None:
        """Brings the hub to the end of the log."""
        logging.getLogger().addHandler(self.complaints)
        notice = await self.state.notice()
        floor, entries = await self.journal.tail(self.settings.ring)
        self.hub.start(floor, entries, notice)

    async def feed(self) -> None:
        """Hands every entry of the journal to the hub, for ever."""
        async for item in self.journal.follow(self.hub.position):
            if isinstance(item, Rewound):
                self.cache.clear()
                self.hub.rewind(item.cursor, await self.state.notice())
            else:
                self._publish(item)

    def _publish(self, entry: model.Entry) -> None:
        frames = self.hub.publish(entry)
        self.hub.tally.entries += 1
        match entry.event:
            case model.UpdateRetracted() | model.StoryWithdrawn():
                self.cache.drop(frames.topics)
            case _:
                self.cache.invalidate(frames.topics)

    async def tick(self) -> None:
        """Sends the heartbeat, for ever: to a share of the readers at a time, spread over its interval."""
        for share in cycle(range(TICK_SHARES)):
            await asyncio.sleep(self.settings.tick_seconds / TICK_SHARES)
            self.hub.tick(share, TICK_SHARES)

    async def depart(self) -> None:
        """Once the server is to stop: ends the desks' events, and sends the readers away."""
        await self.connections.stopping.wait()
        self.desk_events.close()
        seconds = self.settings.drain_seconds
        seconds -= min(TIDYING_SECONDS, seconds / 5)
        await drain(self.hub, self.settings.drain_rate / self.settings.workers, seconds)

    async def tell(self) -> None:
        """Tells the other processes how many readers this one has, and what became of entries at them, for ever."""
        await self.stores.presence.run(self.hub.readership, lambda: self.poll.asked, self.hub.receipts.news)


def limits_of(settings: Settings) -> Limits:
    """What connections may take; no more of them than the process may have open files, less some for itself."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = max(1, files - FILES_OF_ITS_OWN) if files != resource.RLIM_INFINITY else settings.max_connections
    return Limits(
        connections=min(settings.max_connections or possible, possible),
        requests_per_address=settings.max_connections_per_address,
        streams_per_address=settings.max_streams_per_address, streams_per_second=settings.streams_per_second,
        header_seconds=settings.header_seconds, body_seconds=settings.body_seconds,
        header_bytes=settings.max_header_bytes, url_bytes=settings.max_url_bytes,
    )  # fmt: skip


def sign_on_of(settings: Settings) -> "SingleSignOn | None":
    """The newsroom's provider, if the settings name one."""
    if not (settings.oidc_issuer and settings.oidc_client_id):
        return None
    from live.web.oidc import Provider, SingleSignOn  # its libraries take a tenth of the time to start

    return SingleSignOn(
        Provider(
            settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret or "",
            settings.oidc_role_claim, settings.roles_of_groups,
        )
    )  # fmt: skip
