"""Load by ``wrk``: 32 connections that are kept alive, one thread, everything on this machine."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

CONNECTIONS = 32
_TICKS = os.sysconf("SC_CLK_TCK")
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


class NoLoadError(Exception):
    """There is nothing to make load with, or what was asked did not answer well."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a server did under load; ``busy`` is how much of a core ``wrk`` itself took."""

    per_second: float
    p99_ms: float
    server_us: float
    busy: float


def wrk() -> str:
    """Where wrk is; raises NoLoadError when there is none."""
    found = shutil.which("wrk")
    if found is None:
        raise NoLoadError("wrk is not on PATH (apt-get install wrk)")
    return found


def load(url: str, headers: Mapping[str, str], *, pid: int, seconds: int) -> Load:
    """Ask one address as fast as it answers; ``pid`` is the server's, whose processor time counts.

    Raises NoLoadError when an answer was neither of 2xx nor of 3xx.
    """
    given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    before, own = processor_seconds(pid), os.times()
    ran = subprocess.run(
        [wrk(), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "--latency", *given, url],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    took, now = processor_seconds(pid) - before, os.times()
    if "Non-2xx" in ran:
        raise NoLoadError(f"{url} did not answer well: {ran}")
    by_wrk = now.children_user + now.children_system - own.children_user - own.children_system
    requests = int(_found(r"(\d+) requests in", ran)[1])
    p99 = _found(r"99%\s+([\d.]+)(\w+)", ran)
    return Load(
        per_second=float(_found(r"Requests/sec:\s+([\d.]+)", ran)[1]),
        p99_ms=float(p99[1]) * _UNITS[p99[2]],
        server_us=took / max(requests, 1) * 1e6,
        busy=by_wrk / seconds,
    )


def _found(pattern: str, text: str) -> re.Match[str]:
    found = re.search(pattern, text)
    if found is None:
        raise NoLoadError(f"wrk said {text!r}")
    return found


def processor_seconds(pid: int) -> float:
    """What a process with its threads has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
