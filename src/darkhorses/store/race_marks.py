"""How far what is stored about a race has come: two cheap questions instead of reading it again."""

from datetime import datetime

import msgspec

from darkhorses.domain.identifiers import RaceId
from darkhorses.store.pool import Connection
from darkhorses.store.queries import queries


class RaceMark(msgspec.Struct, frozen=True, kw_only=True):
    """Equal marks: nothing was written between them that a past board or a history tells.

    ``revision`` and ``checked_at`` are the race's own, which writes of its runners and quotes move,
    too; ``newest_change`` (None: none) and ``changes`` are of its log, ``repair`` is its row of the
    ledger of gap repairs, and ``bookmakers`` is a digest of all their names.
    """

    revision: int
    checked_at: datetime
    newest_change: int | None
    changes: int
    repair: str | None
    bookmakers: str | None


async def mark_of(connection: Connection, race_id: RaceId) -> RaceMark | None:
    """The mark of a race; None when it is not stored.

    Two questions: months of the log are left out by a day that is known before.
    """
    row = await queries.mark_of_race(connection, race_id=race_id)
    if row is None:
        return None
    log = await queries.mark_of_log(connection, race_date=row["race_date"], race_id=race_id)
    return RaceMark(
        revision=row["revision"],
        checked_at=row["checked_at"],
        newest_change=log["newest_change"],
        changes=log["changes"],
        repair=row["repair"],
        bookmakers=row["bookmakers"],
    )
