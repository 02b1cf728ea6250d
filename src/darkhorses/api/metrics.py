"""The service's metrics: what requests counted, and everything else as it is when it is asked for.

The database is asked two small questions at most once a second. When it does not answer, the rest
is told without it.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import inf

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from darkhorses import __version__
from darkhorses.api.exports import Exports
from darkhorses.api.health import aged
from darkhorses.api.metering import RequestMeter
from darkhorses.api.publishing import Publisher
from darkhorses.api.reference import Kept
from darkhorses.api.streams import Streams
from darkhorses.api.worker_metrics import worker_metrics
from darkhorses.domain.london import race_day
from darkhorses.store.backlogs import Backlogs, backlogs
from darkhorses.store.errors import DatabaseBusyError, StoreError
from darkhorses.store.lease import LIVE, LeaseState
from darkhorses.store.pool import Database
from darkhorses.store.replica import Replica

_KEPT_FOR = timedelta(seconds=1)
_PATIENCE = timedelta(seconds=2)
_DAYS_BACK = timedelta(days=7)
"""Gaps that the worker still tries to fill are not older."""


class Metrics(Collector):
    """Everything that is told to those who watch; a scrape costs two questions at most."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        streams: Streams,
        exports: Exports,
        replica: Replica | None = None,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._streams = streams
        self._exports = exports
        self._replica = replica
        self._registry = CollectorRegistry()
        self.requests = RequestMeter(self._registry)
        ProcessCollector(registry=self._registry)
        self._registry.register(self)
        self._backlogs = Kept(self._ask, publisher.now, kept_for=_KEPT_FOR)
        self._known: Backlogs | None = None
        self._answers = False
        self._newest: dict[str, float] = {}

    async def body(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the form that is asked for, and its media type."""
        try:
            self._known = await self._backlogs.get()
            self._answers = True
        except (DatabaseBusyError, TimeoutError):
            # Asked too much is not away: the follower knows.
            self._known = None
            self._answers = self._publisher.follower.now.away_since is None
        except StoreError:
            self._known = None
            self._answers = False
        encoder, media_type = choose_encoder(accept)
        if media_type.startswith("text/"):
            media_type = media_type.replace("; charset=utf-8", "")  # Litestar says it itself
        return encoder(self._registry), media_type

    def describe(self) -> Iterator[Metric]:
        """Nothing: what there is depends on what is known."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """What is known at this moment."""
        info = GaugeMetricFamily(
            "darkhorses_build_info", "1, with what runs here.", labels=["version"]
        )
        info.add_metric([__version__], 1)
        yield info
        yield from self._of_database()
        yield from self._of_replica()
        yield from self._of_market()
        yield from self._of_streams()
        yield _gauge("asyncio_tasks", "Tasks that have not ended.", len(asyncio.all_tasks()))
        yield _gauge("exports_running", "Exports under way.", self._exports.running)
        workers = aged(self._publisher.follower.workers, self._publisher.now())
        yield from self._of_freshness()
        yield from worker_metrics(workers)

    async def _ask(self) -> Backlogs:
        first_day = race_day(self._publisher.now()) - _DAYS_BACK
        async with (
            asyncio.timeout(_PATIENCE.total_seconds()),
            self._database.transaction(statement_timeout=_PATIENCE / 2) as connection,
        ):
            return await backlogs(connection, first_day)

    def _of_database(self) -> Iterator[Metric]:
        yield _gauge("database_up", "1 when the database answers, else 0.", self._answers)
        in_use, is_open, most = self._database.connections
        pool = GaugeMetricFamily(
            "darkhorses_database_connections",
            "Connections of this API's pool: in use, open, and the most that may be.",
            labels=["state"],
        )
        for state, number in (("in_use", in_use), ("open", is_open), ("most", most)):
            pool.add_metric([state], number)
        yield pool
        known = self._known
        if known is None:
            return
        yield from _of_leases(known.leases)
        for name, text, number in (
            (
                "gaps_left",
                "Days of a region, of the last seven, of which cards or results are missing.",
                known.race_days_missing,
            ),
            (
                "gap_repairs_pending",
                "Races of the last seven days whose prices wait for the feed's history.",
                known.gap_repairs_pending,
            ),
            (
                "webhook_messages_pending",
                "Messages to webhooks that wait, counted up to 100,000.",
                known.messages_pending,
            ),
            (
                "webhook_messages_dead",
                "Messages to webhooks that were given up, counted up to 100,000.",
                known.messages_dead,
            ),
            ("webhooks_dead", "Webhooks that were given up.", known.webhooks_dead),
        ):
            yield _gauge(name, text, number)

    def _of_replica(self) -> Iterator[Metric]:
        if self._replica is None:
            return
        report = self._replica.report()
        lag = inf
        if report.as_of is not None:
            lag = max((self._publisher.now() - report.as_of).total_seconds(), 0)
        yield _gauge(
            "replica_lag_seconds",
            "How old what the replica has is at most; infinite until it was first compared.",
            lag,
        )
        yield _gauge("replica_in_use", "1 while the replica is read, else 0.", report.in_use)

    def _of_market(self) -> Iterator[Metric]:
        follower = self._publisher.follower
        now = follower.now
        lens = self._publisher.lens()
        races = now.market.races.values()
        running = [race for race in races if not race.is_over_at(lens.now)]
        counts = GaugeMetricFamily(
            "darkhorses_market_races",
            "Races in memory: all, those that are not over, and of these the stale ones.",
            labels=["state"],
        )
        counts.add_metric(["all"], len(races))
        counts.add_metric(["running"], len(running))
        counts.add_metric(["stale"], sum(lens.is_stale(race) for race in running))
        yield counts
        yield _gauge("readmodel_loaded", "1 once the market was loaded.", now.loaded)
        yield _gauge("readmodel_revision", "Revision of the market here.", now.market.revision)
        yield _gauge(
            "readmodel_read_timestamp_seconds",
            "When the database was last read for the market; 0 when never.",
            _seconds(follower.read_at),
        )
        yield _gauge(
            "readmodel_change_timestamp_seconds",
            "When the newest price change that came since the start was seen; 0 when none came.",
            _seconds(follower.tail.newest_seen_at),
        )
        yield _gauge(
            "readmodel_lag_seconds",
            "From the worker's seeing the newest price change to its being here.",
            follower.lag.total_seconds() if follower.lag is not None else 0,
        )
        yield _counter(
            "readmodel_resyncs",
            "Times that the market was begun anew because the database had gone back.",
            max(follower.tail.life - 1, 0),
        )

    def _of_streams(self) -> Iterator[Metric]:
        clients = GaugeMetricFamily(
            "darkhorses_stream_clients", "Clients of streams, by form.", labels=["form"]
        )
        at_present = self._streams.clients()
        for form in ("sse", "ws"):
            clients.add_metric([form], at_present[form])
        yield clients
        yield _counter(
            "stream_events",
            "Events handed to clients, each once a client.",
            self._streams.feed.events_sent,
        )
        yield _counter(
            "stream_clients_refused", "Clients for whom there was no place.", self._streams.refused
        )
        dropped = CounterMetricFamily(
            "darkhorses_stream_clients_dropped",
            "Clients that were let go, by reason.",
            labels=["reason"],
        )
        for reason in ("stuck", "abuse", "too_large"):
            dropped.add_metric([reason], self._streams.dropped[reason])
        yield dropped
        resyncs = CounterMetricFamily(
            "darkhorses_stream_resyncs",
            "Clients that were given a snapshot instead of what they had missed, by reason.",
            labels=["reason"],
        )
        for reason, count in self._streams.feed.resyncs.items():
            resyncs.add_metric([reason], count)
        yield resyncs

    def _of_freshness(self) -> Iterator[Metric]:
        """The newest of each instant that any worker told; it never goes back."""
        seen = self._publisher.follower.workers
        figures = [each.figures for each in seen.heartbeats] if seen is not None else []
        stored = self._known.last_card_at if self._known is not None else None
        for name, text, instants in (
            (
                "last_card",
                "When the last look at the whole card was written",
                [stored, *(each.last_card_at for each in figures)],
            ),
            (
                "last_change",
                "When the last price change was written",
                [each.last_change_at for each in figures],
            ),
            (
                "last_commit",
                "When a look was last committed",
                [each.last_commit_at for each in figures],
            ),
        ):
            told = max(map(_seconds, instants), default=0)
            newest = self._newest[name] = max(told, self._newest.get(name, 0))
            yield _gauge(f"{name}_timestamp_seconds", f"{text}; 0 when not known.", newest)


def _of_leases(leases: tuple[LeaseState, ...]) -> Iterator[Metric]:
    epochs = GaugeMetricFamily(
        "darkhorses_lease_epoch",
        "Epoch of a lease; it grows with every takeover.",
        labels=["lease"],
    )
    held = GaugeMetricFamily(
        "darkhorses_lease_held", "1 when a worker holds a lease, else 0.", labels=["lease"]
    )
    for lease in leases:
        epochs.add_metric([lease.name], lease.epoch)
        held.add_metric([lease.name], lease.is_live)
    if not leases:
        epochs.add_metric([LIVE], 0)
        held.add_metric([LIVE], 0)
    yield from (epochs, held)


def _gauge(name: str, text: str, number: float) -> Metric:
    return GaugeMetricFamily(f"darkhorses_{name}", text, value=float(number))


def _counter(name: str, text: str, number: float) -> Metric:
    return CounterMetricFamily(f"darkhorses_{name}", text, value=number)


def _seconds(instant: datetime | None) -> float:
    return instant.timestamp() if instant is not None else 0
