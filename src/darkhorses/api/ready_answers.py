"""The short way to what was answered already: no routing, no parameters, no body to be made.

What an address of the live market answered stands until the market or the clock overtakes it
(``Publisher.standing``).
"""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from darkhorses.api.publishing import Publisher
from darkhorses.api.standing import Ready


class ReadyAnswers:
    """Finds the answers that stand; as an ASGI application, before asking the one behind it.

    It stands inside of everything that looks at who asks. Where nobody does, ``find`` may be asked
    first of all.
    """

    def __init__(self, app: ASGIApp, publisher: Publisher) -> None:
        self._app = app
        self._publisher = publisher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        ready = self.find(scope) if scope["type"] == ScopeType.HTTP else None
        if ready is None:
            await self._app(scope, receive, send)
            return
        scope["path_template"] = ready.served.route
        await send(ready.answer.start)
        await send(ready.answer.body)

    def find(self, scope: Scope) -> Ready | None:
        """The answer to a request, if it was given before and still stands."""
        standing = self._publisher.standing(scope["path"], scope["query_string"])
        if standing is None or scope["method"] != "GET":  # type: ignore[typeddict-item]  # http scopes have one
            return None
        accept_encoding = if_none_match = user_agent = None
        for name, value in scope["headers"]:
            # The first of a header that is repeated counts, as it does for the routes.
            if name == b"accept-encoding" and accept_encoding is None:
                accept_encoding = value
            elif name == b"if-none-match" and if_none_match is None:
                if_none_match = value
            elif name == b"user-agent" and user_agent is None:
                user_agent = value
        return standing.ready(accept_encoding or b"", if_none_match or b"", user_agent or b"")
