"""How old a look at a race may be before what it saw counts as stale."""

from datetime import datetime, timedelta

from darkhorses.domain.stages import Stage, interval_of

LEAST_PATIENCE = timedelta(seconds=45)
MISSED_LOOKS = 3


def stale_after(stage: Stage, card_interval: timedelta) -> timedelta:
    """The age beyond which a race is stale: three looks missed, and never under 45 seconds.

    A race is looked at by its stage's interval or with the whole card (``card_interval``),
    whichever comes sooner.
    """
    return max(LEAST_PATIENCE, MISSED_LOOKS * min(interval_of(stage), card_interval))


def is_stale(
    *, checked_at: datetime, stage: Stage, card_interval: timedelta, now: datetime
) -> bool:
    """Whether the last look is too long ago for its prices to be shown as today's truth."""
    return now - checked_at > stale_after(stage, card_interval)
