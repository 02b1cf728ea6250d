"""Racecards in the feed's own JSON, for tests that say what they want different."""

import json
from typing import Any


def quote(bookmaker: str = "Bet365", **fields: Any) -> dict[str, Any]:
    return {
        "bookmaker": bookmaker,
        "fractional": "10/3",
        "decimal": "4.33",
        "ew_places": "3",
        "ew_denom": "5",
        "updated": "2026-06-20 12:58:07",
        "history": [],
    } | fields


def runner(**fields: Any) -> dict[str, Any]:
    return {
        "horse_id": "hrs_1",
        "horse": "Ada",
        "number": "4",
        "draw": "0",
        "jockey": "Toby Rider(7)",
        "jockey_id": "jky_1",
        "trainer": "A Trainer",
        "trainer_id": "trn_1",
        "age": "5",
        "lbs": "158",
        "ofr": "-",
        "form": "1-2",
        "headgear": "",
        "odds": [quote()],
        "something_new": {"of": "2027"},
    } | fields


def race(*runners: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "race_id": "rac_1",
        "date": "2026-06-20",
        "off_dt": "2026-06-20T14:12:00+01:00",
        "off_time": "2:12",
        "course_id": "crs_1",
        "course": "Hereford",
        "region": "GB",
        "race_name": "A Maiden Hurdle",
        "race_class": "",
        "type": "Hurdle",
        "distance_f": "16.5",
        "field_size": "8",
        "prize": "£4,193",
        "is_abandoned": False,
        "race_status": None,
        "runners": list(runners or (runner(),)),
    } | fields


def page_of(*races: Any, total: int | None = None) -> bytes:
    envelope = {"racecards": list(races), "total": total, "limit": 500, "skip": 0, "query": []}
    return json.dumps(envelope).encode()
