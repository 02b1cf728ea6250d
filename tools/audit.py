"""Whether any locked package has a known vulnerability: ``python -m tools.audit LOCK…``.

pip-audit asks OSV (https://osv.dev). It exits with 1 when it finds something and also when it gets
no answer; only with an answer it prints JSON, and that is how the two are told apart. Locks that it
cannot read are found out before, by a dry run, so that they are never taken for a silent service.

Exit codes: 0 nothing found, or no answer and none required; 1 found; 2 locks cannot be read;
3 no answer, or not about every package, and one is required.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence

import msgspec

FOUND, UNREADABLE, UNANSWERED = 1, 2, 3
_LONGEST_REASON = 120
_OSV = "https://api.osv.dev/v1/query"


class Vulnerability(msgspec.Struct, frozen=True, kw_only=True):
    """An advisory about a version of a package."""

    id: str
    fix_versions: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a package; with a ``skip_reason``, nothing."""

    name: str
    version: str = ""
    vulns: tuple[Vulnerability, ...] = ()
    skip_reason: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What pip-audit prints."""

    dependencies: tuple[Package, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit and say what came of it; the exit code."""
    asked = read_arguments(arguments)
    dry = _pip_audit(asked.locks, "--dry-run")
    if dry.returncode:
        sys.stderr.write(f"audit: the locks cannot be read:\n{dry.stderr}")
        return UNREADABLE
    answer = _pip_audit(
        asked.locks,
        "--vulnerability-service", "osv", "--osv-url", asked.url,
        "--timeout", str(asked.timeout), "--format", "json", "--desc", "off",
    )  # fmt: skip
    try:
        report = msgspec.json.decode(answer.stdout, type=Report)
    except msgspec.MsgspecError:
        why = (answer.stderr.strip().splitlines() or ["it says nothing"])[-1][:_LONGEST_REASON]
        return _unanswered(f"no answer from {asked.url}, nothing was audited ({why})", asked)
    return judge(report, asked)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(prog="tools.audit")
    parser.add_argument("locks", nargs="+")
    parser.add_argument("--url", default=_OSV, help="where OSV, or a copy of it, is asked")
    parser.add_argument("--required", action="store_true", help="fail when there is no answer")
    parser.add_argument("--timeout", type=int, default=15, help="seconds for each answer")
    return parser.parse_args(arguments)


def judge(report: Report, asked: argparse.Namespace) -> int:
    """Say what was found, and what nothing is known of; the exit code."""
    vulnerable = [package for package in report.dependencies if package.vulns]
    for package in vulnerable:
        for found in package.vulns:
            also = f" ({', '.join(found.aliases)})" if found.aliases else ""
            mended = ", ".join(found.fix_versions) or "no version yet"
            what = f"{package.name} {package.version} has {found.id}{also}"
            print(f"audit: {what}; mended in {mended}")
    if vulnerable:
        return FOUND
    skipped = [package for package in report.dependencies if package.skip_reason is not None]
    audited = len(report.dependencies) - len(skipped)
    if skipped or not audited:
        names = ", ".join(package.name for package in skipped) or "all"
        return _unanswered(f"nothing is known of {names}; {audited} packages are fine", asked)
    print(f"audit: no known vulnerability in {audited} packages")
    return 0


def _unanswered(what: str, asked: argparse.Namespace) -> int:
    print(f"audit: NOT DONE: {what}")
    return UNANSWERED if asked.required else 0


def _pip_audit(locks: Sequence[str], *options: str) -> "subprocess.CompletedProcess[str]":
    files = [word for lock in locks for word in ("--requirement", lock)]
    return subprocess.run(  # noqa: S603  # our own words
        [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip",
         "--progress-spinner", "off", *files, *options],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
