"""The same answers as plainly as one would write them: questions and JSON made per request.

Litestar and psycopg over the product's own tables, one question a race for the board, dicts and
``json.dumps``. No streams, tags, compression or health. It serves on PORT from DATABASE_URL.
"""

import json
import os
import threading
from typing import Any

import psycopg
import uvloop
from litestar import Litestar, Response, get
from litestar.params import FromPath, FromQuery
from psycopg.rows import dict_row

from darkhorses.api.server import make_server

_RACES = """
    SELECT race_id, race_date, off_dt, course, race_name, race_type, distance
    FROM ra_races WHERE race_date >= current_date ORDER BY off_dt
"""
_RUNNERS = "SELECT * FROM ra_runners WHERE race_id = %s ORDER BY horse_number"
_ODDS = """
    SELECT o.horse_id, b.bookmaker_name, o.odds_decimal, o.odds_fractional
    FROM ra_odds_live o JOIN ra_bookmakers b USING (bookmaker_id)
    WHERE o.race_id = %s ORDER BY o.horse_id, o.odds_decimal DESC NULLS LAST
"""
_ROWS = """
    SELECT r.*, h.*, b.*, o.* FROM ra_odds_live o
    JOIN ra_races r USING (race_id) JOIN ra_runners h USING (race_id, horse_id)
    JOIN ra_bookmakers b USING (bookmaker_id)
    WHERE r.race_date = %s ORDER BY r.off_dt, h.horse_number, b.bookmaker_name LIMIT 100
"""
_MOVES = """
    SELECT race_id, horse_id, sum(last - first) AS points FROM (
        SELECT race_id, horse_id, bookmaker_id,
            1 / (array_agg(odds_decimal ORDER BY change_id))[1] AS first,
            1 / (array_agg(odds_decimal ORDER BY change_id DESC))[1] AS last
        FROM ra_odds_changes WHERE odds_decimal IS NOT NULL AND race_date >= current_date
        GROUP BY race_id, horse_id, bookmaker_id
    ) AS paths GROUP BY race_id, horse_id ORDER BY abs(sum(last - first)) DESC LIMIT 20
"""
_own = threading.local()


def _ask(question: str, *parameters: object) -> list[dict[str, Any]]:
    if not hasattr(_own, "connection"):
        url = os.environ["DATABASE_URL"]  # noqa: TID251  # no program of ours
        _own.connection = psycopg.connect(url, row_factory=dict_row, autocommit=True)
    found: list[dict[str, Any]] = _own.connection.execute(question, parameters).fetchall()
    return found


def _json(body: dict[str, Any]) -> Response[str]:
    return Response(json.dumps(body, default=str), media_type="application/json")


def _with_runners(race: dict[str, Any]) -> dict[str, Any]:
    odds: dict[str, list[dict[str, Any]]] = {}
    for row in _ask(_ODDS, race["race_id"]):
        odds.setdefault(row.pop("horse_id"), []).append(row)
    runners = _ask(_RUNNERS, race["race_id"])
    return {
        **race,
        "runners_data": [{**one, "all_odds": odds.get(one["horse_id"])} for one in runners],
    }


@get("/api/live-odds/races-by-stage", sync_to_thread=True)
def board() -> Response[str]:
    """Every race with its runners and prices."""
    return _json({"success": True, "races": [_with_runners(race) for race in _ask(_RACES)]})


@get("/api/live-odds", sync_to_thread=True)
def live_odds(race_date: FromQuery[str]) -> Response[str]:
    """The first hundred rows of a day."""
    rows = _ask(_ROWS, race_date)
    return _json({"success": True, "count": len(rows), "data": rows})


@get("/api/races/{race_id:str}", sync_to_thread=True)
def race(race_id: FromPath[str]) -> Response[str]:
    """A race with its runners and prices."""
    found = next(one for one in _ask(_RACES) if one["race_id"] == race_id)
    return _json(_with_runners(found))


@get("/api/movers", sync_to_thread=True)
def movers() -> Response[str]:
    """The largest moves since the first price."""
    return _json({"success": True, "data": _ask(_MOVES)})


@get("/health")
async def health() -> str:
    """Whether it is up."""
    return "ok"


def main() -> None:
    """Serve until told to end."""
    application = Litestar([board, live_odds, race, movers, health], openapi_config=None)
    port = int(os.environ["PORT"])  # noqa: TID251  # no program of ours
    server = make_server(application, address="127.0.0.1", port=port, most_streams=1000)
    uvloop.run(server.serve())


if __name__ == "__main__":
    main()
