"""What happens in the market, event by event, encoded once for everyone who is told.

A ``price`` event is an entry of the change log. The others are found by comparing one market with
the next: a ``race`` that looks different (its facts, its runners, each-way terms, its stage), a
``non_runner``, a ``result``. Those say how things are, not how they changed, so that being told
twice does no harm.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

import msgspec
from msgspec import UNSET

from darkhorses.domain.events import (
    NonRunnerEvent,
    PriceEvent,
    QuotedPrice,
    ResultEvent,
    has_ended,
    quoted,
    race_fields,
    runner_fields,
)
from darkhorses.domain.identifiers import BookmakerId, RaceId
from darkhorses.domain.positions import Position
from darkhorses.domain.stages import Stage, stage_at
from darkhorses.readmodel.event_bodies import RaceState, RunnerState
from darkhorses.readmodel.market import Market, MarketRace, by_number
from darkhorses.store.changes import LoggedChange
from darkhorses.store.odds import StoredQuote
from darkhorses.store.races import StoredRunner

_encoder = msgspec.json.Encoder(decimal_format="number")


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event, ready to be sent, with what subscriptions choose by.

    ``course`` and ``region`` are lower case and, like ``stage``, None where the race is not known
    any more. ``stage_before`` is set when the race has just come from another stage; ``full`` is
    then the body with prices, for those who did not follow it there.
    """

    kind: str
    position: Position
    race_id: str
    course: str | None
    region: str | None
    stage: Stage | None
    data: bytes
    bookmaker_id: str | None = None
    stage_before: Stage | None = None
    full: bytes | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What time alone changes in a race."""

    stage: Stage
    is_over: bool


Standings = dict[RaceId, Standing]


class StateNews(msgspec.Struct, frozen=True, kw_only=True):
    """Something to tell of a race as it stands now.

    ``kind`` is ``race``, ``non_runner`` (then of ``runner``) or ``result``; ``with_prices`` when
    the prices' each-way terms are part of the news.
    """

    kind: str
    race: MarketRace
    runner: StoredRunner | None = None
    with_prices: bool = False
    stage_before: Stage | None = None


class EncodeRace(Protocol):
    """Makes a race's JSON, with or without prices."""

    def __call__(self, race: MarketRace, standing: Standing, *, with_prices: bool) -> bytes:
        """The JSON of a ``RaceState``."""
        ...


def standings_of(market: Market, now: datetime) -> Standings:
    """Where every race stands at an instant."""
    return {race_id: standing_of(race, now) for race_id, race in market.races.items()}


def standing_of(race: MarketRace, now: datetime) -> Standing:
    """Where a race stands at an instant."""
    return Standing(stage=stage_at(race.race.off_dt, now), is_over=race.is_over_at(now))


def price_event(change: LoggedChange, *, revision: int) -> Event:
    """An entry of the change log as an event, told to those who know the races of a revision."""
    stage = stage_at(change.off_dt, change.seen_at) if change.off_dt is not None else None
    return Event(
        kind="price",
        position=Position(change_id=change.change_id, revision=revision),
        race_id=change.race_id,
        course=change.course.casefold() if change.course is not None else None,
        region=change.region.casefold() if change.region is not None else None,
        stage=stage,
        bookmaker_id=change.bookmaker_id,
        data=_encoder.encode(
            PriceEvent(
                change_id=change.change_id,
                race_id=change.race_id,
                horse_id=change.horse_id,
                bookmaker_id=change.bookmaker_id,
                odds_decimal=change.price.decimal if change.price is not None else None,
                odds_fractional=change.price.fractional if change.price is not None else None,
                changed_at=change.effective_at,
                seen_at=change.seen_at,
                source=change.source,
            )
        ),
    )


def differences(
    before: Market, after: Market, told: Standings, standings: Standings
) -> Iterator[StateNews]:
    """What to tell of the races that look different than they did; a mere look is no news.

    ``told`` is where races stood when they were last told of, ``standings`` where they stand.
    """
    for race_id, race in after.races.items():
        known = before.races.get(race_id)
        standing, stood = standings[race_id], told.get(race_id)
        if race is known and standing == stood:
            continue
        terms_changed = _terms_changed(known, race)
        if known is None or _looks_different(known, race) or terms_changed or standing != stood:
            moved = stood is not None and stood.stage is not standing.stage
            yield StateNews(
                kind="race",
                race=race,
                with_prices=terms_changed,
                stage_before=stood.stage if stood is not None and moved else None,
            )
        yield from _non_runners(known, race)
        if has_ended(race.race) and (known is None or not has_ended(known.race)):
            yield StateNews(kind="result", race=race)


def states_since(market: Market, revision: int, *, with_prices: bool) -> Iterator[StateNews]:
    """Every race that was written about after a revision, for those who missed what was.

    With prices where quotes were written, as each-way terms may be among what was, or everywhere.
    """
    for race in market.races.values():
        if race.revision <= revision:
            continue
        quoted = any(stored.revision > revision for stored in race.quotes.values())
        yield StateNews(kind="race", race=race, with_prices=with_prices or quoted)
        for stored in race.runners.values():
            if stored.runner.is_non_runner and stored.revision > revision:
                yield StateNews(kind="non_runner", race=race, runner=stored)
        if has_ended(race.race):
            yield StateNews(kind="result", race=race)


