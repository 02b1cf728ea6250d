"""What the files of a deployment say: the Dockerfile, its context, compose, Procfile, Render."""

import json
import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]


def program(name: str) -> Path:
    """A program that was installed beside this Python."""
    return Path(sys.executable).parent / name


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command to its good end; what it said."""
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={"PATH": f"{Path(sys.executable).parent}:{os.defpath}"},
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile in order, each with what follows it."""
    parser = DockerfileParser(path=str(ROOT / "Dockerfile"))
    return [
        (step["instruction"], step["value"])
        for step in parser.structure
        if step["instruction"] != "COMMENT"
    ]


def step(instruction: str) -> str:
    """The one instruction of a kind."""
    (found,) = (value for name, value in steps() if name == instruction)
    return found


def exec_form(value: str) -> list[str]:
    """A command's words; fails for the shell form, where a signal would reach a shell."""
    words: list[str] = json.loads(value)
    return words


def is_in_context(path: str, patterns: list[str]) -> bool:
    """Whether Docker sends a file to the builder, by the patterns of ``.dockerignore``.

    The last pattern that matches the path, or a folder above it, decides.
    """
    parts = path.split("/")
    above = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
    is_in = True
    for pattern in patterns:
        bare = pattern.removeprefix("!")
        anywhere = bare.removeprefix("**/")
        if any(
            fnmatch(name.rpartition("/")[2], anywhere)
            if anywhere != bare
            else name.count("/") == bare.count("/") and fnmatch(name, bare)
            for name in above
        ):
            is_in = pattern.startswith("!")
    return is_in


def context() -> list[str]:
    """The files of the checkout that the builder is sent; what Git ignores is not looked at."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    return [path for path in listed if is_in_context(path, patterns) and (ROOT / path).exists()]


def compose() -> dict[str, Any]:
    """The compose file with its merges done."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def render() -> list[dict[str, Any]]:
    """The services of the blueprint for Render."""
    found: list[dict[str, Any]] = yaml.safe_load((ROOT / "render.yaml").read_text())["services"]
    return found


def procfile() -> dict[str, str]:
    """The Procfile's commands by their names."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    return {name: command.strip() for name, _, command in (line.partition(":") for line in lines)}
