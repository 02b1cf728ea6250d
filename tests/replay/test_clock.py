from datetime import timedelta

from darkhorses.replay.clock import ReplayClock
from tests.market import NOON


class Stopwatch:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_it_runs_so_many_times_faster_and_never_beyond_its_limit() -> None:
    watch = Stopwatch()
    clock = ReplayClock(NOON, speed=60, monotonic=watch)
    clock.limit(NOON + timedelta(minutes=10))
    watch.seconds += 5
    assert clock() == NOON
    clock.begin()
    watch.seconds += 5
    assert clock() == NOON + timedelta(minutes=5)
    assert dict(clock.headers()) == {
        b"date": b"Sat, 20 Jun 2026 12:05:00 GMT",
        b"darkhorses-pace": b"60",
    }
    watch.seconds += 60
    assert clock() == NOON + timedelta(minutes=10)
    clock.limit(NOON)
    assert clock() == NOON + timedelta(minutes=10)
    clock.end()
    assert dict(clock.headers())[b"darkhorses-pace"] == b"0"


async def test_without_a_speed_nothing_is_waited_for() -> None:
    clock = ReplayClock(NOON, speed=None)
    clock.begin()
    assert clock() == NOON
    await clock.until(NOON + timedelta(days=1))
    assert clock() == NOON + timedelta(days=1)
    assert dict(clock.headers())[b"darkhorses-pace"] == b"0"
