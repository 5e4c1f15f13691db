"""Sources as admins configure them."""

import pytest
from sqlalchemy import text

from app.core.audit import audit, verify_chain
from app.core.errors import ConflictError, InvalidError, NotFoundError
from app.core.models import AuditEntry
from app.sources.configure import (
    add_source,
    find_secret,
    get_source_row,
    open_secrets,
    rotate_secret,
    set_enabled,
    update_settings,
)
from app.sources.mappings import list_versions

APP_SECRET = "0123456789abcdef0123456789abcdef"


def test_a_form_gets_an_address_with_a_key_and_the_preset_mapping(session, box):
    added = add_source(session, box, "website", "my-form", {})

    assert added.hook_path == f"/hooks/my-form/{added.secret}"
    assert added.generated == {"url_key": added.secret}
    assert len(added.secret) >= 43
    assert [(version.number, version.is_in_force) for version in list_versions(session, 1)] == [(1, True)]


def test_a_standard_webhook_gets_a_whsec_secret_and_a_plain_address(session, box):
    added = add_source(session, box, "standard_webhooks", "app", {})

    assert added.hook_path == "/hooks/app"
    assert added.secret.startswith("whsec_")


def test_every_setting_that_is_wrong_is_named_at_once(session, box):
    with pytest.raises(InvalidError) as caught:
        add_source(session, box, "meta_leads", "meta", {"colour": "red", "trust": "101", "page_token": " "})

    assert [(p.path, p.code) for p in caught.value.problems] == [
        ("colour", "unknown_setting"),
        ("trust", "out_of_range"),
        ("page_token", "empty"),
        ("app_secret", "required"),
    ]
    assert "App dashboard" in caught.value.problems[3].hint


@pytest.mark.parametrize("slug", ["", "Upper", "-first", "a/b", "a b", "x" * 64, "é"])
def test_a_slug_that_is_no_slug_is_refused(session, box, slug):
    with pytest.raises(InvalidError):
        add_source(session, box, "website", slug, {})


def test_a_slug_is_taken_once_and_the_session_goes_on(session, box):
    add_source(session, box, "website", "form", {})

    with pytest.raises(ConflictError):
        add_source(session, box, "website", "form", {})
    assert add_source(session, box, "website", "other", {}).slug == "other"


def test_an_unknown_integration_names_the_known_ones(session, box):
    with pytest.raises(NotFoundError, match="website"):
        add_source(session, box, "fax", "fax", {})


def test_an_unknown_source_is_not_found(session):
    with pytest.raises(NotFoundError):
        set_enabled(session, "nobody", is_enabled=False)


def test_a_rotated_secret_leaves_the_old_one_valid_for_its_grace(session, box):
    old = add_source(session, box, "standard_webhooks", "app", {}).secret
    rotated = rotate_secret(session, box, "app", grace_seconds=60)

    assert open_secrets(session, box, 1) == {"secret": (rotated.secret, old)}
    rotate_secret(session, box, "app", grace_seconds=0)
    assert old not in open_secrets(session, box, 1)["secret"]


def test_a_rotated_key_changes_the_address(session, box):
    add_source(session, box, "website", "form", {})

    rotated = rotate_secret(session, box, "form")

    assert (
        rotated.hook_path
        == f"/hooks/form/{rotated.secret}"
        == f"/hooks/form/{find_secret(session, box, 1, 'url_key')}"
    )


def test_a_secret_the_platform_makes_must_be_given(session, box):
    add_source(session, box, "meta_leads", "meta", {"app_secret": APP_SECRET})

    with pytest.raises(InvalidError, match="made by the platform"):
        rotate_secret(session, box, "meta")
    assert rotate_secret(session, box, "meta", value="f" * 32).secret == "f" * 32
    with pytest.raises(InvalidError, match="no secret"):
        rotate_secret(session, box, "meta", "graph_version")


def test_settings_change_and_a_new_secret_takes_the_place_of_the_old(session, box):
    add_source(session, box, "meta_leads", "meta", {"app_secret": APP_SECRET})

    update_settings(
        session, box, "meta", {"graph_version": "v26.0", "app_secret": "e" * 32, "max_body_bytes": "2000"}
    )

    source = get_source_row(session, "meta")
    assert (source.settings["graph_version"], source.max_body_bytes) == ("v26.0", 2000)
    assert open_secrets(session, box, 1)["app_secret"] == ("e" * 32,)


def test_every_change_takes_a_higher_revision_and_an_audit_entry(session, box):
    add_source(session, box, "standard_webhooks", "app", {})
    revisions = [get_source_row(session, "app").revision]
    for change in (
        lambda: rotate_secret(session, box, "app"),
        lambda: set_enabled(session, "app", is_enabled=False),
        lambda: update_settings(session, box, "app", {"trust": "9"}),
    ):
        change()
        session.expire_all()
        revisions.append(get_source_row(session, "app").revision)

    actions = [entry.action for entry in session.query(AuditEntry).order_by(AuditEntry.id)]
    assert revisions == sorted(set(revisions))
    assert actions == ["mapping.publish", "source.add", "source.rotate", "source.disable", "source.set"]


def test_no_secret_stands_in_the_audit_or_in_the_open(session, box):
    secret = add_source(session, box, "meta_leads", "meta", {"app_secret": APP_SECRET}).secret
    rotated = rotate_secret(session, box, "meta", "verify_token").secret
    session.flush()

    for table in ("sources", "secrets", "audit_entries"):
        written = str(session.execute(text(f"SELECT * FROM {table}")).all())
        assert secret not in written
        assert rotated not in written


def test_the_audit_chain_shows_what_was_altered_or_removed(session):
    for number in range(4):
        audit(
            session, "ada", "source.set", "source:app", {"n": number}, {"n": number + 1, "at": "2026-01-01"}
        )
    session.flush()

    assert verify_chain(session).is_whole
    session.execute(text("UPDATE audit_entries SET after = '{}' WHERE id = 2"))
    session.expire_all()
    assert verify_chain(session).broken_id == 2
    session.execute(text("DELETE FROM audit_entries WHERE id = 2"))
    session.expire_all()
    assert verify_chain(session).broken_id == 3
