"""The chances behind a book's prices, once its margin is taken out, by three methods.

With ``pi`` the implied probabilities of a whole book and ``S`` their sum:

* **proportional** (basic): ``pi / S``; every runner carries the same share of the margin.
* **power**: ``pi ** k`` with the one ``k`` that makes them sum to 1; outsiders carry more of it.
* **Shin**: the book's maker fears a share ``z`` of bettors who know the winner, and shades prices
  against them: ``(sqrt(z^2 + 4 (1 - z) pi^2 / S) - z) / (2 (1 - z))``, with the ``z`` that makes
  them sum to 1; outsiders carry more of it. A book under 100 % leaves no room for such bettors.

A consensus is the mean over all whole books that have a margin, each freed of it by itself: what
books agree on, and no book's margin or single mistake counts for more than another's. Sums are in
floating point, good to about 12 digits.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import fsum, log, sqrt
from operator import mul

import msgspec

from darkhorses.domain.board import implied_chance
from darkhorses.domain.identifiers import HorseId
from darkhorses.domain.prices import Price

_EXACT_ENOUGH = 1e-14
_MOST_STEPS = 100


class FairChance(msgspec.Struct, frozen=True, kw_only=True):
    """One runner's chance to win, between 0 and 1, by each method."""

    proportional: float
    power: float
    shin: float


class Consensus(msgspec.Struct, frozen=True, kw_only=True):
    """Every runner's mean chance over ``books`` books; each method's chances sum to 1."""

    books: int
    chances: Mapping[HorseId, FairChance]


def proportional_chances(implied: Sequence[float]) -> list[float]:
    """Scale implied probabilities to sum to 1."""
    total = fsum(implied)
    return [chance / total for chance in implied]


def power_chances(implied: Sequence[float]) -> list[float]:
    """Raise implied probabilities to the power that makes them sum to 1; two runners at least.

    Raises ValueError for fewer: no power brings a single price to a certainty.
    """
    _require_two(implied)
    logs = [log(chance) for chance in implied]
    # The sum is convex and falls as the power grows: from the left Newton's steps never overshoot.
    power = 1.0 if fsum(implied) >= 1 else 0.0
    for _ in range(_MOST_STEPS):
        raised = [chance**power for chance in implied]
        slope = fsum(map(mul, raised, logs))
        step = (1 - fsum(raised)) / slope
        power += step
        if step <= _EXACT_ENOUGH * power:
            break
    return proportional_chances([chance**power for chance in implied])


def shin_chances(implied: Sequence[float]) -> list[float]:
    """Free a book of Shin's margin.

    Raises ValueError for fewer than two runners and for a book under 100 %.
    """
    _require_two(implied)
    total = fsum(implied)
    if total < 1:
        raise ValueError("Shin's method needs a book of at least 100 %")
    squares = [chance * chance / total for chance in implied]

    def chances(insiders: float) -> list[float]:
        # The formula above, multiplied out so that it holds up to insiders = 1.
        feared, others = insiders * insiders, 4 * (1 - insiders)
        return [2 * square / (sqrt(feared + others * square) + insiders) for square in squares]

    return proportional_chances(chances(_root(lambda insiders: fsum(chances(insiders)) - 1)))


def fair_chances(book: Mapping[HorseId, Price]) -> dict[HorseId, FairChance]:
    """Every runner's chance by its price in one book, which has all that are to run.

    Raises ValueError for fewer than two runners and for a book under 100 %.
    """
    implied = [implied_chance(price) for price in book.values()]
    by_method = zip(
        proportional_chances(implied), power_chances(implied), shin_chances(implied), strict=True
    )
    return {
        horse_id: FairChance(proportional=proportional, power=power, shin=shin)
        for horse_id, (proportional, power, shin) in zip(book, by_method, strict=True)
    }


def consensus(books: Iterable[Mapping[HorseId, Price]]) -> Consensus | None:
    """The mean over whole books of the same runners; None when none of them has a margin."""
    found = [fair_chances(book) for book in books if has_margin(book)]
    if not found:
        return None
    return Consensus(
        books=len(found),
        chances={
            horse_id: FairChance(
                proportional=_mean(chances[horse_id].proportional for chances in found),
                power=_mean(chances[horse_id].power for chances in found),
                shin=_mean(chances[horse_id].shin for chances in found),
            )
            for horse_id in found[0]
        },
    )


def has_margin(book: Mapping[HorseId, Price]) -> bool:
    """Whether a book holds two runners at least and sums to 100 % or more."""
    return len(book) > 1 and fsum(map(implied_chance, book.values())) >= 1


def _require_two(implied: Sequence[float]) -> None:
    if len(implied) < 2:  # noqa: PLR2004  # a race
        raise ValueError("a book has two runners at least")


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return fsum(listed) / len(listed)


def _root(function: Callable[[float], float]) -> float:
    """Where a function that falls from 0 to 1 crosses zero (false position, Illinois)."""
    low, high = 0.0, 1.0
    at_low, at_high = function(low), function(high)
    if at_low <= 0:
        return low
    middle, moved_low = low, None
    for _ in range(_MOST_STEPS):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        at_middle = function(middle)
        if abs(at_middle) < _EXACT_ENOUGH:
            break
        if at_middle > 0:
            low, at_low = middle, at_middle
            at_high = at_high / 2 if moved_low is True else at_high
        else:
            high, at_high = middle, at_middle
            at_low = at_low / 2 if moved_low is False else at_low
        moved_low = at_middle > 0
    return middle
