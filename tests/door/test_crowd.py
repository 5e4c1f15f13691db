"""One address cannot flood a public form, and takes nobody else's place."""

import pytest

from app.web.crowd import MOST_BUCKETS, Crowd, client_address


def posts(crowd: Crowd, address: str, count: int, now: float = 0.0, source_id: int = 1) -> int:
    return sum(crowd.admits(source_id, address, 60, now) for _ in range(count))


def test_a_burst_is_let_in_and_then_the_minute_counts():
    crowd = Crowd()

    assert [20, 0, 5] == [
        posts(crowd, "192.0.2.1", 50, 0),
        posts(crowd, "192.0.2.1", 5, 0.5),
        posts(crowd, "192.0.2.1", 50, 5.5),
    ]


@pytest.mark.parametrize(
    ("address", "source_id", "expected"),
    [("192.0.2.2", 1, 20), ("192.0.2.1", 2, 20), ("192.0.2.1", 1, 0), ("127.0.0.1", 1, 50), ("", 1, 50)],
)
def test_everybody_else_is_counted_apart(address, source_id, expected):
    crowd = Crowd()
    posts(crowd, "192.0.2.1", 50)

    assert expected == posts(crowd, address, 50, source_id=source_id)


def test_a_household_has_one_ipv6_network():
    crowd = Crowd()
    posts(crowd, "2001:db8:1:2::1", 50)

    assert [0, 20] == [posts(crowd, "2001:db8:1:2:ffff::9", 50), posts(crowd, "2001:db8:1:3::1", 50)]


def test_the_memory_is_bounded():
    crowd = Crowd()

    for number in range(MOST_BUCKETS + 10):
        crowd.admits(1, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 60, 0)

    assert MOST_BUCKETS == len(crowd._buckets)


@pytest.mark.parametrize(
    ("peer", "forwarded", "is_proxied", "expected"),
    [
        ("192.0.2.1:4000", None, False, "192.0.2.1"),
        ("192.0.2.1:4000", "198.51.100.7", False, "192.0.2.1"),
        ("127.0.0.1:4000", "203.0.113.9, 198.51.100.7", True, "198.51.100.7"),
        ("[2001:db8::1]:4000", None, True, "2001:db8::1"),
        ("", None, False, ""),
    ],
)
def test_only_the_proxy_in_front_is_believed(peer, forwarded, is_proxied, expected):
    assert expected == client_address(peer, forwarded, is_proxied=is_proxied)
