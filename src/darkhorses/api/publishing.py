"""Bodies made of the live market, each made once per state of the market and kept while true."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import datetime, time, timedelta
from typing import Any

import msgspec
from litestar import Request

from darkhorses.api.encoding import Encoded
from darkhorses.api.prepared import PreparedRaces
from darkhorses.api.races import Lens
from darkhorses.api.standing import Standing
from darkhorses.domain.errors import DarkHorsesError
from darkhorses.domain.london import instant_of, race_day
from darkhorses.readmodel.follower import Followed, Follower

MOST_BODIES = 256
MOST_BYTES = 24_000_000
MOST_ADDRESSES = 1024

_INSTANT = timedelta(microseconds=1)

Build = Callable[[Lens], tuple[Encoded, datetime | None]]
"""Makes a body, and says until when it is true if nothing is written."""


class NotLoadedError(DarkHorsesError):
    """The market was never read from the database yet."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked: the path, the query as it was sent, and the route that took it."""

    path: str
    query: bytes
    route: str


class _Kept(msgspec.Struct, frozen=True):
    encoded: Encoded
    true_until: datetime | None


class _Addressed(msgspec.Struct, frozen=True, kw_only=True):
    key: Hashable
    standing: Standing
    true_until: datetime


class Publisher:
    """Answers with what is kept, and makes anew what time or the market has overtaken."""

    def __init__(
        self,
        follower: Follower,
        *,
        clock: Callable[[], datetime],
        card_interval: timedelta,
    ) -> None:
        self.follower = follower
        self._clock = clock
        self._card_interval = card_interval
        self._prepared = PreparedRaces()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._kept_for: Followed = follower.now
        self._addressed: dict[tuple[str, bytes], _Addressed] = {}

    def now(self) -> datetime:
        """The present instant."""
        return self._clock()

    def followed(self) -> Followed:
        """The market that is served; raises NotLoadedError until there is one."""
        if not self.follower.now.loaded:
            raise NotLoadedError("the market was not loaded yet")
        return self.follower.now

    def lens(self, followed: Followed | None = None) -> Lens:
        """A look at the market as it is now, or at another one by the same rules."""
        return Lens(
            followed=followed or self.follower.now,
            prepared=self._prepared if followed is None else PreparedRaces(),
            now=self._clock(),
            card_interval=self._card_interval,
        )

    def published(self, key: Hashable, build: Build, *, at: Address | None = None) -> Encoded:
        """The body under a key: the kept one while it is true, a new one otherwise.

        ``at`` is where it was asked for, if the answer there depends on nothing but the market and
        the time: ``standing`` then gives it again. Raises NotLoadedError until the market was
        loaded: nothing known is not an empty market.
        """
        self.followed()
        lens = self.lens()
        if lens.followed is not self._kept_for:
            self._kept.clear()
            self._addressed.clear()
            self._kept_for = lens.followed
        kept = self._kept.get(key)
        if kept is None or (kept.true_until is not None and kept.true_until < lens.now):
            kept = _Kept(*build(lens))
            self._kept[key] = kept
        self._kept.move_to_end(key)
        self._forget_the_oldest()
        if at is not None:
            self._note(at, key, kept, lens.now)
        return kept.encoded

    def standing(self, path: str, query: bytes) -> Standing | None:
        """The body that was given at an address, while it would be given there again."""
        known = self._addressed.get((path, query))
        if (
            known is None
            or self.follower.now is not self._kept_for
            or known.true_until < self._clock()
        ):
            return None
        self._kept.move_to_end(known.key)
        return known.standing

    def _note(self, at: Address, key: Hashable, kept: _Kept, now: datetime) -> None:
        """Remember what an address means: no longer than the day, which many leave out."""
        today_until = instant_of(race_day(now) + timedelta(days=1), time(0)) - _INSTANT
        if len(self._addressed) >= MOST_ADDRESSES:
            self._addressed.clear()
        self._addressed[at.path, at.query] = _Addressed(
            key=key,
            standing=Standing(kept.encoded, path=at.path, route=at.route),
            true_until=min(kept.true_until or today_until, today_until),
        )

    def _forget_the_oldest(self) -> None:
        size = sum(kept.encoded.size for kept in self._kept.values())
        while len(self._kept) > 1 and (len(self._kept) > MOST_BODIES or size > MOST_BYTES):
            key, oldest = self._kept.popitem(last=False)
            size -= oldest.encoded.size
            self._addressed = {
                at: known for at, known in self._addressed.items() if known.key != key
            }


def address_of(request: Request[Any, Any, Any]) -> Address:
    """Where a request asks."""
    scope = request.scope
    return Address(
        path=scope["path"], query=scope["query_string"], route=str(scope["path_template"])
    )


def as_json(build: Callable[[Lens], tuple[Any, datetime | None]]) -> Build:
    """A builder of a body as a builder of its JSON."""

    def build_json(lens: Lens) -> tuple[Encoded, datetime | None]:
        body, true_until = build(lens)
        return Encoded.json(body), true_until

    return build_json
