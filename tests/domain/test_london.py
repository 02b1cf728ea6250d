from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from darkhorses.domain.london import london_clock, race_day, read_local_stamp, strikes


def test_in_summer_the_first_hour_of_a_race_day_is_the_day_before_in_utc() -> None:
    assert race_day(datetime(2026, 6, 19, 23, 30, tzinfo=UTC)) == date(2026, 6, 20)


def test_an_off_time_is_londons_24_hour_clock() -> None:
    assert london_clock(datetime(2026, 6, 20, 13, 12, tzinfo=UTC)) == "14:12"


def test_a_stamp_without_zone_is_london_time() -> None:
    now = datetime(2026, 6, 20, 14, 0, tzinfo=UTC)

    assert read_local_stamp("2026-06-20 14:41:07", now=now) == datetime(
        2026, 6, 20, 13, 41, 7, tzinfo=UTC
    )


def test_in_the_repeated_hour_a_stamp_is_the_latest_that_is_not_in_the_future() -> None:
    stamp = "2026-10-25 01:30:00"

    before = read_local_stamp(stamp, now=datetime(2026, 10, 25, 0, 31, tzinfo=UTC))
    after = read_local_stamp(stamp, now=datetime(2026, 10, 25, 1, 31, tzinfo=UTC))

    assert before == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert after == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_one_oclock_strikes_once_on_every_day_of_years_also_when_clocks_change() -> None:
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(366 + 6 * 365 + 1)]
    struck = [strikes(day, 1) for day in days]

    assert [race_day(instant) for instant in struck] == days
    assert {later - earlier for earlier, later in pairwise(struck)} == {
        timedelta(hours=23), timedelta(hours=24), timedelta(hours=25),
    }  # fmt: skip
    # It is 01:00 but for seven days in March on which there is none: the clocks jump to 02:00.
    jumped = [
        day for day, instant in zip(days, struck, strict=True) if london_clock(instant) != "01:00"
    ]
    assert {london_clock(strikes(day, 1)) for day in jumped} == {"02:00"}
    assert [str(day) for day in jumped] == [
        "2024-03-31", "2025-03-30", "2026-03-29", "2027-03-28", "2028-03-26", "2029-03-25",
        "2030-03-31",
    ]  # fmt: skip


def test_where_it_strikes_one_twice_it_is_the_first_time() -> None:
    assert strikes(date(2026, 10, 25), 1) == datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    assert strikes(date(2026, 10, 26), 1) == datetime(2026, 10, 26, 1, 0, tzinfo=UTC)
