"""Requests a second of the API beside a bare granian, and beside a plain program.

``darkhorses api`` as a user starts it, one process, its log at INFO in a file. The limit, by turns:
granian with the same settings (ASGI, uvloop, one runtime thread) and a body of the same size and
coding that it has already. 32 connections by wrk; generator and servers share the machine's cores.
Bodies are asked for as browsers do (``br``), the board also uncompressed.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

from benchmarks.api_process import Served, a_filled_database, a_process, a_served_api
from benchmarks.figures import Figure, Run
from benchmarks.load import Load, NoLoadError, load, wrk
from benchmarks.static_server import SMALLEST, Body

_SECONDS = 1
_PLAIN_SECONDS = 3
_BOARD = "/api/live-odds/races-by-stage"
_BROWSER = {"accept-encoding": "gzip, deflate, br"}
_AS_IT_IS = {"accept-encoding": "identity"}
_BODY_HEADERS = ("content-type", "content-encoding")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the API, of the bare server, and how near they are to be.

    ``unchanged``: whoever asks has it already.
    """

    name: str
    path: str
    goal: float
    headers: Mapping[str, str]
    bare_path: str
    unchanged: bool = False
    p99_goal: float | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a question showed, run by run."""

    question: Question
    bare: list[Load]
    own: list[Load]
    plain: Load


def measure(run: Run) -> list[Figure]:
    """Ratios of requests a second; nothing, and a line that says why, without wrk."""
    try:
        wrk()
    except NoLoadError as error:
        print(f"serving is left out: {error}", file=sys.stderr)
        return []
    with a_filled_database(times=run.times) as database, a_served_api(database) as api:
        questions = _questions(api, database.race_date)
        plain_program = a_process(
            ["-m", "benchmarks.plain_api"],
            health="/health",
            environment={"DATABASE_URL": database.url},
        )
        with _bare(api, questions) as bare, plain_program as plain:
            asked = [_ask(question, bare, api, plain, runs=run.runs) for question in questions]
    busy = tuple(load.busy for one in asked for load in (*one.bare, *one.own))
    generator = Figure(name="part of a core that wrk took", unit="cores", runs=busy)
    return [*(figure for one in asked for figure in _figures(one)), generator]


def _questions(api: Served, day: str) -> list[Question]:
    board = api.get(_BOARD).json()
    race_id = max(
        (race for stage in board["stages"].values() for race in stage),
        key=lambda race: int(race["runners"]),
    )["race_id"]
    first = f"/api/live-odds?race_date={day}"
    return [
        Question(
            name="board", path=_BOARD, goal=0.8, headers=_BROWSER, bare_path="/board", p99_goal=2
        ),
        Question(
            name="board, uncompressed",
            path=_BOARD,
            goal=0.8,
            headers=_AS_IT_IS,
            bare_path="/board-as-it-is",
            p99_goal=2,
        ),
        Question(
            name="304 on the board",
            path=_BOARD,
            goal=0.8,
            headers=_BROWSER,
            bare_path=SMALLEST,
            unchanged=True,
        ),
        Question(name="live-odds", path=first, goal=0.5, headers=_BROWSER, bare_path="/live-odds"),
        Question(
            name="races/{id}",
            path=f"/api/races/{race_id}",
            goal=0.5,
            headers=_BROWSER,
            bare_path="/race",
        ),
        Question(
            name="movers",
            path="/api/movers?window=opening",
            goal=0.5,
            headers=_BROWSER,
            bare_path="/movers",
        ),
    ]


@contextmanager
def _bare(api: Served, questions: list[Question]) -> Iterator[Served]:
    """The bare server, with what the API answers now."""
    bodies = {
        question.bare_path: _body(api, question)
        for question in questions
        if question.bare_path != SMALLEST
    }
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        Path(file.name).write_bytes(msgspec.json.encode(bodies))
        with a_process(["-m", "benchmarks.static_server", file.name], health=SMALLEST) as bare:
            yield bare


def _body(api: Served, question: Question) -> Body:
    with httpx.stream("GET", api.url + question.path, headers=question.headers) as answer:
        content = b"".join(answer.iter_raw())
    named = {name: answer.headers[name] for name in _BODY_HEADERS if name in answer.headers}
    return Body(content=content, headers=named)


def _ask(question: Question, bare: Served, api: Served, plain: Served, *, runs: int) -> Asked:
    bare_runs, own_runs = [], []
    for number in range(-1, runs):
        at_bare = load(
            bare.url + question.bare_path, question.headers, pid=bare.pid, seconds=_SECONDS
        )
        at_api = _load_api(api, question)
        if number >= 0:
            bare_runs.append(at_bare)
            own_runs.append(at_api)
    at_plain = load(
        plain.url + question.path, question.headers, pid=plain.pid, seconds=_PLAIN_SECONDS
    )
    return Asked(question=question, bare=bare_runs, own=own_runs, plain=at_plain)


def _load_api(api: Served, question: Question) -> Load:
    """Ask the API; again when a body that clients are to have already changed meanwhile.

    The board counts minutes, so it does once a minute.
    """
    while True:
        tag = api.get(question.path, question.headers).headers["etag"]
        asked = {"if-none-match": tag} if question.unchanged else {}
        found = load(
            api.url + question.path, {**question.headers, **asked}, pid=api.pid, seconds=_SECONDS
        )
        now = api.get(question.path, question.headers).headers["etag"]
        if not question.unchanged or now == tag:
            return found


def _figures(asked: Asked) -> Iterator[Figure]:
    question = asked.question

    def each(of: Callable[[Load], float], loads: list[Load]) -> tuple[float, ...]:
        return tuple(map(of, loads))

    yield Figure(
        name=question.name,
        unit="requests/s",
        goal=question.goal,
        at_least=True,
        runs=each(lambda one: one.per_second, asked.own),
        limit=each(lambda one: one.per_second, asked.bare),
        limit_name="bare granian",
        plain=(asked.plain.per_second,),
        plain_name="psycopg, json.dumps",
    )
    if question.p99_goal is not None:
        yield Figure(
            name=f"{question.name}, p99",
            unit="ms",
            goal=question.p99_goal,
            runs=each(lambda one: one.p99_ms, asked.own),
            limit=each(lambda one: one.p99_ms, asked.bare),
            limit_name="bare granian",
            plain=(asked.plain.p99_ms,),
            plain_name="psycopg, json.dumps",
        )
    yield Figure(
        name=f"{question.name}, processor time of the server a request",
        unit="µs",
        runs=each(lambda one: one.server_us, asked.own),
        limit=each(lambda one: one.server_us, asked.bare),
        limit_name="bare granian",
        plain=(asked.plain.server_us,),
        plain_name="psycopg, json.dumps",
    )
