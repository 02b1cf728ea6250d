"""Traces and reports of errors as they arrive: real processes, real receivers on this machine."""

import gzip
import json
from typing import Any

import asyncpg
import brotli
import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from darkhorses.domain.redaction import HIDDEN
from darkhorses.store.pool import Database
from tests.api.processes import running_api
from tests.receivers import Received, Receiver
from tests.worker.processes import WorkerProcess

FEED = "http://127.0.0.1:9/v1"
CANARY = "canary-of-the-feed"


def body_of(received: Received) -> bytes:
    """A body without its coding."""
    coding = received.headers.get("content-encoding")
    if coding == "br":
        return bytes(brotli.decompress(received.body))
    return gzip.decompress(received.body) if coding == "gzip" else received.body


def spans_of(received: list[Received]) -> list[tuple[str, str]]:
    """Service and name of every span that came."""
    found = []
    for each in received:
        request = ExportTraceServiceRequest.FromString(body_of(each))
        for of in request.resource_spans:
            (service,) = (
                attribute.value.string_value
                for attribute in of.resource.attributes
                if attribute.key == "service.name"
            )
            found += [(service, span.name) for scope in of.scope_spans for span in scope.spans]
    return found


def events_of(received: list[Received]) -> list[dict[str, Any]]:
    """The errors in the envelopes that came."""
    events = []
    for each in received:
        lines = body_of(each).split(b"\n")
        for header, payload in zip(lines[1::2], lines[2::2], strict=False):
            if json.loads(header)["type"] == "event":
                events.append(json.loads(payload))
    return events


async def test_requests_and_transactions_of_the_api_are_traced(database_url: str) -> None:
    async with (
        Receiver.listening(200) as receiver,
        running_api(
            DATABASE_URL=database_url,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url.removesuffix("/hook"),
            OTEL_SERVICE_NAME="named-by-otel",
        ) as api,
        httpx.AsyncClient(base_url=api.url) as client,
    ):
        await api.until("market.loaded")
        await client.get("/api/races/rac_unknown")
        await client.get("/health")
        assert (await api.stop())[0] == 0
        found = spans_of(receiver.received)
    assert {each.path for each in receiver.received} == {"/v1/traces"}
    assert ("named-by-otel", "GET /api/races/{race_id}") in found
    assert not any("/health" in name for _, name in found)


async def test_jobs_and_failures_of_the_worker_are_told_without_secrets(
    database_url: str,
) -> None:
    async with (
        Receiver.listening(200) as traces,
        Receiver.listening(200) as errors,
        WorkerProcess.start(
            DATABASE_URL=database_url,
            RACING_API_BASE_URL=FEED,
            RACING_API_USERNAME="u",
            RACING_API_PASSWORD=CANARY,
            SENTRY_DSN=errors.url.replace("http://", "http://key@").replace("/hook", "/1"),
            OTEL_EXPORTER_OTLP_ENDPOINT=traces.url.removesuffix("/hook"),
        ) as worker,
    ):
        await worker.until("job.failed", job="live_odds")
        await errors.until(1)
        assert await worker.stop() == 0
        spans = spans_of(traces.received)
        events = events_of(errors.received)
    names = {name for _, name in spans}
    assert {"job live_odds", "feed racecards/pro", "transaction"} <= names
    failed = next(event for event in events if event["tags"].get("job") == "live_odds")
    assert failed["tags"]["process"] == "worker"
    assert failed["exception"]["values"][-1]["type"] in ("UnavailableError", "CircuitOpenError")
    told = json.dumps(events)
    assert CANARY not in told
    assert "request" not in failed
    assert '"vars"' not in told


async def test_an_unexpected_error_of_the_api_is_told_without_its_secrets(
    database_url: str, database: Database
) -> None:
    async with database.connection() as connection:
        await connection.execute("DROP TABLE ra_odds_historical CASCADE")
    async with (
        Receiver.listening(200) as errors,
        running_api(
            DATABASE_URL=database_url,
            SENTRY_DSN=errors.url.replace("http://", "http://key@").replace("/hook", "/1"),
            RACING_API_PASSWORD="ra_odds_historical",
        ) as api,
        httpx.AsyncClient(base_url=api.url) as client,
    ):
        await api.until("market.loaded")
        answer = await client.get("/api/historical-odds", headers={"x-canary": CANARY})
        assert answer.status_code == 500
        await errors.until(1)
        (event,) = events_of(errors.received)
    assert event["tags"] == {"process": "api", "route": "/api/historical-odds"}
    assert event["exception"]["values"][-1]["type"] == asyncpg.UndefinedTableError.__name__
    assert event["exception"]["values"][-1]["value"] == f'relation "{HIDDEN}" does not exist'
    assert CANARY not in json.dumps(event)
