"""The address that settles a bet."""

import re
from decimal import Decimal
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter

from darkhorses.api.encoding import Encoded, respond
from darkhorses.api.parameters import INSTANT, read_bookmaker, read_instant
from darkhorses.api.problems import (
    REFUSALS_OF_ONE,
    BadParametersError,
    FieldError,
    NotKnownError,
)
from darkhorses.api.publishing import Publisher
from darkhorses.api.reference import Reference
from darkhorses.api.settlement_bodies import Settlement
from darkhorses.api.settlements import AskedBet, Settlements, refuse_exchange
from darkhorses.domain.bookmakers import Bookmaker
from darkhorses.domain.identifiers import HorseId, RaceId

_Request = Request[Any, Any, Any]
_ID = "^[!-~]{1,64}$"
_STAKE = re.compile(r"\d{1,7}(\.\d{1,2})?")
_LARGEST_STAKE = Decimal(1_000_000)


@get(
    "/api/races/{race_id:str}/settlement",
    tags=["Bets"],
    summary="What a bet struck at a moment with a bookmaker returned, step by step",
    responses={200: ResponseSpec(Settlement, description="The bet, settled"), **REFUSALS_OF_ONE},
)
async def get_settlement(
    *,
    request: _Request,
    publisher: NamedDependency[Publisher],
    settlements: NamedDependency[Settlements],
    reference: NamedDependency[Reference],
    race_id: Annotated[str, PathParameter(description="Id of a race, such as rac_11744434")],
    horse_id: Annotated[str, QueryParameter(pattern=_ID, description="Id of a runner")],
    bookmaker: Annotated[
        str, QueryParameter(min_length=1, max_length=100, description="Name or id of a bookmaker")
    ],
    at: Annotated[
        str,
        QueryParameter(
            description="When it was struck: ISO 8601 time with its offset", schema_extra=INSTANT
        ),
    ],
    stake: Annotated[
        str, QueryParameter(description="Stake of each part, up to 1,000,000.00")
    ] = "1",
    each_way: Annotated[
        bool, QueryParameter(description="A second stake, on the horse to be placed")
    ] = False,
) -> Response[bytes | None]:
    """The price then, Rule 4, each-way terms, dead heats and voids: an estimate, never a promise.

    The price is the one that the change log has for that moment. Withdrawals after the bet cut
    winnings by the bookmaker's own last price on the withdrawn horse (the market's median where it
    had none). Each-way terms are the bookmaker's latest known, or the standard ones where
    horses dropped out after those. The sum is exact and rounded once, to the nearest penny. A race
    of today has its result from the day after on; until then the bet is open. An amended result
    settles the bet anew.
    """
    if re.fullmatch(_ID, race_id) is None:
        raise NotKnownError(FieldError(field="race_id", message="this is no id of a race"))
    struck_at = read_instant("at", at)
    if struck_at > publisher.now():
        raise BadParametersError(FieldError(field="at", message="lies in the future"))
    bet = AskedBet(
        race_id=RaceId(race_id),
        horse_id=HorseId(horse_id),
        bookmaker=await _bookmaker(bookmaker, reference),
        at=struck_at,
        stake=_read_stake(stake),
        each_way=each_way,
    )
    return respond(request, Encoded.json(await settlements.settled(bet)))


async def _bookmaker(name: str, reference: Reference) -> Bookmaker:
    """A bookmaker under the name that is stored; raises BadParametersError for an exchange."""
    bookmaker_id = read_bookmaker("bookmaker", name)
    known = {row.bookmaker.bookmaker_id: row.bookmaker for row in await reference.bookmakers()}
    if bookmaker_id not in known:
        raise BadParametersError(
            FieldError(field="bookmaker", message="unknown bookmaker; /api/bookmakers lists them")
        )
    refuse_exchange(known[bookmaker_id])
    return known[bookmaker_id]


def _read_stake(text: str) -> Decimal:
    """A stake; raises BadParametersError."""
    if _STAKE.fullmatch(text) and 0 < Decimal(text) <= _LARGEST_STAKE:
        return Decimal(text)
    raise BadParametersError(
        FieldError(
            field="stake",
            message="expected an amount above 0 and up to 1,000,000, with at most 2 decimals",
        )
    )


ROUTES = (get_settlement,)
"""Every address of this module."""
