from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.diff import KnownRace, compare, compare_result, is_superseded
from darkhorses.domain.identifiers import BookmakerId, CourseId, HorseId, RaceId
from darkhorses.domain.prices import Price
from darkhorses.domain.races import Card, Quote, QuoteKey, Race, Runner

NOW = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)
RACE = Race(
    race_id=RaceId("rac_1"),
    race_date=date(2026, 6, 20),
    off_dt=NOW + timedelta(hours=1),
    off_time="14:00",
    course_id=CourseId("crs_1"),
    course="Ascot",
    region="GB",
    race_name="A Handicap",
)
ADA, BEN = HorseId("hrs_ada"), HorseId("hrs_ben")
BET365, CORAL = BookmakerId("bet365"), BookmakerId("coral")
RUNNERS = {
    ADA: Runner(horse_id=ADA, horse_name="Ada", horse_number=1, jockey="A Rider"),
    BEN: Runner(horse_id=BEN, horse_name="Ben", horse_number=2),
}


def at(decimal: str | None, *, places: int | None = 3) -> Quote:
    price = None if decimal is None else Price(decimal=Decimal(decimal))
    return Quote(price=price, ew_places=places, ew_denom=5)


def card(quotes: dict[QuoteKey, Quote], **fields: object) -> Card:
    return msgspec.structs.replace(Card(race=RACE, runners=RUNNERS, quotes=quotes), **fields)


def known(quotes: dict[QuoteKey, Quote]) -> KnownRace:
    return KnownRace(race=RACE, runners=RUNNERS, quotes=quotes)


def test_the_first_look_at_a_race_is_all_change() -> None:
    delta = compare(None, card({(ADA, BET365): at("5")}), seen_at=NOW)

    assert delta.race_changed
    assert len(delta.runners) == 2
    assert delta.price_changes == 1
    assert delta.after.last_change_at == NOW


def test_the_same_card_again_changes_nothing() -> None:
    quotes = {(ADA, BET365): at("5"), (BEN, CORAL): at(None)}
    after = compare(None, card(quotes), seen_at=NOW).after

    delta = compare(after, card(quotes), seen_at=NOW + timedelta(minutes=1))

    assert delta.is_empty
    assert delta.unchanged == 2
    assert delta.after.last_change_at == NOW


def test_a_pulled_price_is_a_change_to_none() -> None:
    delta = compare(known({(ADA, BET365): at("5")}), card({(ADA, BET365): at(None)}), seen_at=NOW)

    assert [(c.quote.price, c.price_changed) for c in delta.quotes] == [(None, True)]


def test_a_quote_that_is_no_longer_named_is_pulled_too() -> None:
    delta = compare(
        known({(ADA, BET365): at("5"), (BEN, CORAL): at("3")}),
        card({(BEN, CORAL): at("3")}),
        seen_at=NOW,
    )

    assert [(c.horse_id, c.quote.price) for c in delta.quotes] == [(ADA, None)]


def test_a_change_of_terms_alone_is_no_price_change() -> None:
    delta = compare(
        known({(ADA, BET365): at("5")}), card({(ADA, BET365): at("5", places=4)}), seen_at=NOW
    )

    assert len(delta.quotes) == 1
    assert delta.price_changes == 0


def test_a_runner_that_left_the_card_loses_its_prices() -> None:
    gone = card({}, runners={BEN: RUNNERS[BEN]})

    delta = compare(known({(ADA, BET365): at("5")}), gone, seen_at=NOW)

    assert delta.removed == (ADA,)
    assert [(c.horse_id, c.quote.price) for c in delta.quotes] == [(ADA, None)]


def test_a_runner_missing_from_a_card_that_is_not_whole_stands_but_is_not_checked() -> None:
    partial = card({}, runners={BEN: RUNNERS[BEN]}, whole=False)

    delta = compare(known({(ADA, BET365): at("5")}), partial, seen_at=NOW)

    assert delta.removed == ()
    assert delta.quotes == ()
    assert not delta.checked
    assert ADA in delta.after.runners


def test_a_runner_without_a_word_on_odds_keeps_its_prices_but_is_not_checked() -> None:
    silent = card({}, runners_without_odds=frozenset({ADA}))

    delta = compare(known({(ADA, BET365): at("5")}), silent, seen_at=NOW)

    assert delta.quotes == ()
    assert not delta.checked


def test_a_non_runner_keeps_the_number_and_jockey_that_its_card_lost() -> None:
    marked = Runner(horse_id=ADA, horse_name="Ada", is_non_runner=True)

    delta = compare(known({}), card({}, runners=RUNNERS | {ADA: marked}), seen_at=NOW)

    assert delta.runners == (msgspec.structs.replace(marked, horse_number=1, jockey="A Rider"),)


def test_a_result_once_known_is_not_forgotten_by_a_later_card() -> None:
    finished = compare_result(known({}))

    delta = compare(finished.after, card({}), seen_at=NOW)

    assert finished.race_changed
    assert not delta.race_changed
    assert delta.after.race.race_status == "result"


def test_an_older_card_is_told_by_the_stamps_of_the_feed() -> None:
    state = msgspec.structs.replace(known({}), refreshed_at=NOW)

    assert is_superseded(state, card({}, refreshed_at=NOW - timedelta(seconds=1)))
    assert not is_superseded(state, card({}, refreshed_at=NOW))
    assert is_superseded(state, card({}))
    assert not is_superseded(None, card({}))


_quotes = st.dictionaries(
    st.tuples(st.sampled_from([ADA, BEN]), st.sampled_from([BET365, CORAL])),
    st.builds(at, st.sampled_from([None, "2", "3.5", "11"]), places=st.sampled_from([None, 2, 3])),
)


@given(st.lists(_quotes, min_size=1, max_size=6))
def test_the_price_log_replayed_is_the_live_market(looks: list[dict[QuoteKey, Quote]]) -> None:
    state: KnownRace | None = None
    replayed: dict[QuoteKey, Price | None] = {}
    for look in looks:
        delta = compare(state, card(look), seen_at=NOW)
        for change in delta.quotes:
            if change.price_changed:
                key = change.horse_id, change.bookmaker_id
                assert replayed.get(key) != change.quote.price
                replayed[key] = change.quote.price
        state = delta.after

    assert state is not None
    offered = {key: quote.price for key, quote in looks[-1].items() if quote.price is not None}
    assert {key: price for key, price in replayed.items() if price is not None} == offered
    assert {k: q.price for k, q in state.quotes.items() if q.price is not None} == offered
