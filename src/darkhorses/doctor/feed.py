"""The feed: whether we reach it, it knows us, and the plan covers what we ask.

Four requests at most, each tried once: whoever examines must not use up the worker's limits.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from darkhorses.doctor.findings import Finding, broken, doubtful, fine
from darkhorses.domain.errors import SettingError
from darkhorses.domain.london import race_day
from darkhorses.settings import Settings
from darkhorses.upstream.client import RacingApi
from darkhorses.upstream.errors import (
    BadCredentialsError,
    FeedError,
    PlanTooSmallError,
    ThrottledError,
    UnavailableError,
)
from darkhorses.worker.app import feed_access

# Days near the end of what the feed offers have few runners and no prices yet.
_QUIET_DAY = timedelta(days=6)


async def examine_feed(settings: Settings, *, clock: Callable[[], datetime]) -> list[Finding]:
    """Ask the feed for its regions and for one small card."""
    try:
        access = feed_access(settings)
    except SettingError as error:
        return [
            broken("feed.credentials", str(error), "set it to what The Racing API gave you, or "
                   "run `darkhorses demo` without an account")
        ]  # fmt: skip
    once = msgspec.structs.replace(access, attempts=1)
    async with RacingApi.open(once, clock=clock) as feed:
        try:
            known = await feed.regions()
        except FeedError as error:
            return [_problem(error, settings)]
        findings = [
            fine("feed.reachable", f"{_host(settings)} answers"),
            fine("feed.credentials", "accepted"),
            _regions(settings, known),
        ]
        return [*findings, await _plan(feed, settings, clock())]


async def _plan(feed: RacingApi, settings: Settings, now: datetime) -> Finding:
    try:
        await feed.racecards(race_day(now + _QUIET_DAY), settings.regions[:1])
    except PlanTooSmallError as too_small:
        try:
            await feed.racecards(race_day(now), settings.regions[:1])
        except FeedError:
            return _problem(too_small, settings)
        return doubtful(
            "feed.plan",
            "covers live odds of today and tomorrow, no other days",
            "order the Pro plan for this account at The Racing API if history is wanted",
        )
    except FeedError as error:
        return _problem(error, settings)
    return fine("feed.plan", "covers cards with odds")


def _host(settings: Settings) -> str:
    url = urlsplit(settings.racing_api_base_url)
    return url.netloc.rpartition("@")[2]


def _regions(settings: Settings, known: dict[str, str]) -> Finding:
    strange = [code for code in settings.regions if code not in known]
    if strange:
        return broken(
            "feed.regions",
            f"the feed does not know {', '.join(strange)}",
            f"set DARKHORSES_REGIONS to some of: {', '.join(sorted(known))}",
        )
    return fine("feed.regions", ", ".join(known[code] for code in settings.regions))


def _problem(error: FeedError, settings: Settings) -> Finding:
    match error:
        case BadCredentialsError():
            return broken(
                "feed.credentials",
                str(error),
                "mend RACING_API_USERNAME and RACING_API_PASSWORD",
            )
        case PlanTooSmallError():
            return broken(
                "feed.plan", str(error), "order the Pro plan for this account at The Racing API"
            )
        case ThrottledError():
            return doubtful(
                "feed.limits",
                str(error),
                "look again in some minutes; if it stays, lower DARKHORSES_*_PER_SECOND and see "
                "who else uses this account",
            )
        case UnavailableError():
            return broken(
                "feed.reachable",
                str(error),
                f"check RACING_API_BASE_URL ({_host(settings)}) and this machine's way out; it may "
                f"also be the feed's own trouble",
            )
        case _:
            return broken(
                "feed.answers",
                str(error),
                "see whether RACING_API_BASE_URL is right, and whether a newer DarkHorses is out",
            )
