"""GET /lists/{id}/members: filters, order and pages, remembered per filter while nothing changes."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.member import Member, unique_id_of
from integrations.mailchimp.simulator.refusals import not_validated
from integrations.mailchimp.simulator.world import World

MAX_COUNT = 1000
DEFAULT_COUNT = 10
REMEMBERED_LISTINGS = 8
STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")
SORTS: Mapping[str, Callable[[Member], int]] = {
    "last_changed": lambda member: member.changed_at,
    "timestamp_opt": lambda member: member.opt_at,
    "timestamp_signup": lambda member: member.signup_at,
}
# parameter -> what is compared, and whether the bound is the lower one
BOUNDS: Mapping[str, tuple[Callable[[Member], int], bool]] = {
    "since_last_changed": (lambda member: member.changed_at, True),
    "before_last_changed": (lambda member: member.changed_at, False),
    "since_timestamp_opt": (lambda member: member.opt_at, True),
    "before_timestamp_opt": (lambda member: member.opt_at, False),
    "unsubscribed_since": (lambda member: member.unsubscribed_at, True),
}
MATCHES = ("any", "all", "none")
LONG_FRACTION = re.compile(r"\.\d{7,}")
NOT_FILTERS = frozenset({"count", "offset", "fields", "exclude_fields"})
Test = Callable[[Member], bool]


def read_count(query: Mapping[str, str], max_count: int = MAX_COUNT) -> tuple[int, int]:
    """`count` and `offset`, or a refusal."""
    found = []
    for name, default in (("count", DEFAULT_COUNT), ("offset", 0)):
        text = query.get(name, str(default))
        if not re.fullmatch(r"\d{1,9}", text):
            raise not_validated((name, "Schema describes integer, string found instead"))
        found.append(int(text))
    if found[0] > max_count:
        raise not_validated(("count", f"Number must be at most {max_count}"))
    return found[0], found[1]


def read_moment(name: str, text: str) -> float | None:
    """Epoch seconds; None where the real API ignores the filter: a fraction of 7 digits and more gave everyone."""
    if LONG_FRACTION.search(text):
        return None
    try:
        found = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise not_validated((name, "Please enter a valid date")) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def read_order(
    query: Mapping[str, str], names: tuple[str, ...], default: str = "ASC"
) -> tuple[str | None, bool]:
    """`sort_field`, and whether the last comes first."""
    sort, direction = query.get("sort_field"), query.get("sort_dir", default).upper()
    if sort is not None and sort not in names:
        raise not_validated(("sort_field", "Value must be one of: " + ", ".join(names)))
    if direction not in {"ASC", "DESC"}:
        raise not_validated(("sort_dir", "Value must be one of: ASC, DESC"))
    return sort, direction == "DESC"


def _bound(name: str, moment: float) -> Test:
    value, is_lower = BOUNDS[name]
    return (lambda member: value(member) >= moment) if is_lower else (lambda member: value(member) < moment)


def _tests(world: World, audience: Audience, query: Mapping[str, str]) -> list[Test]:
    tests = _status_tests(world, query)
    for name in BOUNDS:
        moment = read_moment(name, query[name]) if query.get(name) else None
        if moment is not None:
            tests.append(_bound(name, moment))
    if query.get("vip_only") == "true":
        tests.append(lambda member: member.is_vip)
    if query.get("email_type"):
        tests.append(lambda member: member.email_type == query["email_type"])
    if query.get("unique_email_id"):
        tests.append(lambda member: _unique_id(member) == query["unique_email_id"])
    if query.get("interest_category_id") or query.get("interest_ids"):
        tests.append(_interest_test(audience, query))
    return tests


def _status_tests(world: World, query: Mapping[str, str]) -> list[Test]:
    status = query.get("status")
    if "unsubscribed_since" in query and status != "unsubscribed":
        raise not_validated(("unsubscribed_since", "This filter needs the status unsubscribed"))
    if "since_last_campaign" in query and status is None:
        raise not_validated(("since_last_campaign", "This filter needs a status"))
    if status is not None:
        if status not in STATUSES:
            raise not_validated(("status", "Value must be one of: " + ", ".join(STATUSES)))
        return [lambda member: member.status == status]
    return [] if world.switches.are_archived_listed else [lambda member: member.status != "archived"]


def _interest_test(audience: Audience, query: Mapping[str, str]) -> Test:
    """The three parameters belong together, says the definition."""
    names = ("interest_category_id", "interest_ids", "interest_match")
    missing = [name for name in names if not query.get(name)]
    if missing:
        raise not_validated(*((name, "The interest filters need each other") for name in missing))
    category, match = query["interest_category_id"], query["interest_match"]
    if match not in MATCHES:
        raise not_validated(("interest_match", "Value must be one of: " + ", ".join(MATCHES)))
    wanted = {one.strip() for one in query["interest_ids"].split(",") if one.strip()}
    if any(
        one not in audience.interests or audience.interests[one].category_id != category for one in wanted
    ):
        raise not_validated(("interest_ids", "No such interest in this category"))
    if match == "all":
        return lambda member: wanted.issubset(member.interests)
    return lambda member: wanted.isdisjoint(member.interests) == (match == "none")


def _unique_id(member: Member) -> str:
    return member.unique_id or unique_id_of(member.email)


def list_members(world: World, audience: Audience, query: Mapping[str, str]) -> tuple[list[Member], int]:
    """One page, and how many fit the filters altogether."""
    count, offset = read_count(query)
    filters = tuple(sorted((name, text) for name, text in query.items() if name not in NOT_FILTERS))
    key: tuple[Any, ...] = (filters, world.switches.are_archived_listed)
    version, found = audience.listings.get(key, (-1, []))
    if version != audience.version:
        found = find_members(world, audience, query)
        while len(audience.listings) >= REMEMBERED_LISTINGS:
            audience.listings.pop(next(iter(audience.listings)))
        audience.listings[key] = (audience.version, found)
    return found[offset : offset + count], len(found)


def find_members(world: World, audience: Audience, query: Mapping[str, str]) -> list[Member]:
    """All that fit, in order."""
    sort, is_reversed = read_order(query, tuple(SORTS))
    found = list(audience.members())
    for test in _tests(world, audience, query):
        found = [member for member in found if test(member)]
    if query.get("since_last_campaign") == "true":
        found = _since_last_campaign(audience, query["status"], found)
    if sort is not None:
        # As recorded in January and February 2022: who ties stands by web_id, and DESC is all of that backwards.
        found.sort(key=lambda member: member.web_id)
        found.sort(key=SORTS[sort])
        if is_reversed:
            found.reverse()
    return found


def _since_last_campaign(audience: Audience, status: str, found: list[Member]) -> list[Member]:
    """Those who subscribed or left since the last campaign was sent."""
    sent_at = max((one.sent_at for one in audience.campaigns.values()), default=0)
    if status == "unsubscribed":
        return [member for member in found if member.unsubscribed_at >= sent_at]
    return [member for member in found if member.opt_at >= sent_at]
