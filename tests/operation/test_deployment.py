"""The image, compose, Procfile and Render's blueprint: checked as far as one can without an engine.

There is no Docker here. hadolint reads the Dockerfile, the schema of compose its file, and every
step of the build is done in a folder instead of an image (``soak``: it installs everything).
"""

import asyncio
import re
import shutil
import signal
import zipfile
from pathlib import Path

import click
import pytest
import yaml
from compose_spec import PyCompose

from darkhorses.cli import main
from darkhorses.settings import variables
from tests.operation.deployment import (
    ROOT,
    compose,
    context,
    exec_form,
    procfile,
    program,
    render,
    run,
    step,
    steps,
)
from tests.ports import free_port

SETTINGS = {variable.name for variable in variables().values()}
OWN = ("migrate", "worker", "api")


def is_a_command(words: list[str]) -> bool:
    """Whether ``darkhorses`` with these words can be understood."""
    command = main.get_command(click.Context(main), words[0])
    assert command is not None, words
    command.make_context(words[0], words[1:])
    return True


def copied(root: Path) -> None:
    for path in context():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, target)


def test_hadolint_has_nothing_to_say() -> None:
    assert not run(program("hadolint"), "Dockerfile")


def test_the_builder_is_sent_what_it_needs_and_nothing_else() -> None:
    sent = context()
    assert {path.partition("/")[0] for path in sent} == {
        "LICENSE",
        "README.md",
        "migrations",
        "pyproject.toml",
        "requirements-build.lock",
        "requirements.lock",
        "src",
    }
    assert "src/darkhorses/api/templates/board.html" in sent
    wanted = [name for kind, value in steps() if kind == "COPY" for name in value.split()[:-1]]
    for name in wanted:
        assert name.startswith(("--from", "/")) or any(
            path == name or path.startswith(f"{name}/") for path in sent
        )


def test_signals_reach_the_process_and_it_is_not_root() -> None:
    entry, command = exec_form(step("ENTRYPOINT")), exec_form(step("CMD"))
    assert entry == ["darkhorses"]
    assert is_a_command(command)
    assert step("STOPSIGNAL") == "SIGTERM"
    assert int(step("USER").partition(":")[0]) > 0
    names = [name for name, _ in steps()]
    assert names.index("USER") < names.index("ENTRYPOINT")


def test_everything_that_pip_takes_from_outside_has_a_hash() -> None:
    commands = [value for name, value in steps() if name == "RUN"] + [
        service["buildCommand"] for service in render()
    ]
    installs = [
        part for command in commands for part in re.split(r"&&", command) if "pip install" in part
    ]
    assert len(installs) >= 5
    for install in installs:
        assert "--require-hashes" in install or "--no-deps" in install
        if "--no-deps" in install:
            assert "--no-index" in install or "--no-build-isolation" in install


def test_the_wheel_of_exactly_what_is_sent_is_whole(tmp_path: Path) -> None:
    copied(tmp_path / "context")
    run(
        *(program("pip"), "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--disable-pip-version-check", "--wheel-dir", tmp_path / "wheels", "."),
        cwd=tmp_path / "context",
    )
    (wheel,) = (tmp_path / "wheels").iterdir()
    inside = set(zipfile.ZipFile(wheel).namelist())
    for path in context():
        if path.startswith(("src/", "migrations/")):
            assert path.removeprefix("src/") in inside or f"darkhorses/{path}" in inside


def test_compose_keeps_to_its_specification() -> None:
    found = PyCompose.from_yaml(yaml.safe_dump(compose()))
    assert (found.services or {}).keys() >= {"postgres", "migrate", "worker", "api", "balancer"}


def test_services_of_compose_run_our_commands_with_our_settings() -> None:
    services = compose()["services"]
    for name in OWN:
        service = services[name]
        assert is_a_command(service["command"])
        assert service["environment"].keys() <= SETTINGS
        assert service["read_only"]
        check = service["healthcheck"].get("test") if "healthcheck" in service else None
        assert check is None or is_a_command(check[2:])
        waits = service["depends_on"]
        assert waits["postgres"] == {"condition": "service_healthy"}
        assert name == "migrate" or waits["migrate"] == {
            "condition": "service_completed_successfully"
        }
    assert "RACING_API_PASSWORD" not in services["api"]["environment"]
    assert "POSTGRES_PASSWORD" not in str(services["balancer"])
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert published == ["127.0.0.1:8000:8000"]
    for service in services.values():
        assert service.get("build") or re.search(r":[0-9]", service["image"])


def test_the_balancer_asks_the_apis_where_they_listen() -> None:
    text = (ROOT / "deploy" / "Caddyfile").read_text()
    assert "name api" in text
    assert f"port {step('EXPOSE')}" in text
    assert f"PORT={step('EXPOSE')}" in step("ENV")


def test_the_procfile_and_renders_blueprint_run_our_commands_with_our_settings() -> None:
    commands = list(procfile().values())
    for service in render():
        commands += [service["startCommand"], *filter(None, [service.get("preDeployCommand")])]
        names = {variable["key"] for variable in service["envVars"]} - {"PYTHON_VERSION"}
        assert names <= SETTINGS
    assert len(commands) == 6
    for command in commands:
        first, *words = command.split()
        assert first == "darkhorses"
        assert is_a_command(words)
    assert [service.get("healthCheckPath") for service in render()] == ["/health", None]


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_every_step_of_the_dockerfile_works_in_a_folder(tmp_path: Path, folder: Path) -> None:
    copied(tmp_path / "build")
    environment: dict[str, str] = {}
    for name, value in steps():
        moved = value.replace("/opt/", f"{tmp_path}/opt/")
        if name == "RUN" and not value.startswith("useradd"):
            run("/bin/sh", "-euc", moved, cwd=tmp_path / "build")
        if name == "ENV":
            environment |= dict(part.split("=", 1) for part in moved.split() if "=" in part)
    programs = tmp_path / "opt" / "darkhorses" / "bin"
    port = free_port()
    environment |= {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DARKHORSES_DATA_DIR": str(folder / "d"),
    }
    api = await asyncio.create_subprocess_exec(
        programs / exec_form(step("ENTRYPOINT"))[0],
        *exec_form(step("CMD")),
        env=environment,
        cwd=tmp_path,
        stderr=asyncio.subprocess.PIPE,
    )
    assert api.stderr is not None
    async with asyncio.timeout(60):
        while b"market.loaded" not in await api.stderr.readline():
            assert api.returncode is None
    check = exec_form(step("HEALTHCHECK").partition("CMD")[2])
    healthy = await asyncio.create_subprocess_exec(
        programs / check[0], *check[1:], env=environment, cwd=tmp_path
    )
    assert await healthy.wait() == 0
    api.send_signal(signal.Signals[step("STOPSIGNAL")])
    await api.communicate()
    assert api.returncode == 0
    unhealthy = await asyncio.create_subprocess_exec(
        programs / check[0],
        *check[1:],
        env=environment,
        cwd=tmp_path,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await unhealthy.wait() == 1
