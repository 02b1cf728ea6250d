"""Work that goes on until a person, or the system, has had enough of it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress


async def until_signalled(
    work: Coroutine[None, None, None], *, stopping: Callable[[], None]
) -> None:
    """Do some work to its end, or to SIGINT, SIGTERM or SIGHUP: it is cancelled and cleans up."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    working = asyncio.create_task(work)
    stop = asyncio.create_task(stopped.wait())
    await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
    if not working.done():
        stopping()
    stop.cancel()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
