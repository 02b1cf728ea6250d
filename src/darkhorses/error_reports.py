"""Errors told to Sentry, when its address is set; nothing is imported when it is not.

What is sent is the error with its traceback and a tag or two: no request, no body, no variables of
the program, no name of the machine; and whatever is secret is struck out of the rest.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from darkhorses import __version__
from darkhorses.domain.errors import SettingError

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

_PATIENCE = 1.0

_tell: Callable[[BaseException, dict[str, str]], None] | None = None


def report(error: BaseException, **tags: str) -> None:
    """Tell of an error that nobody expected, or that ended a job."""
    if _tell is not None:
        _tell(error, tags)


@contextmanager
def reported(dsn: str | None, process: str, *, hide: Callable[[str], str]) -> Iterator[None]:
    """Send reports while the block runs, with secrets hidden in every text.

    Raises SettingError for an address that is none.
    """
    global _tell  # noqa: PLW0603  # one process, one place for its reports
    if dsn is None:
        yield
        return
    import sentry_sdk  # noqa: PLC0415
    from sentry_sdk.utils import BadDsn  # noqa: PLC0415

    def strike_out(event: "Event", _: "Hint") -> "Event":
        return _hidden(event, hide)  # type: ignore[no-any-return]  # of the same shape

    try:
        sentry_sdk.init(
            dsn=dsn,
            release=f"darkhorses@{__version__}",
            server_name=process,
            default_integrations=False,
            auto_enabling_integrations=False,
            send_default_pii=False,
            include_local_variables=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            before_send=strike_out,
        )
    except BadDsn as error:
        raise SettingError(
            "SENTRY_DSN: got a value that is kept secret, expected https://KEY@HOST/PROJECT"
        ) from error

    def tell(error: BaseException, tags: dict[str, str]) -> None:
        with sentry_sdk.new_scope() as scope:
            scope.set_tag("process", process)
            for name, value in tags.items():
                scope.set_tag(name, value)
            scope.capture_exception(error)

    _tell = tell
    try:
        yield
    finally:
        _tell = None
        sentry_sdk.flush(timeout=_PATIENCE)


def _hidden(thing: Any, hide: Callable[[str], str]) -> Any:
    """The same with every text as ``hide`` gives it."""
    if isinstance(thing, str):
        return hide(thing)
    if isinstance(thing, dict):
        return {key: _hidden(value, hide) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [_hidden(value, hide) for value in thing]
    return thing
