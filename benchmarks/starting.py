"""How long it takes until ``darkhorses version`` has said it."""

import subprocess
import sys
import time

from benchmarks.figures import Figure, Run


def measure(run: Run) -> list[Figure]:
    """Seconds that ``darkhorses version`` takes."""
    return [
        Figure(
            name="darkhorses version",
            unit="s",
            goal=0.3,
            runs=tuple(_seconds("-m", "darkhorses", "version") for _ in range(run.runs)),
        )
    ]


def _seconds(*arguments: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun
