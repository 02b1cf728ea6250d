"""From the ledger of gap repairs to how complete a race's prices over time are."""

from darkhorses.api.race_bodies import PathCompleteness, PollingLag
from darkhorses.domain.repairs import Occasion
from darkhorses.store.gap_repairs import GapRepair

_PLACES = 6


def path_completeness(repair: GapRepair) -> PathCompleteness:
    """What the ledger says of a race, as a body."""
    lag = repair.lag
    is_final = repair.occasion is Occasion.END
    return PathCompleteness(
        state=repair.state,
        is_final=is_final,
        covers_until=None if is_final else repair.outage_to,
        points=repair.points,
        seen=repair.seen,
        added=repair.added,
        unplaced=repair.unplaced,
        polled_share=_share(repair.completeness_polled),
        share=_share(repair.completeness),
        lag=PollingLag(
            count=lag.count,
            median_seconds=lag.median,
            p90_seconds=lag.p90,
            longest_seconds=lag.longest,
        )
        if lag is not None
        else None,
        runners_asked=repair.runners_asked,
        runners_not_found=repair.runners_not_found,
        runners_failed=repair.runners_failed,
        reason=repair.reason,
        repaired_at=repair.repaired_at,
    )


def _share(share: float | None) -> float | None:
    return None if share is None else round(share, _PLACES)
