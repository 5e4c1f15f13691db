"""Sealing, binding, rotation, hashes."""

import stat
import threading
from dataclasses import replace

import pytest

from app.core.errors import ConfigError
from app.core.secretbox import SecretBox, open_box

OLD, NEW = "o" * 40, "n" * 40


def test_what_was_sealed_opens_at_its_place():
    box = SecretBox((NEW,))

    sealed = box.seal("whsec_ä", "secret:1:signing")

    assert box.open(sealed, "secret:1:signing") == "whsec_ä"
    assert b"whsec" not in sealed


@pytest.mark.parametrize("elsewhere", ["secret:2:signing", "secret:1:token", "secret:1", ""])
def test_a_sealed_value_moved_to_another_row_does_not_open(elsewhere):
    box = SecretBox((NEW,))
    sealed = box.seal("text", "secret:1:signing")

    with pytest.raises(ConfigError, match="sealed for another place"):
        box.open(sealed, elsewhere)


@pytest.mark.parametrize(
    "damage", [lambda sealed: sealed[:-1], lambda sealed: sealed[:50] + b"A" + sealed[51:], lambda _: b""]
)
def test_a_damaged_value_does_not_open(damage):
    box = SecretBox((NEW,))
    sealed = damage(box.seal("text" * 20, "b"))

    with pytest.raises(ConfigError, match="another key"):
        box.open(sealed, "b")


def test_after_a_rotation_old_values_open_and_new_ones_need_the_new_key():
    old, rotated, new_alone = SecretBox((OLD,)), SecretBox((NEW, OLD)), SecretBox((NEW,))
    sealed = old.seal("text", "b")

    assert rotated.open(sealed, "b") == "text"
    assert new_alone.open(rotated.reseal(sealed, "b"), "b") == "text"
    with pytest.raises(ConfigError):
        new_alone.open(sealed, "b")


def test_hashes_of_erased_people_survive_a_rotation():
    before, after = SecretBox((OLD,)), SecretBox((NEW, OLD))

    assert before.keyed_hash("a@b.test") == after.keyed_hash("a@b.test")
    assert before.derive("password salt") == after.derive("password salt")


def test_hashes_depend_on_value_and_key():
    hashes = {SecretBox((key,)).keyed_hash(value) for key in (OLD, NEW) for value in ("a@b.test", "a@b.tes")}

    assert len(hashes) == 4
    assert {len(value) for value in hashes} == {32}


def test_sessions_signed_before_a_rotation_stay_readable():
    before, after = SecretBox((OLD,)), SecretBox((NEW, OLD))

    assert after.for_flask() != before.for_flask()
    assert after.for_flask_fallbacks() == [before.for_flask()]


def test_purposes_never_share_a_key():
    box = SecretBox((NEW,))

    assert len({box.for_flask(), box.derive("a"), box.derive("b"), box.keyed_hash("a").hex()}) == 4


def test_the_box_does_not_show_its_keys():
    assert NEW not in repr(SecretBox((NEW,)))


def test_a_first_start_makes_a_key_that_only_the_owner_reads(settings, tmp_path):
    fresh = replace(settings, home=tmp_path / "home", secret_key="")

    sealed = open_box(fresh).seal("text", "b")

    assert stat.S_IMODE((fresh.home / "secret.key").stat().st_mode) == 0o600
    assert open_box(fresh).open(sealed, "b") == "text"
    assert [path.name for path in fresh.home.iterdir()] == ["secret.key"]


def test_processes_that_start_together_agree_on_one_key(settings, tmp_path):
    fresh = replace(settings, home=tmp_path / "home", secret_key="")
    hashes = []
    threads = [
        threading.Thread(target=lambda: hashes.append(open_box(fresh).keyed_hash("x"))) for _ in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(hashes) == 8
    assert len(set(hashes)) == 1


def test_a_key_file_that_cannot_be_made_is_named(settings, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match=r"secret\.key cannot be read or made"):
        open_box(replace(settings, home=tmp_path / "file", secret_key=""))


def test_spaces_between_rotated_keys_do_not_matter(settings):
    box = open_box(replace(settings, secret_key=f"{NEW}, {OLD}"))

    assert box.open(SecretBox((OLD,)).seal("text", "b"), "b") == "text"
