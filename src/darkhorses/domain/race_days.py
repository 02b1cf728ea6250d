"""The ledger of race days: what is known of a day in a region, and when to read it again.

A day is read from the day after on. It is *missing* while anything of it is: a page, a card, a
result. It is *provisional* when all is there and may still be amended, which is so for its first
three days, and *complete* after that. What is abandoned or void is not missing.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum

import msgspec

from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.london import race_day

FIRST_DAY = date(2023, 1, 23)
"""The first day of which the feed has cards."""

AMENDED_FOR = timedelta(days=3)
"""A result may be amended, and an exchange's starting price come, for so long."""

GAPS_OF = timedelta(days=7)
"""The nightly job fills gaps of so many days; older ones are for a backfill."""

_NAMED = 5


class Completeness(StrEnum):
    """How much of a day's cards or results is there."""

    MISSING = "missing"
    PROVISIONAL = "provisional"
    COMPLETE = "complete"


class RaceDay(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the ledger; ``region`` is the feed's code in lower case, times are UTC.

    ``reason`` says why the day is not complete, or what was lost of it; ``repaired_at`` is when
    prices that polling had missed were last added to the day's races.
    """

    race_date: date
    region: str
    cards: Completeness
    results: Completeness
    races_count: int = 0
    results_count: int = 0
    rows_count: int = 0
    attempts: int = 0
    reason: str | None = None
    checked_at: datetime | None = None
    completed_at: datetime | None = None
    repaired_at: datetime | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the day need never be read again."""
        return self.cards is Completeness.COMPLETE and self.results is Completeness.COMPLETE

    @property
    def has_gap(self) -> bool:
        """Whether anything of the day is missing."""
        return Completeness.MISSING in (self.cards, self.results)

    @property
    def status(self) -> Completeness:
        """The day as a whole: as little as the lesser of its cards and results."""
        if self.has_gap:
            return Completeness.MISSING
        return Completeness.COMPLETE if self.is_complete else Completeness.PROVISIONAL


class DayShortfall(msgspec.Struct, frozen=True, kw_only=True):
    """What a reading of a day lacked.

    ``cards_missing`` and ``results_missing`` were announced and not sent; the ``unread`` could
    not be understood; ``without_result`` are races that neither have one nor are known to be void,
    ``without_card`` those of a day of which there is no card at all. The rest are no gaps.
    """

    cards_missing: int = 0
    cards_unread: int = 0
    results_missing: int = 0
    results_unread: int = 0
    without_card: tuple[RaceId, ...] = ()
    without_result: tuple[RaceId, ...] = ()
    abandoned: tuple[RaceId, ...] = ()
    never_had_result: tuple[RaceId, ...] = ()
    only_result: tuple[RaceId, ...] = ()

    @property
    def lacks_cards(self) -> bool:
        """Whether a card is missing."""
        return bool(self.cards_missing or self.cards_unread or self.without_card)

    @property
    def lacks_results(self) -> bool:
        """Whether a result is missing."""
        return bool(self.results_missing or self.results_unread or self.without_result)


def is_settled(day: date, now: datetime) -> bool:
    """Whether a day's results are no longer expected to be amended."""
    return race_day(now) - day >= AMENDED_FOR


def is_due(day: date, known: RaceDay | None, now: datetime) -> bool:
    """Whether a day is to be read: never the present one, a gap always, a provisional one daily.

    One whose races were repaired after it was read is read again, for the prices of its log.
    """
    if day >= race_day(now):
        return False
    if known is None or known.has_gap or known.checked_at is None:
        return True
    if known.repaired_at is not None and known.repaired_at > known.checked_at:
        return True
    return not known.is_complete and race_day(known.checked_at) < race_day(now)


def judge(
    day: date, shortfall: DayShortfall, now: datetime
) -> tuple[Completeness, Completeness, str | None]:
    """What the ledger says of cards and results after a reading, and why."""
    settled = is_settled(day, now)
    whole = Completeness.COMPLETE if settled else Completeness.PROVISIONAL
    cards = Completeness.MISSING if shortfall.lacks_cards else Completeness.COMPLETE
    results = Completeness.MISSING if shortfall.lacks_results else whole
    reasons = list(_reasons(shortfall))
    if results is Completeness.PROVISIONAL:
        reasons.append(f"results may be amended until {day + AMENDED_FOR}")
    return cards, results, "; ".join(reasons) or None


def _reasons(shortfall: DayShortfall) -> Iterable[str]:
    for count, what in (
        (shortfall.cards_missing, "announced by the feed and not sent: {} cards"),
        (shortfall.cards_unread, "not understood: {} cards"),
        (shortfall.results_missing, "announced by the feed and not sent: {} results"),
        (shortfall.results_unread, "not understood: {} results"),
    ):
        if count:
            yield what.format(count)
    for race_ids, what in (
        (shortfall.without_card, "no card"),
        (shortfall.without_result, "no result yet"),
        (shortfall.abandoned, "abandoned"),
        (shortfall.never_had_result, "void, the feed never had a result"),
        (shortfall.only_result, "known by its result alone"),
    ):
        if race_ids:
            yield f"{what}: {_listed(race_ids)}"


def _listed(race_ids: tuple[RaceId, ...]) -> str:
    more = len(race_ids) - _NAMED
    return ", ".join(race_ids[:_NAMED]) + (f" and {more} more" if more > 0 else "")
