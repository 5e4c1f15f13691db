"""Keys as they are stored."""

import pytest

from app.inbox.received import LONGEST_KEY, StoredKey, stored_key
from integrations.kit.contract import DeliveryKey


def test_a_key_without_a_window_is_stored_as_it_is():
    assert StoredKey("msg_1") == stored_key(DeliveryKey("msg_1"), 1_000.0)


def test_a_window_is_a_bucket_of_time_in_the_key():
    assert StoredKey("abc@1", "abc@0", "abc@2", 600) == stored_key(DeliveryKey("abc", 600), 1_199.9)


@pytest.mark.parametrize("value", ["", "x" * 5000, "a\x00b", "half \ud83d", "\ufffd" * 300])
def test_any_key_fits_into_an_index_entry(value):
    key = stored_key(DeliveryKey(value), 0.0).value

    assert 0 < len(key) <= LONGEST_KEY
    assert key.encode().count(b"\x00") == 0


def test_keys_that_differ_only_where_they_are_cut_stay_different():
    one, other = (stored_key(DeliveryKey("x" * 300 + end), 0.0).value for end in ("a", "b"))

    assert one != other


def test_a_key_with_nul_is_not_the_key_that_replaces_it():
    assert stored_key(DeliveryKey("a\x00b"), 0.0) != stored_key(DeliveryKey("a\ufffdb"), 0.0)
