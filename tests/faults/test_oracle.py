"""The oracle itself: each way to break a log is found, and by its name."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from darkhorses.domain.prices import Price, read_price
from tests.faults.ledger import Quote, Served
from tests.faults.oracle import Entry, Stored, judge, missing

ONE = Quote("rac_1", "hrs_1", "bet365")
OTHER = Quote("rac_1", "hrs_2", "coral")
START = datetime(2026, 11, 25, 14, tzinfo=UTC)

# One runner's price at each refresh, and the other's; the second look at the third refresh.
PATHS = ((0, "5/2", "7/2"), (10, "3/1", "7/2"), (20, None, "4/1"), (30, "5/2", "4/1"))
DECIMALS = {"5/2": "3.50", "3/1": "4", "7/2": "4.5", "4/1": "5"}


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def price(fractional: str | None) -> Price | None:
    return None if fractional is None else read_price(DECIMALS[fractional], fractional)


def entry(seconds: int, fractional: str | None, *, polled: bool = True) -> Entry:
    return Entry(price=price(fractional), at=at(seconds), polled=polled)


@pytest.fixture
def served(tmp_path: Path) -> Served:
    path = tmp_path / "served"
    before: dict[str, str | None] = {}
    with path.open("w") as file:
        for seconds, one, other in PATHS:
            now = {"hrs_1": one, "hrs_2": other}
            prices = {
                horse_id: {name: None if told is None else [told, DECIMALS[told]]}
                for (horse_id, told), name in zip(now.items(), ("Bet365", "Coral"), strict=True)
                if before.get(horse_id, "") != told
            }
            before = dict(now)
            stamp = f"{at(seconds):%Y-%m-%d %H:%M:%S}"
            line = {"at": at(seconds).isoformat(), "race_id": "rac_1", "stamp": stamp}
            file.write(json.dumps(line | {"prices": prices}) + "\n")
        points = [[at(seconds).isoformat(), told, DECIMALS[told]] for seconds, told in HISTORY]
        line = {"at": at(40).isoformat(), "race_id": "rac_1", "horse_id": "hrs_1"}
        file.write(json.dumps(line | {"history": {"Bet365": points}}) + "\n")
    return Served.read(path)


HISTORY = ((30, "5/2"), (10, "3/1"), (0, "5/2"))
LOG = {
    ONE: [entry(0, "5/2"), entry(10, "3/1"), entry(20, None), entry(30, "5/2")],
    OTHER: [entry(0, "7/2"), entry(20, "4/1")],
}


def stored(log: dict[Quote, list[Entry]], **live: str | None) -> Stored:
    now = {ONE: price(live.get("one", "5/2")), OTHER: price(live.get("other", "4/1"))}
    return Stored(log=log, live=now)


def kinds(served: Served, found: Stored) -> set[str]:
    return set(judge(served, found, settled_at=at(30)).faults)


def test_a_log_of_every_look_holds(served: Served) -> None:
    findings = judge(served, stored(LOG), settled_at=at(30))
    assert findings.faults == {}
    assert (findings.entries, findings.looks, findings.settled) == (6, 4, 1)


def test_a_look_that_nobody_committed_is_not_missed(served: Served) -> None:
    log = {ONE: [LOG[ONE][0], entry(20, None), entry(30, "5/2")], OTHER: LOG[OTHER]}
    assert kinds(served, stored(log)) == set()


def without(quote: Quote, number: int) -> dict[Quote, list[Entry]]:
    entries = [*LOG[quote][:number], *LOG[quote][number + 1 :]]
    return LOG | {quote: entries}


def with_entry(quote: Quote, number: int, new: Entry) -> dict[Quote, list[Entry]]:
    return LOG | {quote: [*LOG[quote][:number], new, *LOG[quote][number:]]}


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (lambda: stored(without(OTHER, 1)), {"lost", "stale"}),
        (lambda: stored(without(ONE, 2)), {"lost"}),
        (lambda: stored(LOG, one="3/1"), {"stale"}),
        (lambda: stored(with_entry(OTHER, 1, entry(10, "7/2"))), {"doubled"}),
        (lambda: stored(with_entry(OTHER, 1, entry(15, "3/1"))), {"invented", "lost"}),
        (lambda: stored(with_entry(ONE, 1, entry(0, "3/1"))), {"invented", "doubled", "lost"}),
        (
            lambda: stored(LOG | {OTHER: [entry(20, "4/1"), entry(0, "7/2")]}),
            {"disordered", "lost", "stale"},
        ),
        (lambda: stored(with_entry(ONE, 0, entry(5, "4/1", polled=False))), {"invented"}),
        (lambda: stored(with_entry(ONE, 4, entry(15, "3/1", polled=False))), {"doubled"}),
    ],
)
def test_each_way_to_break_it_is_found(
    served: Served, broken: Callable[[], Stored], expected: set[str]
) -> None:
    found = kinds(served, broken())
    assert expected <= found


def test_a_point_of_a_history_that_nobody_logged_is_missing(served: Served) -> None:
    assert missing(served, stored(LOG)) == []
    gone = [one for one in LOG[ONE] if one.price != price("3/1")]
    (said,) = missing(served, stored(LOG | {ONE: gone}))
    assert "3/1" in said
    repaired = [*gone, msgspec.structs.replace(LOG[ONE][1], polled=False)]
    assert missing(served, stored(LOG | {ONE: repaired})) == []
