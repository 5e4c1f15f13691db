"""The error table: what Mailchimp's words mean, and what is done about them."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from integrations.mailchimp.problems import (
    ACTIONS,
    RULES,
    UNKNOWN_OUTCOME,
    FieldError,
    MailchimpProblem,
    classify,
    classify_batch_error,
    problem_from_answer,
)

ROOT = Path(__file__).parents[3]
NOT_VALIDATED = (
    "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
)
# Of one who is there already: the bulk write's own words (quoted by public code, 2026-11), and those of the single one.
EXISTS_CODES = ("ERROR_CONTACT_EXISTS", "ERROR_GENERIC")
EXISTS_TEXTS = (
    "x is already a list member, do you want to update? please provide update_existing:true in the request body",
    "x is already a list member. Use PUT to insert or update list members.",
)
WORDS = [
    (
        400,
        "Member Exists",
        "ada@people.example is already a list member. Use PUT ...",
        "member_exists",
        "rekey",
    ),
    (
        400,
        "Member In Compliance State",
        "ada@people.example is in a compliance state",
        "compliance",
        "opt_out",
    ),
    (400, "Forgotten Email Not Subscribed", "was permanently deleted", "forgotten", "hosted_form"),
    (400, "Invalid Resource", "x looks fake or invalid, please enter", "fake_address", "reject_address"),
    (400, "Invalid Resource", "Please provide a valid email address.", "fake_address", "reject_address"),
    (400, "Invalid Resource", "x has signed up to a lot of lists very", "too_many_signups", "retry_tomorrow"),
    (400, "Invalid Resource", "Your merge fields were invalid.", "bad_merge_field", "drop_fields"),
    (400, "Invalid Resource", "Invalid interest ID: 'c06bb4b529'.", "interest_gone", "retry"),
    (
        400,
        "Invalid Resource",
        "Invalid marketing permission ID: '2a4819ebc7'.",
        "permission_gone",
        "drop_permissions",
    ),
    (400, "Invalid Resource", "The resource submitted could not be validated.", "bug", "give_up"),
    (400, "JSON Parse Error", "We encountered an unspecified JSON parsing error.", "bug", "give_up"),
    (401, "API Key Invalid", "Your API key may be invalid", "credentials", "pause"),
    (401, "API Key Missing", "Your request did not include an API key.", "credentials", "pause"),
    (403, "Forbidden", "You don't have permission", "credentials", "pause"),
    (403, "User Disabled", "This account has been deactivated.", "user_disabled", "pause"),
    (403, "Forbidden", "The API key provided is linked to datacenter 'us6'", "wrong_data_centre", "pause"),
    (403, "WrongDatacenter", "", "wrong_data_centre", "pause"),
    (400, "Invalid Action", "", "bug", "give_up"),
    (408, "Request Timeout", "", "outage", "retry"),
    (422, "Invalid Method Override", "", "bug", "give_up"),
    (422, "Requested Fields Invalid", "", "bug", "give_up"),
    (426, "Upgrade Required", "", "insecure", "pause"),
    (404, "Resource Not Found", "The requested resource could not be found.", "not_found", "gone"),
    (405, "Method Not Allowed", "Can not archive a contact that is bounced", "refused_archive", "done"),
    (405, "Method Not Allowed", "The requested method is not allowed", "bug", "give_up"),
    (414, "Too Long", "", "bug", "give_up"),
    (429, "Too Many Requests", "You have exceeded the limit", "throttled", "slow_down"),
    (500, "Internal Server Error", "An unexpected internal error", "outage", "retry"),
    (503, "Compliance Related", "This method has been disabled.", "disabled", "pause"),
    (504, "", "", "outage", "retry"),
]


@pytest.mark.parametrize(("status", "title", "detail", "kind", "action"), WORDS)
def test_mailchimps_words_have_a_kind_and_an_action(status, title, detail, kind, action):
    found = classify(status, title, detail)

    assert (kind, action) == (found.kind, found.action)
    assert found.sentence.endswith(".")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, "throttled"),
        (429, "throttled"),
        (404, "bad_answer"),
        (400, "bad_answer"),
        (407, "bad_answer"),
        (413, "bug"),
        (502, "outage"),
        (503, "outage"),
        (302, "bad_answer"),
    ],
)
@pytest.mark.parametrize("body", ["", "<html><h1>Access Denied</h1></html>"])
def test_an_answer_without_json_is_classified_by_its_status_alone(status, kind, body):
    assert kind == problem_from_answer(status, body, "GET /ping").kind


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ('"a@b.test" is already in this list with a status of "Deleted".', "member_exists"),
        (
            'This member\'s status is "cleaned." You can only update email addresses for members with a status of "subscribed."',
            "move_refused",
        ),
        ("Schema describes string, NULL found instead", "bug"),
        ("Data presented is not one of the accepted values: subscribed, unsubscribed, cleaned.", "bug"),
        ("Value must be one of: subscribed, unsubscribed, cleaned", "bug"),
    ],
)
def test_a_detail_that_says_nothing_leaves_it_to_the_errors(message, kind):
    detail = (
        "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
    )
    body = {
        "title": "Invalid Resource",
        "detail": detail,
        "errors": [{"field": "email address", "message": message}],
    }

    assert kind == problem_from_answer(400, body, f"PATCH {MEMBER}").kind


@pytest.mark.parametrize(
    ("field", "kind", "named"),
    [
        ("merge_fields.FNAME", "bad_merge_field", "FNAME"),
        ("merge_fields.ADDRESS.zip", "bad_merge_field", "ADDRESS"),
        ("FNAME", "bad_merge_field", "FNAME"),
        ("EMAIL", "bug", "EMAIL"),
        ("email_address", "bug", "email_address"),
        ("", "bug", ""),
    ],
)
def test_a_refusal_that_names_merge_fields_alone_is_one_of_them_in_any_language(field, kind, named):
    errors = [{"field": field, "message": "Bitte geben Sie einen Wert ein"}]
    body = {"title": "Invalid Resource", "detail": "Ihre Merge-Felder sind ungültig.", "errors": errors}

    found = problem_from_answer(400, body, f"PUT {MEMBER}")

    assert (kind, named) == (found.kind, found.errors[0].field)


@pytest.mark.parametrize(
    "text",
    [
        "The domain portion of the email address is invalid (the portion after the @: gmail.c)",
        "The username portion of the email address is invalid (the portion before the @: a.)",
        "An email address must contain a single @.",
    ],
)
def test_an_address_is_refused_in_many_words(text):
    assert ["fake_address"] * 2 == [
        classify(400, "Invalid Resource", text).kind,
        classify_batch_error("ERROR_GENERIC", text).kind,
    ]


def test_what_is_said_of_a_field_does_not_make_another_reason():
    errors = [{"field": "NOTE", "message": "It looks fake or invalid"}]
    body = {"title": "Invalid Resource", "detail": "Your merge fields were invalid.", "errors": errors}

    assert problem_from_answer(400, body, f"PATCH {MEMBER}").kind == "bad_merge_field"


MEMBER = "/lists/{list_id}/members/{subscriber_hash}"


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        (f"GET {MEMBER}", "not_found"),
        (f"PATCH {MEMBER}", "not_found"),
        (f"POST {MEMBER}/tags", "not_found"),
        (f"DELETE {MEMBER}", "not_found"),
        (f"PUT {MEMBER}", "audience_gone"),
        ("POST /lists/{list_id}", "audience_gone"),
        ("GET /lists/{list_id}", "audience_gone"),
        ("GET /lists/{list_id}/members", "audience_gone"),
        ("GET /lists/{list_id}/merge-fields", "audience_gone"),
        ("PATCH /lists/{list_id}/merge-fields/{merge_id}", "merge_field_gone"),
        ("GET /lists/{list_id}/webhooks/{webhook_id}", "not_found"),
        ("GET /ping", "not_found"),
    ],
)
def test_what_is_missing_is_told_by_the_resource(where, kind):
    body = {"title": "Resource Not Found", "detail": "The requested resource could not be found."}

    assert kind == problem_from_answer(404, body, where).kind


def test_every_action_says_what_muster_does():
    assert {rule.classification.action for rule in RULES} <= set(ACTIONS)


def test_the_page_of_errors_is_what_the_table_says():
    check = subprocess.run([sys.executable, ROOT / "tools/mailchimp_errors.py", "--check"], check=False)

    assert check.returncode == 0, "run: python tools/mailchimp_errors.py"


def test_every_status_has_a_rule():
    without = [
        (status, is_json)
        for status in range(100, 600)
        for is_json in (True, False)
        if not any(rule.fits(status, "Anything", "at all", is_json, "GET /") for rule in RULES)
    ]

    assert without == []


@pytest.mark.parametrize(
    ("code", "text", "field", "kind"),
    [
        *((code, text, "", "member_exists") for code in EXISTS_CODES for text in EXISTS_TEXTS),
        ("ERROR_GENERIC", NOT_VALIDATED, "merge_fields.FNAME", "bad_merge_field"),
        ("ERROR_GENERIC", "x is in a compliance state due to unsubscribe", "", "compliance"),
        ("ERROR_GENERIC", "x was permanently deleted and cannot be re-imported.", "", "forgotten"),
        ("ERROR_GENERIC", "x looks fake or invalid, please enter a real email address.", "", "fake_address"),
        ("ERROR_GENERIC", "Your merge fields were invalid.", "LNAME", "bad_merge_field"),
        ("ERROR_GENERIC", "LNAME must be provided - Please enter a value", "LNAME", "bad_merge_field"),
        ("ERROR_GENERIC", "Invalid interest ID: 'c06bb4b529'.", "", "interest_gone"),
        ("ERROR_GENERIC", "something new", "", "bug"),
    ],
)
def test_entries_of_a_batch_are_classified_by_code_then_text_then_field(code, text, field, kind):
    assert kind == classify_batch_error(code, text, field).kind


def test_a_problem_survives_pickling():
    problem = MailchimpProblem(
        UNKNOWN_OUTCOME, None, "Timeout", "", (FieldError("LTV", "no"),), "abc", "GET /ping"
    )

    copy = pickle.loads(pickle.dumps(problem))

    assert (problem.args, problem.kind, str(problem)) == (copy.args, copy.kind, str(copy))


def test_a_problems_text_names_fields_and_request_but_no_person():
    body = {
        "title": "Member Exists",
        "status": 400,
        "detail": "ada@people.example is already a list member.",
        "instance": "req-1",
        "errors": [{"field": "LTV", "message": "ada@people.example"}],
    }

    problem = problem_from_answer(400, body, "PUT /lists/{list_id}/members/{subscriber_hash}")

    assert "ada@" not in str(problem)
    assert str(problem).endswith("fields: LTV; request req-1")
    assert problem.detail == "ada@people.example is already a list member."
