"""Which account is meant where nobody names one, a new key, and audiences that are read daily without a webhook."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.bootstrap import ensure_simulated_audience
from app.audiences.configure import default_destination, ensure_destination
from app.audiences.connect import binding
from app.audiences.models import Audience, Destination
from app.audiences.tend import refresh_schemas
from app.core.config import Settings
from app.core.db import transaction
from app.core.errors import InvalidError
from app.core.secretbox import SecretBox

KEY = "a" * 32 + "-us6"
STALE = 'UPDATE audiences SET remote_schema = remote_schema || \'{"read_at": "2026-01-01T00:00:00+00:00"}\''


def connect(session: Session, box: SecretBox, slug: str) -> None:
    """An account that an admin connected by signing in."""
    session.add(
        Destination(
            slug=slug,
            base_url="https://us6.api.mailchimp.com/3.0",
            login="oauth",
            sealed_key=box.seal("token", binding(slug)),
        )
    )
    session.flush()


def test_beside_a_connected_account_nothing_of_the_simulator_is_made(
    sessions: sessionmaker[Session], sim_settings: Settings, box: SecretBox
) -> None:
    with transaction(sessions) as session:
        connect(session, box, "college")

        made = ensure_simulated_audience(session, sim_settings, box)

        assert made is None
        assert [one.slug for one in session.query(Destination)] == ["college"]
        assert default_destination(session, box, sim_settings).slug == "college"


def test_simulated_audiences_rest_once_an_account_is_connected(
    sessions: sessionmaker[Session], sim_settings: Settings, box: SecretBox
) -> None:
    with transaction(sessions) as session:
        ensure_simulated_audience(session, sim_settings, box)
        connect(session, box, "college")

        ensure_simulated_audience(session, sim_settings, box)

        assert [one.is_enabled for one in session.query(Audience)] == [False]


def test_of_several_accounts_one_must_be_named(
    sessions: sessionmaker[Session], sim_settings: Settings, box: SecretBox
) -> None:
    with transaction(sessions) as session:
        connect(session, box, "college")
        connect(session, box, "school")

        with pytest.raises(InvalidError) as refused:
            default_destination(session, box, sim_settings)

    assert "college, school" in refused.value.hint


def test_a_key_in_the_settings_takes_the_place_of_a_token_and_ends_the_pause(
    sessions: sessionmaker[Session], sim_settings: Settings, box: SecretBox
) -> None:
    with transaction(sessions) as session:
        connect(session, box, "mailchimp")
        row = session.query(Destination).one()
        row.paused_code, row.paused_reason, row.account = "revoked", "The token is over.", {"name": "Old"}
        row.breaker = {"state": "open"}
        session.flush()

        ensure_destination(session, box, replace(sim_settings, mailchimp_api_key=KEY))

        found = (row.login, row.paused_at, row.paused_code, row.paused_reason, row.breaker, row.account)
        assert found == ("api_key", None, None, None, {}, {})
        assert box.open(row.sealed_key, binding("mailchimp")) == KEY


def test_an_audience_that_was_not_read_for_a_day_is_read_again(office: Any) -> None:
    assert refresh_schemas(office.sessions, office.connections) == 0
    office.execute(STALE)

    assert refresh_schemas(office.sessions, office.connections) == 1
    assert refresh_schemas(office.sessions, office.connections) == 0


@pytest.mark.parametrize(
    "reason", ["UPDATE audiences SET is_enabled = false", "UPDATE destinations SET paused_at = now()"]
)
def test_nobody_is_asked_who_is_off_or_paused(office: Any, simulator: Any, reason: str) -> None:
    office.execute(STALE)
    office.execute(reason)
    before = simulator.calls

    assert refresh_schemas(office.sessions, office.connections) == 0
    assert simulator.calls == before


def test_an_audience_that_cannot_be_read_pauses_itself_and_leaves_the_others(
    office: Any, simulator: Any
) -> None:
    office.execute("UPDATE audiences SET list_id = '0000000000'")
    office.execute(STALE)

    assert refresh_schemas(office.sessions, office.connections) == 0
    assert office.execute("SELECT paused_code FROM audiences")[0][0] == "gone"
