"""The Racing API's JSON as it arrives: every leaf is text that may be null, missing or empty.

A page's ``total`` is
a count in every payload seen, and one that is none does not cost the page.

Only fields that we use are named; unknown ones are ignored as they appear. A leaf that one day
comes as a number is still a leaf. Source: the vendor's OpenAPI document 1.4.3 and its payloads.
"""

from typing import Any

import msgspec

Leaf = str | int | float | None
"""A leaf value; text in every payload seen so far."""


class WireQuote(msgspec.Struct, gc=False):
    """One bookmaker's quote on a runner (``racecards``, ``odds``).

    Leaves alone: the garbage collector need not look at thousands of them.
    """

    bookmaker: Leaf = None
    fractional: Leaf = None
    decimal: Leaf = None
    ew_places: Leaf = None
    ew_denom: Leaf = None
    updated: Leaf = None


class WireRunnerFacts(msgspec.Struct):
    """A runner of a racecard without its quotes."""

    horse_id: Leaf = None
    horse: Leaf = None
    number: Leaf = None
    draw: Leaf = None
    jockey: Leaf = None
    jockey_id: Leaf = None
    trainer: Leaf = None
    trainer_id: Leaf = None
    age: Leaf = None
    lbs: Leaf = None
    headgear: Leaf = None
    form: Leaf = None
    ofr: Leaf = None
    silk_url: Leaf = None


class WireRunner(WireRunnerFacts):
    """A runner of a racecard; ``odds`` UNSET when the answer has no such field."""

    odds: list[WireQuote] | msgspec.UnsetType | None = msgspec.UNSET


class WireRawRunner(WireRunnerFacts):
    """The same with its quotes not yet decoded: most of them may be known already."""

    odds: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET


class WireRaceFacts(msgspec.Struct):
    """A race of a racecard without its runners."""

    race_id: Leaf = None
    date: Leaf = None
    off_dt: Leaf = None
    off_time: Leaf = None
    course_id: Leaf = None
    course: Leaf = None
    region: Leaf = None
    race_name: Leaf = None
    race_class: Leaf = None
    type: Leaf = None
    pattern: Leaf = None
    distance: Leaf = None
    distance_f: Leaf = None
    going: Leaf = None
    surface: Leaf = None
    age_band: Leaf = None
    rating_band: Leaf = None
    prize: Leaf = None
    field_size: Leaf = None
    race_status: Leaf = None
    is_abandoned: bool | Leaf = None


class WireRace(WireRaceFacts):
    """A race of a racecard, whole (``racecards/{id}/pro``, and in pages of racecards)."""

    runners: list[WireRunner] | None = None


class WireRawRace(WireRaceFacts):
    """The same with its runners not yet decoded: one may be at fault, or known already."""

    runners: list[msgspec.Raw] | None = None


class WireRacecards(msgspec.Struct):
    """A page of racecards (``racecards/pro``, ``racecards/standard``)."""

    racecards: list[WireRace]
    total: Any = None


class WireRawRacecards(msgspec.Struct):
    """The same page with its races not yet decoded."""

    racecards: list[msgspec.Raw]
    total: Any = None


class WirePricePoint(msgspec.Struct):
    """A point of a quote's price history; ``changed_at`` is ISO with offset, whole minutes."""

    changed_at: Leaf = None
    fractional: Leaf = None
    decimal: Leaf = None


class WireQuoteHistory(WireQuote):
    """A quote with its price history, newest first (``odds/{race_id}/{horse_id}``)."""

    history: list[WirePricePoint] | None = None


class WireRunnerOdds(msgspec.Struct):
    """All that the feed knows of one runner's prices (``odds/{race_id}/{horse_id}``)."""

    race_id: Leaf = None
    horse_id: Leaf = None
    horse: Leaf = None
    odds: list[WireQuoteHistory] | msgspec.UnsetType | None = msgspec.UNSET


class WireResultFacts(msgspec.Struct):
    """That a race has a result (``results/today``, ``results``); its runners are not read here."""

    race_id: Leaf = None
    date: Leaf = None
    region: Leaf = None


class WireResults(msgspec.Struct):
    """A page of results."""

    results: list[WireResultFacts]
    total: Any = None


class WireResultRunner(msgspec.Struct, rename={"rating": "or"}):
    """A horse that ran, in a result; ``bsp`` comes the next day."""

    horse_id: Leaf = None
    horse: Leaf = None
    number: Leaf = None
    position: Leaf = None
    sp: Leaf = None
    sp_dec: Leaf = None
    bsp: Leaf = None
    draw: Leaf = None
    ovr_btn: Leaf = None
    age: Leaf = None
    weight: Leaf = None
    headgear: Leaf = None
    rating: Leaf = None
    prize: Leaf = None
    jockey: Leaf = None
    jockey_id: Leaf = None
    trainer: Leaf = None
    trainer_id: Leaf = None


class WireResult(msgspec.Struct, rename={"race_class": "class"}):
    """A race's result in full (``results``, ``results/{race_id}``)."""

    race_id: Leaf = None
    date: Leaf = None
    off_dt: Leaf = None
    region: Leaf = None
    course_id: Leaf = None
    course: Leaf = None
    race_name: Leaf = None
    race_class: Leaf = None
    type: Leaf = None
    pattern: Leaf = None
    rating_band: Leaf = None
    age_band: Leaf = None
    dist: Leaf = None
    dist_f: Leaf = None
    going: Leaf = None
    surface: Leaf = None
    winning_time_detail: Leaf = None
    comments: Leaf = None
    non_runners: Leaf = None
    tote_win: Leaf = None
    tote_pl: Leaf = None
    tote_ex: Leaf = None
    tote_csf: Leaf = None
    tote_tricast: Leaf = None
    tote_trifecta: Leaf = None
    runners: list[WireResultRunner] | None = None


class WireRawResults(msgspec.Struct):
    """A page of results race by race, so that one that cannot be decoded costs itself alone."""

    results: list[msgspec.Raw]
    total: Any = None


class WireIds(msgspec.Struct):
    """The ids of a race or runner that cannot be decoded otherwise."""

    race_id: Leaf = None
    horse_id: Leaf = None


class WireCourse(msgspec.Struct):
    """A course (``courses``)."""

    id: Leaf = None
    course: Leaf = None
    region_code: Leaf = None
    region: Leaf = None


class WireCourses(msgspec.Struct):
    """All courses asked for; not paged."""

    courses: list[WireCourse]
    total: Any = None


class WireRegion(msgspec.Struct):
    """A region (``courses/regions``, a bare array)."""

    region: Leaf = None
    region_code: Leaf = None


class WireError(msgspec.Struct):
    """A refusal: ``detail`` is a sentence, or a list of ``{loc, msg, type}`` (422)."""

    detail: Any = None
