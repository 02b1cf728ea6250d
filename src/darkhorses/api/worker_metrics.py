"""What the workers' heartbeats say, as metrics. Only workers that live have series."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from darkhorses.domain.workers import FeedState, Role
from darkhorses.store.heartbeats import ReceivedHeartbeat
from darkhorses.store.lease import LIVE
from darkhorses.store.worker_figures import Counts

_PREFIX = "darkhorses_worker_"


def worker_metrics(workers: Iterable[ReceivedHeartbeat]) -> Iterator[Metric]:
    """The metrics of the workers that live; each counts from its own beginning."""
    alive = [worker for worker in workers if worker.is_alive]
    yield from _state(alive)
    yield from _work(alive)
    yield from _jobs(alive)


def _state(alive: list[ReceivedHeartbeat]) -> Iterator[Metric]:
    roles = GaugeMetricFamily("darkhorses_workers", "Workers that live, by role.", labels=["role"])
    for role in Role:
        roles.add_metric([role.value], sum(worker.role is role for worker in alive))
    yield roles
    yield _gauge(
        "heartbeat_timestamp_seconds",
        "When the worker was last heard of.",
        {worker.worker_id: worker.beat_at.timestamp() for worker in alive},
    )
    yield _gauge(
        "start_timestamp_seconds",
        "When the worker began.",
        {worker.worker_id: worker.started_at.timestamp() for worker in alive},
    )
    epochs = GaugeMetricFamily(
        f"{_PREFIX}lease_epoch",
        "Epoch of a lease that the worker holds; only leaders have one.",
        labels=["worker_id", "lease"],
    )
    for worker in alive:
        for lease, epoch in _leases_of(worker).items():
            epochs.add_metric([worker.worker_id, lease], epoch)
    yield epochs
    yield _gauge(
        "resident_memory_bytes",
        "Memory that the worker has.",
        {worker.worker_id: worker.figures.memory_bytes for worker in alive},
    )
    yield _gauge(
        "asyncio_tasks",
        "Tasks that have not ended.",
        {worker.worker_id: worker.figures.asyncio_tasks for worker in alive},
    )
    feed = GaugeMetricFamily(
        f"{_PREFIX}feed_state",
        "1 for the state in which the worker finds the feed.",
        labels=["worker_id", "state"],
    )
    for worker in alive:
        for state in FeedState:
            feed.add_metric([worker.worker_id, state.value], worker.feed.state is state)
    yield feed


def _work(alive: list[ReceivedHeartbeat]) -> Iterator[Metric]:
    figures = {worker.worker_id: worker.figures for worker in alive}
    requests = CounterMetricFamily(
        f"{_PREFIX}feed_requests",
        "Requests to the feed by endpoint and outcome, all tries counted.",
        labels=["worker_id", "endpoint", "outcome"],
    )
    for worker_id, of in figures.items():
        for endpoint, counts in of.feed_requests.items():
            for outcome, count in counts.items():
                requests.add_metric([worker_id, endpoint, outcome], count)
    yield requests
    for name, text, numbers in (
        ("feed_retries", "Requests tried again.", {k: f.feed_retries for k, f in figures.items()}),
        (
            "fenced_writes",
            "Writes that were refused because another worker leads.",
            {k: f.fenced_writes for k, f in figures.items()},
        ),
        ("cpu_seconds", "Processor time.", {k: f.cpu_seconds for k, f in figures.items()}),
    ):
        counter = CounterMetricFamily(_PREFIX + name, text, labels=["worker_id"])
        for worker_id, number in numbers.items():
            counter.add_metric([worker_id], number)
        yield counter
    for name, label, text, by_worker in (
        (
            "changes",
            "source",
            "Price changes written, by source: poll or history.",
            {k: f.changes for k, f in figures.items()},
        ),
        (
            "quarantined",
            "kind",
            "Pieces of the feed set aside, each time that they came, by kind.",
            {k: f.quarantined for k, f in figures.items()},
        ),
        (
            "webhook_deliveries",
            "outcome",
            "Attempts to deliver a message, by outcome.",
            {k: f.deliveries for k, f in figures.items()},
        ),
    ):
        yield _counts(name, label, text, by_worker)


def _jobs(alive: list[ReceivedHeartbeat]) -> Iterator[Metric]:
    # Prometheus gives its own label ``job`` to all that it scrapes.
    labels = ["worker_id", "worker_job"]
    runs = CounterMetricFamily(
        f"{_PREFIX}job_runs", "Runs of jobs, by outcome.", labels=[*labels, "outcome"]
    )
    seconds = CounterMetricFamily(f"{_PREFIX}job_seconds", "Time in jobs.", labels=labels)
    success = GaugeMetricFamily(
        f"{_PREFIX}job_last_success_timestamp_seconds",
        "When a job last succeeded; 0 when it never did under this worker.",
        labels=labels,
    )
    for worker in alive:
        for job, counts in worker.figures.job_runs.items():
            for outcome, count in counts.items():
                runs.add_metric([worker.worker_id, job, outcome], count)
        for job, took in worker.figures.job_seconds.items():
            seconds.add_metric([worker.worker_id, job], took)
        if worker.role is Role.LEADER:
            for job, status in worker.jobs.items():
                at = status.last_success
                success.add_metric([worker.worker_id, job], at.timestamp() if at else 0)
    yield from (runs, seconds, success)


def _leases_of(worker: ReceivedHeartbeat) -> Counts:
    """The epochs of its leases; one of an earlier version tells of a single one."""
    figures = worker.figures
    return figures.leases or ({} if figures.epoch is None else {LIVE: figures.epoch})


def _gauge(name: str, text: str, numbers: dict[str, float]) -> Metric:
    gauge = GaugeMetricFamily(_PREFIX + name, text, labels=["worker_id"])
    for worker_id, number in numbers.items():
        gauge.add_metric([worker_id], number)
    return gauge


def _counts(name: str, label: str, text: str, by_worker: dict[str, Counts]) -> Metric:
    counter = CounterMetricFamily(_PREFIX + name, text, labels=["worker_id", label])
    for worker_id, counts in by_worker.items():
        for key, count in counts.items():
            counter.add_metric([worker_id, key], count)
    return counter
