"""What can go wrong at Mailchimp, as a table: status, title and detail decide kind, action and the admin's sentence.

Texts are Mailchimp's own where a pattern quotes one: https://mailchimp.com/developer/marketing/docs/errors/,
public issues and recorded answers (seen 2026-11). The order to look in is status, then title, then detail.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldError:
    """One entry of a problem's `errors`: the merge field's tag (or a path, or ""), and Mailchimp's sentence."""

    field: str
    message: str


# What Muster does; docs/mailchimp-errors.md is made from these sentences.
ACTIONS: Mapping[str, str] = {
    "retry": "tries again by itself, later each time",
    "slow_down": "halves the connections of the whole account, waits and tries again",
    "reread": "reads what is there now, and repeats the change where it is missing",
    "retry_tomorrow": "tries again after a day, a few times",
    "pause": "stops what is refused (the account, or this audience), raises one alert, and goes on once it is mended",
    "rekey": "addresses the member anew by its e-mail address, and updates it",
    "opt_out": "notes the opt-out and writes nothing that would subscribe",
    "hosted_form": "stops for this person and shows the link of Mailchimp's form",
    "reject_address": "stops for this person until the address is corrected",
    "drop_fields": "sends everything but the refused fields, and names them to the admin",
    "drop_permissions": "sends everything but the permissions, and from then on leaves out what is not there",
    "gone": "creates it again where consent allows, otherwise lets it be",
    "done": "nothing: it is as it should be",
    "give_up": "sets the change aside as a dead letter",
}


@dataclass(frozen=True, slots=True)
class Classification:
    """What a failure is, what to do about it (a key of ACTIONS), and what to tell the admin."""

    kind: str
    action: str
    sentence: str


