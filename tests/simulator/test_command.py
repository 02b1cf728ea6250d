import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest


@pytest.fixture
def start() -> Iterator[list[subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []
    yield running
    for process in running:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def simulator(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "darkhorses", "simulator", "--port", "0", *arguments],
        stderr=subprocess.PIPE,
        text=True,
    )


def ready(process: subprocess.Popen[str]) -> str:
    """Wait for the line that tells the address."""
    assert process.stderr is not None
    for line in process.stderr:
        if "is simulated at" in line:
            return line.split()[-1]
    raise AssertionError("the simulator ended before it was ready")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_tells_its_address_and_stops_on_a_signal_even_with_a_hanging_request(
    number: signal.Signals, start: list[subprocess.Popen[str]]
) -> None:
    process = simulator("--start", "now", "--fault", "timeout")
    start.append(process)
    base_url = ready(process)
    with (
        httpx.Client(auth=("simulator", "simulator"), timeout=0.2) as http,
        pytest.raises(httpx.ReadTimeout),
    ):
        http.get(f"{base_url}/courses")
    process.send_signal(number)

    assert process.wait(timeout=10) == 0


def test_a_taken_port_is_said_in_a_sentence(start: list[subprocess.Popen[str]]) -> None:
    first = simulator()
    start.append(first)
    port = ready(first).split(":")[2].removesuffix("/v1")
    second = subprocess.run(
        [sys.executable, "-m", "darkhorses", "simulator", "--port", port],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert second.returncode == 1
    assert f"127.0.0.1:{port}" in second.stderr
    assert "--port" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--fault", "earthquake"), ("--start", "noon"), ("--start", "2026-10-10T12:00")],
)
def test_a_wrong_option_is_a_usage_error(arguments: tuple[str, ...], tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "darkhorses", "simulator", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
