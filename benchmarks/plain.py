"""The same features as plainly as one would write them: what a poll costs without a design.

The page with json.loads, one query a race for what is stored, dicts compared, and rows written by
psycopg in batches of 100; everything in one transaction, with a change log and a NOTIFY.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

import httpx
import psycopg

_TABLES = """
    CREATE TABLE races (
        race_id text PRIMARY KEY, course text, race_name text, off_dt timestamptz,
        checked_at timestamptz
    );
    CREATE TABLE runners (
        race_id text, horse_id text, horse text, number text, jockey text,
        PRIMARY KEY (race_id, horse_id)
    );
    CREATE TABLE odds (
        race_id text, horse_id text, bookmaker text, decimal_odds text, fractional_odds text,
        ew_places text, ew_denom text, updated_at timestamptz,
        PRIMARY KEY (race_id, horse_id, bookmaker)
    );
    CREATE TABLE changes (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, race_id text, horse_id text,
        bookmaker text, decimal_odds text, fractional_odds text, seen_at timestamptz
    );
    CREATE INDEX changes_by_race ON changes (race_id, id);
"""
_RACE = """
    INSERT INTO races VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (race_id) DO UPDATE SET course = excluded.course, race_name = excluded.race_name,
        off_dt = excluded.off_dt, checked_at = excluded.checked_at
"""
_RUNNER = """
    INSERT INTO runners VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (race_id, horse_id) DO UPDATE SET number = excluded.number,
        jockey = excluded.jockey
"""
_QUOTE = """
    INSERT INTO odds VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (race_id, horse_id, bookmaker) DO UPDATE SET
        decimal_odds = excluded.decimal_odds, fractional_odds = excluded.fractional_odds,
        ew_places = excluded.ew_places, ew_denom = excluded.ew_denom,
        updated_at = excluded.updated_at
"""
_CHANGE = """
    INSERT INTO changes (race_id, horse_id, bookmaker, decimal_odds, fractional_odds, seen_at)
    VALUES (%s, %s, %s, %s, %s, %s)
"""
_BATCH = 100


class PlainCollector:
    """Polls the feed into tables of its own."""

    def __init__(self, http: httpx.Client, connection: "psycopg.Connection[Any]") -> None:
        self._http = http
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, base_url: str, url: str) -> Iterator[Self]:
        """Connect to the feed and to an empty database."""
        with (
            httpx.Client(base_url=base_url, auth=("user", "password")) as http,
            psycopg.connect(url, autocommit=True) as connection,
        ):
            connection.execute(_TABLES)
            yield cls(http, connection)

    def poll(self, today: date) -> int:
        """Look at the cards of today and tomorrow, and store what changed; how many prices did."""
        now = datetime.now(UTC)  # noqa: TID251  # as one would
        changed = 0
        with self._connection.transaction():
            for day in (today, today + timedelta(days=1)):
                query: dict[str, str | list[str]] = {
                    "date": str(day),
                    "region_codes": ["gb", "ire"],
                    "limit": "500",
                }
                answer = self._http.get("/racecards/pro", params=query).raise_for_status()
                for race in json.loads(answer.text)["racecards"]:
                    changed += self._store(race, now)
            self._connection.execute("NOTIFY odds")
        return changed

    def _store(self, race: dict[str, Any], now: datetime) -> int:
        race_id = race["race_id"]
        cursor = self._connection.cursor()
        off_dt = datetime.fromisoformat(race["off_dt"])
        cursor.execute(_RACE, (race_id, race["course"], race["race_name"], off_dt, now))
        cursor.execute(
            "SELECT horse_id, bookmaker, decimal_odds, fractional_odds FROM odds "
            "WHERE race_id = %s",
            (race_id,),
        )
        stored = {(horse, book): (decimal, text) for horse, book, decimal, text in cursor}
        runners = [
            (race_id, runner["horse_id"], runner["horse"], runner["number"], runner["jockey"])
            for runner in race["runners"]
        ]
        cursor.executemany(_RUNNER, runners)
        changed = [
            (horse_id, quote)
            for horse_id, quote in _quotes(race)
            if stored.get((horse_id, quote["bookmaker"])) != (quote["decimal"], quote["fractional"])
        ]
        for batch in _batches(changed):
            cursor.executemany(
                _QUOTE,
                [
                    (
                        *(race_id, horse_id, quote["bookmaker"], quote["decimal"]),
                        *(quote["fractional"], quote["ew_places"], quote["ew_denom"], now),
                    )
                    for horse_id, quote in batch
                ],
            )
            cursor.executemany(
                _CHANGE,
                [
                    (
                        *(race_id, horse_id, quote["bookmaker"], quote["decimal"]),
                        *(quote["fractional"], now),
                    )
                    for horse_id, quote in batch
                ],
            )
        return len(changed)


def _quotes(race: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for runner in race["runners"]:
        for quote in runner["odds"]:
            yield runner["horse_id"], quote


def _batches(rows: list[Any]) -> Iterator[list[Any]]:
    for first in range(0, len(rows), _BATCH):
        yield rows[first : first + _BATCH]
