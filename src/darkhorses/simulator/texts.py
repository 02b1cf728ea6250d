"""Short plausible prose and numbers for the parts of a card that nobody bets on."""

from random import Random

from darkhorses.simulator.races import RaceFacts, RunnerFacts

_OPENINGS = (
    "Kept on well without threatening at a similar level last time",
    "Progressive sort who found plenty for pressure when getting off the mark",
    "Hasn't matched early promise this season and the handicapper has relented a little",
    "Consistent in this grade and was beaten only by a well-treated rival on latest start",
    "Big run first time out from a yard that has its string in good order",
    "Needed the outing on return from a break and is entitled to come on for it",
)
_MIDDLES = (
    "the ground has come right and the trip looks ideal",
    "has gone well at this track before, though this is deeper",
    "the drop in class helps and a strong pace would suit",
    "there is stamina in the pedigree for the step up in distance",
    "headgear had a positive effect and is retained here",
    "a wide draw asks for an early effort that may tell late on",
)
_ENDS = (
    "respected.",
    "one for the shortlist.",
    "others make more appeal.",
    "should be in the mix again if the market speaks up.",
    "place claims at best.",
    "hard to leave out of calculations.",
)
_IN_RUNNING = (
    "Held up in rear - headway over 2f out - ridden and kept on inside final furlong",
    "Led - pushed along 2f out - headed entering final furlong - weakened",
    "In touch with leaders - switched right over 1f out - stayed on towards finish",
    "Midfield - ridden from 3f out - no impression",
    "Prominent - challenged approaching last - every chance - kept on same pace",
)
_EXCUSES = (
    "unsuitable ground", "self certificate, coughing", "lame", "vet's certificate, bruised foot",
    "withdrawn, not eaten up", "self certificate, off feed",
)  # fmt: skip


def comment(dice: Random) -> str:
    """A card's one-line comment on a runner."""
    return dice.choice(_OPENINGS)


def spotlight(dice: Random) -> str:
    """A card's longer comment on a runner."""
    return f"{dice.choice(_OPENINGS)}; {dice.choice(_MIDDLES)}; {dice.choice(_ENDS)}"


def verdict(race: RaceFacts, pick: RunnerFacts) -> str:
    """What a tipster says of a race."""
    return (
        f"An open-looking race over {race.distance_round} in which {pick.horse.upper()} gets the "
        "vote to confirm the promise of the latest run."
    )


def in_running(dice: Random) -> str:
    """A result's comment on how a horse ran."""
    return dice.choice(_IN_RUNNING)


def excuse(dice: Random) -> str:
    """Why a horse was withdrawn; may hold a comma."""
    return dice.choice(_EXCUSES)
