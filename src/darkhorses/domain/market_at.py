"""A race's market as it stood at a moment, rebuilt from the log of every price change.

A price took effect when the source says that it changed, or else when it was first seen; of
changes at one instant the later entry of the log stands. Prices, non-runners and runners that were
removed later are as they were. What is kept only as it is now is not rebuilt: ``NOT_REBUILT``.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.prices import Price
from darkhorses.domain.race_board import BoardQuote, BoardRunner, RaceBoard
from darkhorses.domain.races import Quote, QuoteKey

NOT_REBUILT = (
    "race facts",
    "race_status",
    "is_abandoned",
    "runner facts",
    "runners added later",
    "reserves",
    "each-way terms",
)
"""Parts of a past board that are as they are known now."""


class ChangeSource(StrEnum):
    """How a change came into the log: seen by a look, or found in the feed's own history later."""

    POLL = "poll"
    HISTORY = "history"


class PriceChange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An entry of the change log; ``price`` None: it was pulled.

    ``at`` is when it took effect, ``seen_at`` when we learned of it (UTC).
    """

    change_id: int
    horse_id: HorseId
    bookmaker_id: BookmakerId
    price: Price | None
    at: datetime
    seen_at: datetime
    source: ChangeSource = ChangeSource.POLL


def changes_at(changes: Iterable[PriceChange], at: datetime) -> dict[QuoteKey, PriceChange]:
    """Each quote's last change up to and at a moment, whatever order the changes come in."""
    standing: dict[QuoteKey, PriceChange] = {}
    for change in changes:
        if change.at > at:
            continue
        key = change.horse_id, change.bookmaker_id
        before = standing.get(key)
        if before is None or (before.at, before.change_id) < (change.at, change.change_id):
            standing[key] = change
    return standing


def board_at(newest: RaceBoard, changes: Iterable[PriceChange], at: datetime) -> RaceBoard:
    """The board at a moment, from the newest one and the race's changes up to it.

    The last look is known for a moment at or after it; before, the last look that saw a price
    change is all that was kept of them.
    """
    logged = [change for change in changes if change.at <= at]
    standing = changes_at(logged, at)
    looks = [
        change.seen_at
        for change in logged
        if change.source is ChangeSource.POLL and change.seen_at <= at
    ]
    last_look = max(looks, default=None)
    quotes = {key: _quote_at(newest.quotes.get(key), change) for key, change in standing.items()}
    return board_with(newest, quotes, last_look=last_look, at=at)


def board_with(
    newest: RaceBoard,
    quotes: Mapping[QuoteKey, BoardQuote],
    *,
    last_look: datetime | None,
    at: datetime,
) -> RaceBoard:
    """The board at a moment with the quotes that stood then.

    ``last_look`` is the last look by then that saw a price change.
    """
    checked_at = newest.checked_at
    return msgspec.structs.replace(
        newest,
        runners={horse_id: runner_at(runner, at) for horse_id, runner in newest.runners.items()},
        quotes=quotes,
        as_of=at,
        checked_at=checked_at if checked_at is not None and checked_at <= at else last_look,
        last_change_at=last_look,
        refreshed_at=None,
    )


def runner_at(known: BoardRunner, at: datetime) -> BoardRunner:
    """A runner before what was first seen of it after a moment: its withdrawal, its removal."""
    later_non_runner = known.non_runner_at is not None and known.non_runner_at > at
    later_removed = known.removed_at is not None and known.removed_at > at
    if not (later_non_runner or later_removed):
        return known
    return BoardRunner(
        runner=(
            msgspec.structs.replace(known.runner, is_non_runner=False)
            if later_non_runner
            else known.runner
        ),
        non_runner_at=None if later_non_runner else known.non_runner_at,
        removed_at=None if later_removed else known.removed_at,
    )


def _quote_at(newest: BoardQuote | None, change: PriceChange) -> BoardQuote:
    return BoardQuote(
        quote=Quote(
            price=change.price,
            ew_places=newest.quote.ew_places if newest is not None else None,
            ew_denom=newest.quote.ew_denom if newest is not None else None,
        ),
        changed_at=change.at,
        fetched_at=change.seen_at,
    )
