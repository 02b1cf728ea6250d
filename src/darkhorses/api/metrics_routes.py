"""The address that Prometheus asks."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.openapi.datastructures import ResponseSpec

from darkhorses.api.metrics import Metrics


@get(
    "/metrics",
    tags=["Status"],
    summary="Figures for Prometheus",
    media_type=MediaType.TEXT,
    responses={
        200: ResponseSpec(
            str,
            description="In Prometheus' text form",
            media_type="text/plain",
            generate_examples=False,
        )
    },
)
async def get_metrics(
    request: Request[Any, Any, Any], metrics: NamedDependency[Metrics]
) -> Response[bytes]:
    """What this API and the workers count; in OpenMetrics when that is asked for.

    Answers without the database too, with `darkhorses_database_up 0`.
    """
    body, media_type = await metrics.body(request.headers.get("accept", ""))
    return Response(body, media_type=media_type, headers={"cache-control": "no-store"})


ROUTES = (get_metrics,)
"""Every address of this module."""