OUTAGE = Classification(
    "outage", "retry", "Mailchimp is not answering properly; Muster tries again by itself."
)
UNKNOWN_OUTCOME = Classification(
    "unknown_outcome",
    "reread",
    "The connection broke before Mailchimp answered, so the change may or may not be there; Muster looks again and repeats it.",
)
THROTTLED = Classification(
    "throttled",
    "slow_down",
    "Mailchimp asks for fewer requests at a time; Muster slows down and tries again by itself.",
)
CREDENTIALS = Classification(
    "credentials",
    "pause",
    "Mailchimp does not accept the API key. Check in Mailchimp under Profile > Extras > API keys that it exists, then set it again.",
)
NO_PERMISSION = Classification(
    "credentials",
    "pause",
    "Mailchimp refuses this account or key. Sign in to Mailchimp to see whether the account is open and the key belongs to it.",
)
REVOKED = Classification(
    "revoked",
    "pause",
    "The Mailchimp account no longer lets Muster in: the permission was withdrawn, or its user left. Connect the account again.",
)
USER_DISABLED = Classification(
    "user_disabled",
    "pause",
    "Mailchimp has closed this account or user. Sign in to Mailchimp: a notice there says why and what opens it again.",
)
WRONG_DATA_CENTRE = Classification(
    "wrong_data_centre",
    "pause",
    "The API key belongs to another data centre than the base URL. The part of the key after its dash names the right one; take MAILCHIMP_BASE_URL out or correct it.",
)
INSECURE = Classification(
    "insecure",
    "pause",
    "Mailchimp wants a newer encryption (TLS 1.2 or later) than this machine, or a proxy in between, offers. Update it.",
)
METHOD_DISABLED = Classification(
    "disabled",
    "pause",
    "Mailchimp has stopped this function for the account. Sign in to Mailchimp: a notice there says why.",
)
MEMBER_EXISTS = Classification(
    "member_exists", "rekey", "Mailchimp already has a member with this address; Muster updates that one."
)
# Quoted in public code and issues: https://github.com/ibericode/mailchimp-user-sync/issues/96 (seen 2026-11).
MOVE_REFUSED = Classification(
    "move_refused",
    "rekey",
    "Mailchimp gives another address only to somebody who is subscribed. Muster makes a member at the new one; the old one stays as it is.",
)
COMPLIANCE = Classification(
    "compliance",
    "opt_out",
    "This address unsubscribed, bounced or complained, and Mailchimp does not let others subscribe it. Only the person can, by Mailchimp's form.",
)
FORGOTTEN = Classification(
    "forgotten",
    "hosted_form",
    "This address was permanently deleted from the audience. Only the person can come back, by Mailchimp's form.",
)
FAKE_ADDRESS = Classification(
    "fake_address",
    "reject_address",
    "Mailchimp does not accept this address: it looks fake or is misspelt. Correct it.",
)
TOO_MANY_SIGNUPS = Classification(
    "too_many_signups",
    "retry_tomorrow",
    "Mailchimp saw this address sign up in many places lately and wants some days' pause; Muster tries again later.",
)
BAD_MERGE_FIELD = Classification(
    "bad_merge_field",
    "drop_fields",
    "Mailchimp refused a merge field's value. The other fields were sent without it; correct the value or the field's type.",
)
NOT_FOUND = Classification("not_found", "gone", "Mailchimp does not have this member (any more).")
AUDIENCE_GONE = Classification(
    "audience_gone",
    "pause",
    "Mailchimp no longer has this audience, or the account may not see it. Choose another audience, or remove it from Muster.",
)
MERGE_FIELD_GONE = Classification(
    "merge_field_gone",
    "gone",
    "Mailchimp no longer has this merge field. Make it again, or take it out of the audience's mapping.",
)
# "Invalid interest ID: 'c06bb4b529'.", and the whole call is refused: https://github.com/drewm/mailchimp-api/issues/294
INTEREST_GONE = Classification(
    "interest_gone",
    "retry",
    "Mailchimp no longer has an interest (an option of a group) that Muster sets, and refuses whatever names it. Muster reads the audience again and goes on without.",
)
# Its wording is not recorded; like the one of an interest, which is. No call lists the permissions of an audience.
PERMISSION_GONE = Classification(
    "permission_gone",
    "drop_permissions",
    "Mailchimp does not know a marketing permission that Muster sets, and refuses whatever names it. The rest was sent without; take it out of the audience's settings, or correct its id.",
)
REFUSED_ARCHIVE = Classification(
    "refused_archive",
    "done",
    "The member was already out of the audience (archived, bounced or never confirmed).",
)
LOGIN_REFUSED = Classification(
    "login_refused",
    "give_up",
    "Mailchimp did not complete the login. Start it again, and check that the client id, its secret and the redirect address are those of the registered app.",
)
BAD_ANSWER = Classification(
    "bad_answer",
    "retry",
    "Something answered that is not Mailchimp's API; check the base URL and any proxy in between.",
)
BUG = Classification(
    "bug",
    "give_up",
    "Mailchimp did not understand what Muster sent. This is a defect of Muster: please report it.",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: None matches anything; detail is searched, not matched whole."""

    statuses: range
    title: str | None
    detail: str | None
    is_json: bool | None
    classification: Classification
    where: str | None = None  # method and resource, such as "GET /lists/{list_id}"

    def fits(self, status: int, title: str, detail: str, is_json: bool, where: str) -> bool:
        return (
            status in self.statuses
            and (self.is_json is None or self.is_json == is_json)
            and (self.where is None or re.fullmatch(self.where, where) is not None)
            and (self.title is None or self.title.casefold() == title.casefold())
            and (self.detail is None or re.search(self.detail, detail, re.IGNORECASE) is not None)
        )


def _rule(
    status: int,
    title: str | None,
    detail: str | None,
    classification: Classification,
    *,
    until: int = 0,
    is_json: bool | None = None,
    where: str | None = None,
) -> Rule:
    return Rule(range(status, (until or status) + 1), title, detail, is_json, classification, where)


# A detail that leaves the reason to the entries of `errors`, which then are looked through as well.
SAYS_NOTHING = "could not be validated"
# Texts that classify an entry of a batch answer, where ERROR_GENERIC is all the code there is, and Invalid Resource.
DETAILS: tuple[tuple[str, Classification], ...] = (
    (r"is in a compliance state", COMPLIANCE),
    (r"was permanently deleted and cannot be re-imported", FORGOTTEN),
    (r"is already a list member", MEMBER_EXISTS),
    # To a member that is to have another one's address: recorded 2021, and https://github.com/brandonseydel/MailChimp.Net/issues/201
    (r"is already in this list", MEMBER_EXISTS),
    (r"only update email addresses for members", MOVE_REFUSED),
    (r"looks fake or invalid", FAKE_ADDRESS),
    (r"provide a valid email address", FAKE_ADDRESS),
    # "The domain portion of the email address is invalid (the portion after the @: gmail.c)", as its sign-up form has it.
    (r"portion of the email address is invalid", FAKE_ADDRESS),
    (r"must contain a single @", FAKE_ADDRESS),
    (r"signed up to a lot of lists", TOO_MANY_SIGNUPS),
    (r"merge fields were invalid", BAD_MERGE_FIELD),
    (r"invalid interest id", INTEREST_GONE),
    (r"marketing.permission", PERMISSION_GONE),
)

# What names a merge field in `errors`: its tag, or where a value does not fit the schema, its path in the body.
MERGE_TAG = re.compile(r"[A-Z0-9_]{1,10}")
MERGE_PATH = re.compile(r"merge_fields\.([^.]+)(\..*)?")
PERMISSION_PATH = re.compile(r"marketing_permissions\b.*")

# A 404 does not say what is missing: the resource does. A PUT makes the member, so what it misses is the audience.
OF_AUDIENCE = r"(\w+ /lists/\{list_id\}(/[a-z-]+)?|PUT /lists/\{list_id\}/members/\{subscriber_hash\})"
OF_MERGE_FIELD = r"\w+ /lists/\{list_id\}/merge-fields/\{merge_id\}"

RULES: tuple[Rule, ...] = (
    _rule(400, "Member Exists", None, MEMBER_EXISTS),
    _rule(400, "Member In Compliance State", None, COMPLIANCE),
    _rule(400, "Forgotten Email Not Subscribed", None, FORGOTTEN),
    *(_rule(400, None, pattern, found) for pattern, found in DETAILS),
    _rule(400, "Invalid Resource", SAYS_NOTHING, BUG),
    _rule(400, "JSON Parse Error", None, BUG),
    _rule(400, "Invalid Action", None, BUG),
    _rule(401, None, None, CREDENTIALS),
    # "403 with no JSON body" is the edge's throttle: https://github.com/drewm/mailchimp-api/issues/327
    _rule(403, None, None, THROTTLED, is_json=False),
    _rule(403, "WrongDatacenter", None, WRONG_DATA_CENTRE),
    _rule(403, None, r"linked to datacenter", WRONG_DATA_CENTRE),
    _rule(403, "User Disabled", None, USER_DISABLED),
    _rule(403, "Compliance Related", None, METHOD_DISABLED),
    _rule(403, None, None, NO_PERMISSION),
    _rule(404, None, None, MERGE_FIELD_GONE, is_json=True, where=OF_MERGE_FIELD),
    _rule(404, None, None, AUDIENCE_GONE, is_json=True, where=OF_AUDIENCE),
    _rule(404, None, None, NOT_FOUND, is_json=True),
    _rule(404, None, None, BAD_ANSWER),
    _rule(405, None, r"Can not archive a contact", REFUSED_ARCHIVE),
    _rule(408, None, None, OUTAGE),
    _rule(414, None, None, BUG),
    _rule(422, "Invalid Method Override", None, BUG),
    _rule(422, "Requested Fields Invalid", None, BUG),
    _rule(426, None, None, INSECURE),
    _rule(429, None, None, THROTTLED),
    _rule(503, "Compliance Related", None, METHOD_DISABLED),
    _rule(500, None, None, OUTAGE, until=599),
    # Too long is what was sent, whoever says so; every other refusal without JSON is a proxy's or the edge's ("400 Bad
    # Request, openresty"), and says nothing about the change.
    _rule(413, None, None, BUG),
    _rule(400, None, None, BAD_ANSWER, until=499, is_json=False),
    _rule(400, None, None, BUG, until=499),
    # A success without JSON, a redirect, or an answer cut short.
    _rule(200, None, r"cut short", UNKNOWN_OUTCOME, until=299),
    _rule(100, None, None, BAD_ANSWER, until=399),
)


def classify(
    status: int, title: str = "", detail: str = "", *, is_json: bool = True, where: str = ""
) -> Classification:
    """The table's answer for a failed call; every status has one. `where` is the method and the resource."""
    found = (rule.classification for rule in RULES if rule.fits(status, title, detail, is_json, where))
    return next(found, OUTAGE)


def classify_batch_error(code: str, text: str, field: str = "") -> Classification:
    """The table's answer for one entry of `errors` of POST /lists/{id}."""
    if code == "ERROR_CONTACT_EXISTS":
        return MEMBER_EXISTS
    for pattern, classification in DETAILS:
        if re.search(pattern, text, re.IGNORECASE):
            return classification
    return BAD_MERGE_FIELD if field else BUG


class MailchimpProblem(Exception):  # noqa: N818 - a problem, as its own documents call it
    """A call that did not succeed, by kind. Its text names no person and no key; `detail` may name an address."""

    def __init__(  # noqa: PLR0917 - pickling passes them by position
        self,
        classification: Classification,
        status: int | None = None,
        title: str = "",
        detail: str = "",
        errors: tuple[FieldError, ...] = (),
        instance: str = "",
        where: str = "",
    ) -> None:
        super().__init__(classification, status, title, detail, errors, instance, where)
        self.classification = classification
        self.status, self.title, self.detail = status, title, detail
        self.errors, self.instance, self.where = errors, instance, where

    @property
    def kind(self) -> str:
        return self.classification.kind

    @property
    def action(self) -> str:
        return self.classification.action

    @property
    def sentence(self) -> str:
        return self.classification.sentence

    def __str__(self) -> str:
        fields = ", ".join(error.field for error in self.errors if error.field)
        parts = (
            f"{self.status or 'no answer'} {self.title}".strip(),
            f"at {self.where}" if self.where else "",
            f"fields: {fields}" if fields else "",
            f"request {self.instance}" if self.instance else "",
        )
        return f"Mailchimp {self.kind}: " + "; ".join(part for part in parts if part)


def problem_from_answer(
    status: int, body: Any, where: str, clean: Callable[[str], str] = str
) -> MailchimpProblem:
    """The problem that an answer stands for; `body` is the parsed JSON, or text where it was none."""
    if not isinstance(body, Mapping):
        text = clean(str(body or ""))[:200]
        return MailchimpProblem(
            classify(status, "", text, is_json=False, where=where), status, "", text, (), "", where
        )
    title, detail = clean(str(body.get("title") or "")), clean(str(body.get("detail") or ""))
    errors = _field_errors(body.get("errors"), clean)
    said = " ".join((detail, *(one.message for one in errors))) if SAYS_NOTHING in detail else detail
    found = classify(status, title, said, is_json=bool(title), where=where)
    return MailchimpProblem(
        _by_fields(errors) if found is BUG else found,
        status,
        title,
        detail,
        errors,
        str(body.get("instance") or ""),
        where,
    )


def _by_fields(errors: tuple[FieldError, ...]) -> Classification:
    """What is refused where the sentences say nothing: the entries name it."""
    if errors and all(PERMISSION_PATH.fullmatch(one.field) for one in errors):
        return PERMISSION_GONE
    return BAD_MERGE_FIELD if _names_merge_fields(errors) else BUG


def _names_merge_fields(errors: tuple[FieldError, ...]) -> bool:
    """Whether merge fields are all that is refused, in whatever language; `EMAIL` is the member's address."""
    return bool(errors) and all(MERGE_TAG.fullmatch(one.field) and one.field != "EMAIL" for one in errors)


def _field_errors(errors: Any, clean: Callable[[str], str]) -> tuple[FieldError, ...]:
    if not isinstance(errors, list):
        return ()
    return tuple(
        FieldError(_field_name(str(error.get("field") or "")), clean(str(error.get("message") or "")))
        for error in errors
        if isinstance(error, Mapping)
    )


def _field_name(field: str) -> str:
    """`merge_fields.ADDRESS.zip` is a value of the merge field ADDRESS."""
    path = MERGE_PATH.fullmatch(field)
    return path[1] if path else field
