"""The commands that the documentation tells an operator to type, typed."""

import asyncio
import os
import re
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_under(document: str, heading: str) -> str:
    """The shell commands under a heading of a document, up to the next heading."""
    text = (DOCS / document).read_text()
    (section,) = re.findall(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL
    )
    blocks = _BLOCK.findall(section)
    assert blocks, f"{document} has no commands under {heading}"
    return "\n".join(blocks)


async def typed(commands: str, directory: Path, **environment: str) -> str:
    """Type commands into a shell that stops at the first failure; what stdout said."""
    programs = Path(sys.executable).parent
    process = await asyncio.create_subprocess_exec(
        "/bin/bash",
        "-euo",
        "pipefail",
        "-c",
        commands,
        cwd=directory,
        env={"PATH": f"{programs}:{os.defpath}", "LC_ALL": "C.UTF-8", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    return said.decode()
