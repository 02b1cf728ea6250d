"""The least of a server: granian, set up as the API sets it up, with bodies that are there already.

``python -m benchmarks.static_server FILE`` serves what FILE says (a JSON object of bodies in
base64 and headers, by path) on PORT; ``/smallest`` has two bytes.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from darkhorses.api.server import make_server

SMALLEST = "/smallest"
_STREAMS = 1000


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to be given again and again."""

    content: bytes
    headers: Mapping[str, str]


_SMALLEST = Body(content=b"{}", headers={"content-type": "application/json"})


def main(path: Path) -> None:
    """Serve until told to end."""
    bodies = msgspec.json.decode(path.read_bytes(), type=dict[str, Body])
    messages = {path: _messages(body) for path, body in {**bodies, SMALLEST: _SMALLEST}.items()}

    async def application(scope: Any, _receive: Any, send: Any) -> None:
        start, body = messages[scope["path"]]
        await send(start)
        await send(body)

    port = int(os.environ["PORT"])  # noqa: TID251  # no program of ours
    server = make_server(application, address="127.0.0.1", port=port, most_streams=_STREAMS)
    uvloop.run(server.serve())


def _messages(body: Body) -> tuple[dict[str, Any], dict[str, Any]]:
    headers = {**body.headers, "content-length": str(len(body.content))}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return (
        {"type": "http.response.start", "status": 200, "headers": pairs},
        {"type": "http.response.body", "body": body.content, "more_body": False},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
