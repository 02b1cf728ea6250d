"""The ``darkhorses`` command as an operator calls it."""

import os
import subprocess
import sys


def darkhorses(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run it to its end, with these variables and no others."""
    return subprocess.run(
        [sys.executable, "-m", "darkhorses", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": os.defpath, **environment},
    )
