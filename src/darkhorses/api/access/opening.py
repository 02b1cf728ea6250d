"""Who may ask by the settings and the address listened on: open on loopback, guarded elsewhere."""

import ipaddress
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from granian.utils.proxies import wrap_asgi_with_proxy_headers
from litestar.types import ASGIApp

from darkhorses.api.access.gate import Gate, Wanted
from darkhorses.api.access.keyring import INTERVAL, KeyRing
from darkhorses.api.access.limiting import RateLimits
from darkhorses.api.access.origins import Origins
from darkhorses.settings import Settings
from darkhorses.store.pool import Database

log = structlog.get_logger()

REQUESTS_PER_KEY = 1200
REQUESTS_PER_ADDRESS = 600
"""A minute, where the API does not listen on loopback alone and the settings say nothing."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of whoever asks; requests a minute, 0 for as many as they like."""

    wanted: Wanted = Wanted.OFF
    per_key: int = 0
    per_address: int = 0
    origins: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    redis_url: str | None = None


def rules_of(settings: Settings, address: str) -> Rules:
    """The rules of an API that listens on an address of this machine.

    On loopback there are no keys and no limits unless the settings ask for them, or name proxies,
    which stand for the world.
    """
    is_private = ipaddress.ip_address(address).is_loopback and not settings.trusted_proxies
    wanted = {
        "auto": Wanted.OFF if is_private else Wanted.ONCE_MADE,
        "off": Wanted.OFF,
        "required": Wanted.REQUIRED,
    }[settings.api_keys]
    usual_key, usual_address = (0, 0) if is_private else (REQUESTS_PER_KEY, REQUESTS_PER_ADDRESS)
    return Rules(
        wanted=wanted,
        per_key=usual_key if settings.key_rate is None else settings.key_rate,
        per_address=usual_address if settings.address_rate is None else settings.address_rate,
        origins=settings.cors_origins,
        proxies=settings.trusted_proxies,
        redis_url=settings.redis_url,
    )


class Access:
    """The rings around an application that let in who may ask."""

    def __init__(
        self,
        rules: Rules,
        database: Database,
        *,
        clock: Callable[[], datetime],
        interval: timedelta = INTERVAL,
    ) -> None:
        self._rules = rules
        self.ring = KeyRing(database, clock=clock, interval=interval)
        has_limits = rules.per_key or rules.per_address or rules.wanted is not Wanted.OFF
        self._limits = (
            RateLimits(
                per_key=rules.per_key, per_address=rules.per_address, redis_url=rules.redis_url
            )
            if has_limits
            else None
        )
        self._gates: list[Gate] = []
        self._warned = False

    @property
    def wants_keys(self) -> bool:
        """Whether ``run`` has keys to follow."""
        return self._rules.wanted is not Wanted.OFF

    @property
    def asks_nothing(self) -> bool:
        """Whether every request is let through, and answered as if there were no rings."""
        return self._limits is None and not self.wants_keys and not self._rules.origins

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application with its gate and, outermost, what browsers are told of origins."""
        gate = Gate(app, ring=self.ring, wanted=self._rules.wanted, limits=self._limits)
        self._gates.append(gate)
        return Origins(gate, self._rules.origins)

    async def run(self) -> None:
        """Follow the keys until cancelled."""
        await self.ring.run(self._after_turn)

    async def close(self) -> None:
        """Let go of Redis."""
        if self._limits is not None:
            await self._limits.close()

    def _after_turn(self) -> None:
        for gate in self._gates:
            gate.cut_off()
        is_open = self._rules.wanted is Wanted.ONCE_MADE and self.ring.is_empty
        if self.ring.loaded and is_open and not self._warned:
            log.warning(
                "access.open",
                danger="anybody who reaches this API may read everything it has",
                mend="make a key with `darkhorses keys create --name NAME`; from then on one is "
                "needed. DARKHORSES_API_KEYS=off if this is meant",
            )
        self._warned = is_open


def behind_proxies(app: Any, proxies: tuple[str, ...]) -> Any:
    """The application, told the address of the client where a trusted proxy names it."""
    if not proxies:
        return app
    return wrap_asgi_with_proxy_headers(app, trusted_hosts=[*proxies, *_mapped(proxies)])


def _mapped(proxies: tuple[str, ...]) -> list[str]:
    """IPv4's networks as a socket of IPv6 sees them."""
    networks = [ipaddress.ip_network(proxy) for proxy in proxies]
    return [
        f"::ffff:{network.network_address}/{96 + network.prefixlen}"
        for network in networks
        if isinstance(network, ipaddress.IPv4Network)
    ]
