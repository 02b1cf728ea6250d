from datetime import timedelta

import pytest

from darkhorses.upstream.breaker import BreakerState, CircuitBreaker
from darkhorses.upstream.errors import BadCredentialsError, CircuitOpenError, UnavailableError


class Watch:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def a_breaker(watch: Watch) -> CircuitBreaker:
    return CircuitBreaker(threshold=2, rest=timedelta(seconds=10), monotonic=watch)


async def fail(breaker: CircuitBreaker, error: Exception) -> None:
    with pytest.raises(type(error)):
        async with breaker.attempt():
            raise error


async def test_a_feed_that_keeps_failing_is_left_alone() -> None:
    breaker = a_breaker(Watch())
    await fail(breaker, UnavailableError("down"))
    await fail(breaker, UnavailableError("down"))

    with pytest.raises(CircuitOpenError, match=r"2 times in a row.*down"):
        async with breaker.attempt():
            pytest.fail("the request was let through")
    assert breaker.state is BreakerState.OPEN


async def test_after_its_rest_exactly_one_probe_is_let_through() -> None:
    watch = Watch()
    breaker = a_breaker(watch)
    await fail(breaker, UnavailableError("down"))
    await fail(breaker, UnavailableError("down"))
    watch.seconds = 10

    async with breaker.attempt():
        assert str(breaker.state) == "half_open"
        with pytest.raises(CircuitOpenError):
            async with breaker.attempt():
                pytest.fail("a second probe was let through")
    assert str(breaker.state) == "closed"


async def test_a_probe_that_fails_opens_it_again_for_the_whole_rest() -> None:
    watch = Watch()
    breaker = a_breaker(watch)
    await fail(breaker, UnavailableError("down"))
    await fail(breaker, UnavailableError("down"))
    watch.seconds = 10
    await fail(breaker, UnavailableError("still down"))
    watch.seconds = 19

    assert breaker.state is BreakerState.OPEN


async def test_a_refusal_is_an_answer_and_no_failure() -> None:
    breaker = a_breaker(Watch())
    await fail(breaker, UnavailableError("down"))
    await fail(breaker, BadCredentialsError("who?"))
    await fail(breaker, UnavailableError("down"))

    assert breaker.state is BreakerState.CLOSED
