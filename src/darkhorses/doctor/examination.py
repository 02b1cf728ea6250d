"""The whole examination, in the order in which things depend on each other."""

from collections.abc import Callable, Mapping
from datetime import datetime

from darkhorses.doctor.database import examine_database
from darkhorses.doctor.feed import examine_feed
from darkhorses.doctor.findings import Finding, broken, doubtful, fine
from darkhorses.domain.errors import SettingError
from darkhorses.settings import ignored_variables, load_settings


async def examine(
    environment: Mapping[str, str], *, clock: Callable[[], datetime]
) -> list[Finding]:
    """Look at everything; with a wrong setting nothing else can be looked at."""
    try:
        settings = load_settings(environment)
    except SettingError as error:
        return [broken("settings", str(error), "set the variable to what is expected")]
    findings = [fine("settings", "every variable can be understood")]
    findings += [
        doubtful("settings", f"{name} is set and ignored", f"it is replaced by {instead}")
        for name, instead in ignored_variables(environment).items()
    ]
    findings += await examine_database(settings, clock=clock)
    findings += await examine_feed(settings, clock=clock)
    return findings
