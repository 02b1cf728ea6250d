"""The pace of requests, on a clock of the event loop that jumps over every wait."""

import asyncio
from collections.abc import Sequence
from itertools import cycle, islice

from hypothesis import given
from hypothesis import strategies as st

from darkhorses.upstream.pacing import Endpoint, Pacer, Paces, RollingWindow


class JumpingTime:
    """A clock that only waiting moves: sleepers wake one after the other, at once."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers fire without anybody waiting for them, so many seconds late."""

    def __init__(self, time: JumpingTime, lateness: Sequence[float] = ()) -> None:
        super().__init__()
        self._jumping = time
        self._late = cycle(lateness or (0.0,))

    def time(self) -> float:
        return self._jumping.now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]  # asyncio's own
            due = self._scheduled[0].when()  # type: ignore[attr-defined]
            self._jumping.now = max(self._jumping.now, due + next(self._late))
        super()._run_once()  # type: ignore[misc]  # asyncio's own


def most_within(seconds: float, sent: Sequence[float]) -> int:
    return max(sum(at - seconds < other <= at for other in sent) for at in sent)


def sent_by(
    asked: Sequence[tuple[Endpoint, float]], paces: Paces, lateness: Sequence[float] = ()
) -> dict[Endpoint, list[float]]:
    """When requests that are asked for after so many seconds each are sent."""
    time = JumpingTime()
    sent: dict[Endpoint, list[float]] = {endpoint: [] for endpoint in Endpoint}

    async def ask(pacer: Pacer, endpoint: Endpoint, after: float) -> None:
        await asyncio.sleep(after)
        await pacer.wait(endpoint)
        sent[endpoint].append(time.now)

    async def ask_all() -> None:
        pacer = Pacer(paces, monotonic=time.monotonic)
        await asyncio.gather(*(ask(pacer, endpoint, after) for endpoint, after in asked))

    with asyncio.Runner(loop_factory=lambda: JumpingLoop(time, lateness)) as runner:
        runner.run(ask_all())
    return sent


def test_of_a_crowd_that_comes_at_once_no_more_than_the_guard_allows_leave_in_any_ten_seconds() -> (
    None
):
    everything = [(endpoint, 0.0) for endpoint in Endpoint for _ in range(60)]

    sent = sent_by(everything, Paces())

    together = sorted(at for times in sent.values() for at in times)
    assert len(together) == len(everything)
    assert most_within(10, together) == 90


@given(
    st.lists(st.tuples(st.sampled_from(Endpoint), st.floats(0, 30)), min_size=1, max_size=150),
    st.integers(1, 40),
    st.lists(st.just(0.0) | st.floats(0, 0.03) | st.floats(0, 2), max_size=20),
)
def test_no_endpoint_and_not_all_together_are_asked_too_often(
    asked: list[tuple[Endpoint, float]], guard: int, lateness: list[float]
) -> None:
    sent = sent_by(asked, Paces(requests_per_ten_seconds=guard), lateness)

    together = [at for times in sent.values() for at in times]
    assert len(together) == len(asked)
    assert most_within(10, together) <= guard
    for endpoint, times in sent.items():
        per_second = 2 if endpoint is Endpoint.RACECARDS else 5
        if endpoint in (Endpoint.COURSES, Endpoint.REGIONS):
            per_second = 1
        if times:
            assert most_within(1.019, times) <= per_second
            assert most_within(1.019 / per_second, times) == 1
            assert times == sorted(times)


@given(st.lists(st.floats(0, 0.0124), min_size=1, max_size=20))
def test_a_turn_that_is_a_little_late_costs_none_of_those_after_it(lateness: list[float]) -> None:
    sent = sent_by([(Endpoint.RACECARDS, 0.0)] * 80, Paces(), lateness)[Endpoint.RACECARDS]

    assert sent[-1] - sent[0] < 79 * 1.0451 / 2 + 0.0125


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=20))
def test_a_request_that_is_held_up_is_counted_when_it_leaves(delays: list[float]) -> None:
    time = JumpingTime()
    left: list[float] = []

    async def ask(pacer: Pacer, delay: float) -> None:
        await pacer.wait(Endpoint.RACECARDS)
        await asyncio.sleep(delay)
        pacer.left(Endpoint.RACECARDS)
        left.append(time.now)

    async def ask_all() -> None:
        pacer = Pacer(Paces(), monotonic=time.monotonic)
        await asyncio.gather(*(ask(pacer, delay) for delay in islice(cycle(delays), 40)))

    with asyncio.Runner(loop_factory=lambda: JumpingLoop(time)) as runner:
        runner.run(ask_all())

    assert most_within(1.019, left) <= 2
    assert most_within(1.019 / 2, left) == 1


def test_what_can_wait_has_room_while_half_of_the_guard_is_free() -> None:
    time = JumpingTime()
    pacer = Pacer(Paces(requests_per_ten_seconds=4), monotonic=time.monotonic)
    seen = []

    async def ask() -> None:
        for _ in range(3):
            await pacer.wait(Endpoint.RACE)
            seen.append(pacer.has_room)

    with asyncio.Runner(loop_factory=lambda: JumpingLoop(time)) as runner:
        runner.run(ask())
    time.now += 60

    assert seen == [True, True, False]
    assert pacer.has_room


def test_a_window_opens_when_the_oldest_of_a_full_one_is_out_of_it() -> None:
    time = JumpingTime()
    window = RollingWindow(2, 10, monotonic=time.monotonic)
    window.note()
    time.now = 4
    window.note()

    assert window.closed_for == 6
    time.now = 10
    assert window.closed_for == 0
