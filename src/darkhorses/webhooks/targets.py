"""Which addresses messages may go to.

A name is resolved once, every address that it has is checked, and the connection is made to one of
those: a name that says something else a moment later (DNS rebinding) gains nothing. The name stays
what it was for TLS and for the Host header. How an address is spelled (2130706433, 0x7f000001,
::ffff:127.0.0.1) does not matter, because what is checked is what it means.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

import httpcore

from darkhorses.webhooks.errors import NotDeliveredError, TargetRefusedError

Address = IPv4Address | IPv6Address

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Gives the addresses of a host; raises OSError when it has none."""

_LONGEST_URL = 2000
# Of each address, so that one that swallows everything leaves time for the next.
_CONNECT_TIMEOUT = 4.0
_GLOBAL_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
# Global to the registry, and yet no place for a message: relays, tunnels, documentation.
_REFUSED = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)


def is_public(address: Address) -> bool:
    """Whether an address is of the public internet: not private, loopback, link-local, multicast.

    An IPv6 address that stands for an IPv4 one (mapped, NAT64) is judged by that one.
    """
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_V6:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not any(address in network for network in _REFUSED)
    )


def read_target(url: str, *, private_targets: bool) -> SplitResult:
    """Read a webhook's address; raises TargetRefusedError unless it is one for messages.

    It is https, or http where private targets are allowed, with a host and without user,
    password and fragment.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        if host is not None:
            host.encode("idna")
    except ValueError:
        raise TargetRefusedError(f"{url!r} is not an address") from None
    if len(url) > _LONGEST_URL or not url.isascii() or any(c.isspace() for c in url):
        raise TargetRefusedError(
            f"an address has at most {_LONGEST_URL} characters, ASCII and no spaces"
        )
    if parts.scheme not in (("https", "http") if private_targets else ("https",)):
        raise TargetRefusedError(
            "an address begins with https:// (http:// only where "
            "DARKHORSES_WEBHOOK_PRIVATE_TARGETS allows it)"
        )
    if not host or "@" in parts.netloc or parts.fragment:
        raise TargetRefusedError("an address has a host, and neither user, password nor fragment")
    return parts


class Resolver:
    """The system's resolver, with threads of its own: a slow one makes nobody else wait."""

    def __init__(self, threads: int = 32) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="webhooks-resolver")

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of a host; raises OSError when it has none."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
        return [ip_address(text) for text in texts]

    def close(self) -> None:
        """Let the threads go; those that still wait for an answer end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked."""

    def __init__(self, resolve: Resolve, *, private_targets: bool) -> None:
        self._resolve = resolve
        self._private_targets = private_targets
        self._network = httpcore.AnyIOBackend()

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of a host.

        Raises TargetRefusedError when one of them is not public, and NotDeliveredError when
        there is none.
        """
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise NotDeliveredError(f"the host {host!r} was not found: {error}") from error
        refused = [str(address) for address in found if not is_public(address)]
        if refused and not self._private_targets:
            raise TargetRefusedError(
                f"the host {host!r} is at {', '.join(refused)}, which is not of the public internet"
            )
        if not found:
            raise NotDeliveredError(f"the host {host!r} has no address")
        return found

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check, and connect to the first of the addresses that answers."""
        failure: Exception | None = None
        for address in await self.addresses(host, port):
            try:
                return await self._network.connect_tcp(
                    str(address),
                    port,
                    timeout=_CONNECT_TIMEOUT if timeout is None else min(timeout, _CONNECT_TIMEOUT),
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"no address of {host!r} answers")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._network.sleep(seconds)
