"""What a scheduled job is: its name, its times, and its work under a lease."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec
from apscheduler.triggers.base import BaseTrigger

from darkhorses.store.writing.job_runs import Detail
from darkhorses.store.writing.lease import Lease


class ScheduledJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job of the leader beside live odds.

    ``reason`` says in words when it runs; ``at_once`` runs it also when a shift begins;
    ``again_after`` is when a run that failed is tried again, if not at its next time.
    """

    name: str
    reason: str
    trigger: BaseTrigger
    work: Callable[[Lease], Awaitable[Detail | None]]
    at_once: bool = True
    record_success: bool = True
    again_after: timedelta | None = None
