"""As many requests as a bad week brings."""

import pytest

from tests.fuzz.abuse import abuse
from tests.fuzz.conftest import FuzzedApi
from tests.fuzz.document import ask_by_document

REQUESTS = 100_000


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_a_hundred_thousand_requests_are_answered_in_order(fuzzed: FuzzedApi) -> None:
    ask_by_document(fuzzed, 1_500, repeatable=False)
    while fuzzed.answers.count < REQUESTS:
        abuse(fuzzed, 10_000, repeatable=False)
    print(fuzzed.answers)  # noqa: T201
    assert fuzzed.answers.count >= REQUESTS
    assert max(fuzzed.answers.statuses) < 500
