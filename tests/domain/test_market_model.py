"""A market by rules, beside a model of it that knows nothing of how changes are found.

The model keeps what a reader of all cards would say: who is on the card, and what is on offer. The
log of changes is read in two ways, in the order of its entries and in that of time, and each has to
lead to the same.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from darkhorses.domain.diff import KnownRace, RaceDelta, compare, compare_result, is_superseded
from darkhorses.domain.identifiers import BookmakerId, CourseId, HorseId, RaceId
from darkhorses.domain.market_at import PriceChange, changes_at
from darkhorses.domain.prices import Price
from darkhorses.domain.races import Card, Quote, QuoteKey, Race, Runner
from tests.examples import also_soaks, how_many

NOON = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)
HORSES = [HorseId(f"hrs_{number}") for number in range(1, 5)]
BOOKS = [BookmakerId(name) for name in ("bet365", "coral", "betfairexchange")]
RACE = Race(
    race_id=RaceId("rac_1"),
    race_date=date(2026, 6, 20),
    off_dt=NOON + timedelta(hours=3),
    off_time="16:00",
    course_id=CourseId("crs_1"),
    course="Ascot",
    region="GB",
    race_name="A Handicap",
)

Offers = Mapping[QuoteKey, str | None]
"""Decimals by horse and bookmaker; None says that there is none on offer."""

_keys = st.tuples(st.sampled_from(HORSES), st.sampled_from(BOOKS))
_offers = st.dictionaries(_keys, st.sampled_from([None, "2", "3.5", "11"]), max_size=12)
_some_horses = st.sets(st.sampled_from(HORSES))
_terms = st.sampled_from([None, (3, 5), (2, 4)])
_pause = st.integers(0, 600).map(lambda seconds: timedelta(seconds=seconds))
_lag = st.integers(0, 240).map(lambda seconds: timedelta(seconds=seconds))


class MarketMachine(RuleBasedStateMachine):
    """Looks at one race: ordinary ones, and all that can be wrong with one."""

    @initialize(apart=st.integers(-300, 300))
    def begin(self, apart: int) -> None:
        """Nothing is known; the feed's clock is up to five minutes from ours."""
        self.apart = timedelta(seconds=apart)
        self.now = NOON
        self.known: KnownRace | None = None
        self.log: list[PriceChange] = []
        # The model
        self.on_offer: dict[QuoteKey, str] = {}
        self.on_card: set[HorseId] = set()
        self.withdrawn: set[HorseId] = set()
        self.stamp: datetime | None = None
        self.has_result = False
        self.logged = 0

    # Looks

    @rule(offers=_offers, terms=_terms, pause=_pause, lag=_lag)
    def look(
        self, offers: Offers, terms: tuple[int, int] | None, pause: timedelta, lag: timedelta
    ) -> None:
        """A whole card with every horse; the feed refreshed it some time ago."""
        self.now += pause
        card = self._card(set(HORSES), offers, terms, stamp=self._stamp(lag))
        self._take(card, card_says=offers, told=set(HORSES))

    @rule(offers=_offers, pause=_pause)
    def look_without_stamps(self, offers: Offers, pause: timedelta) -> None:
        """A card whose quotes say nothing of when they were refreshed."""
        self.now += pause
        self._take(self._card(set(HORSES), offers, None), card_says=offers, told=set(HORSES))

    @rule(offers=_offers, missing=_some_horses, lag=_lag)
    def look_at_a_smaller_field(
        self, offers: Offers, missing: set[HorseId], lag: timedelta
    ) -> None:
        """A whole card that some horses are no longer on."""
        shown = set(HORSES) - missing
        card = self._card(shown, offers, None, stamp=self._stamp(lag))
        self._take(card, card_says=offers, told=set(HORSES))
        self.on_card &= shown

    @rule(offers=_offers, unread=_some_horses, lag=_lag)
    def look_with_runners_set_aside(
        self, offers: Offers, unread: set[HorseId], lag: timedelta
    ) -> None:
        """A card of which some runners could not be read: nothing is known of them."""
        shown = set(HORSES) - unread
        card = self._card(shown, offers, None, stamp=self._stamp(lag), whole=False)
        before = set(self.on_card)
        self._take(card, card_says=offers, told=shown)
        self.on_card = before | shown

    @rule(offers=_offers, silent=_some_horses, lag=_lag)
    def look_without_a_word_on_some_odds(
        self, offers: Offers, silent: set[HorseId], lag: timedelta
    ) -> None:
        """A card on which some runners come without the field of odds."""
        said = {key: offer for key, offer in offers.items() if key[0] not in silent}
        card = self._card(set(HORSES), said, None, stamp=self._stamp(lag))
        card = msgspec.structs.replace(card, runners_without_odds=frozenset(silent))
        self._take(card, card_says=said, told=set(HORSES) - silent)

    @rule(pause=_pause)
    def suspend(self, pause: timedelta) -> None:
        """All prices go at once, and with them every stamp."""
        self.now += pause
        self._take(self._card(set(HORSES), {}, None), card_says={}, told=set(HORSES))

    @rule(horse=st.sampled_from(HORSES))
    def withdraw(self, horse: HorseId) -> None:
        """From now on a horse is a non-runner; it shows with the next look."""
        self.withdrawn.add(horse)

    @precondition(lambda self: self.known is not None and self.known.refreshed_at is not None)
    @rule(offers=_offers, seconds=st.integers(1, 400), has_stamp=st.booleans())
    def answer_that_was_overtaken(self, offers: Offers, seconds: int, has_stamp: bool) -> None:  # noqa: FBT001
        """An answer that comes late, and is older than what is known, changes nothing."""
        assert self.stamp is not None
        stamp = self.stamp - timedelta(seconds=seconds) if has_stamp else None
        assert is_superseded(self.known, self._card(set(HORSES), offers, None, stamp=stamp))

    @precondition(lambda self: self.known is not None)
    @rule()
    def result_comes_in(self) -> None:
        """Another endpoint says that the race has a result."""
        assert self.known is not None
        delta = compare_result(self.known)
        assert delta.race_changed is not self.has_result
        self.known = delta.after
        self.has_result = True

    # What is true after each step

    @invariant()
    def what_is_known_is_on_offer(self) -> None:
        if self.known is None:
            return
        prices = {k: q.price.decimal for k, q in self.known.quotes.items() if q.price is not None}
        assert prices == {key: Decimal(text) for key, text in self.on_offer.items()}
        assert self.known.runners.keys() == self.on_card
        assert (self.known.race.race_status == "result") is self.has_result

    @invariant()
    def the_log_leads_to_it_in_the_order_of_its_entries(self) -> None:
        standing: dict[QuoteKey, Price | None] = {}
        for entry in self.log:
            key = entry.horse_id, entry.bookmaker_id
            assert standing.get(key) != entry.price
            standing[key] = entry.price
        self._is_on_offer(standing)
        assert len(self.log) == self.logged

    @invariant()
    def the_log_leads_to_it_in_the_order_of_time(self) -> None:
        standing = changes_at(reversed(self.log), self.now)
        self._is_on_offer({key: change.price for key, change in standing.items()})

    def _is_on_offer(self, standing: Mapping[QuoteKey, Price | None]) -> None:
        prices = {key: price.decimal for key, price in standing.items() if price is not None}
        assert prices == {key: Decimal(text) for key, text in self.on_offer.items()}

    # Means

    def _stamp(self, lag: timedelta) -> datetime:
        """When the feed last refreshed its prices, by its own clock; it never goes back."""
        stamp = self.now + self.apart - lag
        return stamp if self.stamp is None else max(stamp, self.stamp)

    def _card(
        self,
        shown: set[HorseId],
        offers: Offers,
        terms: tuple[int, int] | None,
        *,
        stamp: datetime | None = None,
        whole: bool = True,
    ) -> Card:
        places, denominator = terms or (None, None)
        quotes = {
            (horse, book): Quote(
                price=(
                    None
                    if text is None or horse in self.withdrawn
                    else Price(decimal=Decimal(text))
                ),
                ew_places=places,
                ew_denom=denominator,
            )
            for (horse, book), text in offers.items()
            if horse in shown
        }
        runners = {
            horse: Runner(
                horse_id=horse,
                horse_name=f"Horse {horse}",
                horse_number=None if horse in self.withdrawn else 1,
                is_non_runner=horse in self.withdrawn,
            )
            for horse in shown
        }
        return Card(race=RACE, runners=runners, quotes=quotes, whole=whole, refreshed_at=stamp)

    def _take(self, card: Card, *, card_says: Offers, told: set[HorseId]) -> None:
        """Take a card as the worker does, and let the model say what is on offer after it."""
        delta = compare(self.known, card, seen_at=self.now)
        before = dict(self.on_offer)
        for horse in told:
            for book in BOOKS:
                text = card_says.get((horse, book))
                gone = text is None or horse in self.withdrawn or horse not in card.runners
                if gone:
                    self.on_offer.pop((horse, book), None)
                else:
                    assert text is not None
                    self.on_offer[horse, book] = text
        self.on_card = set(card.runners)
        self.stamp = card.refreshed_at or self.stamp
        moved = {
            key
            for key in before.keys() | self.on_offer.keys()
            if before.get(key) != self.on_offer.get(key)
        }
        self.logged += len(moved)
        untold = {key[0] for key in self.on_offer if key[0] not in told}
        assert delta.checked is (not untold or (card.whole and told == set(HORSES)))
        self._write(delta)

    def _write(self, delta: RaceDelta) -> None:
        for change in delta.quotes:
            if change.price_changed:
                entry = PriceChange(
                    change_id=len(self.log),
                    horse_id=change.horse_id,
                    bookmaker_id=change.bookmaker_id,
                    price=change.quote.price,
                    at=delta.changed_at or self.now,
                    seen_at=self.now,
                )
                assert entry.at <= entry.seen_at
                self.log.append(entry)
        self.known = delta.after


TestMarket = also_soaks(MarketMachine.TestCase)
TestMarket.settings = how_many(suite=60, soak=3000)
