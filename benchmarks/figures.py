"""Figures of a run: a table with the nearness to each goal first, a JSON file, and a comparison."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured for one goal; ``limit`` is what the runs are divided by, None for none.

    ``goal`` is the most that the median may be, as a ratio where there is a limit and in ``unit``
    otherwise.
    """

    name: str
    unit: str
    goal: float
    runs: tuple[float, ...]
    limit: tuple[float, ...] | None = None
    limit_name: str = ""

    @property
    def value(self) -> float:
        """The median, divided by the limit's median where there is one."""
        median = statistics.median(self.runs)
        return median if self.limit is None else median / statistics.median(self.limit)

    @property
    def reached(self) -> bool:
        """Whether the goal is reached."""
        return self.value <= self.goal


def table(figures: Sequence[Figure]) -> str:
    """All figures in Markdown; runs and limits by least, median, most."""
    lines = [
        "| part of the goal | reached | value | goal | figure | runs | limit |",
        "|---:|---|---:|---:|---|---|---|",
    ]
    for one in figures:
        unit = "times" if one.limit is not None else one.unit
        limit = f"{one.limit_name}: {_spread(one.limit, one.unit)}" if one.limit else "-"
        lines.append(
            f"| {one.value / one.goal:.2f} | {'yes' if one.reached else 'NO'} "
            f"| {one.value:.3g} {unit} | {one.goal:g} {unit} | {one.name} "
            f"| {_spread(one.runs, one.unit)} | {limit} |"
        )
    return "\n".join(lines)


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


def _spread(values: Sequence[float], unit: str) -> str:
    return f"{min(values):.3g}, {statistics.median(values):.3g}, {max(values):.3g} {unit}"
