"""How often one key or one address may ask: a minute that slides, here or shared in Redis.

When Redis cannot be asked, each API counts for itself until it answers again: a limit that is too
generous for a while is better than a service that is away.
"""

import asyncio
import ipaddress
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import structlog

from darkhorses.domain.api_keys import ApiKey

if TYPE_CHECKING:
    from limits.aio.strategies import RateLimiter
    from redis.asyncio import ConnectionPool

log = structlog.get_logger()

WINDOW = timedelta(minutes=1)
REDIS_TIMEOUT = timedelta(milliseconds=250)
REDIS_PAUSE = timedelta(seconds=5)
"""How long Redis is not asked after it did not answer."""

_NETWORK_OF_A_SUBSCRIBER = 64
_SCHEMES = {"valkey": "redis", "valkeys": "rediss"}


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was counted: within ``policy``'s ``quota`` a minute, or one too many.

    ``remaining`` requests are left; in ``reset`` seconds there are more.
    """

    allowed: bool
    policy: str
    quota: int
    remaining: int
    reset: int

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """``RateLimit`` and ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers-10)."""
        window = int(WINDOW.total_seconds())
        return (
            (b"ratelimit-policy", f'"{self.policy}";q={self.quota};w={window}'.encode()),
            (b"ratelimit", f'"{self.policy}";r={self.remaining};t={self.reset}'.encode()),
        )


class RateLimits:
    """Counts requests; a limit of 0 is none."""

    def __init__(self, *, per_key: int, per_address: int, redis_url: str | None = None) -> None:
        from limits.aio.storage import MemoryStorage  # noqa: PLC0415  # heavy, and often not needed

        self._per_key = per_key
        self._per_address = per_address
        self._local = _strategy(MemoryStorage())
        self._pool = _pool(redis_url) if redis_url is not None else None
        self._shared = _shared(self._pool) if self._pool is not None else None
        self._shared_again_at = 0.0

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self._pool is not None:
            await self._pool.aclose()

    async def of_key(self, key: ApiKey) -> Taken | None:
        """Count a request with a key; None when it has no limit."""
        quota = key.requests_per_minute or self._per_key
        return await self._take("key", key.key_id, quota) if quota else None

    async def of_address(self, address: str) -> Taken | None:
        """Count a request without a good key; None when there is no limit."""
        if not self._per_address:
            return None
        return await self._take("address", network_of(address), self._per_address)

    async def _take(self, policy: str, who: str, quota: int) -> Taken:
        if self._shared is not None and time.monotonic() >= self._shared_again_at:
            from limits.errors import StorageError  # noqa: PLC0415

            try:
                async with asyncio.timeout(REDIS_TIMEOUT.total_seconds()):
                    return await _take(self._shared, policy, who, quota)
            except (StorageError, TimeoutError) as error:
                pause = REDIS_PAUSE.total_seconds()
                self._shared_again_at = time.monotonic() + pause
                log.warning("limits.redis_away", reason=type(error).__name__, pause=pause)
        return await _take(self._local, policy, who, quota)


def network_of(address: str) -> str:
    """Whom an address stands for: itself, or the /64 of IPv6, which is one subscriber's."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(known, ipaddress.IPv4Address):
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    network = ipaddress.ip_network((known, _NETWORK_OF_A_SUBSCRIBER), strict=False)
    return str(network.network_address)


async def _take(limiter: "RateLimiter", policy: str, who: str, quota: int) -> Taken:
    from limits import RateLimitItemPerMinute  # noqa: PLC0415

    item = RateLimitItemPerMinute(quota)
    allowed = await limiter.hit(item, policy, who)
    reset_time, remaining = await limiter.get_window_stats(item, policy, who)
    return Taken(
        allowed=allowed,
        policy=policy,
        quota=quota,
        remaining=remaining,
        reset=max(1, round(reset_time - time.time())),
    )


def _strategy(storage: object) -> "RateLimiter":
    from limits.aio.strategies import SlidingWindowCounterRateLimiter  # noqa: PLC0415

    return SlidingWindowCounterRateLimiter(storage)  # type: ignore[arg-type]  # either storage


def _pool(url: str) -> "ConnectionPool":
    from redis.asyncio import ConnectionPool  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    scheme, _, rest = url.partition("://")
    seconds = REDIS_TIMEOUT.total_seconds()
    return ConnectionPool.from_url(
        f"{_SCHEMES.get(scheme, scheme)}://{rest}",
        socket_connect_timeout=seconds,
        socket_timeout=seconds,
        retry=Retry(NoBackoff(), 1),
    )


def _shared(pool: "ConnectionPool") -> "RateLimiter":
    from limits.aio.storage import RedisStorage  # noqa: PLC0415

    return _strategy(
        RedisStorage(
            "async+redis://",
            implementation="redispy",
            wrap_exceptions=True,
            key_prefix="darkhorses",
            connection_pool=pool,  # type: ignore[arg-type]  # handed on to redis
        )
    )
