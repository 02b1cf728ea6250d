"""What a bet at starting price returned: win, place and each way, dead heats, Rule 4.

All sums are exact fractions of one unit staked, and a return holds the stake. Terms follow the
runners that ran. A bet on a non-runner, and on any runner of a void race, is given back.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

import msgspec

_HANDICAP = re.compile(r"(?<!non-)(?<!non )\b(?:handicap|nursery|h'?cap)\b", re.IGNORECASE)
_MOST_PENCE = 90
_VOID = Fraction(1)
_LOST = Fraction(0)

# The longest price at withdrawal (decimal) and the pence in the pound that winnings lose by it.
_RULE_4 = tuple(
    (Decimal(price), pence)
    for price, pence in (
        ("1.12", 90), ("1.19", 85), ("1.27", 80), ("1.33", 75), ("1.44", 70), ("1.57", 65),
        ("1.66", 60), ("1.83", 55), ("1.99", 50), ("2.24", 45), ("2.59", 40), ("2.79", 35),
        ("3.39", 30), ("4.19", 25), ("5.40", 20), ("6.99", 15), ("10.99", 10), ("15.0", 5),
    )
)  # fmt: skip


class EachWayTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How many places pay, and at one over what of the odds."""

    places: int
    denominator: int


class Placing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a runner came in; ``tied`` counts the horses at its position, itself included.

    ``position`` is None for one that did not finish or was disqualified. ``void`` for a
    non-runner, and for every runner of a race that was void or abandoned.
    """

    position: int | None
    tied: int = 1
    void: bool = False


class Returns(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit returned; ``each_way`` is out of two. None where it is not known or offered."""

    win: Fraction | None
    place: Fraction | None
    each_way: Fraction | None


def is_handicap(race_name: str) -> bool:
    """Whether a race is a handicap, by its name: the feed has no field for it."""
    return _HANDICAP.search(race_name) is not None


def each_way_terms(runners: int, *, handicap: bool) -> EachWayTerms | None:
    """The standard terms by the number of horses that ran; None where only winning pays."""
    if runners < 5:  # noqa: PLR2004  # the standard table
        return None
    if runners < 8:  # noqa: PLR2004
        return EachWayTerms(places=2, denominator=4)
    if not handicap or runners < 12:  # noqa: PLR2004
        return EachWayTerms(places=3, denominator=5)
    return EachWayTerms(places=3 if runners < 16 else 4, denominator=4)  # noqa: PLR2004


def settle(price: Fraction | None, placing: Placing, terms: EachWayTerms | None) -> Returns:
    """Settle one unit at a decimal price.

    A loser returns 0 also where its price is not known; a winner without a price returns None.
    """
    win = _win(price, placing)
    place = None if terms is None else _place(price, placing, terms)
    each_way = None if win is None or place is None else win + place
    return Returns(win=win, place=place, each_way=each_way)


def rule_4_pence(decimals_at_withdrawal: Iterable[Decimal]) -> int:
    """The pence in the pound that winnings lose by withdrawals at these prices; at most 90."""
    return min(_MOST_PENCE, sum(map(_pence, decimals_at_withdrawal)))


def _win(price: Fraction | None, placing: Placing) -> Fraction | None:
    if placing.void:
        return _VOID
    if placing.position != 1:
        return _LOST
    return None if price is None else price / placing.tied


def _place(price: Fraction | None, placing: Placing, terms: EachWayTerms) -> Fraction | None:
    if placing.void:
        return _VOID
    if placing.position is None or placing.position > terms.places:
        return _LOST
    if price is None:
        return None
    paid = Fraction(min(placing.tied, terms.places - placing.position + 1), placing.tied)
    return ((price - 1) / terms.denominator + 1) * paid


def _pence(price: Decimal) -> int:
    return next((pence for longest, pence in _RULE_4 if price <= longest), 0)
