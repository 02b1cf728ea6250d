"""The chance to be placed, from the chances to win, by Harville's model.

Harville (1973) takes the rest of a race for a race of the rest: once the winner is known, every
other runner's chance to be second is its chance to win among those that are left, and so on. That
is the same as a race in which runner ``i`` arrives after an exponential time of rate ``p[i]``, so
the chance of ``i`` to be among the first ``k`` is that fewer than ``k`` others arrive before it:

    integral over t of  p[i] exp(-p[i] t) * P(fewer than k others have arrived by t)  dt

which is summed here by the double exponential rule, good to about 10 digits, for any number of
places at a cost of runners times places.

Limits: horses with little chance to win run for places more often than the model says and
favourites less, as those who cannot win still try for the place. It overstates the places of
favourites and understates those of outsiders (Henery, Stern, Lo and Bacon-Shone; Benter discounts
the chances for second and third for it), the more so the further back the place.
"""

from collections.abc import Sequence
from itertools import accumulate
from math import exp, expm1, fsum, log

_STEP = 1 / 16
_FIRST = -3.5
_NEGLIGIBLE = 45.0


def place_chances(win_chances: Sequence[float], places: int) -> list[float]:
    """Each runner's chance to be among the first ``places``; they sum to ``places``.

    Win chances are above 0 and need not sum to 1. With no more runners than places all are placed.
    Raises ValueError for a chance that is not above 0, and for fewer places than one.
    """
    if places < 1 or any(chance <= 0 for chance in win_chances):
        raise ValueError("place chances need a place at least and win chances above 0")
    runners = len(win_chances)
    if runners <= places:
        return [1.0] * runners
    total = fsum(win_chances)
    rates = [chance / total for chance in win_chances]
    # The integrands fall at least as fast as the slowest runners that may all still be out.
    slowest = fsum(sorted(rates)[: runners - places])
    last = log(_NEGLIGIBLE / slowest) + 1
    sums = [0.0] * runners
    for number in range(int((last - _FIRST) / _STEP) + 1):
        x = _FIRST + number * _STEP
        time = exp(x - exp(-x))
        weight = _STEP * time * (1 + exp(-x))
        for runner, chance in enumerate(_few_before(rates, places, time)):
            sums[runner] += weight * rates[runner] * exp(-rates[runner] * time) * chance
    return [min(placed, 1.0) for placed in sums]


def _few_before(rates: Sequence[float], places: int, time: float) -> list[float]:
    """For each runner the chance that fewer than ``places`` others have arrived by a time."""
    arrived = [-expm1(-rate * time) for rate in rates]
    nobody = [1.0] + [0.0] * (places - 1)
    before = list(accumulate(arrived, _and_one_more, initial=nobody))
    behind = list(accumulate(reversed(arrived), _and_one_more, initial=nobody))
    found = []
    for runner in range(len(rates)):
        up_to = list(accumulate(behind[len(rates) - 1 - runner]))
        found.append(
            sum(chance * up_to[places - 1 - count] for count, chance in enumerate(before[runner]))
        )
    return found


def _and_one_more(counts: list[float], chance: float) -> list[float]:
    """The chances of 0, 1, … arrivals with one more runner; those of too many are left out."""
    stays = 1 - chance
    return [
        count * stays + (counts[index - 1] * chance if index else 0.0)
        for index, count in enumerate(counts)
    ]
