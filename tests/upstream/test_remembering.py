"""What is remembered of earlier looks: it saves work, and never says anything else than reading."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given

from darkhorses.domain.diff import KnownRace, compare
from darkhorses.domain.identifiers import RaceId
from darkhorses.domain.races import Card, CardPage
from darkhorses.upstream.errors import MalformedError
from darkhorses.upstream.reading import CardReader
from darkhorses.upstream.remembering import CardMemory
from tests.cards import quote, race, runner
from tests.examples import also_soaks, how_many
from tests.fuzz.mutations import CARD_PAGES, SEEN_AT, Looks, looks_at

NOW = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)
LATER = "2026-06-20 12:59:07"


def bytes_of(*races: Any) -> bytes:
    """A page as the feed writes it, without spaces."""
    return json.dumps({"racecards": races}, separators=(",", ":")).encode()


def look(body: bytes, memory: CardMemory | None = None, now: datetime = NOW) -> CardPage:
    reader = CardReader(now=now, memory=memory)
    reader.read_page(body)
    return reader.page()


def only_card(page: CardPage) -> Card:
    (card,) = page.cards
    return card


def two_runners(**of_ben: Any) -> dict[str, Any]:
    ben = runner(horse_id="hrs_2", horse="Ben", odds=[quote(), quote("Coral")]) | of_ben
    return race(runner(odds=[quote(), quote("Coral")]), ben)


def refreshed(content: dict[str, Any]) -> dict[str, Any]:
    """The same race with its refresh stamp moved on."""
    moved: dict[str, Any] = json.loads(json.dumps(content).replace("12:58:07", "12:59:07"))
    return moved


def test_what_comes_again_is_the_same_object_and_its_stamp_is_read_anew() -> None:
    memory = CardMemory()
    first = only_card(look(bytes_of(two_runners()), memory))

    again = only_card(look(bytes_of(two_runners()), memory))
    moved = only_card(look(bytes_of(refreshed(two_runners())), memory))

    assert again.quotes is first.quotes
    assert again.refreshed_at == first.refreshed_at
    assert moved.quotes is first.quotes
    assert moved.refreshed_at == datetime(2026, 6, 20, 11, 59, 7, tzinfo=UTC)


def test_a_price_that_changed_is_the_only_thing_told_to_differ() -> None:
    memory = CardMemory()
    first = only_card(look(bytes_of(two_runners()), memory))
    changed = refreshed(two_runners(odds=[quote(), quote("Coral", decimal="5", fractional="4/1")]))

    card = only_card(look(bytes_of(changed), memory))

    assert card.since is not None
    assert card.since.quotes is first.quotes
    assert card.since.differing == (("hrs_2", "coral"),)
    assert card.runners["hrs_2"] is first.runners["hrs_2"]  # type: ignore[index]
    assert card == msgspec.structs.replace(only_card(look(bytes_of(changed))), since=card.since)


def test_a_horse_that_stood_twice_has_the_prices_of_the_place_that_is_left() -> None:
    memory = CardMemory()
    ada, again = runner(odds=[quote()]), runner(odds=[quote(decimal="9", fractional="8/1")])
    first = only_card(look(bytes_of(race(ada, again)), memory))
    known = compare(None, first, seen_at=SEEN_AT).after

    card = only_card(look(bytes_of(race(ada)), memory))

    (change,) = compare(known, card, seen_at=SEEN_AT).quotes
    assert change.quote.price is not None
    assert change.quote.price.fractional == "10/3"


def test_a_stamp_of_a_runner_that_is_set_aside_is_no_stamp_of_its_race() -> None:
    memory = CardMemory()
    same = [quote("Betfred"), quote("Ladbrokes")]
    look(bytes_of(two_runners(odds=[quote(), quote("Coral"), *same])), memory)
    broken = bytes_of(two_runners(odds=[quote(updated=0), [quote("Coral")], *same]))

    assert look(broken, memory).unreadable == look(broken).unreadable


def test_what_is_set_aside_is_told_of_at_every_look() -> None:
    memory = CardMemory()
    odd = bytes_of(two_runners(age="old", odds=[quote(decimal="four")]))

    first, second = (look(odd, memory).unreadable for _ in range(2))

    assert len(first) == 2
    assert second == first


def test_another_stamp_in_the_card_is_not_taken_for_that_of_the_quotes() -> None:
    memory = CardMemory()
    tour = {"stable_tour": {"updated": "2026-06-20 09:00:00"}}
    content = race(tour | runner(), runner(horse_id="hrs_2", horse="Ben"))
    spaced = json.dumps({"racecards": [content]}).replace(
        '"updated": "2026-06-20 09', '"updated":"2026-06-20 09'
    )
    look(spaced.encode(), memory)

    card = only_card(look(spaced.replace("Toby", "Tony", 1).encode(), memory))

    assert card.refreshed_at == datetime(2026, 6, 20, 11, 58, 7, tzinfo=UTC)


def test_races_that_are_not_kept_are_read_from_scratch() -> None:
    memory = CardMemory()
    first = only_card(look(bytes_of(two_runners()), memory))

    memory.keep([RaceId("rac_2")])

    assert only_card(look(bytes_of(two_runners()), memory)).quotes is not first.quotes


def without_since(page: CardPage) -> CardPage:
    cards = tuple(msgspec.structs.replace(card, since=None) for card in page.cards)
    return msgspec.structs.replace(page, cards=cards)


def try_look(body: bytes, memory: CardMemory | None) -> CardPage | None:
    try:
        return look(body, memory, now=SEEN_AT)
    except MalformedError:
        return None


@also_soaks
@how_many(suite=300, soak=20_000)
@given(looks_at(CARD_PAGES))
def test_reading_by_what_is_remembered_gives_what_reading_from_scratch_gives(
    looks: Looks,
) -> None:
    memory = CardMemory()
    known: dict[RaceId, KnownRace] = {}
    for body in looks.bodies():
        fresh, recalled = try_look(body, None), try_look(body, memory)
        if fresh is None or recalled is None:
            assert recalled == fresh
            continue
        # A race that stands on a page twice is compared with itself, from scratch too.
        assert without_since(recalled) == without_since(fresh)
        for card, same in zip(recalled.cards, fresh.cards, strict=True):
            before = known.get(card.race.race_id)
            delta = compare(before, card, seen_at=SEEN_AT)
            assert delta == compare(before, same, seen_at=SEEN_AT)
            known[card.race.race_id] = delta.after
