"""A worker through a compressed day with storms of 429: how often it asked, by the feed's count.

Markets run fast here and the worker's pace does not: it counts seconds on the wall, and so does the
simulator.
"""

from datetime import UTC, datetime

import pytest

from darkhorses.simulator import Options, Simulator, running_simulator
from darkhorses.simulator.limits import PER_SECOND
from tests.worker.processes import WorkerProcess


@pytest.mark.parametrize(
    "rounds",
    [2, pytest.param(30, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])],
)
async def test_the_feeds_limits_are_kept_through_storms_of_429(
    rounds: int, database_url: str
) -> None:
    start = datetime.now(UTC)  # noqa: TID251  # a worker process has a real clock
    options = Options(start=start, speed=60, refresh=1)
    async with (
        running_simulator(options) as simulator,
        WorkerProcess.start(
            DATABASE_URL=database_url,
            RACING_API_BASE_URL=simulator.base_url,
            RACING_API_USERNAME="simulator",
            RACING_API_PASSWORD="simulator",
            DARKHORSES_POLL_INTERVAL="5",
        ) as worker,
    ):
        await worker.until("poll.finished")
        for _ in range(rounds):
            for storm in ("429after:0.5", "429bare:0.5"):
                simulator.set_faults(storm)
                for _ in range(4):
                    await worker.until("feed.retry_scheduled")
                simulator.set_faults()
                await worker.until("poll.finished")
        assert await worker.stop() == 0
        check(simulator)


def check(simulator: Simulator) -> None:
    asked = sum(sum(outcomes.values()) for outcomes in simulator.requests.values())
    throttled = sum(outcomes.get("429", 0) for outcomes in simulator.requests.values())
    print(asked, simulator.peaks.of_all, simulator.peaks.by_endpoint)  # noqa: T201  # figures of the soak
    assert asked > 20
    assert throttled == 0  # by the simulator's own limits
    assert simulator.peaks.of_all.in_10_s <= 90
    for endpoint, peak in simulator.peaks.by_endpoint.items():
        assert peak.in_10_s <= 10 * PER_SECOND[endpoint]
