"""The bookmakers of the simulated market: margin, speed, bias and each-way terms of each."""

import msgspec

from darkhorses.simulator.chance import chance
from darkhorses.simulator.ladders import FRACTIONS, TICKS, Ladder

NAMES = (
    "Bet365", "William Hill", "Coral", "Betfred", "Boyle Sports", "Ladbrokes", "Unibet",
    "Bet Goodwin", "Bet Victor", "10 Bet", "BetMGM", "Grosvenor Sports", "Betway", "Virgin Bet",
    "talkSPORT BET", "Dragon Bet", "CopyBet", "PricedUp Bet", "Spreadex", "BresBet",
    "Star Sports", "7Bet", "BetTom", "Gentlemen Jim", "Midnite", "SportingIndex", "Quinn Bet",
    "Betfair Exchange",
)  # fmt: skip
"""The 28 of the feed in its order, the exchange last."""

_WIDEST = 1.28
_EARLY = 12
_GENEROUS = frozenset({"Bet365", "William Hill", "Betfred", "BetMGM", "Unibet"})
_STINGY = frozenset({"BresBet", "Gentlemen Jim"})


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """One bookmaker's habits.

    ``margin`` and ``margin_per_runner`` add up to its overround; ``lag`` is how many moves of
    the market it is behind; ``bias`` below 1 shortens outsiders and lengthens favourites;
    ``opinion`` is the spread of its own view; ``extra_places`` marks better each-way terms.
    """

    name: str
    exchange: bool
    ladder: Ladder
    margin: float
    margin_per_runner: float
    lag: float
    bias: float
    opinion: float
    early: bool
    extra_places: int

    def book_percentage(self, runners: int) -> float:
        """What the chances behind its prices add up to, at most 1.28."""
        return min(1 + self.margin + self.margin_per_runner * runners, _WIDEST)


def make_books(seed: int) -> tuple[Book, ...]:
    """All bookmakers in the feed's order; the same seed gives the same habits."""
    return tuple(_make(seed, position, name) for position, name in enumerate(NAMES))


def _make(seed: int, position: int, name: str) -> Book:
    if name == "Betfair Exchange":
        return Book(
            name=name, exchange=True, ladder=TICKS, margin=0.011, margin_per_runner=0.0,
            lag=0.0, bias=1.0, opinion=0.0, early=True, extra_places=0,
        )  # fmt: skip
    dice = chance(seed, "book", name)
    return Book(
        name=name,
        exchange=False,
        ladder=FRACTIONS,
        margin=dice.uniform(0.03, 0.06),
        margin_per_runner=dice.uniform(0.007, 0.013),
        lag=dice.uniform(0.1, 2.6),
        bias=dice.uniform(0.9, 0.97),
        opinion=dice.uniform(0.02, 0.07),
        early=position < _EARLY,
        extra_places=1 if name in _GENEROUS else -1 if name in _STINGY else 0,
    )


def each_way_terms(book: Book, runners: int, *, handicap: bool) -> tuple[str, str]:
    """A book's ``ew_places`` and ``ew_denom``; empty for win only and for an exchange."""
    if book.exchange or runners < 5:  # the feed's terms, a table in itself
        return "", ""
    if runners < 8:
        return ("1", "4") if book.extra_places < 0 else ("2", "4")
    places, denominator = 3, 5
    if handicap and runners >= 12:
        places, denominator = (4, 4) if runners >= 16 else (3, 4)
    if book.extra_places > 0 and runners >= 12:
        return str(places + book.extra_places), "5"
    if book.extra_places < 0 and not handicap:
        return "2", "4"
    return str(places), str(denominator)
