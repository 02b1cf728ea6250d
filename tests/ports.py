"""Ports for the programs that tests start."""

import socket
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_until_it_listens(
    port: int, process: "subprocess.Popen[bytes]", host: str = "127.0.0.1"
) -> None:
    """Wait until a program takes connections; fails when it ends instead."""
    while process.poll() is None:
        with closing(socket.socket()) as probe:
            if probe.connect_ex((host, port)) == 0:
                return
    raise AssertionError(f"{process.args!r} did not start")
