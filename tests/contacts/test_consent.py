from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contacts.asides import beside_claim
from app.contacts.consent import (
    NO_CONSENT,
    Evidence,
    decide,
    decide_all,
    find_refusal,
    may_subscribe,
    say_purpose,
)

DAY = datetime(2026, 1, 1, tzinfo=UTC)
FAR = timedelta(days=1000)


def _line(number: int, verdict: str, day: int, **more: object) -> Evidence:
    at = DAY + timedelta(days=day)
    stated = {"proof": "claimed", "purpose": "newsletter", "received_at": at + FAR, "address": "", **more}
    return Evidence(number, "email", verdict=verdict, occurred_at=at, **stated)  # type: ignore[arg-type]


lines = st.builds(
    _line,
    st.integers(1, 9),
    st.sampled_from(["given", "withdrawn"]),
    st.integers(0, 5),
    proof=st.sampled_from(["claimed", "confirmed"]),
    purpose=st.sampled_from(["newsletter", "events", "*"]),
    address=st.sampled_from(["", "a@example.org", "b@example.org"]),
    is_own=st.booleans(),
)
histories = st.lists(lines, max_size=8, unique_by=lambda line: line.id)
addresses = st.sampled_from(["", "a@example.org", "b@example.org"])


@given(histories, st.randoms(use_true_random=False), addresses)
def test_the_order_of_arrival_does_not_matter(history: list[Evidence], mixer, address: str) -> None:
    shuffled = list(history)
    mixer.shuffle(shuffled)

    assert decide(history, "email", "newsletter", address) == decide(shuffled, "email", "newsletter", address)


@given(
    histories,
    st.lists(st.builds(_line, st.integers(100, 199), st.just("given"), st.integers(0, 50)), max_size=8),
    addresses,
)
def test_no_number_of_claims_after_an_opt_out_gives_consent(
    history: list[Evidence], claims: list[Evidence], address: str
) -> None:
    opt_out = _line(99, "withdrawn", 6, purpose="*")

    decided = decide([*history, opt_out, *claims], "email", "newsletter", address)

    assert decided.status == "withdrawn"


@given(histories, lines.filter(lambda line: line.verdict == "withdrawn"), addresses)
def test_one_more_opt_out_never_gives_consent(
    history: list[Evidence], opt_out: Evidence, address: str
) -> None:
    before = may_subscribe(history, "email", "newsletter", address)

    after = may_subscribe([*history, opt_out], "email", "newsletter", address)

    assert before or not after


@given(histories, lines.filter(lambda line: not line.is_own), addresses)
def test_nobody_elses_consent_is_consent(history: list[Evidence], other: Evidence, address: str) -> None:
    nobody = [line for line in history if not (line.is_own and line.verdict == "given")]

    assert not may_subscribe([*nobody, other], "email", "newsletter", address)


@pytest.mark.parametrize(
    ("history", "status"),
    [
        ([], "none"),
        ([("given", 1, {})], "given"),
        ([("given", 1, {}), ("withdrawn", 0, {})], "withdrawn"),
        ([("withdrawn", 1, {}), ("given", 2, {"proof": "confirmed"})], "given"),
        ([("withdrawn", 2, {}), ("given", 2, {"proof": "confirmed"})], "withdrawn"),
        ([("withdrawn", 1, {"purpose": "events"}), ("given", 0, {})], "given"),
        ([("withdrawn", 1, {"purpose": "*"}), ("given", 0, {})], "withdrawn"),
        ([("given", 1, {"purpose": "events"})], "none"),
        ([("given", 0, {}), ("withdrawn", 1, {"is_own": False, "address": "a@example.org"})], "withdrawn"),
        (
            [
                ("withdrawn", 1, {"is_own": False, "address": "a@example.org"}),
                ("given", 2, {"proof": "confirmed", "address": "a@example.org"}),
            ],
            "given",
        ),
        # somebody who shares the address cannot take back one's own opt-out
        (
            [
                ("given", 0, {}),
                ("withdrawn", 1, {"address": "a@example.org"}),
                ("given", 2, {"proof": "confirmed", "address": "a@example.org", "is_own": False}),
            ],
            "withdrawn",
        ),
        # proof at another address does not open the one that opted out
        (
            [
                ("withdrawn", 1, {"address": "a@example.org"}),
                ("given", 2, {"proof": "confirmed", "address": "b@example.org"}),
            ],
            "withdrawn",
        ),
    ],
)
def test_decisions(history: list, status: str) -> None:  # type: ignore[type-arg]
    evidence = [_line(number, verdict, day, **more) for number, (verdict, day, more) in enumerate(history)]

    assert status == decide(evidence, "email", "newsletter", "a@example.org").status


