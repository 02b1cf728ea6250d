"""The application: its addresses, its errors, and what its handlers are given."""

from typing import Any

import msgspec
from litestar import Litestar
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.openapi.spec import Reference as OpenAPIReference
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin

from darkhorses import __version__
from darkhorses.api import (
    export_routes,
    history_routes,
    live_routes,
    metrics_routes,
    mover_routes,
    opportunity_routes,
    race_routes,
    result_routes,
    settlement_routes,
    sockets,
    statistics_routes,
    status_routes,
    stream_routes,
)
from darkhorses.api.dashboard import routes as dashboard_routes
from darkhorses.api.dashboard.failures import with_pages
from darkhorses.api.dashboard.movers import MoverMarks
from darkhorses.api.dashboard.routes import Documents, StaticFiles
from darkhorses.api.dashboard.status import Operations
from darkhorses.api.dashboard.words import make_environment
from darkhorses.api.description import DecimalsAreNumbers
from darkhorses.api.exports import Exports
from darkhorses.api.history import History
from darkhorses.api.known_offers import KnownOffers
from darkhorses.api.metrics import Metrics
from darkhorses.api.parameters import refuse_wrong_parameters
from darkhorses.api.past_answers import PastAnswers
from darkhorses.api.past_days import PastDays
from darkhorses.api.problems import EXCEPTION_HANDLERS
from darkhorses.api.publishing import Publisher
from darkhorses.api.reference import Kept, Reference
from darkhorses.api.settlements import Settlements
from darkhorses.api.statistics import StatisticsReader
from darkhorses.api.stored_races import StoredRaces
from darkhorses.api.streams import Streams
from darkhorses.readmodel.price_paths import PricePaths
from darkhorses.store.replica import Replica

_ROUTES = (
    *dashboard_routes.ROUTES,
    *status_routes.ROUTES,
    *metrics_routes.ROUTES,
    *live_routes.ROUTES,
    *race_routes.ROUTES,
    *settlement_routes.ROUTES,
    *mover_routes.ROUTES,
    *opportunity_routes.ROUTES,
    *history_routes.ROUTES,
    *result_routes.ROUTES,
    *export_routes.ROUTES,
    *stream_routes.ROUTES,
    *sockets.ROUTES,
    *statistics_routes.ROUTES,
)
_DESCRIPTION = (
    "Live odds and results of UK and Irish horse racing. Prices are JSON numbers as the feed gives "
    "them; instants are ISO 8601 in UTC, race_time is London's clock. Every live row says when the "
    "feed was last asked (checked_at) and whether that is too long ago (stale). Send a body's "
    "ETag as If-None-Match and an unchanged one costs an empty 304. Errors are problems of "
    "RFC 9457 (application/problem+json); a 400 names each wrong parameter under errors."
)

_SCHEMES: dict[str, SecurityScheme | OpenAPIReference] = {
    "bearer": SecurityScheme(
        type="http", scheme="bearer", description="A key, where the operator wants one"
    ),
    "header": SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header"),
}

_SECURITY: list[dict[str, list[str]]] = [{}, {"bearer": []}, {"header": []}]


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """What handlers ask for by name: a handler's argument is called as the field is."""

    publisher: Publisher
    past_days: PastDays
    stored_races: StoredRaces
    past_answers: PastAnswers
    reference: Reference
    history: History
    exports: Exports
    metrics: Metrics
    operations: Kept[Operations]
    mover_marks: MoverMarks
    settlements: Settlements
    price_paths: PricePaths
    known_offers: KnownOffers
    streams: Streams
    statistics: StatisticsReader
    replica: Replica | None


class _Application(Litestar):
    """Litestar without what it loads because it happens to be installed: pydantic and attrs."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def create_application(services: Services) -> Litestar:
    """Put the application together around what it serves from."""
    environment = make_environment()
    given: dict[str, Any] = {
        **msgspec.structs.asdict(services),
        "environment": environment,
        "documents": Documents(environment),
        "static_files": StaticFiles(),
    }
    return _Application(
        route_handlers=_ROUTES,
        dependencies={name: _provide(thing) for name, thing in given.items()},
        before_request=refuse_wrong_parameters,
        exception_handlers=with_pages(EXCEPTION_HANDLERS, environment),
        openapi_config=OpenAPIConfig(
            title="DarkHorses API",
            version=__version__,
            description=_DESCRIPTION,
            render_plugins=[],
            components=Components(security_schemes=_SCHEMES),
            security=_SECURITY,
            path="/openapi",
            use_handler_docstrings=True,
        ),
        plugins=[DecimalsAreNumbers()],
        logging_config=None,
        debug=False,
    )


def _provide(thing: object) -> Provide:
    def provided() -> Any:
        return thing

    return Provide(provided, sync_to_thread=False)
