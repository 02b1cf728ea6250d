"""granian's embedded server, with sockets that bound what a client that does not read can hold.

A connection inherits the options of the socket that listens. Without them each stuck client keeps
megabytes in the kernel, and its connection open for ever, as it goes on answering window probes.
"""

import os
import resource
import socket
from datetime import timedelta
from typing import Any

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

SEND_BUFFER = 131_072
NOT_TAKEN = timedelta(seconds=30)
"""How long sent bytes may wait for a client before its connection is cut."""

REQUESTS_BESIDE_STREAMS = 1024
"""Connections that find a place when every stream is taken; granian lets the rest wait."""

_WRITE_BUFFER = 65_536
_BACKLOG = 1024
_OTHER_FILES = 256


class StreamingServer(Server):
    """A server for many long answers beside the short ones."""

    def _init_shared_socket(self) -> None:
        super()._init_shared_socket()  # type: ignore[no-untyped-call]  # granian leaves it without types
        holder: Any = self._shd
        if holder is None:
            # Where ports can be shared, granian leaves it to its worker to make the socket.
            specification: Any = self._ssp
            holder = self._shd = specification.build()
            self._ssp = None
        with socket.socket(fileno=os.dup(holder.get_fd())) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            milliseconds = int(NOT_TAKEN / timedelta(milliseconds=1))
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def make_server(application: Any, *, address: str, port: int, most_streams: int) -> Server:
    """A server whose own limits leave room for so many streams and the requests beside them."""
    connections = most_streams + REQUESTS_BESIDE_STREAMS
    _allow_open_files(connections + _OTHER_FILES)
    return StreamingServer(
        application,
        address=address,
        port=port,
        interface=Interfaces.ASGINL,
        backlog=_BACKLOG,
        backpressure=connections,
        http1_settings=HTTP1Settings(max_buffer_size=_WRITE_BUFFER),
        log_enabled=False,
    )


def _allow_open_files(wanted: int) -> None:
    """Let this process have so many files open, as far as the system lets it: often 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
