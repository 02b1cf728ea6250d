"""The audit of locked packages, with advisories of our own."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tools.audit import FOUND, UNANSWERED, UNREADABLE, Report, judge, read_arguments

ROOT = Path(__file__).parents[1]
LOCKS = [str(ROOT / "requirements.lock"), str(ROOT / "requirements-dev.lock")]
_ADVISORY = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1"],
    "summary": "reads what it should not",
    "affected": [
        {
            "package": {"name": "httpx", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.9"}]}],
        }
    ],
}


class Advisories:
    """A service that speaks as OSV does; ``known`` are its advisories by package."""

    def __init__(self) -> None:
        self.known: dict[str, list[Any]] = {}
        self.status = 200
        self.body: bytes | None = None
        self.asked: set[str] = set()
        self.url = ""

    def answer(self, question: Any) -> bytes:
        name = question["package"]["name"]
        self.asked.add(name)
        return json.dumps({"vulns": self.known[name]} if name in self.known else {}).encode()


@pytest.fixture
def advisories() -> Iterator[Advisories]:
    service = Advisories()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # as http.server calls it
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = service.answer(question) if service.body is None else service.body
            self.send_response(service.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}/v1/query"
    yield service
    server.shutdown()
    server.server_close()
    thread.join()


def audit(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tools.audit", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_packages_without_advisories_are_fine_and_all_were_asked_for(
    advisories: Advisories,
) -> None:
    done = audit("--required", "--url", advisories.url, *LOCKS)

    assert (done.returncode, done.stderr) == (0, "")
    assert {"httpx", "litestar", "pytest", "pip-audit"} <= advisories.asked
    assert done.stdout == f"audit: no known vulnerability in {len(advisories.asked)} packages\n"


@pytest.mark.parametrize("required", [[], ["--required"]])
def test_a_vulnerable_package_fails_and_says_what_mends_it(
    advisories: Advisories, required: list[str]
) -> None:
    advisories.known["httpx"] = [_ADVISORY]
    done = audit(*required, "--url", advisories.url, *LOCKS)

    assert done.returncode == FOUND
    assert "audit: httpx 0.28" in done.stdout
    assert "has PYSEC-2026-1 (CVE-2026-1); mended in 9.9\n" in done.stdout


@pytest.mark.parametrize(
    ("status", "body"), [(500, b"{}"), (404, b"not found"), (200, b"<html>"), (200, b"[1]")]
)
def test_a_service_that_gives_no_answer_is_told_from_one_that_finds_nothing(
    advisories: Advisories, status: int, body: bytes
) -> None:
    advisories.status, advisories.body = status, body
    done = audit("--url", advisories.url, LOCKS[0])

    assert done.returncode == 0
    assert done.stdout.startswith(f"audit: NOT DONE: no answer from {advisories.url}")
    assert done.stdout.count("\n") == 1


def test_an_answer_can_be_required() -> None:
    done = audit("--required", "--url", "http://127.0.0.1:1/v1/query", LOCKS[0])

    assert done.returncode == UNANSWERED
    assert done.stdout.startswith("audit: NOT DONE")


def test_a_lock_that_cannot_be_read_is_no_silent_service(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("httpx>=0.28\n")
    done = audit(str(lock))

    assert done.returncode == UNREADABLE
    assert "not pinned" in done.stderr


@pytest.mark.parametrize(("required", "code"), [(False, 0), (True, UNANSWERED)])
def test_a_package_that_nothing_is_known_of_is_named(
    capsys: pytest.CaptureFixture[str], *, required: bool, code: int
) -> None:
    report = {
        "dependencies": [
            {"name": "httpx", "version": "0.28.1", "vulns": []},
            {"name": "inhouse", "skip_reason": "not found"},
        ],
        "fixes": [],
    }
    asked = read_arguments([*(["--required"] if required else []), "x.lock"])

    assert judge(msgspec.convert(report, Report), asked) == code
    assert capsys.readouterr().out == (
        "audit: NOT DONE: nothing is known of inhouse; 1 packages are fine\n"
    )


def test_every_way_of_installing_checks_hashes() -> None:
    deploying = [ROOT / name for name in ("Makefile", "render.yaml", "README.md")]
    deploying += [*ROOT.glob("Dockerfile*"), *ROOT.glob("deploy/**/Dockerfile*")]
    installing = [
        line.strip()
        for file in deploying
        for line in file.read_text().splitlines()
        if "pip install" in line and "pip install 'darkhorses" not in line
    ]
    assert len(installing) >= 5
    for line in installing:
        assert "--require-hashes" in line or "--no-deps" in line, line
    locked = (ROOT / "requirements.lock").read_text() + (ROOT / "requirements-dev.lock").read_text()
    pins = [line for line in locked.splitlines() if "==" in line and not line.startswith("#")]
    assert pins
    assert all(line.endswith("\\") for line in pins), "a pin without a hash"
