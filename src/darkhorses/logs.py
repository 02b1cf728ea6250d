"""Logs: dotted events with fields, for people on a terminal and as JSON lines otherwise."""

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

import structlog

from darkhorses.domain.redaction import Redaction


def configure_logs(level: str, hide: Redaction) -> None:
    """Set structlog up to write to stderr, from ``level`` on; other libraries' from WARNING on.

    What is logged, and the traceback of a crash, passes through ``hide``.
    """
    on_terminal = sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if on_terminal
        else structlog.processors.JSONRenderer()
    )
    hiding = _Hiding(hide)
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, hiding, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.processors.format_exc_info],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                hiding,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    sys.excepthook = hiding.crashed


def line_of(level: str, entry: dict[str, Any], *, timestamp: str) -> str:
    """An entry as the logs are set up to write it, with its end of line; says ``timestamp``.

    For who tells the same so often that it renders it once and puts the rest in by itself.
    """
    rendered: Any = entry
    for processor in structlog.get_config()["processors"]:
        if isinstance(processor, structlog.processors.TimeStamper):
            rendered["timestamp"] = timestamp
        else:
            rendered = processor(None, level, rendered)
    return f"{rendered}\n"


class _Hiding:
    """Takes secrets out of entries just before they become lines, and out of tracebacks."""

    def __init__(self, hide: Redaction) -> None:
        self._hide = hide

    def __call__(
        self, _logger: object, _name: str, entry: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        return {name: self._hidden(value) for name, value in entry.items()}

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._hide(value)
        if isinstance(value, dict):
            return {name: self._hidden(part) for name, part in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._hidden(part) for part in value]
        if value is None or isinstance(value, int | float):
            return value
        return self._hide(str(value))

    def crashed(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Say why the process ends."""
        sys.stderr.write(self._hide("".join(traceback.format_exception(kind, error, trace))))
