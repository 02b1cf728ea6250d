"""The pages of races that are over: a day's results, one result, and the form of a name."""

from datetime import date, timedelta
from urllib.parse import urlencode

import jinja2
import msgspec

from darkhorses.api.dashboard.words import HTML
from darkhorses.api.encoding import Encoded
from darkhorses.api.history import History, WholeResult
from darkhorses.domain.past_races import StoredHistoricalRow, StoredResult, StoredWinner
from darkhorses.domain.race_days import FIRST_DAY, RaceDay
from darkhorses.store.historical_odds import HistoricalOddsFilters
from darkhorses.store.results import ResultFilters

MOST_RACES = 300
"""More than any day has."""

ROWS = 100
_DAY = timedelta(days=1)


class DayOfResults(msgspec.Struct, frozen=True, kw_only=True):
    """A day, its races with their winners by off time, and what the ledger says of it."""

    day: date
    before: date | None
    after: date | None
    races: list[tuple[StoredResult, list[StoredWinner]]]
    ledger: list[RaceDay]


class FormQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whose races are asked for; names in any case."""

    horse: str | None = None
    trainer: str | None = None
    jockey: str | None = None
    course: str | None = None

    @property
    def chosen(self) -> dict[str, str]:
        """What is asked for, by the names that stand in an address."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value}


class FormPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of rows, and the address of what follows, if anything does."""

    query: FormQuery
    rows: list[StoredHistoricalRow]
    offset: int
    more: str | None


async def day_of_results(history: History, day: date, today: date) -> DayOfResults:
    """Read a day's results; raises StoreError."""
    filters = ResultFilters(from_day=day, to_day=day)
    races = await history.results(filters, limit=MOST_RACES, offset=0)
    return DayOfResults(
        day=day,
        before=day - _DAY if day > FIRST_DAY else None,
        after=day + _DAY if day < today else None,
        races=sorted(races, key=lambda race: (race[0].course, race[0].off_dt)),
        ledger=await history.race_days(day, day, None),
    )


async def form_page(history: History, query: FormQuery, offset: int) -> FormPage:
    """Read the races of a name, the newest first; nothing is asked for without one."""
    rows: list[StoredHistoricalRow] = []
    if query.chosen:
        filters = HistoricalOddsFilters(
            course=query.course, horse=query.horse, trainer=query.trainer, jockey=query.jockey
        )
        rows = await history.odds(filters, limit=ROWS + 1, offset=offset, after=None)
    following = {**query.chosen, "offset": str(offset + ROWS)}
    return FormPage(
        query=query,
        rows=rows[:ROWS],
        offset=offset,
        more=f"/history?{urlencode(following)}" if len(rows) > ROWS else None,
    )


def results_html(environment: jinja2.Environment, found: DayOfResults, today: date) -> Encoded:
    """A day's results, course by course."""
    html = environment.get_template("results.html").render(
        page="results", found=found, today=today, yesterday=today - _DAY, first=FIRST_DAY
    )
    return Encoded(html.encode(), HTML)


def result_html(environment: jinja2.Environment, whole: WholeResult) -> Encoded:
    """One result: runners in the order of the finish, then who did not run."""
    html = environment.get_template("result.html").render(
        page="results",
        race=whole.result,
        ran=[row for row in whole.rows if not row.is_non_runner],
        absent=[row for row in whole.rows if row.is_non_runner],
        revisions=whole.revisions,
        names={row.horse_id: row.horse_name for row in whole.rows},
    )
    return Encoded(html.encode(), HTML)


def form_html(environment: jinja2.Environment, found: FormPage) -> Encoded:
    """The races of a horse, trainer, jockey or course."""
    html = environment.get_template("history.html").render(page="history", found=found)
    return Encoded(html.encode(), HTML)
