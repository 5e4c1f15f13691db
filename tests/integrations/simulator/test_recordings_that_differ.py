"""What a recording shows and the simulator would not is noticed; the command that looks for it."""

import json

import pytest

from integrations.mailchimp.simulator.replay import main
from tests.integrations.simulator.tape import ADA, GRACE, Tape


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line["resp"].update(status="cleaned"),
        lambda line: line["resp"]["merge_fields"].update(FNAME="Eve"),
        lambda line: line["resp"].update(tags_count=1),
        lambda line: line["resp"].pop("source"),
        lambda line: line["resp"].update(contact_id="f" * 32),
        lambda line: line["resp"]["_links"][0].update(href="https://elsewhere.example"),
        lambda line: line.update(status=404),
        lambda line: line["headers"].__setitem__(1, "text/html"),
    ],
)
def test_a_second_answer_that_contradicts_the_first_is_noticed(replayed, spoil):
    tape = Tape()
    tape.on("GET", ADA, tape.member(ADA)).on("GET", ADA, tape.member(ADA))
    tape.lines = json.loads(json.dumps(tape.lines))
    spoil(tape.lines[1])

    assert list(replayed(tape)) == [1]


def test_a_total_below_what_the_pages_show_is_noticed(replayed):
    tape = Tape()
    tape.page("count=10", [tape.member(ADA), tape.member(GRACE)], 1)

    assert list(replayed(tape)) == [0]


def test_an_unknown_path_is_named(replayed):
    tape = Tape().add("GET", "/3.0/ecommerce/stores", {"stores": []})

    assert replayed(tape) == {
        0: ["GET /3.0/ecommerce/stores", "the simulator knows no GET /3.0/ecommerce/stores"]
    }


def test_the_command_takes_a_file_or_the_environment(tmp_path, monkeypatch, capsys):
    path = tmp_path / "recorded.jsonl"
    path.write_text(json.dumps(Tape().missing("GET", ADA).lines[0]) + "\n")
    monkeypatch.setenv("MUSTER_RECORDED", str(path))

    codes = main([]), main([str(path)])
    monkeypatch.delenv("MUSTER_RECORDED")

    assert (codes, main([])) == ((0, 0), 2)
    assert capsys.readouterr().out == "recorded exchanges: 1 of 1 equal\n" * 2