def test_proof_at_the_new_address_opens_it_after_an_opt_out_at_the_old_one() -> None:
    evidence = [
        _line(1, "withdrawn", 1, address="old@example.org"),
        _line(2, "given", 2, proof="confirmed", address="new@example.org"),
    ]

    assert may_subscribe(evidence, "email", "newsletter", "new@example.org")
    assert not may_subscribe(evidence, "email", "newsletter", "old@example.org")


def test_a_senders_clock_in_the_future_does_not_outlive_a_later_opt_out() -> None:
    claimed_future = Evidence(1, "email", "newsletter", "given", "confirmed", DAY + FAR, received_at=DAY)
    opt_out = _line(2, "withdrawn", 1)

    assert decide([claimed_future, opt_out], "email", "newsletter").status == "withdrawn"


def test_the_deciding_line_and_its_proof_are_named() -> None:
    claimed, confirmed = _line(1, "given", 5), _line(2, "given", 3, proof="confirmed")

    decided = decide([claimed, confirmed], "email", "newsletter")

    assert (confirmed, "confirmed", DAY + timedelta(days=3)) == (
        decided.evidence,
        decided.proof,
        decided.decided_at,
    )
    assert NO_CONSENT.decided_at is None


def test_an_opt_out_of_everything_shows_in_every_purpose_known() -> None:
    evidence = [_line(1, "given", 1, purpose="events"), _line(2, "withdrawn", 2, purpose="*")]

    decided = decide_all(evidence, lambda kind: "")

    assert {("email", "events"): "withdrawn", ("email", "*"): "withdrawn"} == {
        pair: status.status for pair, status in decided.items()
    }


@pytest.mark.parametrize(
    ("method", "address", "expected"),
    [
        ("cleaned", "old@house.test", "withdrawn"),
        ("cleaned", "new@house.test", "given"),
        ("cleaned", "", "withdrawn"),
        ("unsubscribe", "new@house.test", "withdrawn"),
        ("abuse", "new@house.test", "withdrawn"),
    ],
)
def test_a_bounce_holds_back_its_address_an_opt_out_the_person(
    method: str, address: str, expected: str
) -> None:
    given = Evidence(1, "email", "newsletter", "given", "claimed", DAY, DAY, "old@house.test")
    left = Evidence(2, "email", "*", "withdrawn", "confirmed", DAY, DAY, "old@house.test", method)

    assert expected == decide([given, left], "email", "newsletter", address).status


def test_a_claim_does_not_count_for_as_long_as_an_opt_out_stands() -> None:
    history = [
        _line(1, "given", 0),
        _line(2, "withdrawn", 1, purpose="*"),
        _line(3, "given", 2),
        _line(4, "given", 3, proof="confirmed"),
        _line(5, "given", 4),
    ]

    refusals = [find_refusal(history, line) for line in history]

    assert [None, None, 2, None, None] == [refusal and refusal.id for refusal in refusals]


@given(histories, addresses)
def test_the_last_claim_counts_exactly_where_nothing_stands_against_it(
    history: list[Evidence], address: str
) -> None:
    last = _line(99, "given", 6)

    refusal = find_refusal([*history, last], last, address)

    decided = decide([*history, last], "email", "newsletter", address)
    assert (refusal is not None) == (decided.status == "withdrawn")
    assert refusal is None or refusal == decided.evidence


@pytest.mark.parametrize(
    ("proof", "refusal", "words"),
    [
        (
            "claimed",
            _line(1, "withdrawn", 2),
            "does not count: they opted out on 3 Jan 2026; only their own confirmation does",
        ),
        (
            "claimed",
            _line(1, "withdrawn", 2, is_own=False),
            "does not count: somebody at the same address opted out on 3 Jan 2026; only their own confirmation does",
        ),
        (
            "claimed",
            _line(1, "withdrawn", 2, method="cleaned", address="a@example.org"),
            "does not count: mail to their address bounced on 3 Jan 2026; only their own confirmation does",
        ),
        (
            "confirmed",
            _line(1, "withdrawn", 2),
            "does not count: they opted out on 3 Jan 2026, which it does not lift",
        ),
    ],
)
def test_it_is_said_why_a_statement_does_not_count(proof: str, refusal: Evidence, words: str) -> None:
    assert words == beside_claim(proof, refusal)


def test_every_purpose_is_everything_to_people() -> None:
    assert ("everything", "events") == (say_purpose("*"), say_purpose("events"))
