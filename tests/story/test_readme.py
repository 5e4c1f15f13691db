"""The README's tour does what it says, command by command."""

import os
import re
import subprocess
from pathlib import Path

from tests.kit.running import running_muster

README = Path(__file__).parents[2] / "README.md"


def tour_commands() -> str:
    """The bash blocks of the tour, as one script."""
    tour = README.read_text().split("## Five-minute tour")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"```bash\n(.*?)```", tour, re.DOTALL))


def test_the_tour_ends_with_one_contact_one_member_and_an_opt_out_that_holds(tmp_path):
    with running_muster() as muster:
        script = (
            tour_commands()
            .replace("8081", str(muster.sim_port))
            .replace("/tmp/muster-alumni", str(tmp_path / "alumni"))
        )
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=README.parent,
            env=muster.environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        contacts = muster.ask("contacts", "find", "ana.lopez@mail.example")
        assert [("Ana", "López")] == [
            (one["fields"]["first_name"], one["fields"]["last_name"]) for one in contacts
        ]
        for words in ("does not count: they opted out on", "Send them this link: http", "said again by"):
            assert words in done.stdout
        assert "unsubscribed" == muster.members()["ana.lopez@mail.example"]["status"]
        assert 2 == len(muster.ask("contacts", "find", "mail.example")) + len(
            muster.ask("contacts", "find", "bo@alumni.example")
        )
        assert "0 joiners, 0 changed, 1 unchanged, 1 invalid" in done.stdout


def test_every_file_the_readme_names_is_there():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README.read_text())

    assert links
    assert [] == [link for link in links if not (README.parent / link).exists()]


def test_the_two_commands_are_make_up_and_make_test():
    start = README.read_text().split("## Start")[1].split("\n## ")[0]

    assert ["make up\n", "make test\n"] == re.findall(r"```bash\n(.*?)```", start, re.DOTALL)
    assert {"up", "test"} <= set(
        re.findall(r"^([a-z]+):", (README.parent / "Makefile").read_text(), re.MULTILINE)
    )
    assert os.access(README.parent / ".ci" / "run", os.X_OK)
