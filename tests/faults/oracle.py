"""What "0 lost, 0 doubled" means, and whether a database keeps it.

The oracle knows the simulator's ledger (``ledger.Served``): every card that left whole, by the
refresh of the feed that it showed. A collector that was killed, stopped or cut off cannot have
seen every card, so not every served price can be in its log: one that was superseded before any
surviving worker committed it is known to the feed's own history alone. What must hold of the
database, whatever happened to its writers:

``invented``
    A price in the log that the ledger does not have at that refresh (for entries from histories:
    in a served history). Nothing is made up, misattributed or written with another's stamp.
``lost``
    A look is committed whole. Where the log has any entry of a race at a refresh, that look was
    committed, and then *every* quote of the race stands in the log, as of that refresh, as the
    ledger has it. A change that was dropped, or that a worker believed written and was not, is
    found here at the race's next change.
``stale``
    After a last look, with nobody in its way, every quote of the races that it looked at stands
    in the log and among the live quotes as at the newest refresh that was served of the race.
``doubled``
    Two neighbours among a quote's entries from polls, by their number, with the same price; two
    with one refresh; or an entry from a history that repeats what stood when it took effect. (One
    that tells earlier of a price than the poll that saw it late is followed by that poll's.)
``disordered``
    A poll's entry with an older refresh than the one before it of the same quote.

After gap repair the log is to hold the union of what was polled and of the feed's histories:
``missing`` are points of served histories that have no entry of that price near them, to be
compared with how many the repairs themselves report as ``unplaced``.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec

from darkhorses.domain.prices import Price
from darkhorses.store.odds import stored_price
from darkhorses.store.pool import Database
from tests.faults.ledger import Quote, Served

_LOG = """
    SELECT race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional, changed_at, source
    FROM ra_odds_changes ORDER BY change_id
"""
_LIVE = "SELECT race_id, horse_id, bookmaker_id, odds_decimal, odds_fractional FROM ra_odds_live"

_NEAR = timedelta(minutes=6)
_EXAMPLES = 3


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the log; ``at`` the refresh, or the history's minute."""

    price: Price | None
    at: datetime
    polled: bool


class Findings(msgspec.Struct, kw_only=True):
    """What does not hold, each as a sentence; the numbers say how much was held to it.

    ``looks`` are committed looks at a race, ``settled`` races that the last look covered.
    """

    entries: int = 0
    settled: int = 0
    looks: int = 0
    quotes: int = 0
    invented: list[str] = []
    lost: list[str] = []
    stale: list[str] = []
    doubled: list[str] = []
    disordered: list[str] = []

    @property
    def faults(self) -> dict[str, tuple[int, list[str]]]:
        """The kinds of which there is any, with how many and some of them."""
        kinds = ("invented", "lost", "stale", "doubled", "disordered")
        found = {kind: getattr(self, kind) for kind in kinds}
        return {kind: (len(said), said[:_EXAMPLES]) for kind, said in found.items() if said}

    def __str__(self) -> str:
        return (
            f"{self.entries} changes of {self.quotes} quotes in {self.looks} committed looks: "
            + (str(self.faults) if self.faults else "0 lost, 0 doubled")
        )


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A database's log of each quote in the order of its numbers, and its live quotes."""

    log: dict[Quote, list[Entry]]
    live: dict[Quote, Price | None]

    @classmethod
    async def read(cls, database: Database) -> "Stored":
        """Read both in one snapshot."""
        log: dict[Quote, list[Entry]] = defaultdict(list)
        async with database.snapshot(statement_timeout=timedelta(minutes=2)) as connection:
            for row in await connection.fetch(_LOG):
                log[Quote(*row[:3])].append(
                    Entry(price=stored_price(row[3], row[4]), at=row[5], polled=row[6] == "poll")
                )
            live = {
                Quote(*row[:3]): stored_price(row[3], row[4])
                for row in await connection.fetch(_LIVE)
            }
        return cls(log=dict(log), live=live)


