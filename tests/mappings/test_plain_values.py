"""Plain addresses and numbers are read by a short way, which gives what the long way gives."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.language.problems import Refused
from mappings.language.steps.contact import (
    _find_plain_email,
    _find_plain_phone,
    _read_phone,
    _validate_email,
)

LABELS = st.one_of(
    st.sampled_from(
        ["example", "xn--bcher-kva", "ab--c", "local", "arpa", "TEST", "-a", "a-", "9", "a" * 63, "b" * 64]
    ),
    st.text("abzAZ09-", min_size=1, max_size=8),
)
LOCALS = st.one_of(
    st.sampled_from(
        ["INFO", "Info", "www", "Sales.Team", "a" * 64, "b" * 65, "a..b", ".a", "a.", "o'neil", "ü"]
    ),
    st.text("abyzABYZ019_+-.!", min_size=1, max_size=12),
)
ENDINGS = st.sampled_from(
    ["com", "ORG", "test", "local", "localhost", "invalid", "onion", "arpa", "c", "c0", "1", "example", ""]
)
ADDRESSES = st.builds(
    lambda local, labels, ending: f"{local}@{'.'.join([*labels, ending])}",
    LOCALS, st.lists(LABELS, min_size=0, max_size=5), ENDINGS,
)  # fmt: skip

CODES = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)).map(str)
EXAMPLES = [
    phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    if (number := phonenumbers.example_number_for_type(region, kind))
]
NUMBERS = st.one_of(
    st.builds(lambda code, rest: f"+{code}{rest}", CODES, st.text("0123456789", max_size=13)),
    st.builds(
        lambda number, tail: number[: -len(tail)] + tail,
        st.sampled_from(EXAMPLES),
        st.text("0123456789", min_size=1, max_size=6),
    ),
)


@pytest.mark.parametrize(
    "address",
    [
        "ana@mail.example",
        "Ana.Lopez@Mail.Example",
        "a+b_c-d@x-y.co.uk",
        f"{'a' * 64}@{'b' * 63}.example",
        "o@9.example",
    ],
)
def test_the_commonest_addresses_go_the_short_way(address: str):
    assert _validate_email(address) == _find_plain_email(address)


@pytest.mark.parametrize(
    "address",
    [
        "ana@mail.local", "ana@localhost", "INFO@mail.example", "ana@xn--bcher-kva.example", "ana@mail.example\n",
        "ana@-mail.example", "ana@mail.c0", f"{'a' * 65}@mail.example", f"ana@{'b' * 64}.example", "ana@mail.example.",
        f"{'a' * 60}@{'.'.join(['b' * 60] * 4)}.example", "ana..b@mail.example", "\u0061\u0301na@mail.example",
    ],
)  # fmt: skip
def test_whatever_needs_judging_goes_the_long_way(address: str):
    assert _find_plain_email(address) is None


@settings(max_examples=300, deadline=None)
@given(ADDRESSES)
def test_the_short_way_gives_the_address_that_the_long_way_gives(address: str):
    found = _find_plain_email(address)

    assert found is None or found == _validate_email(address)


@pytest.mark.parametrize("number", ["+12025550123", "+442079460958", "+4930123456", "+390212345678"])
def test_a_number_with_its_country_is_not_parsed_unless_it_begins_like_a_trunk_call(number: str):
    begins_like_one = number.startswith("+390")

    assert begins_like_one == (_find_plain_phone(number) is None)


@pytest.mark.parametrize("number", EXAMPLES)
def test_numbers_of_every_region_read_the_same_both_ways(number: str):
    found = _find_plain_phone(number)

    assert found is None or found == phonenumbers.parse(number)


@settings(max_examples=300, deadline=None)
@given(NUMBERS, st.sampled_from([None, "US", "GB", "IT", "AR", "BR"]))
def test_the_short_way_reads_the_number_that_the_parser_reads(number: str, region: str | None):
    found = _find_plain_phone(number)

    assert found is None or found == phonenumbers.parse(number, region)
    if found is not None:
        read = _read_phone(number, region, None)
        assert isinstance(read, Refused) or read == number
