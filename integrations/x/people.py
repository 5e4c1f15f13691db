"""Who did something on X, in the form that the mapping reads, and whose doing is our own."""

from collections.abc import Mapping
from typing import Any

from integrations.kit.contract import SourceConfig
from integrations.kit.values import count_of, filled, identifier, object_at, objects_in, text_of

People = Mapping[str, Mapping[str, Any]]


def own_ids(config: SourceConfig) -> frozenset[str]:
    """The numbers of the organisation's own accounts, as an admin wrote them: 1, 2 or "1 2"."""
    written = config.settings.get("own_user_ids", "").replace(",", " ").split()
    return frozenset(written)


def person_of(user: Any) -> dict[str, Any]:
    """id, username, name, location, url, followers of a user in any of X's shapes (v2, v2 inside `data`, v1.1)."""
    found = object_at(user, "data") or object_at(user)
    followers = count_of(object_at(found, "public_metrics").get("followers_count"))
    return filled(
        {
            # In v1.1 `id` is a number that JavaScript rounds; only id_str is exact.
            "id": identifier(found.get("id_str")) or identifier(found.get("id")),
            "username": text_of(found.get("username")) or text_of(found.get("screen_name")),
            "name": text_of(found.get("name")),
            "location": text_of(found.get("location")),
            "url": _address_of(found),
            "followers": count_of(found.get("followers_count")) if followers is None else followers,
        }
    )


def people_in(users: Any) -> dict[str, dict[str, Any]]:
    """The users of a list, or of an object by their id, as they stand in includes.users and in direct messages."""
    listed = list(users.values()) if isinstance(users, dict) else users
    people = [person_of(user) for user in objects_in(listed)]
    return {person["id"]: person for person in people if "id" in person}


def known_person(user_id: str, people: People) -> dict[str, Any]:
    """Everything known about a user, at least the id; {} without an id."""
    if not user_id:
        return {}
    return {"id": user_id, **people.get(user_id, {})}


def influence_of(person: Mapping[str, Any]) -> float | None:
    """How many follow whoever said something; None where X did not say."""
    followers = person.get("followers")
    return None if followers is None else float(followers)


def _address_of(user: Mapping[str, Any]) -> str:
    """The page a profile names; X writes a t.co link there and the real address among the entities."""
    listed = objects_in(object_at(user, "entities", "url").get("urls"))
    expanded = [text_of(each.get("expanded_url")) for each in listed]
    return next((address for address in expanded if address), "") or text_of(user.get("url"))
