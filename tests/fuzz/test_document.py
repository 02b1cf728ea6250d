"""Requests made from the API's own document, answered as the document says."""

from tests.fuzz.conftest import FuzzedApi
from tests.fuzz.document import ask_by_document


def test_every_address_answers_as_the_document_says(fuzzed: FuzzedApi) -> None:
    ask_by_document(fuzzed, 10, repeatable=True)
    assert fuzzed.answers.statuses.keys() >= {200, 304, 400, 404}
