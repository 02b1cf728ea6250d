"""Figures of a run: a table with the nearness to each goal first, a JSON file, and a comparison."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How a run measures: so many ``runs`` of each figure, a day ``times`` as big, so many changes.

    What a module cannot use it leaves.
    """

    runs: int = 15
    times: int = 1
    changes: int = 1_000_000


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, in ``unit``; ``limit`` is what the runs are divided by, None for none.

    ``goal`` is the most that the median may be (``at_least``: the least), as a ratio where there
    is a limit and in ``unit`` otherwise; None for a figure that says how things are. ``plain`` is
    what a plain program with the same features took.
    """

    name: str
    unit: str
    runs: tuple[float, ...]
    goal: float | None = None
    at_least: bool = False
    limit: tuple[float, ...] | None = None
    limit_name: str = ""
    plain: tuple[float, ...] | None = None
    plain_name: str = ""

    @property
    def value(self) -> float:
        """The median, divided by the limit's median where there is one."""
        median = statistics.median(self.runs)
        return median if self.limit is None else median / statistics.median(self.limit)

    @property
    def part(self) -> float | None:
        """How much of the goal is used: 1 and less is reached; None without a goal."""
        if self.goal is None:
            return None
        return self.goal / self.value if self.at_least else self.value / self.goal

    @property
    def reached(self) -> bool:
        """Whether the goal is reached; True without one."""
        return self.part is None or self.part <= 1


def table(figures: Sequence[Figure]) -> str:
    """All figures in Markdown; runs, limits and plain programs by least, median, most."""
    lines = [
        "| part of the goal | reached | value | goal | figure | runs | limit | plain |",
        "|---:|---|---:|---:|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(_cells(one)) + " |" for one in figures]
    return "\n".join(lines)


def _cells(one: Figure) -> list[str]:
    unit = "times" if one.limit is not None else one.unit
    goal = "-" if one.goal is None else f"{'≥' if one.at_least else '≤'} {one.goal:g} {unit}"
    return [
        "-" if one.part is None else f"{one.part:.2f}",
        "-" if one.part is None else "yes" if one.reached else "NO",
        f"{one.value:.3g} {unit}",
        goal,
        one.name,
        _spread(one.runs, one.unit),
        _beside(one.limit_name, one.limit, one.unit),
        _beside(one.plain_name, one.plain, one.unit),
    ]


def compare(before: Sequence[Figure], after: Sequence[Figure]) -> str:
    """What became of each figure that both runs have, in Markdown."""
    old = {one.name: one for one in before}
    lines = ["| now / then | figure | then | now |", "|---:|---|---:|---:|"]
    lines += [
        f"| {one.value / old[one.name].value:.2f} | {one.name} "
        f"| {old[one.name].value:.3g} | {one.value:.3g} |"
        for one in after
        if one.name in old
    ]
    return "\n".join(lines)


def save(path: Path, figures: Sequence[Figure]) -> None:
    """Write the figures as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))


def load(path: Path) -> list[Figure]:
    """Read figures that were saved; raises msgspec.MsgspecError when they are none."""
    return msgspec.json.decode(path.read_bytes(), type=list[Figure])


def _beside(name: str, values: Sequence[float] | None, unit: str) -> str:
    return f"{name}: {_spread(values, unit)}" if values else "-"


def _spread(values: Sequence[float], unit: str) -> str:
    return f"{min(values):.3g}, {statistics.median(values):.3g}, {max(values):.3g} {unit}"
