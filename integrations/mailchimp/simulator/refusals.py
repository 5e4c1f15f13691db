"""The simulator's refusals: Mailchimp's titles and sentences, word for word where they are known."""

import json
from collections.abc import Iterable
from typing import Any

TYPE = "https://mailchimp.com/developer/marketing/docs/errors/"
FieldErrors = tuple[tuple[str, str], ...]
# Of a merge field's value that is no text, number or object: https://github.com/VingtCinq/python-mailchimp/issues/146 (a boolean)
NO_SCHEMA_FITS = "Data did not match any of the schemas described in anyOf."
# Quoted by a public plugin of what is required and empty (2026-11); that a name is refused with it is inferred.
BLANK = "This value should not be blank."


class Refusal(Exception):  # noqa: N818 - an answer, not a defect
    """An answer of 4xx or 5xx. Some real ones lack `type`, although the definition requires it."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        errors: FieldErrors = (),
        *,
        has_type: bool = True,
        allow: str = "",
    ) -> None:
        super().__init__(f"{status} {title}")
        self.status, self.title, self.detail = status, title, detail
        self.errors, self.has_type, self.allow = errors, has_type, allow

    def text(self, instance: str) -> str:
        return json.dumps(self.body(instance))

    def body(self, instance: str) -> dict[str, Any]:
        body: dict[str, Any] = {"type": TYPE} if self.has_type else {}
        body |= {"title": self.title, "status": self.status, "detail": self.detail, "instance": instance}
        if self.errors:
            body["errors"] = [{"field": field, "message": message} for field, message in self.errors]
        return body


def not_found() -> Refusal:
    return Refusal(404, "Resource Not Found", "The requested resource could not be found.")


def member_exists(email: str) -> Refusal:
    detail = f"{email} is already a list member. Use PUT to insert or update list members."
    return Refusal(400, "Member Exists", detail, has_type=False)


def address_taken(email: str, word: str) -> Refusal:
    """What a member is told who is to have an address that another one has."""
    return not_validated(("email address", f'"{email}" is already in this list with a status of "{word}".'))


def only_subscribed_move(status: str) -> Refusal:
    message = f'This member\'s status is "{status}." You can only update email addresses for members with a status of "subscribed."'
    return not_validated(("email address", message))


def already_in_batch(email: str) -> str:
    """What POST /lists/{id} without update_existing says of a known address: five public repositories quote it (2026-11)."""
    return (
        f"{email} is already a list member, do you want to update?"
        " please provide update_existing:true in the request body"
    )


def compliance(email: str) -> Refusal:
    detail = f"{email} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
    return Refusal(400, "Member In Compliance State", detail, has_type=False)


def forgotten(email: str) -> Refusal:
    detail = (
        f"{email} was permanently deleted and cannot be re-imported."
        " The contact must re-subscribe to get back on the list."
    )
    return Refusal(400, "Forgotten Email Not Subscribed", detail, has_type=False)


def invalid(detail: str) -> Refusal:
    return Refusal(400, "Invalid Resource", detail)


def fake(email: str) -> Refusal:
    return invalid(f"{email} looks fake or invalid, please enter a real email address.")


def bad_address() -> Refusal:
    return invalid("Please provide a valid email address.")


def too_many_signups(email: str) -> Refusal:
    return invalid(
        f"{email} has signed up to a lot of lists very recently; we're not allowing more signups for now"
    )


def bad_merge_fields(errors: FieldErrors) -> Refusal:
    return Refusal(400, "Invalid Resource", "Your merge fields were invalid.", errors)


def not_validated(*errors: tuple[str, str]) -> Refusal:
    detail = (
        "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
    )
    return Refusal(400, "Invalid Resource", detail, tuple(errors))


def not_accepted(values: Iterable[str]) -> str:
    """What is said of a value outside an enumeration: quoted of a member's status by two public repositories (2026-11)."""
    return f"Data presented is not one of the accepted values: {', '.join(values)}."


def bad_json() -> Refusal:
    return Refusal(400, "JSON Parse Error", "We encountered an unspecified JSON parsing error.")


def cannot_archive() -> Refusal:
    detail = (
        "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived"
    )
    return Refusal(405, "Method Not Allowed", detail, allow="GET, PUT")


def method_not_allowed(allow: str) -> Refusal:
    detail = (
        "The requested method and resource are not compatible."
        " See the Allow header for this resource's available methods."
    )
    return Refusal(405, "Method Not Allowed", detail, allow=allow)


def key_missing() -> Refusal:
    return Refusal(401, "API Key Missing", "Your request did not include an API key.")


def key_invalid() -> Refusal:
    detail = "Your API key may be invalid, or you've attempted to access the wrong datacenter."
    return Refusal(401, "API Key Invalid", detail)


def wrong_datacenter(centre: str) -> Refusal:
    return Refusal(403, "WrongDatacenter", f"The API key provided is linked to datacenter '{centre}'")


def user_disabled() -> Refusal:
    return Refusal(403, "User Disabled", "This account has been deactivated.")


def forbidden() -> Refusal:
    return Refusal(403, "Forbidden", "You don't have permission to access the requested resource.")


def too_many_connections() -> Refusal:
    return Refusal(429, "Too Many Requests", "You have exceeded the limit of 10 simultaneous connections.")


def too_many_batches(count: int) -> Refusal:
    return Refusal(429, "Too Many Requests", f"You have more than {count} pending batches.")


def bad_override() -> Refusal:
    detail = "The X-HTTP-Method-Override header can only be used with the POST method."
    return Refusal(422, "Invalid Method Override", detail)


def server_error() -> Refusal:
    detail = "An unexpected internal error has occurred. Please contact Support for more information."
    return Refusal(500, "Internal Server Error", detail)


def bad_gateway() -> Refusal:
    return Refusal(502, "Bad Gateway", "The server behind did not answer as it should.")


def unavailable() -> Refusal:
    return Refusal(503, "Service Unavailable", "The service is unavailable for the moment.")


def gateway_timeout() -> Refusal:
    return Refusal(504, "Gateway Timeout", "The server behind did not answer in time.")


def method_disabled() -> Refusal:
    return Refusal(503, "Compliance Related", "This method has been disabled.")
