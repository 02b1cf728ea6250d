from datetime import UTC, date, datetime

from darkhorses.domain.london import london_clock, race_day, read_local_stamp


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
