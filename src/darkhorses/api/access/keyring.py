"""The keys to the API in memory, so that a request costs no question to the database.

Every other second one cheap question asks whether any key has changed: a key that was revoked opens
nothing more within seconds. While the database is away nobody can revoke, and what is known stays.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import structlog

from darkhorses.domain.api_keys import ApiKey, digest_of, key_id_of
from darkhorses.store.api_keys import api_key_revision, api_keys, note_use
from darkhorses.store.errors import StoreError
from darkhorses.store.pool import Database

log = structlog.get_logger()

INTERVAL = timedelta(seconds=2)
LAST_USE_INTERVAL = timedelta(minutes=1)
LONGEST_TURN = timedelta(seconds=10)
_NEVER_READ = -1
_UNKNOWN = "is not known"


class KeyRefusedError(Exception):
    """A key opens nothing; the message says why, to whoever holds it."""


class Grant(msgspec.Struct, frozen=True):
    """What a request was let in with: a key, and the form of it that was shown."""

    key: ApiKey
    digest: bytes


class KeyRing:
    """The keys as the database has them while ``run`` runs.

    ``loaded`` is False until they were read once; ``is_empty`` says that nobody ever made one.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        interval: timedelta = INTERVAL,
        last_use_interval: timedelta = LAST_USE_INTERVAL,
    ) -> None:
        self._database = database
        self._clock = clock
        self._interval = interval
        self._last_use_interval = last_use_interval
        self._keys: dict[str, ApiKey] = {}
        self._revision = _NEVER_READ
        self._used: dict[str, datetime] = {}
        self._noted_at = clock()
        self._turned = asyncio.Condition()

    @property
    def loaded(self) -> bool:
        """Whether the keys were read at least once."""
        return self._revision != _NEVER_READ

    @property
    def is_empty(self) -> bool:
        """Whether no key was ever made."""
        return not self._keys

    @property
    def revision(self) -> int:
        """How often keys had changed when they were last looked at."""
        return self._revision

    @property
    def has_use_to_note(self) -> bool:
        """Whether keys were used since that was last written."""
        return bool(self._used)

    def knows(self, key_id: str) -> bool:
        """Whether there is a key of this id, good or not."""
        return key_id in self._keys

    def grant(self, text: str) -> Grant:
        """What a key's text opens; raises KeyRefusedError."""
        digest = digest_of(text)
        key = self._keys.get(key_id_of(text) or "")
        now = self._clock()
        if key is None or not key.takes(digest, now):
            raise KeyRefusedError(_UNKNOWN)
        if key.revoked_at is not None:
            raise KeyRefusedError("was revoked")
        if key.is_over(now):
            raise KeyRefusedError("has expired")
        self._used[key.key_id] = now
        return Grant(key, digest)

    def still_good(self, grant: Grant) -> bool:
        """Whether what somebody was let in with would let them in now."""
        key = self._keys.get(grant.key.key_id)
        now = self._clock()
        return key is not None and not key.is_over(now) and key.takes(grant.digest, now)

    async def until(self, condition: Callable[["KeyRing"], bool]) -> None:
        """Wait until the keys fulfil a condition."""
        async with self._turned:
            await self._turned.wait_for(lambda: condition(self))

    async def run(self, after_turn: Callable[[], None]) -> None:
        """Keep up to date until cancelled; ``after_turn`` is called whenever keys were looked at.

        Last use is written once a minute, and at the end.
        """
        is_away = False
        try:
            while True:
                try:
                    async with asyncio.timeout(LONGEST_TURN.total_seconds()):
                        await self._turn()
                    is_away = False
                except (StoreError, TimeoutError) as error:
                    if not is_away:
                        log.warning("keys.unread", reason=str(error) or "no answer in time")
                    is_away = True
                after_turn()
                async with self._turned:
                    self._turned.notify_all()
                await asyncio.sleep(self._interval.total_seconds())
        finally:
            await self._note_last_use()

    async def _turn(self) -> None:
        async with self._database.connection() as connection:
            revision = await api_key_revision(connection)
            if revision != self._revision:
                # Read after the number: what changes in between is read again at the next turn.
                self._keys = {key.key_id: key for key in await api_keys(connection)}
                self._revision = revision
        now = self._clock()
        if now - self._noted_at >= self._last_use_interval:
            self._noted_at = now
            await self._note_last_use()

    async def _note_last_use(self) -> None:
        used, self._used = self._used, {}
        if not used:
            return
        try:
            async with asyncio.timeout(1), self._database.connection() as connection:
                await note_use(connection, used)
        except (StoreError, TimeoutError) as error:
            self._used = used | self._used
            log.warning("keys.use_not_noted", reason=str(error) or "no answer in time")
