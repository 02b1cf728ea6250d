"""What may be said of a spoilt page, read with nothing of ours.

The readers may set a piece aside; they may not lose one, and never make up a price.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

from darkhorses.domain.prices import Price
from darkhorses.domain.races import Card, CardPage, Unreadable
from darkhorses.domain.results import ResultPage

_PLAIN = re.compile(r"\+?[0-9]+(\.[0-9]*)?|\.[0-9]+")
_FRACTION = re.compile(r"([0-9]+)\s*[/-]\s*([0-9]+)")
_EVENS = {"EVS", "EVENS", "EVEN", "EV"}
_NOTHING = {"", "-", "\N{EN DASH}", "\N{EM DASH}", "SP", "NR", "N/A"}


def said(leaf: Any) -> str:
    """A leaf as text."""
    return "" if leaf is None else str(leaf).replace("\x00", "").strip()


def _is_elsewhere(race: dict[str, Any], regions: Iterable[str]) -> bool:
    """Whether a race is of another region, such as FR."""
    region = race.get("region")
    if not isinstance(region, str) or re.fullmatch("[A-Za-z]{2,5}", said(region)) is None:
        return False
    return said(region).lower() not in set(regions)


def dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def decimal_said(text: str) -> Decimal | None:
    """The price that a decimal names without any doubt."""
    text = text.upper()
    if text in _EVENS:
        return Decimal(2)
    if not _PLAIN.fullmatch(text):
        return None
    price = Decimal(text).quantize(Decimal("0.001"), rounding=ROUND_HALF_EVEN)
    return price if 1 < price < 10_000_000 else None


def fraction_said(text: str, decimal: str) -> Fraction | None:
    """The odds that a fraction names; on old cards it is a whole number, to one."""
    text = text.upper()
    if text in _EVENS:
        return Fraction(1)
    if match := _FRACTION.fullmatch(text):
        return Fraction(int(match[1]), int(match[2])) if int(match[2]) else None
    if _PLAIN.fullmatch(text) and _PLAIN.fullmatch(decimal) and "." not in text:
        return Fraction(int(text)) if int(text) + 1 == Fraction(decimal) else None
    return None


def is_said_by(price: Price, decimal: str, fractional: str) -> bool:
    """Whether two texts of the feed say this price, and do not contradict each other."""
    if decimal_said(decimal) != price.decimal:
        return False
    if price.fractional is None:
        repeats = _PLAIN.fullmatch(fractional) and Decimal(fractional) == Decimal(decimal)
        return fractional.upper() in _NOTHING or bool(repeats)
    odds = fraction_said(fractional, decimal)
    if odds is None or odds != Fraction(price.fractional):
        return False
    return abs(odds + 1 - Fraction(price.decimal)) <= Fraction(price.decimal) / 40


def says_a_plain_price(decimal: str, fractional: str) -> bool:
    """Whether the texts are what the feed sends on an ordinary day, so that it must be read."""
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,2})?", decimal) or Decimal(decimal) <= 1:
        return False
    match = re.fullmatch(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,2})", fractional)
    if match is None:
        return fractional in {"", "-", decimal}
    exact = Fraction(int(match[1]), int(match[2])) + 1
    return abs(exact - Fraction(decimal)) <= Fraction(1, 150)


def check_cards(content: Any, page: CardPage, regions: Iterable[str]) -> None:
    """Raise AssertionError when a piece was lost or a price made up; ``regions`` in lower case."""
    for piece in page.unreadable:
        assert piece.reason
    by_id: dict[str, list[dict[str, Any]]] = {}
    cards = {str(card.race.race_id): card for card in page.cards}
    for race in content["racecards"]:
        if not isinstance(race, dict):
            assert _set_aside(page.unreadable, "race", None)
            continue
        race_id = said(race.get("race_id"))
        by_id.setdefault(race_id, []).append(race)
        elsewhere = _is_elsewhere(race, regions)
        assert race_id in cards or elsewhere or _set_aside(page.unreadable, "race", race_id)
    for race_id, card in cards.items():
        _check_card(card, by_id[race_id], page.unreadable)


def _check_card(card: Card, races: list[dict[str, Any]], unreadable: Iterable[Unreadable]) -> None:
    pieces = list(unreadable)
    race = races[-1]
    for runner in race.get("runners") or ():
        horse_id = said(runner.get("horse_id")) if isinstance(runner, dict) else None
        known = horse_id in card.runners
        assert known or _set_aside(pieces, "runner", str(card.race.race_id)) or len(races) > 1
        assert known or not card.whole or len(races) > 1
    offers = list(_offers(races))
    for (horse_id, bookmaker_id), quote in card.quotes.items():
        texts = [t for horse, book, *t in offers if (horse, book) == (horse_id, bookmaker_id)]
        if quote.price is not None:
            assert not card.runners[horse_id].is_non_runner
            assert any(is_said_by(quote.price, *pair) for pair in texts), (quote, texts)
        elif not card.runners[horse_id].is_non_runner and len(texts) == 1:
            assert not says_a_plain_price(*texts[0]), texts
            nothing = texts[0][0].upper() in _NOTHING or _is_at_most_one(texts[0][0])
            assert nothing or _set_aside(pieces, "quote", str(card.race.race_id)), texts
    for horse, book, *_ in _offers([race]):
        runner_read = horse in card.runners
        if runner_read and book and len(races) == 1:
            quoted = (horse, book) in card.quotes
            assert quoted or _set_aside(pieces, "quote", str(card.race.race_id))


def _is_at_most_one(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)", text)) and (
        text.startswith("-") or Decimal(text) < Decimal("1.0006")
    )


def _offers(races: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    """Horse, bookmaker by letters and digits, decimal and fraction of every quote."""
    for race in races:
        for runner in dicts(race.get("runners")):
            for quote in dicts(runner.get("odds")):
                book = re.sub(r"[^a-z0-9]", "", said(quote.get("bookmaker")).lower())
                yield (
                    said(runner.get("horse_id")),
                    book,
                    said(quote.get("decimal")),
                    said(quote.get("fractional")),
                )


def _set_aside(pieces: Iterable[Unreadable], kind: str, race_id: str | None) -> bool:
    """Whether a piece of a kind was set aside, of this race or of one that has no name."""
    return any(
        piece.kind == kind and (race_id is None or piece.race_id in {race_id[:100], None})
        for piece in pieces
    )


def check_results(content: Any, page: ResultPage, regions: Iterable[str]) -> None:
    """The same for a page of results and its starting prices."""
    results = {str(result.race_id): result for result in page.results}
    by_id: dict[str, list[dict[str, Any]]] = {}
    for race in content["results"]:
        race_id = said(race.get("race_id")) if isinstance(race, dict) else None
        if isinstance(race, dict):
            by_id.setdefault(said(race.get("race_id")), []).append(race)
            if _is_elsewhere(race, regions):
                continue
        assert race_id in results or _set_aside(page.unreadable, "race", race_id)
    for race_id, result in results.items():
        texts: dict[str, list[tuple[str, str]]] = {}
        for ran in (ran for race in by_id[race_id] for ran in dicts(race.get("runners"))):
            pair = said(ran.get("sp")), said(ran.get("sp_dec"))
            texts.setdefault(said(ran.get("horse_id")), []).append(pair)
        assert result.runners.keys() <= texts.keys()
        for horse_id, runner in result.runners.items():
            if (price := runner.starting_price) is not None:
                assert any(_is_starting_price(price, *pair) for pair in texts[horse_id])


def _is_starting_price(price: Price, sp: str, sp_dec: str) -> bool:
    words = sp.upper().rstrip("FJC").strip()
    if price.fractional is None:
        return words in {*_NOTHING, "NO SP"} and decimal_said(sp_dec) == price.decimal
    if words.startswith("EV"):
        return price.fractional == "1/1"
    if match := re.fullmatch(r"([0-9]+)\s*/\s*([0-9]+)", words):
        return Fraction(price.fractional) == Fraction(int(match[1]), int(match[2]))
    return words.isdecimal() and Fraction(price.fractional) == int(words)
