"""What one look at a race changes in what was known of it.

The known state is only ever replaced by what has been committed: ``compare`` proposes, the store
writes, and then ``RaceDelta.after`` is what is known.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from darkhorses.domain.identifiers import BookmakerId, HorseId
from darkhorses.domain.prices import Price
from darkhorses.domain.races import Card, Quote, QuoteKey, Race, Runner
from darkhorses.domain.stages import RESULT


class KnownRace(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of a race: its facts, the runners on its card, and the last quotes.

    A quote with price None is stored too: it says that the price was pulled. ``checked_at`` is
    the last look that covered every open price, ``logged_until`` when the newest entry of its
    price log took effect.
    """

    race: Race
    runners: dict[HorseId, Runner]
    quotes: dict[QuoteKey, Quote]
    last_change_at: datetime | None = None
    refreshed_at: datetime | None = None
    checked_at: datetime | None = None
    logged_until: datetime | None = None


class QuoteChange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A quote that differs from the stored one.

    ``price_changed`` is False when only the each-way terms did, or a bookmaker is named for the
    first time and has no price: such a change updates the live quote and is no entry of the
    price log.
    """

    horse_id: HorseId
    bookmaker_id: BookmakerId
    quote: Quote
    price_changed: bool


class RaceDelta(msgspec.Struct, frozen=True, kw_only=True):
    """All that is to be written for one race, what was known before, and the state once it is.

    ``race_changed`` is True for a new race too. ``runners`` are new or changed ones, as they are
    to be stored; ``removed`` are no longer on the card. ``checked`` is False when an open price
    stands that the card said nothing of: the race must not count as looked at then.
    ``changed_at`` is when its price changes took effect by the feed's word, None without one.
    """

    before: KnownRace | None
    after: KnownRace
    race_changed: bool
    runners: tuple[Runner, ...]
    removed: tuple[HorseId, ...]
    quotes: tuple[QuoteChange, ...]
    unchanged: int
    checked: bool = True
    refreshed_at: datetime | None = None
    changed_at: datetime | None = None

    @property
    def price_changes(self) -> int:
        """How many entries this adds to the price log."""
        return sum(change.price_changed for change in self.quotes)

    @property
    def is_empty(self) -> bool:
        """Whether nothing but the time of the look is to be written."""
        return not (self.race_changed or self.runners or self.removed or self.quotes)


def compare(known: KnownRace | None, card: Card, *, seen_at: datetime) -> RaceDelta:
    """Find what ``card`` changes in ``known``; a first price is a change, a pulled one too.

    A bookmaker that names a runner without ever having had a price for it is stored and is no
    price change. A runner, and a quote, that the card no longer names is gone, unless the card
    is not whole or came without odds for it: then it stands as it was.
    """
    race = _keep_result(known, card.race)
    runners, changed_runners, removed = _compare_runners(known, card)
    told = card.runners.keys() - card.runners_without_odds | set(removed)
    quotes, changes, unchanged = _compare_quotes(known, card, told=told)
    checked = (card.whole and not card.runners_without_odds) or all(
        key[0] in told for key, quote in quotes.items() if quote.price is not None
    )
    price_changed = any(change.price_changed for change in changes)
    last_change_at = known.last_change_at if known is not None else None
    logged_until = known.logged_until if known is not None else None
    changed_at = _took_effect(card.refreshed_at, after=logged_until, seen_at=seen_at)
    return RaceDelta(
        before=known,
        after=KnownRace(
            race=race,
            runners=runners,
            quotes=quotes,
            last_change_at=seen_at if price_changed else last_change_at,
            refreshed_at=card.refreshed_at or (known.refreshed_at if known is not None else None),
            checked_at=seen_at if checked or known is None else known.checked_at,
            logged_until=(changed_at or seen_at) if price_changed else logged_until,
        ),
        race_changed=known is None or known.race != race,
        runners=changed_runners,
        removed=removed,
        quotes=changes,
        unchanged=unchanged,
        checked=checked,
        refreshed_at=card.refreshed_at,
        changed_at=changed_at,
    )


def _took_effect(
    refreshed_at: datetime | None, *, after: datetime | None, seen_at: datetime
) -> datetime | None:
    """When the changes of a look took effect, by the feed's stamp on it.

    The feed's clock may go before or after ours. What was seen has changed by then, and not
    before what the log says already: so the log, read in order of time, leads to what stands.
    """
    if refreshed_at is None:
        return None
    return min(refreshed_at if after is None else max(refreshed_at, after), seen_at)


def is_superseded(known: KnownRace | None, card: Card) -> bool:
    """Whether a card is older than what is known, by the feed's own refresh stamps.

    For answers that overtook each other on the way: without stamps the later one is taken to be
    older.
    """
    if known is None or known.refreshed_at is None or card.refreshed_at is None:
        return known is not None
    return card.refreshed_at < known.refreshed_at


def _keep_result(known: KnownRace | None, race: Race) -> Race:
    """A race that has a result keeps that status: its card may go on to say less."""
    if known is None or known.race.race_status != RESULT or race.race_status == RESULT:
        return race
    return msgspec.structs.replace(race, race_status=RESULT)


def compare_result(known: KnownRace) -> RaceDelta:
    """Note that a race has a result, as another endpoint than its card says."""
    race = msgspec.structs.replace(known.race, race_status=RESULT)
    return RaceDelta(
        before=known,
        after=msgspec.structs.replace(known, race=race),
        race_changed=known.race != race,
        runners=(),
        removed=(),
        quotes=(),
        unchanged=0,
        checked=False,
    )


def _compare_runners(
    known: KnownRace | None, card: Card
) -> tuple[dict[HorseId, Runner], tuple[Runner, ...], tuple[HorseId, ...]]:
    before = known.runners if known is not None else {}
    after: dict[HorseId, Runner] = {}
    changed = []
    for horse_id, runner in card.runners.items():
        stored = before.get(horse_id)
        settled = runner if stored is None else _keep_what_non_runners_lose(stored, runner)
        after[horse_id] = settled
        if settled != stored:
            changed.append(settled)
    gone = [horse_id for horse_id in before if horse_id not in card.runners]
    if card.whole:
        return after, tuple(changed), tuple(gone)
    after.update((horse_id, before[horse_id]) for horse_id in gone)
    return after, tuple(changed), ()


def _keep_what_non_runners_lose(stored: Runner, runner: Runner) -> Runner:
    """A non-runner's card says NR and NON-RUNNER where its number and jockey stood."""
    if not runner.is_non_runner:
        return runner
    return msgspec.structs.replace(
        runner,
        horse_number=runner.horse_number or stored.horse_number,
        jockey=runner.jockey or stored.jockey,
    )


