"""The home folder is one Muster's at a time."""

import os
import stat

import pytest

from app.core.errors import BusyError, ConfigError
from app.core.home import exclusive_home, make_home


def test_a_new_home_is_closed_to_others_but_for_passing_through(tmp_path):
    home = make_home(tmp_path / "a" / "var")

    assert stat.S_IMODE(home.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)


def test_a_home_that_exists_keeps_its_mode(tmp_path):
    (tmp_path / "var").mkdir(mode=0o750)

    make_home(tmp_path / "var")

    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o750


def test_a_second_start_is_told_who_runs(tmp_path):
    with exclusive_home(tmp_path / "var"), pytest.raises(BusyError, match=f"process {os.getpid()}"):
        exclusive_home(tmp_path / "var").__enter__()


def test_a_home_is_free_again_afterwards(tmp_path):
    with exclusive_home(tmp_path / "var"):
        pass

    with exclusive_home(tmp_path / "var"):
        assert (tmp_path / "var" / "lock").read_text() == str(os.getpid())


def test_a_home_that_cannot_be_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="Muster cannot write to its home"):
        make_home(tmp_path / "file" / "var")
