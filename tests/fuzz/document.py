"""Requests made by Schemathesis from the API's own document, answered as the document says."""

from collections.abc import Callable
from typing import Any

import hypothesis
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from tests.fuzz.conftest import FuzzedApi

load_all_checks()
_OF_HEADS: list[Any] = CHECKS.get_by_names(
    [
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "negative_data_rejection",
    ]
)
_OF_BODIES: list[Any] = CHECKS.get_by_names(["response_schema_conformance"])
_LONGEST_HEAD = 60_000
_STREAM = "/api/stream"
_CONDITIONS = st.sampled_from([None, None, None, "*", 'W/"1"', '"', '"a", *', ",,\t,"])


Asked = tuple[Case[Any], dict[str, str]]
"""A request, and the headers that it has beside."""


@st.composite
def _asked(
    draw: st.DrawFn, operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, known: Any
) -> Asked:
    """A request by the document; a good one asks for things that exist, as often as not."""
    case = draw(operation.as_strategy(generation_mode=mode))
    if mode is GenerationMode.POSITIVE:
        for parameters, given in (
            (operation.path_parameters, case.path_parameters),
            (operation.query, case.query),
        ):
            for parameter in parameters:
                if parameter.name in known and draw(st.booleans()):
                    given[parameter.name] = draw(st.sampled_from(known[parameter.name]))
    condition = draw(_CONDITIONS)
    return case, {} if condition is None else {"If-None-Match": condition}


def ask_by_document(fuzzed: FuzzedApi, examples: int, *, repeatable: bool) -> None:
    """Ask every address so many times with good and so many times with wrong parameters."""
    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=repeatable,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    document = schemathesis.openapi.from_url(f"{fuzzed.url}/openapi.json")
    with requests.Session() as session:
        for found in document.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            modes = [GenerationMode.POSITIVE]
            if len(operation.query):
                modes.append(GenerationMode.NEGATIVE)
            for mode in modes:
                asked = hypothesis.given(_asked(operation, mode, fuzzed.known))
                settings(asked(_asking(fuzzed, session)))()


def _asking(fuzzed: FuzzedApi, session: requests.Session) -> Callable[[Asked], None]:
    def ask(asked: Asked) -> None:
        case, headers = asked
        answer = _send(case, session, headers)
        target = answer.request.path_url
        if answer.status_code == 431 and len(target) > _LONGEST_HEAD:
            # Two hundred long values are more than the HTTP server reads: it refuses by itself.
            fuzzed.answers.note_bare(answer.status_code)
            return
        fuzzed.answers.judge(target, answer.status_code, _lower(answer), answer.content)
        checks = _OF_HEADS if case.operation.path == _STREAM else _OF_HEADS + _OF_BODIES
        case.validate_response(answer, checks=checks)

    return ask


def _send(case: Case[Any], session: requests.Session, headers: dict[str, str]) -> requests.Response:
    """Send a request; of a stream, which has no end, take the beginning."""
    arguments = case.as_transport_kwargs(headers=headers)
    answer = session.request(**arguments, stream=True, timeout=30)
    if answer.status_code == 200 and case.operation.path == _STREAM:
        answer._content = next(answer.iter_content(None))
        # Only what is not known to be consumed has its connection closed.
        answer.close()
        answer._content_consumed = True
    return answer


def _lower(answer: requests.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}
