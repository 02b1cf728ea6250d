import os
import queue
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

STAGES = {"early_market", "pre_race", "going_to_post", "at_post"}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # As pytest's own temporary directories do not, this one lets another user in: PostgreSQL of
    # a run by root is one.
    with tempfile.TemporaryDirectory(prefix="darkhorses-demo-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


class RunningDemo:
    """A demo in its own process, whose output is read all the time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def line_with(self, words: str) -> str:
        """Wait for a line."""
        lines = []
        while (line := self._lines.get(timeout=60)) is not None:
            lines.append(line)
            if words in line:
                return line
        raise AssertionError(f"the demo ended before it said {words!r}:\n" + "".join(lines))

    def url(self) -> str:
        """Wait for the line that says where the board is."""
        return self.line_with("shows a simulated race day at").split(" at ")[1].split()[0]

    def parts(self) -> dict[str, int]:
        """Its processes by the command that they run."""
        parts = {}
        pid = self.process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
            if "darkhorses" in words:
                parts[words[words.index("darkhorses") + 1]] = int(child)
        return parts

    def end(self) -> None:
        """Stop it when it still runs, and let go of its output."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=30)
        self._reader.join(timeout=30)

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as output:
            for line in output:
                self._lines.put(line)
        self._lines.put(None)


@pytest.fixture
def demo(data_dir: Path, port: int) -> Iterator[RunningDemo]:
    process = subprocess.Popen(
        [sys.executable, "-m", "darkhorses", "demo", "--no-browser", "--port", str(port)],
        env={**_environment(), "DARKHORSES_DATA_DIR": str(data_dir)},
        cwd=data_dir,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    running = RunningDemo(process)
    yield running
    running.end()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}  # noqa: TID251


def ends_of(stack: ExitStack, pids: list[int]) -> list[select.poll]:
    """Ways to wait for the end of processes that are not our children."""
    polls = []
    for pid in pids:
        descriptor = os.pidfd_open(pid)
        stack.callback(os.close, descriptor)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        polls.append(poll)
    return polls


def test_the_board_has_races_in_every_stage_and_ctrl_c_leaves_nothing_behind(
    demo: RunningDemo, data_dir: Path
) -> None:
    url = demo.url()
    parts = demo.parts()
    assert set(parts) == {"simulator", "worker", "api"}
    demo.line_with("poll.finished")
    with httpx.Client(base_url=url, timeout=10) as http:
        shown: dict[str, list[object]] = {}
        # The API follows the database within a second: ask until the first poll has arrived.
        while not shown or not all(shown.values()):
            shown = http.get("api/live-odds/races-by-stage").raise_for_status().json()["stages"]
        assert set(shown) == STAGES
        assert http.get("").status_code == 200
    with ExitStack() as stack:
        ends = ends_of(stack, list(parts.values()))
        demo.process.send_signal(signal.SIGINT)

        assert demo.process.wait(timeout=20) == 0
        assert all(end.poll(0) for end in ends)
    assert list((data_dir / "demo").iterdir()) == []


def test_a_part_that_dies_ends_the_demo_with_a_sentence(demo: RunningDemo) -> None:
    demo.url()
    os.kill(demo.parts()["worker"], signal.SIGKILL)

    assert demo.line_with("the worker has ended with exit status -9")
    assert demo.process.wait(timeout=20) == 1


def test_the_parts_leave_when_the_demo_is_killed(demo: RunningDemo) -> None:
    demo.url()
    with ExitStack() as stack:
        ends = ends_of(stack, list(demo.parts().values()))
        demo.process.kill()
        demo.process.wait(timeout=10)

        assert all(end.poll(15_000) for end in ends)


def test_a_taken_port_is_said_in_a_sentence(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "-m", "darkhorses", "demo", "--port", str(port)],
            env={**_environment(), "DARKHORSES_DATA_DIR": str(data_dir)},
            cwd=data_dir,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    assert ended.returncode == 1
    assert ended.stderr == f"darkhorses: port {port} is taken; choose another with --port\n"
