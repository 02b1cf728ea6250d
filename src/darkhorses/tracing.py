"""Traces for OpenTelemetry, when an address for them is set; nothing is imported when it is not.

Where to send them is a setting. Everything else (OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_HEADERS,
OTEL_TRACES_SAMPLER, …) the SDK reads from the environment by itself.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from darkhorses import __version__

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

Attributes = Mapping[str, str | int]

_PATIENCE = 1.0
"""Seconds that the last spans may take to be sent when the process ends."""

_nothing: AbstractContextManager[None] = nullcontext()
_tracer: "Tracer | None" = None


def is_traced() -> bool:
    """Whether anybody is told of spans."""
    return _tracer is not None


def span(name: str, attributes: Attributes | None = None) -> "AbstractContextManager[Span | None]":
    """What the block does, as a span; None where nobody traces."""
    if _tracer is None:
        return _nothing
    return _tracer.start_as_current_span(name, attributes=attributes)


@contextmanager
def traced(endpoint: str | None, process: str) -> Iterator[None]:
    """Send spans to an OTLP/HTTP receiver while the block runs; without one, trace nothing."""
    global _tracer  # noqa: PLW0603  # one process, one tracer
    if endpoint is None:
        yield
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    ours = {"service.name": f"darkhorses-{process}", "service.version": __version__}
    provider = TracerProvider(
        resource=Resource(ours).merge(OTELResourceDetector().detect()), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = provider.get_tracer("darkhorses", __version__)
    try:
        yield
    finally:
        _tracer = None
        # A receiver that does not answer is not to hold the end up.
        last = threading.Thread(target=provider.force_flush, daemon=True)
        last.start()
        last.join(_PATIENCE)
