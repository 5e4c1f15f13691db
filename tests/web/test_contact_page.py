"""The page of a person: the way back, what does not count, where values come from."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from app.contacts.models import Consent, ConsentEvidence, StoredPatch, TimelineEntry
from tests.web.conftest import Dom, Person
from tests.web.rows import add_audience, add_contact, add_member, add_source

FORM = "https://mc.example/form?u=1&id=2"


@pytest.fixture
def opted_out(session):
    """Ana, who opted out of everything; a claim that came in later; the audience, of which she is no member yet."""
    ana = add_contact(session, add_source(session, document=""), email="ana@mail.example", last_name="López")
    now = datetime.now(UTC)
    lines = []
    for purpose, verdict, proof in (("*", "withdrawn", "confirmed"), ("newsletter", "given", "claimed")):
        lines.append(
            ConsentEvidence(
                contact_id=ana.id, channel="email", purpose=purpose, address="ana@mail.example", verdict=verdict,
                proof=proof, method="form", occurred_at=now + timedelta(seconds=len(lines)),
                received_at=now + timedelta(seconds=len(lines)),
            )
        )  # fmt: skip
    session.add_all(lines)
    session.flush()
    for purpose in ("*", "newsletter"):
        session.add(
            Consent(
                contact_id=ana.id, channel="email", purpose=purpose, status="withdrawn", proof="confirmed",
                evidence_id=lines[0].id, decided_at=now,
            )
        )  # fmt: skip
    audience = add_audience(session)
    audience.remote_schema = {"subscribe_url": FORM}
    return ana, audience


def page_of(viewer: Person, session, contact) -> str:
    session.commit()
    return viewer.get(f"/contacts/{contact.id}").text


def links(page: str) -> list[str | None]:
    return [value for tag, name, value in Dom(page).attributes if (tag, name) == ("a", "href")]


@pytest.mark.parametrize("status", ["", "unsubscribed", "archived", "forgotten"])
def test_the_page_gives_the_form_to_whom_nobody_else_can_sign_up(
    viewer: Person, session, opted_out, status: str
):
    ana, audience = opted_out
    if status:
        add_member(session, audience, ana, status)

    page = page_of(viewer, session, ana)

    assert 1 == page.count("Only the person can sign up here again. Send them this link:")
    assert [FORM] == [link for link in links(page) if link and "mc.example" in link]


def test_the_page_gives_no_form_where_it_is_no_answer(viewer: Person, session, opted_out):
    ana, audience = opted_out
    add_member(session, audience, ana, "cleaned")

    assert "Send them this link" not in page_of(viewer, session, ana)


def test_a_form_that_is_said_with_the_refusal_is_said_once(viewer: Person, session, opted_out):
    ana, audience = opted_out
    error = {
        "code": "compliance",
        "reason": "It is out.",
        "hint": f"Send them the audience's own form: {FORM}",
    }
    add_member(session, audience, ana, "unsubscribed", sync_state="failed", error=error)

    page = page_of(viewer, session, ana)

    assert "It is out." in page
    assert 1 == page.count("Send them")


@pytest.mark.parametrize("url", ["javascript:alert(1)", '"><script>alert(1)</script>'])
def test_a_form_that_is_no_web_address_is_no_link(viewer: Person, session, opted_out, url: str):
    ana, audience = opted_out
    audience.remote_schema = {"subscribe_url": url}

    page = page_of(viewer, session, ana)

    assert url in Dom(page).isolated
    assert "<script>alert" not in page
    assert not [link for link in links(page) if link and "alert" in link]


def test_every_purpose_is_called_everything(viewer: Person, session, opted_out):
    page = page_of(viewer, session, opted_out[0])

    assert "everything" in Dom(page).isolated
    assert "*" not in Dom(page).isolated


def test_a_claim_that_does_not_count_says_so_in_the_ledger(viewer: Person, session, opted_out):
    page = page_of(viewer, session, opted_out[0])

    assert any(words.startswith("does not count: they opted out on") for words in Dom(page).isolated)


def test_a_line_of_the_timeline_says_why(viewer: Person, session, opted_out):
    ana, _ = opted_out
    line = {"summary": "Mailchimp: archived in newsletter", "detail": {"reason": "no longer <fits>"}}
    session.add(TimelineEntry(contact_id=ana.id, occurred_at=datetime.now(UTC), kind="member", **line))

    page = page_of(viewer, session, ana)

    assert "no longer &lt;fits&gt;" in page


def test_a_value_that_others_repeat_comes_from_who_brought_it(viewer: Person, session, opted_out):
    ana, _ = opted_out
    again = add_source(session, "mailchimp-events", "Mailchimp", document="")
    later = datetime.now(UTC) + timedelta(seconds=5)
    patch = StoredPatch(
        contact_id=ana.id, source_id=again.id, occurred_at=later, fields={"email": "ana@mail.example"}
    )
    session.add(patch)
    session.flush()
    origin = {"patch_id": patch.id, "event_id": None, "source_id": again.id, "occurred_at": later.isoformat()}
    ana.provenance = {**ana.provenance, "email": origin}

    words = re.sub(r"<[^>]*>", "", page_of(viewer, session, ana))

    assert re.search(r"ana@mail\.example\s+Office form, .*\s+said again by Mailchimp, ", words)
    assert 1 == words.count("said again by")
