"""Large blocks that were freed are not held beneath small ones that came later."""

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import sys
from pathlib import Path
from darkhorses.api.heap import give_large_blocks_back

def held():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous"))

if sys.argv[1] == "with":
    assert give_large_blocks_back()
before = held()
freed = b"x" * 4_000_000
del freed
large, small = [], []
for _ in range(40):
    large.append(b"x" * 500_000)
    small.append(b"y" * 50_000)
del large
print(held() - before)
"""


def _held_after(how: str) -> int:
    """KiB that a process holds more after 20 MB were freed beneath 2 MB that are kept."""
    done = subprocess.run(  # our own interpreter
        [sys.executable, "-c", _PROGRAM, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc's heap that is mended")
def test_large_blocks_are_given_back_though_small_ones_came_after_them() -> None:
    assert _held_after("without") > 15_000
    assert _held_after("with") < 4_000
