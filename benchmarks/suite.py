"""The goals that are measured so far, in one run: ``make bench``, ``make bench-compare``.

Each module of ``BENCHMARKS`` has ``measure(run: Run) -> list[Figure]`` and is imported only when
it is asked for. ``--only NAME`` (several with commas) measures some of them.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.figures import Figure, Run, compare, load, save, table

BENCHMARKS = {
    "starting": "benchmarks.starting",
    "polls": "benchmarks.polls",
    "worker": "benchmarks.worker_process",
    "backfill": "benchmarks.backfilling",
    "serving": "benchmarks.serving",
    "api": "benchmarks.api_start",
    "streams": "benchmarks.stream_latency",
    "months": "benchmarks.months",
    "growth": "benchmarks.growth",
}
"""What there is to measure: names and modules, in the order in which they run."""


def measured(names: Sequence[str], run: Run) -> list[Figure]:
    """Measure, one after the other."""
    figures: list[Figure] = []
    for name in names:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        figures += import_module(BENCHMARKS[name]).measure(run)
    return figures


def main() -> None:
    """Measure, print, save; or compare with what was saved."""
    parser = ArgumentParser(prog="benchmarks.suite", description=__doc__)
    parser.add_argument("--only", help=f"some of {','.join(BENCHMARKS)}")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--times", type=int, default=1, choices=(1, 4), help="how big the day is")
    parser.add_argument("--changes", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    parser.add_argument("--against", type=Path, help="a saved run to compare with")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(BENCHMARKS)
    if unknown := set(names) - BENCHMARKS.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    before = load(options.against) if options.against else []
    run = Run(runs=options.runs, times=options.times, changes=options.changes)
    figures = measured(names, run)
    print(table(figures))
    if before:
        print("\n" + compare(before, figures))
    save(options.out, figures)


if __name__ == "__main__":
    main()
