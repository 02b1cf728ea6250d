"""The ``darkhorses`` command as an operator calls it."""

import asyncio
import os
import subprocess
import sys
from typing import Any

import msgspec


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


class Operator:
    """Somebody who types a group of commands, such as ``darkhorses keys …``."""

    def __init__(self, group: str, **environment: str) -> None:
        self._group = group
        self._environment = environment

    async def types(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run one of them, with further variables."""
        return await asyncio.to_thread(
            darkhorses, self._group, *words, **(self._environment | environment)
        )

    async def reads(self, *words: str) -> Any:
        """What one of them prints as JSON."""
        result = await self.types(*words, "--json")
        assert result.returncode == 0, result.stderr
        return msgspec.json.decode(result.stdout)