def state_events(
    news: Iterable[StateNews],
    standings: Standings,
    *,
    since: Position,
    until: Position,
    encode_race: EncodeRace | None = None,
) -> list[Event]:
    """News as events: only with the last of them is the revision of ``until`` reached.

    ``encode_race`` may know a race's JSON already.
    """
    told = list(news)
    last = len(told) - 1
    on_the_way = Position(change_id=until.change_id, revision=since.revision)
    return [
        _state_event(
            one,
            standings[one.race.race.race_id],
            until if index == last else on_the_way,
            encode_race or race_state,
        )
        for index, one in enumerate(told)
    ]


def race_state(
    race: MarketRace,
    standing: Standing,
    *,
    with_prices: bool,
    bookmakers: Collection[BookmakerId] | None = None,
) -> bytes:
    """A race as JSON, with its prices (of some bookmakers, or all) or without any."""
    prices: dict[str, dict[str, QuotedPrice]] = {}
    if with_prices:
        for (horse_id, bookmaker_id), stored in race.quotes.items():
            if bookmakers is None or bookmaker_id in bookmakers:
                prices.setdefault(horse_id, {})[bookmaker_id] = quoted(stored.quote)
    state = RaceState(
        **race_fields(race.race, stage=standing.stage, is_over=standing.is_over),
        checked_at=race.stored.checked_at,
        runners=tuple(
            RunnerState(
                **runner_fields(
                    stored.runner,
                    prices.get(stored.runner.horse_id, {}) if with_prices else UNSET,
                ),
                non_runner_at=stored.non_runner_at,
            )
            for stored in sorted(race.runners.values(), key=by_number)
            if stored.removed_at is None or stored.runner.is_non_runner
        ),
    )
    return _encoder.encode(state)


def with_prices_of(body: bytes, bookmakers: Collection[BookmakerId]) -> bytes:
    """A race's JSON with the prices of some bookmakers alone."""
    state = _read_race_state(body)
    runners = tuple(
        msgspec.structs.replace(
            runner,
            prices={name: price for name, price in runner.prices.items() if name in bookmakers},
        )
        if runner.prices is not UNSET
        else runner
        for runner in state.runners
    )
    return _encoder.encode(msgspec.structs.replace(state, runners=runners))


_read_race_state: Callable[[bytes], RaceState] = msgspec.json.Decoder(
    # Decimals as they are written: 4.33 must not pass through a float.
    RaceState,
    float_hook=Decimal,
).decode


def _state_event(
    news: StateNews, standing: Standing, position: Position, encode_race: EncodeRace
) -> Event:
    race, facts = news.race, news.race.race
    full = None
    if news.kind == "race":
        data = encode_race(race, standing, with_prices=news.with_prices)
        if news.stage_before is not None:
            full = data if news.with_prices else encode_race(race, standing, with_prices=True)
    else:
        data = _encoder.encode(_small_body(news))
    return Event(
        kind=news.kind,
        position=position,
        race_id=facts.race_id,
        course=facts.course.casefold(),
        region=facts.region.casefold(),
        stage=standing.stage,
        stage_before=news.stage_before,
        data=data,
        full=full,
    )


def _small_body(news: StateNews) -> Any:
    facts = news.race.race
    if news.runner is None:
        return ResultEvent(
            race_id=facts.race_id, race_status=facts.race_status, is_abandoned=facts.is_abandoned
        )
    return NonRunnerEvent(
        race_id=facts.race_id,
        horse_id=news.runner.runner.horse_id,
        horse_name=news.runner.runner.horse_name,
        horse_number=news.runner.runner.horse_number,
        non_runner_at=news.runner.non_runner_at,
    )


def _looks_different(known: MarketRace, race: MarketRace) -> bool:
    return known.race != race.race or (
        known.runners is not race.runners
        and any(
            _is_other_runner(known.runners.get(horse_id), stored)
            for horse_id, stored in race.runners.items()
        )
    )


def _is_other_runner(known: StoredRunner | None, stored: StoredRunner) -> bool:
    return known is not stored and (
        known is None or (known.runner, known.removed_at) != (stored.runner, stored.removed_at)
    )


def _terms_changed(known: MarketRace | None, race: MarketRace) -> bool:
    """Whether a price stands on other each-way terms than were told: the log knows of none."""
    before = known.quotes if known is not None else {}
    return before is not race.quotes and any(
        stored is not (told := before.get(key)) and _terms(stored) != _terms(told)
        for key, stored in race.quotes.items()
    )


def _terms(stored: StoredQuote | None) -> tuple[int | None, int | None]:
    return (stored.quote.ew_places, stored.quote.ew_denom) if stored is not None else (None, None)


def _non_runners(known: MarketRace | None, race: MarketRace) -> Iterator[StateNews]:
    if known is not None and known.runners is race.runners:
        return
    for horse_id, stored in race.runners.items():
        before = known.runners.get(horse_id) if known is not None else None
        if stored.runner.is_non_runner and not (before and before.runner.is_non_runner):
            yield StateNews(kind="non_runner", race=race, runner=stored)
