"""One attempt to deliver a message: a signed POST, and what its answer means."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from typing import Self

import httpcore
import msgspec

from darkhorses import __version__
from darkhorses.domain.retry_after import read_retry_after
from darkhorses.domain.signatures import SigningSecret, signed_headers
from darkhorses.webhooks.errors import NotDeliveredError
from darkhorses.webhooks.targets import CheckedNetwork, Resolve, Resolver, read_target

TIMEOUT = timedelta(seconds=15)
"""How long an attempt may take, from the first look at the name to the answer's headers."""

_READ_OF_BODY = 16_384
_BODY_TIMEOUT = 1.0
_BUSY = (429, 503)
_SUCCESS, _REDIRECT, _REFUSAL = 200, 300, 400
_KEPT_CONNECTIONS = 50
_KEPT_FOR = 20.0


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver's success."""

    status: int


class Sender:
    """Sends messages; connections are kept for a while, to the addresses that they were made to."""

    def __init__(
        self,
        pool: httpcore.AsyncConnectionPool,
        network: CheckedNetwork,
        clock: Callable[[], datetime],
        *,
        private_targets: bool,
        timeout: timedelta,
    ) -> None:
        self._pool = pool
        self._network = network
        self._clock = clock
        self._private_targets = private_targets
        self._timeout = timeout

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        clock: Callable[[], datetime],
        *,
        private_targets: bool,
        resolve: Resolve | None = None,
        timeout: timedelta = TIMEOUT,
    ) -> AsyncIterator[Self]:
        """Make one; ``private_targets`` lets it go to any address, and by http."""
        resolver = Resolver()
        network = CheckedNetwork(resolve or resolver, private_targets=private_targets)
        try:
            async with httpcore.AsyncConnectionPool(
                network_backend=network,
                max_connections=None,
                max_keepalive_connections=_KEPT_CONNECTIONS,
                keepalive_expiry=_KEPT_FOR,
            ) as pool:
                yield cls(pool, network, clock, private_targets=private_targets, timeout=timeout)
        finally:
            resolver.close()

    async def check(self, url: str) -> None:
        """Look whether messages may go to an address now.

        Raises TargetRefusedError, and NotDeliveredError when its host is not found.
        """
        parts = read_target(url, private_targets=self._private_targets)
        with self._errors():
            async with asyncio.timeout(self._timeout.total_seconds()):
                await self._network.addresses(parts.hostname or "", parts.port or 443)

    async def send(
        self, url: str, message_id: str, body: bytes, *, signing: Sequence[SigningSecret]
    ) -> Delivered:
        """Send a message; raises TargetRefusedError or NotDeliveredError.

        Any 2xx is a success and everything else is not, redirects included: where a message goes
        is what was registered.
        """
        read_target(url, private_targets=self._private_targets)
        now = self._clock()
        headers = {
            "content-type": "application/json",
            "user-agent": f"DarkHorses/{__version__}",
            **signed_headers(message_id, body, signing=signing, at=now),
        }
        with self._errors():
            async with asyncio.timeout(self._timeout.total_seconds()) as deadline:
                request = self._pool.stream("POST", url, headers=[*headers.items()], content=body)
                async with request as answer:
                    deadline.reschedule(None)  # the answer is in, whatever its body does
                    await _read_some(answer)
        if not _SUCCESS <= answer.status < _REDIRECT:
            raise NotDeliveredError(
                _meaning(answer.status),
                status=answer.status,
                retry_after=_retry_after(answer, now),
            )
        return Delivered(status=answer.status)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            seconds = self._timeout.total_seconds()
            raise NotDeliveredError(f"no answer within {seconds:g} s") from error
        except (httpcore.NetworkError, httpcore.TimeoutException) as error:
            raise NotDeliveredError(f"cannot be reached: {_said(error)}") from error
        except httpcore.ProtocolError as error:
            raise NotDeliveredError(f"no HTTP answer: {_said(error)}") from error


async def _read_some(answer: httpcore.Response) -> None:
    """Read a small body to its end, so that the connection can be kept; leave any other."""
    read = 0
    with suppress(TimeoutError, httpcore.NetworkError, httpcore.ProtocolError):
        async with asyncio.timeout(_BODY_TIMEOUT):
            async for chunk in answer.aiter_stream():
                read += len(chunk)
                if read > _READ_OF_BODY:
                    return


def _meaning(status: int) -> str:
    if _REDIRECT <= status < _REFUSAL:
        return f"answered {status}, and redirects are not followed"
    return f"answered {status}"


def _retry_after(answer: httpcore.Response, now: datetime) -> timedelta | None:
    """How long a receiver that is too busy asked to be left alone."""
    if answer.status not in _BUSY:
        return None
    found = [value for key, value in answer.headers if key.lower() == b"retry-after"]
    return read_retry_after(found[0].decode("latin-1"), now=now) if found else None


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
