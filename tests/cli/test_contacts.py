"""`muster contacts show`: what the page of a person says, on a terminal."""

import json

import pytest
from sqlalchemy import text

from app.audiences.bootstrap import ensure_simulated_audience
from app.core.secretbox import open_box

ADA = """
WITH person AS (INSERT INTO contacts (fields) VALUES ('{"email": "ada@house.test"}') RETURNING id),
address AS (INSERT INTO identities (kind, match_value, given_value, contact_id)
            SELECT 'email', 'ada@house.test', 'ada@house.test', id FROM person),
told AS (INSERT INTO timeline_entries (contact_id, occurred_at, kind, summary, detail)
         SELECT id, now(), 'member', 'Mailchimp: archived in newsletter', '{"reason": "withdrew consent"}' FROM person),
line AS (INSERT INTO consent_evidence (contact_id, channel, purpose, address, verdict, occurred_at)
         SELECT id, 'email', '*', 'ada@house.test', 'withdrawn', now() FROM person RETURNING id, contact_id),
member AS (INSERT INTO members (audience_id, contact_id, email_address, subscriber_hash, status)
           SELECT a.id, p.id, 'ada@house.test', md5('ada@house.test'), :status FROM audiences a, person p)
INSERT INTO consents (contact_id, channel, purpose, status, proof, evidence_id, decided_at)
SELECT contact_id, 'email', '*', 'withdrawn', 'claimed', id, now() FROM line RETURNING contact_id
"""


@pytest.fixture
def add_ada(sessions, settings):
    """The built-in audience, and somebody who opted out of everything, with a status there."""

    def add(status):
        with sessions.begin() as session:
            ensure_simulated_audience(session, settings, open_box(settings))
            return str(session.scalar(text(ADA), {"status": status}))

    return add


def test_show_gives_the_form_to_whom_nobody_else_can_sign_up(call, add_ada, settings):
    ada = add_ada("unsubscribed")

    shown, told = call("contacts", "show", ada).out, json.loads(call("contacts", "show", ada, "--json").out)

    (way,) = told["ways_back"]
    assert ("newsletter", True) == (way["audience"], way["url"].startswith("http"))
    assert f"newsletter: Only the person can sign up here again. Send them this link: {way['url']}" in shown


def test_show_gives_no_form_for_an_address_that_bounced(call, add_ada):
    ada = add_ada("cleaned")

    assert [] == json.loads(call("contacts", "show", ada, "--json").out)["ways_back"]
    assert "Send them this link" not in call("contacts", "show", ada).out


def test_show_says_everything_and_why(call, add_ada):
    shown = call("contacts", "show", add_ada("unsubscribed")).out

    assert "everything" in shown
    assert "*" not in shown
    assert "Mailchimp: archived in newsletter; withdrew consent" in shown
