"""Requests counted here, and in a Redis that several APIs share."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from darkhorses.api.access.limiting import RateLimits, network_of
from tests.ports import free_port
from tests.redis import redis_server


@pytest.fixture
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@asynccontextmanager
async def counting(per_address: int, redis_url: str) -> AsyncIterator[RateLimits]:
    limits = RateLimits(per_key=0, per_address=per_address, redis_url=redis_url)
    yield limits
    await limits.close()


async def allowed(limits: RateLimits, address: str = "192.0.2.1") -> bool:
    taken = await limits.of_address(address)
    assert taken is not None
    return taken.allowed


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("nonsense", "unknown"),
        ("", "unknown"),
    ],
)
def test_an_address_stands_for_itself_or_for_a_subscribers_network(
    address: str, network: str
) -> None:
    assert network_of(address) == network


async def test_addresses_are_counted_apart() -> None:
    limits = RateLimits(per_key=0, per_address=1)

    assert await allowed(limits, "192.0.2.1")
    assert not await allowed(limits, "192.0.2.1")
    assert await allowed(limits, "192.0.2.2")


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
async def test_apis_with_one_redis_count_together(redis_url: str, scheme: str) -> None:
    url = redis_url.replace("redis", scheme, 1)
    async with counting(2, url) as here, counting(2, url) as there:
        assert [await allowed(here), await allowed(there)] == [True, True]
        assert [await allowed(here), await allowed(there)] == [False, False]


async def test_without_its_redis_each_api_counts_for_itself() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with counting(1, url) as here, counting(1, url) as there:
        assert [await allowed(here), await allowed(there)] == [True, True]
        assert [await allowed(here), await allowed(there)] == [False, False]
