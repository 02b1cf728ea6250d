"""Bodies made of the live market, each made once per state of the market and kept while true."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from darkhorses.api.encoding import Encoded
from darkhorses.api.prepared import PreparedRaces
from darkhorses.api.races import Lens
from darkhorses.domain.errors import DarkHorsesError
from darkhorses.readmodel.follower import Followed, Follower

MOST_BODIES = 256
MOST_BYTES = 24_000_000

Build = Callable[[Lens], tuple[Encoded, datetime | None]]
"""Makes a body, and says until when it is true if nothing is written."""


class NotLoadedError(DarkHorsesError):
    """The market was never read from the database yet."""


class _Kept(msgspec.Struct, frozen=True):
    encoded: Encoded
    true_until: datetime | None


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

    def published(self, key: Hashable, build: Build) -> Encoded:
        """The body under a key: the kept one while it is true, a new one otherwise.

        Raises NotLoadedError until the market was loaded: nothing known is not an empty market.
        """
        self.followed()
        lens = self.lens()
        if lens.followed is not self._kept_for:
            self._kept.clear()
            self._kept_for = lens.followed
        kept = self._kept.get(key)
        if kept is None or (kept.true_until is not None and kept.true_until < lens.now):
            kept = _Kept(*build(lens))
            self._kept[key] = kept
        self._kept.move_to_end(key)
        self._forget_the_oldest()
        return kept.encoded

    def _forget_the_oldest(self) -> None:
        size = sum(kept.encoded.size for kept in self._kept.values())
        while len(self._kept) > 1 and (len(self._kept) > MOST_BODIES or size > MOST_BYTES):
            _, oldest = self._kept.popitem(last=False)
            size -= oldest.encoded.size


def as_json(build: Callable[[Lens], tuple[Any, datetime | None]]) -> Build:
    """A builder of a body as a builder of its JSON."""

    def build_json(lens: Lens) -> tuple[Encoded, datetime | None]:
        body, true_until = build(lens)
        return Encoded.json(body), true_until

    return build_json