def _compare_quotes(
    known: KnownRace | None, card: Card, *, told: set[HorseId]
) -> tuple[dict[QuoteKey, Quote], tuple[QuoteChange, ...], int]:
    before = known.quotes if known is not None else {}
    changes = []
    new = 0
    for key in _differing(before, card):
        stored, quote = before.get(key), card.quotes[key]
        new += stored is None
        if stored != quote:
            changes.append(_change(key, quote, stored.price if stored is not None else None))
    unchanged = len(card.quotes) - len(changes)
    if len(before) + new == len(card.quotes):
        return card.quotes, tuple(changes), unchanged
    after = before | card.quotes
    for key, stored in before.items():
        if stored.price is None or key in card.quotes or key[0] not in told:
            continue
        pulled = Quote(price=None, ew_places=stored.ew_places, ew_denom=stored.ew_denom)
        after[key] = pulled
        changes.append(_change(key, pulled, stored.price))
    return after, tuple(changes), unchanged


def _differing(before: dict[QuoteKey, Quote], card: Card) -> Iterable[QuoteKey]:
    """The keys of a card's quotes that may be other than before: those that are other objects."""
    if before is card.quotes:
        return ()
    if card.since is not None and before is card.since.quotes:
        return card.since.differing
    return [key for key, quote in card.quotes.items() if before.get(key) is not quote]


def _change(key: QuoteKey, quote: Quote, price_before: Price | None) -> QuoteChange:
    return QuoteChange(
        horse_id=key[0],
        bookmaker_id=key[1],
        quote=quote,
        price_changed=quote.price != price_before,
    )
