"""A client of DarkHorses for Python: every question, and the stream with all that makes it whole.

    async with DarkHorsesClient("http://127.0.0.1:8000") as client:
        async with client.stream(course="Ascot") as stream:
            async for event in stream:
                ...

True in this package: answers are the very structs in which the API describes them, prices stay
exact decimals, instants are aware UTC; no server and no database driver is imported. Every change
of price comes once and in order, over lost connections and restarts on either side, as long as
the id of the last event is kept.
"""

from darkhorses.client.errors import (
    ClientError,
    FieldProblem,
    MalformedAnswerError,
    ProblemError,
    UnreachableError,
)
from darkhorses.client.events import (
    NonRunner,
    Price,
    Race,
    Result,
    Resync,
    Snapshot,
    Status,
    StreamEvent,
)
from darkhorses.client.session import DarkHorsesClient
from darkhorses.client.streams import Stream

__all__ = [
    "ClientError",
    "DarkHorsesClient",
    "FieldProblem",
    "MalformedAnswerError",
    "NonRunner",
    "Price",
    "ProblemError",
    "Race",
    "Result",
    "Resync",
    "Snapshot",
    "Status",
    "Stream",
    "StreamEvent",
    "UnreachableError",
]
