"""Two workers of the same regions that take turns: one leads, the other stands by."""

import asyncio
import signal
from contextlib import AsyncExitStack

from darkhorses.store.lease import ONCE
from darkhorses.store.pool import Database
from tests.faults.days import Day, lease_of
from tests.faults.processes import Running
from tests.faults.writers import create_writers, named

_WRITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'darkhorses worker'
        AND xact_start IS NOT NULL
"""


class Pair:
    """A leader and a standby; ``leaders`` says who acquired which epoch of the regions' ``lease``.

    ``amid_a_transaction`` counts the faults that met the leader in one.
    """

    def __init__(
        self,
        day: Day,
        stack: AsyncExitStack,
        *,
        environment: dict[str, str] | None = None,
        names: str = "w",
    ) -> None:
        self._day = day
        self._environment = environment or day.environment
        self.lease = lease_of(self._environment)
        self._name = names
        self._workers: list[Running] = []
        self._stack = stack
        self._started = 0
        self._names: dict[int, str] = {}
        self.leader: Running
        self.standby: Running
        self.leaders: dict[int, str] = {}
        self.takeovers: list[float] = []
        self.amid_a_transaction = 0

    async def begin(self, **of_leader: str) -> None:
        """Start both, the leader first; it may be told other variables than the rest.

        ``takeovers`` are seconds, this one and every later.
        """
        await create_writers(self._day.database)
        self.leader = await self._start(**of_leader)
        await self.note_leader()
        self.standby = await self._start()
        await self.standby.until("worker.started")

    async def kill_leader(self, *, both: bool = False) -> None:
        """Kill the leader, with ``both`` the standby too, and see the next one lead."""
        await self._note_transaction()
        if both:
            await self.standby.kill()
        await self.leader.kill()
        if both:
            self.standby = await self._start()
        # The next standby begins only now, or it might lead.
        self.leader = self.standby
        await self.note_leader()
        self.standby = await self._start()

    async def stop_leader(self, pause: float) -> None:
        """SIGSTOP the leader until the standby leads, and so much longer; then let it go on."""
        await self._note_transaction()
        stopped, position = self.leader, self.leader.position
        self.leader.send(signal.SIGSTOP)
        self.leader, self.standby = self.standby, stopped
        await self.note_leader(after=self.leader.position)
        # Not to wait for anything: the moment at which it goes on.
        await asyncio.sleep(pause)
        stopped.send(signal.SIGCONT)
        await stopped.until("lease.lost", after=position, lease=self.lease)
        assert stopped.runs

    async def hand_over(self) -> None:
        """SIGTERM the leader and see the standby lead; the next standby begins after that."""
        leaving, self.leader = self.leader, self.standby
        leaving.send(signal.SIGTERM)
        await self.note_leader(after=self.leader.position)
        assert await leaving.ended() == 0
        self.standby = await self._start()

    async def end(self) -> None:
        """Stop both in order."""
        for worker in (self.standby, self.leader):
            await worker.until("worker.started")
            code, _ = await worker.stop()
            assert code == 0, worker.events[-5:]

    async def note_leader(self, after: int = 0) -> None:
        """Return when ``leader`` leads, from that line of its log on."""
        started = asyncio.get_running_loop().time()
        acquired = await self.leader.until("lease.acquired", after=after, lease=self.lease)
        epoch = acquired["epoch"]
        assert epoch not in self.leaders
        self.leaders[epoch] = self._names[self.leader.pid]
        self.takeovers.append(asyncio.get_running_loop().time() - started)

    async def _start(self, **more: str) -> Running:
        self._started += 1
        name = f"{self._name}{self._started}"
        environment = self._environment | more
        environment["DATABASE_URL"] = named(environment["DATABASE_URL"], name)
        worker = await self._stack.enter_async_context(Running.start("worker", **environment))
        self._names[worker.pid] = name
        self._workers.append(worker)
        return worker

    @property
    def leaders_once(self) -> dict[int, str]:
        """Who acquired which epoch of the lease for what is done once, as their logs say."""
        return {
            entry["epoch"]: self._names[worker.pid]
            for worker in self._workers
            for entry in worker.events
            if entry["event"] == "lease.acquired" and entry["lease"] == ONCE
        }

    async def _note_transaction(self) -> None:
        self.amid_a_transaction += await transactions(self._day.database) > 0


async def transactions(database: Database) -> int:
    """How many transactions of workers are open at this moment."""
    async with database.connection() as connection:
        count: int = await connection.fetchval(_WRITING)
        return count
