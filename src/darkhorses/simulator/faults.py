"""Faults on demand: an answer replaced, spoilt, cut short or never given."""

import zlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from random import Random
from typing import Any

import msgspec

from darkhorses.simulator.chance import chance
from darkhorses.simulator.server import Answer

_GARBAGE = b"<html><body>upstream connect error or disconnect/reset before headers</body></html>"
_LISTS = ("racecards", "results")
_GZIP = zlib.MAX_WBITS | 16
_GZIPPED = (("content-encoding", "gzip"),)
_MEBIBYTE = 1024 * 1024
_MEBIBYTES = 256
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
    THROTTLED_FOR_A_TIME = "429after"
    THROTTLED_WITHOUT_A_WORD = "429bare"
    FAILED = "500"
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"
    GARBAGE = "garbage"
    BAD_GZIP = "badgzip"
    CUT_GZIP = "cutgzip"
    HUGE = "huge"
    BOMB = "bomb"
    BAD_RUNNER = "badrunner"
    TWICE = "twice"
    SHRUNK = "shrunk"


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
        if fault is Fault.THROTTLED:
            return _throttled(says_when=self._dice.random() < 0.5)
        make = _INSTEAD.get(fault)
        return make() if make is not None else None

    def spoil(self, fault: Fault, answer: Answer) -> Answer:
        """The true answer, broken."""
        if fault is Fault.BAD_RUNNER:
            return msgspec.structs.replace(answer, body=_spoil_runner(self._dice, answer.body))
        spoil = _SPOILT.get(fault)
        return spoil(answer) if spoil is not None else answer


def _throttled(*, says_when: bool) -> Answer:
    body = msgspec.json.encode({"detail": "Too Many Requests"})
    return Answer(status=429, body=body, headers=(("retry-after", "1"),) if says_when else ())


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    """A few hundred kilobytes that unpack to as much as the huge answer."""
    packer = zlib.compressobj(9, wbits=_GZIP)
    blank = b" " * _MEBIBYTE
    return b"".join([*(packer.compress(blank) for _ in range(_MEBIBYTES)), packer.flush()])


def _cut_short(answer: Answer) -> Answer:
    return msgspec.structs.replace(answer, cut=True)


def _packed(answer: Answer, body: bytes) -> Answer:
    return msgspec.structs.replace(answer, body=body, headers=_GZIPPED)


def _badly_packed(answer: Answer) -> Answer:
    body = bytearray(zlib.compress(answer.body, 1, wbits=_GZIP))
    # The first block after the header gets a type that does not exist.
    body[10] = 0xFF
    return _packed(answer, bytes(body))


def _packed_and_cut(answer: Answer) -> Answer:
    # All of the JSON is there: only the sums at the end, which vouch for it, are not.
    return _packed(answer, zlib.compress(answer.body, 1, wbits=_GZIP)[:-6])


def _repeat_first(answer: Answer) -> Answer:
    """A list with its first race once more at its end; anything else as it is."""
    content = msgspec.json.decode(answer.body)
    for name in _LISTS:
        if isinstance(content, dict) and content.get(name):
            content[name].append(content[name][0])
    return msgspec.structs.replace(answer, body=msgspec.json.encode(content))


def _move_up(answer: Answer) -> Answer:
    """A later page after a race of an earlier one has gone: all have moved up by one."""
    content = msgspec.json.decode(answer.body)
    for name in _LISTS:
        if isinstance(content, dict) and content.get(name) and content.get("skip"):
            del content[name][0]
            content["total"] -= 1
    return msgspec.structs.replace(answer, body=msgspec.json.encode(content))


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


_INSTEAD: Mapping[Fault, Callable[[], Answer]] = {
    Fault.THROTTLED_FOR_A_TIME: lambda: _throttled(says_when=True),
    Fault.THROTTLED_WITHOUT_A_WORD: lambda: _throttled(says_when=False),
    Fault.FAILED: lambda: Answer(
        status=500, body=b"Internal Server Error", media_type="text/plain"
    ),
    Fault.TIMEOUT: lambda: Answer(status=200, body=b"", hangs=True),
    Fault.GARBAGE: lambda: Answer(status=200, body=_GARBAGE),
    Fault.HUGE: lambda: Answer(status=200, body=b" " * _MEBIBYTE, times=_MEBIBYTES),
    Fault.BOMB: lambda: Answer(status=200, body=_bomb(), headers=_GZIPPED),
}
_SPOILT: Mapping[Fault, Callable[[Answer], Answer]] = {
    Fault.TRUNCATED: _cut_short,
    Fault.BAD_GZIP: _badly_packed,
    Fault.CUT_GZIP: _packed_and_cut,
    Fault.TWICE: _repeat_first,
    Fault.SHRUNK: _move_up,
}
