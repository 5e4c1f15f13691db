"""A list run on a real database: it says what it will do, does exactly that, and a second run is quiet."""

import csv

import pytest
from sqlalchemy import text

from app.contacts.erase import erase_contact
from app.core.errors import ConflictError, InvalidError
from app.core.runtime import Runtime
from app.lists.run import ListWish, apply_run, plan_run

HEADER = "First name,Last name,Email,Class year,Newsletter\n"
ROWS = "Ana,López,Ana@alumni.example,1998,yes\nBo,Karlsson,bo@alumni.example,2001,\n"


@pytest.fixture
def runtime(settings, sessions):
    runtime = Runtime(settings)
    yield runtime
    runtime.engine.dispose()


def run(runtime, path, *, dry=False, preset="plain_sheet", slug="alumni"):
    wish = ListWish(path, preset, slug, path.with_suffix(".invalid.csv"), is_dry_run=dry)
    plan = plan_run(runtime, wish, lambda *_: None)
    return plan, None if dry else apply_run(runtime, plan, wish, lambda *_: None)


def count(runtime, table):
    with runtime.transaction() as session:
        return session.execute(text(f"SELECT count(*) FROM {table}")).scalar()


def write(path, *parts):
    path.write_text("".join(parts), encoding="utf-8")
    return path


def test_a_dry_run_says_everything_and_writes_nothing(runtime, tmp_path):
    sheet = write(tmp_path / "a.csv", HEADER, ROWS)

    plan, _ = run(runtime, sheet, dry=True)

    assert (2, 2, 0, 0, 0) == tuple(
        plan.counts[name] for name in ("read", "joiners", "changed", "unchanged", "invalid")
    )
    assert [0, 0, 0] == [count(runtime, table) for table in ("contacts", "events", "list_rows")]


def test_a_second_run_of_the_same_file_writes_nothing(runtime, tmp_path):
    sheet = write(tmp_path / "a.csv", HEADER, ROWS)
    run(runtime, sheet)
    before = [
        count(runtime, table) for table in ("contacts", "events", "contact_patches", "timeline_entries")
    ]

    _, counts = run(runtime, sheet)

    assert (0, 0, 2, 0) == tuple(
        counts[name] for name in ("joiners", "changed", "unchanged", "contacts_changed")
    )
    assert before == [
        count(runtime, table) for table in ("contacts", "events", "contact_patches", "timeline_entries")
    ]


def test_only_the_row_that_changed_is_written(runtime, tmp_path):
    run(runtime, write(tmp_path / "a.csv", HEADER, ROWS))

    _, counts = run(runtime, write(tmp_path / "b.csv", HEADER, ROWS.replace("2001", "2002")))

    assert (0, 1, 1, 1) == tuple(
        counts[name] for name in ("joiners", "changed", "unchanged", "contacts_changed")
    )
    assert 2 == count(runtime, "contacts")


def test_what_is_wrong_is_named_by_line_column_value_and_reason(runtime, tmp_path):
    sheet = write(tmp_path / "a.csv", HEADER, ROWS, "Cy,Diaz,=not-an-address,1999,yes\n", "too,few\n")

    plan, counts = run(runtime, sheet)

    rows = list(csv.DictReader(plan.report_path.read_text(encoding="utf-8").splitlines()))
    assert 2 == counts["invalid"]
    assert {"4", "5"} == {row["line"] for row in rows}
    bad = next(row for row in rows if row["line"] == "4")
    assert "'=not-an-address" == bad["value"]
    assert bad["column"]
    assert bad["reason"]


def test_consent_comes_from_a_consent_column_only(runtime, tmp_path):
    run(runtime, write(tmp_path / "a.csv", HEADER, ROWS))

    with runtime.transaction() as session:
        given = session.execute(text("SELECT count(*) FROM consents WHERE status = 'given'")).scalar()
    assert 1 == given


def test_an_erased_person_stays_out_of_every_later_run(runtime, tmp_path):
    sheet = write(tmp_path / "a.csv", HEADER, ROWS)
    run(runtime, sheet)
    with runtime.transaction() as session:
        contact_id = session.execute(
            text("SELECT id FROM contacts WHERE fields ->> 'first_name' = 'Ana'")
        ).scalar()
        erase_contact(session, contact_id, runtime.box, "asked")

    run(runtime, sheet)

    with runtime.transaction() as session:
        assert (
            0 == session.execute(text("SELECT count(*) FROM list_rows WHERE row_key ILIKE '%ana@%'")).scalar()
        )
        assert (
            0
            == session.execute(
                text("SELECT count(*) FROM events WHERE content::text ILIKE '%ana@%'")
            ).scalar()
        )
        assert 1 == session.execute(text("SELECT count(*) FROM contacts WHERE state = 'active'")).scalar()


def test_a_file_that_no_rule_reads_is_refused_with_the_next_step(runtime, tmp_path):
    with pytest.raises(InvalidError, match="reads none of its columns") as refused:
        run(runtime, write(tmp_path / "a.csv", "foo,bar\n1,2\n"))

    assert "--preset" in refused.value.hint


def test_a_raisers_edge_export_is_read_by_its_preset(runtime, tmp_path):
    header = "ID,Last Name,First Name,Maiden Name,CL YR,Email,Phone,Solicit Code,Solicit Code_1\n"
    rows = "A-1,Karlsson,Bo,,'98,bo@alumni.example,,,\nA-2,Diaz,Cy,,2001,cy@alumni.example,,Do Not Email,\n"

    _, counts = run(runtime, write(tmp_path / "re.csv", header, rows), preset="raisers_edge")

    assert (2, 0) == (counts["joiners"], counts["invalid"])
    with runtime.transaction() as session:
        found = session.execute(
            text(
                "SELECT c.fields ->> 'class_year', k.status FROM contacts c LEFT JOIN consents k ON k.contact_id = c.id ORDER BY 1"
            )
        ).all()
    assert [("1998", None), ("2001", "withdrawn")] == [(row[0], row[1]) for row in found]


def test_a_platforms_source_is_no_list(runtime, tmp_path):
    with runtime.transaction() as session:
        session.execute(text("INSERT INTO sources (slug, integration) VALUES ('form', 'website')"))

    with pytest.raises(ConflictError, match="not a list"):
        run(runtime, write(tmp_path / "a.csv", HEADER, ROWS), slug="form")


def test_every_sheet_of_the_corpus_is_read_or_refused_with_a_sentence(shared, runtime, tmp_path):
    import base64
    import json

    for line in (shared / "corpora" / "csv.jsonl").read_text().splitlines():
        case = json.loads(line)
        sheet = tmp_path / "case.csv"
        sheet.write_bytes(case["text"].encode() if "text" in case else base64.b64decode(case["b64"]))
        try:
            run(runtime, sheet, dry=True)
        except InvalidError as refused:
            assert refused.message, case["id"]
            assert refused.hint, case["id"]
