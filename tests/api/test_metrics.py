import json
import re
import shutil
import subprocess
from pathlib import Path

import asyncpg
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from darkhorses.domain.workers import FeedState, Role
from darkhorses.store.embedded import EmbeddedServer
from darkhorses.store.heartbeats import FeedStatus, JobStatus
from darkhorses.store.pool import Database
from darkhorses.store.worker_figures import WorkerFigures
from darkhorses.store.writing.heartbeats import beat
from tests.api.conftest import RunningApi
from tests.market import NOON, MarketWriter, card, heartbeat, let_in, race, runner

DEPLOY = Path(__file__).parents[2] / "deploy"
DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"

FIGURES = WorkerFigures(
    last_card_at=NOON,
    last_change_at=NOON,
    last_commit_at=NOON,
    feed_requests={"courses": {"ok": 3, "throttled": 2}},
    feed_retries=2,
    changes={"poll": 10, "history": 4},
    quarantined={"runner": 1},
    epoch=7,
    fenced_writes=1,
    job_runs={"live_odds": {"ok": 5, "failed": 1}},
    job_seconds={"live_odds": 2.5},
    deliveries={"delivered": 8, "failed": 1},
    cpu_seconds=1.5,
    memory_bytes=1000,
    asyncio_tasks=12,
)

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scraped(api: RunningApi) -> Samples:
    answer = await api.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((f"darkhorses_{name}", frozenset(labels.items())))


async def test_requests_are_counted_by_route_and_not_by_address(api: RunningApi) -> None:
    for race_id in ("rac_1", "rac_2"):
        await api.get(f"/api/races/{race_id}")
    await api.client.head("/version")
    await api.client.request("BREW", "/version")
    await api.get("/nothing/here")
    found = await scraped(api)
    name = "http_requests_total"
    assert of(found, name, route="/api/races/{race_id}", method="GET", status="4xx") == 2
    assert of(found, name, route="/version", method="HEAD", status="2xx") == 1
    assert of(found, name, route="unmatched", method="GET", status="4xx") == 1
    assert not any("rac_1" in str(key) or "BREW" in str(key) for key in found)
    assert of(found, "http_request_seconds_count", route="/api/races/{race_id}") == 2


async def test_openmetrics_is_given_to_who_asks_for_it(api: RunningApi) -> None:
    answer = await api.get("/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert len(list(read_openmetrics(answer.text))) > 20  # type: ignore[no-untyped-call]  # the library leaves it without types
    plain = await api.get("/metrics")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_what_a_live_worker_counts_is_told_and_a_dead_one_is_not(
    api: RunningApi, database: Database
) -> None:
    async with database.connection() as connection:
        await beat(
            connection,
            heartbeat(
                figures=FIGURES,
                feed=FeedStatus(state=FeedState.REFUSED),
                jobs={"live_odds": JobStatus(last_success=NOON)},
            ),
        )
        await beat(connection, heartbeat(worker_id="w2", role=Role.STANDBY, figures=FIGURES))
        await connection.execute(
            "UPDATE worker_heartbeats SET beat_at = beat_at - interval '1 minute' "
            "WHERE worker_id = 'w2'"
        )
    await api.workers_seen(2)
    found = await scraped(api)
    assert of(found, "workers", role="leader") == 1
    assert of(found, "workers", role="standby") == 0
    requests = {"worker_id": "w1", "endpoint": "courses"}
    assert of(found, "worker_feed_requests_total", outcome="throttled", **requests) == 2
    assert of(found, "worker_changes_total", worker_id="w1", source="history") == 4
    assert of(found, "worker_quarantined_total", worker_id="w1", kind="runner") == 1
    assert of(found, "worker_lease_epoch", worker_id="w1", lease="live") == 7
    assert of(found, "worker_fenced_writes_total", worker_id="w1") == 1
    assert of(found, "worker_asyncio_tasks", worker_id="w1") == 12
    assert (of(found, "asyncio_tasks") or 0) > 1
    assert of(found, "worker_feed_state", worker_id="w1", state="refused") == 1
    runs = {"worker_id": "w1", "worker_job": "live_odds"}
    assert of(found, "worker_job_runs_total", outcome="failed", **runs) == 1
    assert of(found, "worker_job_last_success_timestamp_seconds", **runs) == NOON.timestamp()
    assert of(found, "last_card_timestamp_seconds") == NOON.timestamp()
    assert not any(("worker_id", "w2") in labels for _, labels in found)


async def test_the_read_model_says_how_far_behind_it_is(
    api: RunningApi, writer: MarketWriter
) -> None:
    look = card(race(off_dt=NOON.replace(hour=13)), (runner("A", 1), {"Bet365": "4/1"}))
    await api.seen(await writer.look(look, seen_at=NOON))
    api.clock.forward(seconds=5)
    look = card(race(off_dt=NOON.replace(hour=13)), (runner("A", 1), {"Bet365": "5/1"}))
    revision = await writer.look(look, seen_at=NOON.replace(second=2))
    await api.seen(revision)
    found = await scraped(api)
    assert of(found, "readmodel_lag_seconds") == 3
    assert of(found, "readmodel_revision") == revision
    assert of(found, "market_races", state="running") == 1


async def test_it_answers_while_the_database_is_away(
    api: RunningApi, database_url: str, postgres: EmbeddedServer
) -> None:
    assert of(await scraped(api), "database_up") == 1
    server = await asyncpg.connect(postgres.url)
    await let_in(server, database_url, allowed=False)
    await api.follower.until(lambda follower: follower.now.away_since is not None)
    api.clock.forward(seconds=2)
    found = await scraped(api)
    assert of(found, "database_up") == 0
    assert of(found, "readmodel_loaded") == 1
    assert of(found, "gaps_left") is None
    await let_in(server, database_url, allowed=True)
    await server.close()


async def test_dashboard_and_alerts_name_only_what_is_exported_and_documented(
    api: RunningApi, database: Database
) -> None:
    async with database.connection() as connection:
        await beat(connection, heartbeat(figures=FIGURES, jobs={"live_odds": JobStatus()}))
    await api.workers_seen(1)
    await api.get("/version")
    exported = {name for name, _ in await scraped(api)}
    # Of a replica alone; tests/operation/test_replica.py looks at them.
    of_replica = {"darkhorses_replica_lag_seconds", "darkhorses_replica_in_use"}
    assert exported.isdisjoint(of_replica)
    exported |= of_replica
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += re.findall(r"expr: (.*)", (DEPLOY / "alerts.yml").read_text())
    named = set(re.findall(r"\b(?:darkhorses|process)_\w+", " ".join(queries)))
    assert len(named) > 25
    assert named <= exported

    documented = DOCS.read_text()
    bare = {re.sub(r"_(bucket|count|sum)$", "", name) for name in exported}
    ours = {name for name in bare if name.startswith("darkhorses_")}
    assert sorted(name for name in ours if f"`{name}`" not in documented) == []
    alerts = re.findall(r"alert: (\w+)", (DEPLOY / "alerts.yml").read_text())
    assert sorted(alert for alert in alerts if f"`{alert}`" not in documented) == []


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not there")
def test_the_alert_rules_fire_when_they_should() -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", "alerts.test.yml"],  # noqa: S607  # as it is installed
        cwd=DEPLOY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tested = set(re.findall(r"alertname: (\w+)", (DEPLOY / "alerts.test.yml").read_text()))
    assert tested == set(re.findall(r"alert: (\w+)", (DEPLOY / "alerts.yml").read_text()))
