"""Groups: interest categories and the interests that members tick in them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from integrations.mailchimp.simulator.api.answers import (
    LIST,
    ROOT,
    answer,
    answer_page,
    audience_of,
    nothing,
    read_object,
    shapes,
    world,
)
from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.furnish import remove_interests
from integrations.mailchimp.simulator.member import new_hex_id
from integrations.mailchimp.simulator.parts import Category, Interest
from integrations.mailchimp.simulator.refusals import invalid, not_accepted, not_found, not_validated
from integrations.mailchimp.simulator.wishes import mistyped

routes = Blueprint("interests", __name__, url_prefix=ROOT)
TYPES = ("checkboxes", "dropdown", "radio", "hidden")
MOST_INTERESTS = 60
SHAPE: Mapping[str, type] = {"title": str, "type": str, "name": str, "display_order": int}
CATEGORIES = LIST + "/interest-categories"
CATEGORY = CATEGORIES + "/<category_id>"
INTERESTS = CATEGORY + "/interests"
INTEREST = INTERESTS + "/<interest_id>"


def _category(audience: Audience, category_id: str) -> Category:
    category = audience.categories.get(category_id)
    if category is None:
        raise not_found()
    return category


def _interest(audience: Audience, category_id: str, interest_id: str) -> Interest:
    interest = audience.interests.get(interest_id)
    if interest is None or interest.category_id != category_id:
        raise not_found()
    return interest


def _answer_category(audience: Audience, category: Category) -> Response:
    return answer(shapes().category(audience, category), "Lists/InterestCategories/Instance")


def _answer_interest(audience: Audience, interest: Interest) -> Response:
    count = _counts(audience)[interest.interest_id]
    return answer(shapes().interest(audience, interest, count), "Lists/Interests/Instance")


def _counts(audience: Audience) -> Counter[str]:
    counts = Counter[str]()
    for member in audience.members():
        if member.interests and member.status == "subscribed":
            counts.update(member.interests)
    return counts


def _check_shape(body: Mapping[str, Any]) -> None:
    if odd := mistyped(body, SHAPE):
        raise not_validated(*odd)


def _settle_category(audience: Audience, category: Category, body: Mapping[str, Any]) -> None:
    _check_shape(body)
    title, type_ = str(body.get("title", category.title)).strip(), body.get("type", category.type)
    if type_ not in TYPES:
        raise not_validated(("type", not_accepted(TYPES)))
    if any(one is not category and one.title == title for one in audience.categories.values()):
        raise invalid(f'Cannot add "{title}" because it already exists on the list.')
    category.title, category.type = title, str(type_)
    category.display_order = int(body.get("display_order") or category.display_order)


def _settle_interest(audience: Audience, interest: Interest, body: Mapping[str, Any]) -> None:
    _check_shape(body)
    name = str(body.get("name", interest.name)).strip()
    for one in audience.interests.values():
        if one is not interest and one.category_id == interest.category_id and one.name == name:
            raise invalid(f'Cannot add "{name}" because it already exists on the list.')
    interest.name = name
    interest.display_order = int(body.get("display_order") or interest.display_order)


@routes.get(CATEGORIES)
def get_categories(list_id: str) -> Response:
    audience, wanted = audience_of(list_id), request.args.get("type")
    found = sorted(audience.categories.values(), key=lambda one: one.display_order)
    shown = [shapes().category(audience, one) for one in found if wanted in {None, one.type}]
    own = f"/lists/{list_id}/interest-categories"
    return answer_page("categories", shown, own, "Lists/InterestCategories/Collection", list_id=list_id)


@routes.post(CATEGORIES)
def post_category(list_id: str) -> Response:
    audience, body = audience_of(list_id), read_object("title", "type")
    with world().change():
        category = Category(world().made_up("id", new_hex_id()), "", "")
        _settle_category(audience, category, body)
        audience.categories[category.category_id] = category
        world().save_audience(audience)
    return _answer_category(audience, category)


@routes.get(CATEGORY)
def get_category(list_id: str, category_id: str) -> Response:
    audience = audience_of(list_id)
    return _answer_category(audience, _category(audience, category_id))


@routes.patch(CATEGORY)
def patch_category(list_id: str, category_id: str) -> Response:
    audience, body = audience_of(list_id), read_object()
    with world().change():
        category = _category(audience, category_id)
        _settle_category(audience, category, body)
        world().save_audience(audience)
    return _answer_category(audience, category)


@routes.delete(CATEGORY)
def delete_category(list_id: str, category_id: str) -> Response:
    audience = audience_of(list_id)
    with world().change():
        _category(audience, category_id)
        gone = {one.interest_id for one in audience.interests.values() if one.category_id == category_id}
        del audience.categories[category_id]
        remove_interests(world(), audience, gone)
    return nothing()


@routes.get(INTERESTS)
def get_interests(list_id: str, category_id: str) -> Response:
    audience = audience_of(list_id)
    _category(audience, category_id)
    with world().lock:
        counts = _counts(audience)
        found = [one for one in audience.interests.values() if one.category_id == category_id]
        found.sort(key=lambda one: one.display_order)
        shown = [shapes().interest(audience, one, counts[one.interest_id]) for one in found]
    own = f"/lists/{list_id}/interest-categories/{category_id}/interests"
    more = {"list_id": list_id, "category_id": category_id}
    return answer_page("interests", shown, own, "Lists/Interests/Collection", **more)


@routes.post(INTERESTS)
def post_interest(list_id: str, category_id: str) -> Response:
    audience, body = audience_of(list_id), read_object("name")
    with world().change():
        _category(audience, category_id)
        if len(audience.interests) >= MOST_INTERESTS:
            raise invalid(
                f"Cannot have more than {MOST_INTERESTS} interests per list (Across all categories)"
            )
        order = world().made_up("display_order", len(audience.interests) + 1)
        interest = Interest(world().made_up("id", new_hex_id()), category_id, "", order)
        _settle_interest(audience, interest, body)
        audience.interests[interest.interest_id] = interest
        world().save_audience(audience)
        return _answer_interest(audience, interest)


@routes.get(INTEREST)
def get_interest(list_id: str, category_id: str, interest_id: str) -> Response:
    audience = audience_of(list_id)
    return _answer_interest(audience, _interest(audience, category_id, interest_id))


@routes.patch(INTEREST)
def patch_interest(list_id: str, category_id: str, interest_id: str) -> Response:
    audience, body = audience_of(list_id), read_object()
    with world().change():
        interest = _interest(audience, category_id, interest_id)
        _settle_interest(audience, interest, body)
        world().save_audience(audience)
        return _answer_interest(audience, interest)


@routes.delete(INTEREST)
def delete_interest(list_id: str, category_id: str, interest_id: str) -> Response:
    audience = audience_of(list_id)
    with world().change():
        _interest(audience, category_id, interest_id)
        remove_interests(world(), audience, {interest_id})
    return nothing()
