"""A client of a running API, over a real database."""

from collections.abc import AsyncIterator

import pytest

from darkhorses.client import DarkHorsesClient
from tests.api.conftest import RunningApi, api, clock, writer

__all__ = ["api", "clock", "writer"]


@pytest.fixture
async def client(api: RunningApi) -> AsyncIterator[DarkHorsesClient]:
    async with DarkHorsesClient(
        "http://darkhorses.test", transport=api.client._transport
    ) as client:
        yield client
