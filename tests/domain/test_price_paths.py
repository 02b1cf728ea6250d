"""A packed path says what a plain list of its changes says."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from darkhorses.domain.price_paths import PathPoint, PriceLog, PricePath
from darkhorses.domain.prices import Price

_NOON = datetime(2026, 6, 6, 12, tzinfo=UTC)

_instants = st.one_of(
    # Few enough that several changes are at one instant, and to the microsecond.
    st.integers(0, 20).map(lambda steps: _NOON + timedelta(microseconds=steps)),
    st.datetimes(datetime(2024, 7, 1), datetime(2028, 6, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
_prices = st.none() | st.builds(
    Price,
    decimal=st.decimals("1.01", "1000", places=2).map(Decimal.normalize),
    fractional=st.sampled_from([None, "10/3", "1/1"]),
)


class _Plain:
    """The changes in a dictionary, sorted anew for each question."""

    def __init__(self, changes: list[tuple[datetime, Price | None]]) -> None:
        self.points = [PathPoint(*change) for change in sorted(dict(changes).items())]

    def at(self, instant: datetime) -> Price | None:
        return next((one.price for one in reversed(self.points) if one.at <= instant), None)


@given(
    st.lists(st.tuples(st.integers(0, 2), _instants, _prices), max_size=40),
    _instants,
)
def test_a_path_says_what_a_list_of_its_changes_says(
    changes: list[tuple[int, datetime, Price | None]], instant: datetime
) -> None:
    log = PriceLog(_NOON)
    paths = [PricePath(log, log.new_path()) for _ in range(3)]
    for number, at, price in changes:
        log.add(number, at, price)

    for number, path in enumerate(paths):
        plain = _Plain([change[1:] for change in changes if change[0] == number])
        priced = [point for point in plain.points if point.price is not None]
        assert len(path) == len(plain.points)
        assert path.opening() == (priced[0] if priced else None)
        assert path.newest() == (plain.points[-1].price if plain.points else None)
        assert path.last_priced() == (priced[-1].price if priced else None)
        for moment in (instant, *(at for _, at, _ in changes)):
            assert path.at(moment) == plain.at(moment)
            assert path.changed_after(moment) == any(one.at > moment for one in plain.points)
            assert list(path.after(moment)) == [one for one in plain.points if one.at > moment]
