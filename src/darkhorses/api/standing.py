"""An answer that stands at an address, in the forms in which clients have asked for it."""

from typing import NamedTuple

from darkhorses.api.encoding import Answer, Encoded
from darkhorses.api.metering import kind_of
from darkhorses.api.request_log import Served

_MOST_FORMS = 64


class Ready(NamedTuple):
    """An answer to a request, and what is told of it when it was sent."""

    answer: Answer
    served: Served


class Standing:
    """A body that is still the answer at a path, which its route gave."""

    def __init__(self, encoded: Encoded, *, path: str, route: str) -> None:
        self.route = route
        self._encoded = encoded
        self._path = path
        self._forms: dict[tuple[bytes, bytes, bytes], Ready] = {}

    def ready(self, accept_encoding: bytes, if_none_match: bytes, user_agent: bytes) -> Ready:
        """The answer to a GET with these headers, made once for all who send the same."""
        asked = accept_encoding, if_none_match, user_agent
        ready = self._forms.get(asked)
        if ready is None:
            if len(self._forms) >= _MOST_FORMS:
                self._forms.clear()
            ready = self._forms[asked] = self._made(*asked)
        return ready

    def _made(self, accept_encoding: bytes, if_none_match: bytes, user_agent: bytes) -> Ready:
        answer = self._encoded.answer(
            accept_encoding.decode("latin-1"), if_none_match.decode("latin-1")
        )
        served = Served(
            method="GET",
            path=self._path,
            route=self.route,
            status=answer.status,
            sent=answer.size,
            client=kind_of(user_agent),
        )
        return Ready(answer, served)
