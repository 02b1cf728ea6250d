"""The address of the stream as server-sent events."""

import asyncio
from typing import Annotated, Any

import structlog
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter
from litestar.response.base import ASGIResponse
from litestar.types import HTTPResponseBodyEvent, Receive, Scope, Send

from darkhorses.api.edge import is_head
from darkhorses.api.problems import REFUSALS
from darkhorses.api.publishing import Publisher
from darkhorses.api.stream_bodies import StreamEvents
from darkhorses.api.stream_forms import EventStreamForm
from darkhorses.api.streams import Ending, Session, Streams
from darkhorses.api.subscriptions import (
    MOST_VALUES,
    Subscription,
    read_filters,
    read_last_event_id,
)
from darkhorses.domain.stages import Stage
from darkhorses.store.errors import StoreError

log = structlog.get_logger()

_MEDIA_TYPE = "text/event-stream"
_HEADERS = (
    (b"content-type", _MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    # Proxies of the nginx family would otherwise keep events until a buffer is full.
    (b"x-accel-buffering", b"no"),
)


class EventStream(ASGIResponse):
    """An answer that goes on until the client goes away or the service stops."""

    def __init__(self, streams: Streams, subscription: Subscription) -> None:
        super().__init__(media_type=_MEDIA_TYPE)
        self._streams = streams
        self._subscription = subscription

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events to one client."""
        form = EventStreamForm(retry_milliseconds=self._streams.retry_milliseconds())
        with self._streams.admitted(form) as session:
            await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
            if not is_head(scope):
                session.subscribe(self._subscription)
                watching = asyncio.create_task(_watch(receive, session))
                try:
                    await _send_events(session, form.retry + b"\n", send)
                finally:
                    watching.cancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class EventStreamResponse(Response[None]):
    """What the handler answers with."""

    def __init__(self, streams: Streams, subscription: Subscription) -> None:
        super().__init__(None, media_type=_MEDIA_TYPE)
        self._stream = EventStream(streams, subscription)

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        """The stream itself: nothing of what is usual for answers with an end is wanted."""
        return self._stream


async def _send_events(session: Session, retry: bytes, send: Send) -> None:
    """Send until the end, and then, if it is ours, when to come back."""
    chunk = retry
    await session.send(_body(send, retry))
    try:
        async for chunk in session.chunks():
            await session.send(_body(send, chunk))
    except StoreError as error:
        # What a client missed cannot be read just now: it comes back for it.
        log.warning("stream.database_away", reason=str(error))
        session.end(Ending.STOPPING)
    # In the middle of an event, more would be taken for a part of it.
    if session.ending is Ending.STOPPING and chunk.endswith(b"\n\n"):
        await session.send(_body(send, b": closing\n" + retry))


async def _body(send: Send, chunk: bytes) -> None:
    message: HTTPResponseBodyEvent = {
        "type": "http.response.body",
        "body": chunk,
        "more_body": True,
    }
    await send(message)


async def _watch(receive: Receive, session: Session) -> None:
    """End the session when its client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    session.end(Ending.GONE)


@get(
    "/api/stream",
    tags=["Streams"],
    summary="Every change as it happens, as server-sent events",
    media_type=MediaType.TEXT,
    responses={
        200: ResponseSpec(
            StreamEvents,
            description="Events without end; the body's fields are the events by their names",
            media_type=_MEDIA_TYPE,
            generate_examples=False,
        ),
        **REFUSALS,
    },
    sync_to_thread=False,
)
def get_stream(
    *,
    streams: NamedDependency[Streams],
    publisher: NamedDependency[Publisher],
    race_id: Annotated[
        tuple[str, ...], QueryParameter(max_items=MOST_VALUES, description="Only these races")
    ] = (),
    course: Annotated[
        tuple[str, ...], QueryParameter(max_items=MOST_VALUES, description="Only these courses")
    ] = (),
    stage: Annotated[
        tuple[Stage, ...],
        QueryParameter(max_items=MOST_VALUES, description="Only races while in these stages"),
    ] = (),
    bookmaker: Annotated[
        tuple[str, ...],
        QueryParameter(
            max_items=MOST_VALUES, description="Only prices of these bookmakers, by name or id"
        ),
    ] = (),
    region: Annotated[
        tuple[str, ...],
        QueryParameter(max_items=MOST_VALUES, description="Only races of these regions: gb, ire"),
    ] = (),
    snapshot: Annotated[
        bool,
        QueryParameter(description="false: begin with what happens next, and have no snapshots"),
    ] = True,
    last_event_id: Annotated[
        str | None,
        QueryParameter(description="Go on after this event, where no header can be sent"),
    ] = None,
    last_event_id_header: Annotated[
        str | None,
        HeaderParameter(name="Last-Event-ID", description="Go on after this event"),
    ] = None,
) -> EventStreamResponse:
    """A snapshot of the races first, then events in the order of their commits.

    Each filter may be given several times. With the id of an event (the header wins) the stream
    goes on after it: every price change since, none twice, and every race that was written about.
    A `resync` says when that cannot be, and why; a snapshot follows it. The same events come over
    a WebSocket at `/api/ws`. Beyond the cap on clients it is 503 with Retry-After.
    """
    filters = read_filters(
        race_id=race_id, course=course, stage=stage, bookmaker=bookmaker, region=region
    )
    position = (
        read_last_event_id(last_event_id_header, field="Last-Event-ID")
        if last_event_id_header
        else read_last_event_id(last_event_id)
    )
    publisher.followed()
    streams.require_room()
    subscription = Subscription(filters=filters, position=position, with_snapshots=snapshot)
    return EventStreamResponse(streams, subscription)


ROUTES = (get_stream,)
