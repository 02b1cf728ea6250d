from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from darkhorses.domain.diff import RaceDelta, compare, compare_result
from darkhorses.domain.events import EventKind
from darkhorses.domain.identifiers import BookmakerId, CourseId, HorseId, RaceId
from darkhorses.domain.signatures import SigningSecret, signed_headers
from darkhorses.domain.webhook_events import ToldPrice, ToldStatus
from darkhorses.domain.webhooks import (
    PRICES_IN_A_MESSAGE,
    RETRY_AFTER,
    Filter,
    News,
    RacePlace,
    Recipient,
    messages_for,
    news_of_look,
    news_of_price,
    news_of_status,
    next_attempt_at,
    payload,
    read_filter,
)
from tests.market import NOON, card, race, runner

HOUR = timedelta(hours=1)
ADA, BEN = runner("Ada", 1), runner("Ben", 2)
OFF = NOON + HOUR


def first_look(*runners: Any, **facts: Any) -> RaceDelta:
    return compare(None, card(race(off_dt=OFF, **facts), *runners), seen_at=NOON)


def second_look(before: RaceDelta, *runners: Any, places: int = 3, **facts: Any) -> RaceDelta:
    again = card(race(off_dt=OFF, **facts), *runners, places=places)
    return compare(before.after, again, seen_at=NOON + HOUR / 2)


def told(*deltas: RaceDelta) -> list[tuple[str, Any]]:
    return [
        (news.event.value, msgspec.json.decode(news.data))
        for news in news_of_look(deltas, seen_at=NOON)
    ]


def recipient(*events: EventKind, **chosen: tuple[str, ...]) -> Recipient:
    return Recipient(
        webhook_id="wh_1", events=frozenset(events or EventKind), filter=Filter(**chosen)
    )


def test_a_new_race_is_told_as_it_stands_without_prices() -> None:
    ((event, body),) = told(first_look((ADA, {"Bet365": "9/2"}), (BEN, {})))

    assert event == "race"
    assert (body["race_id"], body["course"], body["race_time"]) == ("rac_1", "Hereford", "14:00")
    assert (body["stage"], body["is_over"]) == ("pre_race", False)
    assert [each["horse_name"] for each in body["runners"]] == ["Ada", "Ben"]
    assert "prices" not in body["runners"][0]


def test_a_look_that_changes_nothing_or_prices_alone_is_no_news_of_the_race() -> None:
    first = first_look((ADA, {"Bet365": "9/2"}))

    assert told(second_look(first, (ADA, {"Bet365": "9/2"}))) == []
    assert told(second_look(first, (ADA, {"Bet365": "4/1"}))) == []


def test_other_each_way_terms_are_told_with_the_race_and_its_prices() -> None:
    first = first_look((ADA, {"Bet365": "9/2"}), (BEN, {"Bet365": "10/3"}))

    ((event, body),) = told(
        second_look(first, (ADA, {"Bet365": "9/2"}), (BEN, {"Bet365": "10/3"}), places=2)
    )

    assert event == "race"
    assert body["runners"][1]["prices"] == {"bet365": [4.33, "10/3", 2, 5]}


def test_a_non_runner_is_told_once_and_with_the_race() -> None:
    first = first_look((ADA, {}), (BEN, {}))
    withdrawn = runner("Ben", 2, is_non_runner=True)
    second = second_look(first, (ADA, {}), (withdrawn, {}))
    third = second_look(second, (ADA, {}), (runner("Ben", 2, is_non_runner=True, form="-"), {}))

    assert [event for event, _ in told(second)] == ["race", "non_runner"]
    assert told(second)[1][1] == {
        "race_id": "rac_1",
        "horse_id": "hrs_ben",
        "horse_name": "Ben",
        "horse_number": 2,
        "non_runner_at": "2026-06-20T12:00:00Z",
        "course": "Hereford",
        "off_dt": "2026-06-20T13:00:00Z",
    }
    assert [event for event, _ in told(third)] == ["race"]


def test_a_result_and_an_abandonment_are_told_once() -> None:
    first = first_look((ADA, {}))
    result = compare_result(first.after)
    abandoned = second_look(first, (ADA, {}), is_abandoned=True)

    assert [event for event, _ in told(result)] == ["race", "result"]
    assert told(result)[1][1]["race_status"] == "result"
    assert told(compare_result(result.after)) == []
    assert [event for event, _ in told(abandoned)] == ["race", "result"]
    assert told(abandoned)[1][1]["is_abandoned"] is True


HEREFORD = RacePlace(
    race_id=RaceId("rac_11744434"), region="GB", course_id=CourseId("crs_1"), course="Hereford"
)


def prices(count: int) -> Iterator[News]:
    for number in range(count):
        event = ToldPrice(
            change_id=number,
            race_id=HEREFORD.race_id,
            horse_id=HorseId("hrs_47475190"),
            bookmaker_id=BookmakerId(("bet365", "coral")[number % 2]),
            odds_decimal=Decimal("4.33"),
            odds_fractional="10/3",
            changed_at=NOON,
            seen_at=NOON,
            source="poll",
            ew_places=3,
            ew_denom=5,
            horse_name="The Longest Name In Training",
            course="Hereford",
            off_dt=OFF,
        )
        yield news_of_price(event, HEREFORD)