def judge(served: Served, stored: Stored, *, settled_at: datetime | None) -> Findings:
    """Hold a database against the ledger; a last look began at ``settled_at``, None: nobody did."""
    findings = Findings(entries=sum(map(len, stored.log.values())), quotes=len(stored.log))
    looks: dict[str, set[datetime]] = defaultdict(set)
    for quote, entries in stored.log.items():
        looks[quote.race_id].update(entry.at for entry in entries if entry.polled)
        findings.invented += _invented(served, quote, entries)
        findings.doubled += _doubled(quote, entries)
        findings.disordered += _disordered(quote, entries)
    findings.looks = sum(map(len, looks.values()))
    settled = {
        race_id
        for race_id, at in served.last_at.items()
        if settled_at is not None and at >= settled_at
    }
    findings.settled = len(settled)
    for quote in served.prices.keys() | stored.log.keys():
        findings.lost += _lost(served, quote, stored.log.get(quote, []), looks[quote.race_id])
        if quote.race_id in settled:
            findings.stale += _stale(served, stored, quote)
    return findings


def missing(served: Served, stored: Stored) -> list[str]:
    """Points of served histories that have no entry of their price near them."""
    found = []
    for quote, points in served.histories.items():
        entries = stored.log.get(quote, [])
        standing: Price | None = None
        for at, price in sorted(points, key=lambda point: point[0]):
            if price == standing:
                continue
            standing = price
            if not any(e.price == price and abs(e.at - at) <= _NEAR for e in entries):
                found.append(f"{quote}: {_said(price)} at {at}")
    return found


def _invented(served: Served, quote: Quote, entries: list[Entry]) -> Iterator[str]:
    shown = set(served.stamps.get(quote.race_id, ()))
    told = {price for _, price in served.histories.get(quote, ())}
    for entry in entries:
        if entry.polled and entry.at not in shown:
            yield f"{quote}: no card of {entry.at} was served"
        elif entry.polled and entry.price != (true := served.price_at(quote, entry.at)):
            yield f"{quote}: {_said(entry.price)} at {entry.at}, served was {_said(true)}"
        elif not entry.polled and entry.price not in told:
            yield f"{quote}: {_said(entry.price)} is in no history"


def _doubled(quote: Quote, entries: list[Entry]) -> Iterator[str]:
    polls = [entry for entry in entries if entry.polled]
    # Sorting keeps the order of equals: with one instant, the later number took effect later.
    in_time = sorted(entries, key=lambda entry: entry.at)
    repeated = [pair for pair in pairwise(polls) if pair[0].price == pair[1].price]
    repeated += [
        (before, entry)
        for before, entry in pairwise(in_time)
        if before.price == entry.price and not entry.polled
    ]
    for before, entry in repeated:
        yield f"{quote}: {_said(entry.price)} at {before.at} and again at {entry.at}"
    if polls and polls[0].price is None:
        yield f"{quote}: pulled at {polls[0].at} before there was a price"
    if len({entry.at for entry in polls}) < len(polls):
        yield f"{quote}: two entries with one refresh"


def _disordered(quote: Quote, entries: list[Entry]) -> Iterator[str]:
    polls = [entry for entry in entries if entry.polled]
    for before, entry in pairwise(polls):
        if entry.at < before.at:
            yield f"{quote}: the refresh of {entry.at} came after that of {before.at}"


def _lost(
    served: Served, quote: Quote, entries: list[Entry], looks: set[datetime]
) -> Iterator[str]:
    polls = iter([entry for entry in entries if entry.polled])
    entry = next(polls, None)
    standing: Price | None = None
    for look in sorted(looks):
        while entry is not None and entry.at <= look:
            standing = entry.price
            entry = next(polls, None)
        if standing != (true := served.price_at(quote, look)):
            yield f"{quote}: {_said(standing)} stands as of {look}, served was {_said(true)}"


def _stale(served: Served, stored: Stored, quote: Quote) -> Iterator[str]:
    stamps = served.stamps.get(quote.race_id)
    true = served.price_at(quote, stamps[-1]) if stamps else None
    polls = [entry.price for entry in stored.log.get(quote, ()) if entry.polled]
    logged = polls[-1] if polls else None
    if logged != true:
        yield f"{quote}: the log ends with {_said(logged)}, served was {_said(true)}"
    if stored.live.get(quote) != true:
        yield f"{quote}: live is {_said(stored.live.get(quote))}, served was {_said(true)}"


def _said(price: Price | None) -> str:
    return "no price" if price is None else f"{price.fractional or price.decimal}"
