"""Faults on demand: an answer replaced, spoilt, cut short or never given."""

import zlib
from enum import StrEnum
from random import Random
from typing import Any

import msgspec

from darkhorses.simulator.chance import chance
from darkhorses.simulator.server import Answer

_GARBAGE = b"<html><body>upstream connect error or disconnect/reset before headers</body></html>"
_NONSENSE: tuple[tuple[str, Any], ...] = (
    ("horse_id", None),
    ("horse_id", {"id": 7}),
    ("number", ["one"]),
    ("age", "three"),
    ("decimal", "abc"),
    ("decimal", "1e99"),
    ("fractional", "7/0"),
    ("bookmaker", "***"),
)


class Fault(StrEnum):
    """What can go wrong."""

    THROTTLED = "429"
    FAILED = "500"
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"
    GARBAGE = "garbage"
    BAD_GZIP = "badgzip"
    BAD_RUNNER = "badrunner"


def read_fault(text: str) -> tuple[Fault, float]:
    """Read ``KIND`` or ``KIND:RATE``, a rate from 0 to 1, by default 1. Raises ValueError."""
    kind, _, rate = text.partition(":")
    try:
        fault = Fault(kind.strip().lower())
    except ValueError:
        known = ", ".join(Fault)
        raise ValueError(f"unknown fault {kind!r}; known are {known}") from None
    try:
        share = float(rate) if rate else 1.0
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"the rate of {kind!r} must be a number from 0 to 1, not {rate!r}")
    return fault, share


class Faults:
    """Decides by seeded chance which request goes wrong, and how."""

    def __init__(self, seed: int, rates: dict[Fault, float]) -> None:
        self.rates = rates
        self._dice = chance(seed, "faults")

    def next(self) -> Fault | None:
        """What goes wrong with the next request; None when nothing does."""
        for fault, rate in self.rates.items():
            # A rate of 1 draws no chance, so that switching it on and off changes nothing else.
            if rate >= 1 or (rate > 0 and self._dice.random() < rate):
                return fault
        return None

    def instead(self, fault: Fault) -> Answer | None:
        """The answer that replaces the true one; None for a fault that spoils it."""
        match fault:
            case Fault.THROTTLED:
                after = (("retry-after", "1"),) if self._dice.random() < 0.5 else ()
                body = msgspec.json.encode({"detail": "Too Many Requests"})
                return Answer(status=429, body=body, headers=after)
            case Fault.FAILED:
                return Answer(status=500, body=b"Internal Server Error", media_type="text/plain")
            case Fault.TIMEOUT:
                return Answer(status=200, body=b"", hangs=True)
            case Fault.GARBAGE:
                return Answer(status=200, body=_GARBAGE)
            case _:
                return None

    def spoil(self, fault: Fault, answer: Answer) -> Answer:
        """The true answer, broken."""
        match fault:
            case Fault.TRUNCATED:
                return msgspec.structs.replace(answer, cut=True)
            case Fault.BAD_GZIP:
                body = bytearray(zlib.compress(answer.body, 1, wbits=31))
                # The first block after the header gets a type that does not exist.
                body[10] = 0xFF
                return msgspec.structs.replace(
                    answer, body=bytes(body), headers=(("content-encoding", "gzip"),)
                )
            case Fault.BAD_RUNNER:
                return msgspec.structs.replace(answer, body=_spoil_runner(self._dice, answer.body))
            case _:
                return answer


def _spoil_runner(dice: Random, body: bytes) -> bytes:
    """Put nonsense into one runner or one of its quotes; a body without runners stays as it is."""
    content = msgspec.json.decode(body)
    if not isinstance(content, dict):
        return body
    races = content.get("racecards") or content.get("results") or [content]
    runners = [runner for race in races for runner in race.get("runners") or ()]
    if not runners:
        return body
    runner = dice.choice(runners)
    quotes = runner.get("odds")
    name, nonsense = dice.choice(_NONSENSE)
    if name in {"decimal", "fractional", "bookmaker"} and quotes:
        dice.choice(quotes)[name] = nonsense
    else:
        runner["horse_id" if name not in runner else name] = nonsense
    return msgspec.json.encode(content)
