"""The application: its addresses, its errors, and what its handlers are given."""

from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig

from darkhorses import __version__
from darkhorses.api.dashboard.routes import (
    Documents,
    StaticFiles,
    get_board,
    get_docs,
    get_openapi,
    get_static,
)
from darkhorses.api.dashboard.words import make_environment
from darkhorses.api.export_routes import get_export
from darkhorses.api.exports import Exports
from darkhorses.api.history import History
from darkhorses.api.history_routes import (
    get_historical_odds,
    get_historical_summary,
    get_race_days,
)
from darkhorses.api.live_routes import (
    get_live_odds,
    get_next_race,
    get_races_by_stage,
    get_upcoming_races,
)
from darkhorses.api.parameters import refuse_unknown_parameters
from darkhorses.api.past_days import PastDays
from darkhorses.api.problems import EXCEPTION_HANDLERS
from darkhorses.api.publishing import Publisher
from darkhorses.api.race_routes import get_race, get_race_history, get_races
from darkhorses.api.reference import Reference
from darkhorses.api.result_routes import get_result, get_results
from darkhorses.api.status_routes import (
    get_bookmakers,
    get_courses,
    get_health,
    get_scheduler_status,
    get_version,
)
from darkhorses.api.stored_races import StoredRaces

_DESCRIPTION = (
    "Live odds and results of UK and Irish horse racing. Prices are JSON numbers as the feed gives "
    "them; instants are ISO 8601 in UTC, race_time is London's clock. Every live row says when the "
    "feed was last asked (checked_at) and whether that is too long ago (stale). Send a body's "
    "ETag as If-None-Match and an unchanged one costs an empty 304. Errors are problems of "
    "RFC 9457 (application/problem+json); a 400 names each wrong parameter under errors."
)


def create_application(
    *,
    publisher: Publisher,
    past_days: PastDays,
    stored_races: StoredRaces,
    reference: Reference,
    history: History,
    exports: Exports,
) -> Litestar:
    """Put the application together around what it serves from."""
    environment = make_environment()
    given: dict[str, Any] = {
        "publisher": publisher,
        "past_days": past_days,
        "stored_races": stored_races,
        "reference": reference,
        "history": history,
        "exports": exports,
        "environment": environment,
        "documents": Documents(environment),
        "static_files": StaticFiles(),
    }
    return Litestar(
        route_handlers=[
            get_board,
            get_docs,
            get_openapi,
            get_static,
            get_health,
            get_version,
            get_live_odds,
            get_races_by_stage,
            get_upcoming_races,
            get_next_race,
            get_races,
            get_race,
            get_race_history,
            get_scheduler_status,
            get_bookmakers,
            get_courses,
            get_historical_odds,
            get_historical_summary,
            get_results,
            get_result,
            get_race_days,
            get_export,
        ],
        dependencies={name: _provide(thing) for name, thing in given.items()},
        before_request=refuse_unknown_parameters,
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=OpenAPIConfig(
            title="DarkHorses API",
            version=__version__,
            description=_DESCRIPTION,
            render_plugins=[],
            path="/openapi",
            use_handler_docstrings=True,
        ),
        logging_config=None,
        debug=False,
    )


def _provide(thing: object) -> Provide:
    def provided() -> Any:
        return thing

    return Provide(provided, sync_to_thread=False)
