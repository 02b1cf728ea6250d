"""Results in the feed's own JSON, for tests that say what they want different."""

import json
from typing import Any


def finisher(position: str = "1", **fields: Any) -> dict[str, Any]:
    """A horse that ran; its id is ``hrs_1`` when nothing else is said."""
    return {
        "horse_id": "hrs_1",
        "horse": "Ada (IRE)",
        "sp": "15/8F",
        "sp_dec": "2.88",
        "bsp": "3.05",
        "number": "4",
        "position": position,
        "draw": "6",
        "btn": "0",
        "ovr_btn": "0",
        "age": "5",
        "weight": "11-4",
        "weight_lbs": "158",
        "headgear": "t",
        "or": "\N{EN DASH}",
        "prize": "5234",
        "jockey": "Toby Rider",
        "jockey_id": "jky_1",
        "trainer": "A Trainer",
        "trainer_id": "trn_1",
        "something_new": {"of": "2027"},
    } | fields


def result(*runners: Any, **fields: Any) -> dict[str, Any]:
    """The result of the race that ``tests.cards.race`` is the card of."""
    return {
        "race_id": "rac_1",
        "date": "2026-06-20",
        "region": "GB",
        "course": "Hereford",
        "course_id": "crs_1",
        "off": "2:12",
        "off_dt": "2026-06-20T14:12:00+01:00",
        "race_name": "A Maiden Hurdle",
        "type": "Hurdle",
        "class": "Class 4",
        "pattern": "",
        "rating_band": "",
        "age_band": "4yo+",
        "dist": "2m",
        "dist_f": "16½f",
        "going": "Good To Soft",
        "surface": "Turf",
        "winning_time_detail": "4m 1.20s",
        "comments": "",
        "non_runners": "",
        "tote_win": "£5.50",
        "tote_pl": "£1.80 £1.50",
        "tote_ex": "",
        "runners": list(runners or (finisher(),)),
    } | fields


def page_of_results(*results: Any, total: int | None = None) -> bytes:
    envelope = {"results": list(results), "total": total, "limit": 50, "skip": 0, "query": []}
    return json.dumps(envelope).encode()