def test_prices_of_a_look_come_together_with_a_bound_on_each_message() -> None:
    news = list(prices(2 * PRICES_IN_A_MESSAGE + 1))

    messages = messages_for(recipient(EventKind.PRICE), news)

    bodies = [msgspec.json.decode(message.data)["changes"] for message in messages]
    assert [len(changes) for changes in bodies] == [PRICES_IN_A_MESSAGE, PRICES_IN_A_MESSAGE, 1]
    assert [change["change_id"] for changes in bodies for change in changes] == [*range(len(news))]
    assert max(len(message.data) for message in messages) < 20_000


@pytest.mark.parametrize(
    ("pairs", "takes"),
    [
        ((), True),
        (("region=GB",), True),
        (("region=ire",), False),
        (("course=HEREFORD",), True),
        (("course=crs_1", "course=Ascot"), True),
        (("course=Ascot",), False),
        (("race=rac_11744434",), True),
        (("race=rac_2",), False),
        (("bookmaker=Bet 365", "horse=hrs_47475190"), True),
        (("bookmaker=Coral",), False),
        (("horse=hrs_ben",), False),
        (("region=gb", "course=Ascot"), False),
    ],
)
def test_filters_take_any_value_of_a_key_and_want_all_keys(
    pairs: tuple[str, ...], *, takes: bool
) -> None:
    (news,) = prices(1)
    chosen = Recipient(
        webhook_id="wh_1", events=frozenset({EventKind.PRICE}), filter=read_filter(pairs)
    )

    assert news.is_for(chosen) is takes


def test_a_bookmaker_chooses_prices_and_a_horse_also_non_runners_and_races() -> None:
    first = first_look((ADA, {}), (BEN, {}))
    second = second_look(first, (ADA, {}), (runner("Ben", 2, is_non_runner=True), {}))
    news = list(news_of_look([second], seen_at=NOON))

    def events(chosen: Recipient) -> list[str]:
        return [message.event.value for message in messages_for(chosen, news)]

    assert events(recipient(bookmakers=("coral",))) == ["race", "non_runner"]
    assert events(recipient(horses=("hrs_ada",))) == ["race"]
    assert events(recipient(horses=("hrs_ben",))) == ["race", "non_runner"]
    assert events(recipient(horses=("hrs_cas",))) == []
    assert events(recipient(EventKind.NON_RUNNER)) == ["non_runner"]


def test_the_status_is_for_all_who_asked_for_it_whatever_their_filter() -> None:
    news = news_of_status(ToldStatus(status="ok", reasons=(), timestamp=NOON))

    assert news.is_for(recipient(EventKind.STATUS, courses=("ascot",)))
    assert not news.is_for(recipient(EventKind.PRICE))


@pytest.mark.parametrize("text", ["Ascot", "course=", "stage=at_post", "bookmaker=--"])
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"filter|letter"):
        read_filter([text])


def test_failed_messages_are_tried_on_the_schedule_of_the_standard_and_then_are_dead() -> None:
    waits = [
        at - NOON
        for attempts in range(1, 11)
        if (at := next_attempt_at(attempts=attempts, now=NOON, chance=lambda: 0.0)) is not None
    ]

    assert waits == list(RETRY_AFTER)
    assert timedelta(days=3) < sum(waits, timedelta()) < timedelta(days=4)
    assert next_attempt_at(attempts=10, now=NOON) is None


def test_waits_are_spread_and_grow_to_what_the_receiver_asked_for_up_to_a_day() -> None:
    spread = next_attempt_at(attempts=2, now=NOON, chance=lambda: 1.0)
    asked = next_attempt_at(attempts=1, now=NOON, retry_after=HOUR)
    too_long = next_attempt_at(attempts=1, now=NOON, retry_after=timedelta(days=400))

    assert spread == NOON + timedelta(minutes=5.5)
    assert asked == NOON + HOUR
    assert too_long == NOON + timedelta(days=1)


def test_signatures_of_both_secrets_satisfy_the_standards_own_verifier() -> None:
    now = datetime.now(UTC)  # noqa: TID251  # the verifier has a real clock
    body = payload("price", b'{"changes":[]}', timestamp=NOON, sequence=7)
    new, old, other = SigningSecret.new(), SigningSecret.new(), SigningSecret.new()

    headers = signed_headers("msg_1", body, signing=(new, old), at=now)

    expected = {
        "type": "price",
        "timestamp": "2026-06-20T12:00:00Z",
        "sequence": 7,
        "data": {"changes": []},
    }
    assert Webhook(new.reveal()).verify(body, headers) == expected
    assert Webhook(old.reveal()).verify(body, headers) == expected
    with pytest.raises(WebhookVerificationError):
        Webhook(other.reveal()).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new.reveal()).verify(body + b" ", headers)


def test_a_secret_is_never_printed_and_has_the_standards_form() -> None:
    secret = SigningSecret.new()

    assert secret.reveal().startswith("whsec_")
    assert secret.reveal() not in f"{secret!r} {secret}"
    for wrong in ("", "whsec_", "whsec_c2hvcnQ=", "whsec_*", secret.reveal()[6:]):
        with pytest.raises(ValueError, match="24 to 64 bytes"):
            SigningSecret(wrong)
