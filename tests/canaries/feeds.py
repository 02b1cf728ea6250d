"""A feed that repeats to everyone what it was told in confidence."""

import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Gossip(BaseHTTPRequestHandler):
    """Answers with the credentials in every place that an answer has."""

    how = "401"

    def do_GET(self) -> None:  # as http.server calls it
        """Answer as told."""
        if self.how == "cut":
            self.close_connection = True
            return
        sent = self.headers.get("Authorization", "")
        password = b64decode(sent.partition(" ")[2] or "").decode()
        detail = f"no: {sent} {password} {password.partition(':')[2]}"
        body = json.dumps({"detail": detail, "racecards": detail, "results": detail}).encode()
        if self.how == "garbage":
            body = detail.encode()
        status = 200 if self.how in ("garbage", "nonsense") else int(self.how)
        self.send_response(status, detail.replace("\n", " "))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Told", detail)
        if status == 429:
            self.send_header("Retry-After", detail)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as http.server calls it
        """Say nothing."""


@contextmanager
def gossiping(how: str) -> Iterator[str]:
    """Run such a feed, whose answers are of one kind; its address."""
    handler = type("OneKind", (Gossip,), {"how": how})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
