import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest

from darkhorses.domain.signatures import SigningSecret
from darkhorses.webhooks.errors import NotDeliveredError, TargetRefusedError
from darkhorses.webhooks.sending import Sender
from darkhorses.webhooks.targets import Address, Resolve
from tests.receivers import Receiver

SECRET = SigningSecret.new()


def clock() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  # the verifier has a real clock


@asynccontextmanager
async def sending(
    *, private_targets: bool = True, resolve: Resolve | None = None, seconds: float = 15
) -> AsyncIterator[Sender]:
    async with Sender.open(
        clock,
        private_targets=private_targets,
        resolve=resolve,
        timeout=timedelta(seconds=seconds),
    ) as sender:
        yield sender


async def send(sender: Sender, url: str, body: bytes = b'{"type":"ping"}') -> int:
    return (await sender.send(url, "msg_1", body, signing=(SECRET,))).status


def answers_in_turn(*told: str) -> Resolve:
    """A name server that says something else each time, and the last thing from then on."""
    left = list(told)

    async def resolve(_host: str, _port: int) -> Sequence[Address]:
        return [ip_address(left.pop(0) if len(left) > 1 else left[0])]

    return resolve


async def test_a_message_arrives_signed_as_the_standard_says() -> None:
    async with Receiver.listening() as receiver, sending() as sender:
        assert await send(sender, receiver.url) == 204

        (received,) = receiver.received
        assert received.verified(SECRET.reveal()) == {"type": "ping"}
        assert received.message_id == "msg_1"
        assert received.path == "/hook"
        assert received.headers["content-type"] == "application/json"
        assert received.headers["user-agent"].startswith("DarkHorses/")


async def test_a_name_stays_in_the_host_header_and_is_connected_to_where_it_was_checked() -> None:
    async with (
        Receiver.listening() as receiver,
        sending(resolve=answers_in_turn("127.0.0.1")) as sender,
    ):
        port = urlsplit(receiver.url).port
        await send(sender, f"http://hook.example:{port}/hook")

        assert receiver.received[0].headers["host"] == f"hook.example:{port}"


async def test_tls_is_begun_with_the_name_at_the_address_that_was_checked() -> None:
    hello = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello.set_result(await reader.read(4096))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, sending(resolve=answers_in_turn("127.0.0.1")) as sender:
        with pytest.raises(NotDeliveredError, match="cannot be reached"):
            await send(sender, f"https://hook.example:{port}/")

        assert b"hook.example" in await hello


async def test_a_name_is_resolved_once_so_that_rebinding_it_gains_nothing() -> None:
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> Sequence[Address]:
        asked.append(host)
        return [ip_address("127.0.0.1" if len(asked) == 1 else "10.255.255.1")]

    async with Receiver.listening() as receiver, sending(resolve=resolve) as sender:
        await send(sender, f"http://hook.example:{urlsplit(receiver.url).port}/hook")

        assert asked == ["hook.example"]
        assert len(receiver.received) == 1


async def test_a_name_that_turns_private_once_it_is_registered_is_refused() -> None:
    async with (
        Receiver.listening() as receiver,
        sending(
            private_targets=False, resolve=answers_in_turn("93.184.216.34", "127.0.0.1")
        ) as sender,
    ):
        url = f"https://hook.example:{urlsplit(receiver.url).port}/hook"
        await sender.check(url)

        with pytest.raises(TargetRefusedError, match=r"is at 127\.0\.0\.1"):
            await send(sender, url)
        assert receiver.received == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f000001", "localhost", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_this_machine_is_refused_unless_it_is_allowed(host: str) -> None:
    async with Receiver.listening() as receiver, sending(private_targets=False) as sender:
        with pytest.raises(TargetRefusedError, match="not of the public internet"):
            await send(sender, f"https://{host}:{urlsplit(receiver.url).port}/hook")
        assert receiver.received == []


async def test_plain_http_is_refused_unless_private_targets_are_allowed() -> None:
    async with sending(private_targets=False) as sender:
        with pytest.raises(TargetRefusedError, match="begins with https://"):
            await send(sender, "http://hook.example/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_is_not_followed(status: int) -> None:
    async with Receiver.listening() as inside, sending() as sender:
        elsewhere = (status, {"location": inside.url})
        async with Receiver.listening(elsewhere) as receiver:
            with pytest.raises(NotDeliveredError, match="redirects are not followed") as failed:
                await send(sender, receiver.url)

        assert failed.value.status == status
        assert inside.received == []


@pytest.mark.parametrize("status", [400, 401, 404, 410, 500, 503])
async def test_what_is_no_success_is_a_failure_with_its_status(status: int) -> None:
    async with Receiver.listening(status) as receiver, sending() as sender:
        with pytest.raises(NotDeliveredError, match=f"answered {status}") as failed:
            await send(sender, receiver.url)

    assert (failed.value.status, failed.value.retry_after) == (status, None)


@pytest.mark.parametrize(("status", "obeyed"), [(429, True), (503, True), (500, False)])
async def test_retry_after_is_read_from_those_who_are_too_busy(
    status: int, *, obeyed: bool
) -> None:
    async with (
        Receiver.listening((status, {"retry-after": "120"})) as receiver,
        sending() as sender,
    ):
        with pytest.raises(NotDeliveredError) as failed:
            await send(sender, receiver.url)

    assert failed.value.retry_after == (timedelta(seconds=120) if obeyed else None)


async def test_a_receiver_that_never_answers_is_given_up() -> None:
    async with Receiver.listening() as receiver, sending(seconds=0.2) as sender:
        receiver.answering.clear()

        with pytest.raises(NotDeliveredError, match=r"no answer within 0\.2 s"):
            await send(sender, receiver.url)


async def test_nobody_at_the_address_is_a_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with sending() as sender:
            with pytest.raises(NotDeliveredError, match="cannot be reached"):
                await send(sender, f"http://127.0.0.1:{taken.getsockname()[1]}/")


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    endless = (200, {"transfer-encoding": "chunked"})
    async with Receiver.listening(endless) as receiver, sending() as sender:
        receiver.endless = True

        assert await send(sender, receiver.url) == 200
        assert await send(sender, receiver.url) == 200


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver.listening() as proxy, Receiver.listening() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with sending() as sender:
            await send(sender, receiver.url)

        assert (len(proxy.received), len(receiver.received)) == (0, 1)
