import socket
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from darkhorses.webhooks.errors import NotDeliveredError, TargetRefusedError
from darkhorses.webhooks.targets import Address, CheckedNetwork, Resolver, is_public, read_target


@pytest.mark.parametrize(
    "text",
    ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"],
)
def test_addresses_of_the_internet_are_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.1",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_all_other_addresses_are_not(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
        "localhost",
        "LOCALHOST",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
    ],
)
async def test_this_machine_is_refused_in_whatever_way_it_is_spelled(host: str) -> None:
    resolver = Resolver()
    network = CheckedNetwork(resolver, private_targets=False)

    with pytest.raises(TargetRefusedError, match="not of the public internet"):
        await network.addresses(host, 443)

    resolver.close()


async def test_a_name_with_one_private_address_among_public_ones_is_refused() -> None:
    async def resolve(_host: str, _port: int) -> Sequence[Address]:
        return [ip_address("93.184.216.34"), ip_address("10.0.0.1")]

    network = CheckedNetwork(resolve, private_targets=False)

    with pytest.raises(TargetRefusedError, match=r"'rebinding\.example' is at 10\.0\.0\.1"):
        await network.addresses("rebinding.example", 443)


async def test_a_name_that_is_not_found_is_no_refusal() -> None:
    async def resolve(_host: str, _port: int) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    network = CheckedNetwork(resolve, private_targets=False)

    with pytest.raises(NotDeliveredError, match="was not found"):
        await network.addresses("gone.example", 443)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook.example",
        "ftp://hook.example/",
        "file:///etc/passwd",
        "http://hook.example/",
        "https://",
        "https:///path",
        "https://user:secret@hook.example/",
        "https://hook.example@127.0.0.1/",
        "https://hook.example/#part",
        "https://hook.example:port/",
        "https://hook.example:70000/",
        "https://hook .example/",
        "https://hook.example/\r\nX-Injected: 1",
        "https://b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example/",
        "https://[::1/",
        f"https://{'a' * 64}.example/",
        f"https://hook.example/{'a' * 2000}",
    ],
)
def test_what_is_no_address_for_messages_is_refused(url: str) -> None:
    with pytest.raises(TargetRefusedError):
        read_target(url, private_targets=False)


def test_https_is_accepted_and_http_where_private_targets_are_allowed() -> None:
    assert read_target("https://hook.example:8443/a?b=c", private_targets=False).port == 8443
    assert read_target("http://10.0.0.1/", private_targets=True).hostname == "10.0.0.1"
