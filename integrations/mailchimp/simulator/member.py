"""One member, kept small: a million of them have to fit into a gigabyte.

Tuples of which many members have the same one (tags, names of merge fields, interests) are shared; an address is
six texts; whatever only few members have (notes, events, activity) is kept beside, in the audience's stories.
"""

import hashlib
import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

ADDRESS_PARTS = ("addr1", "addr2", "city", "state", "zip", "country")
SHARED_SIZE = 200_000
Shared = TypeVar("Shared", bound=tuple[Any, ...])
_shared: dict[Any, Any] = {}
_random = random.Random()  # noqa: S311 - ids, not secrets


@lru_cache(maxsize=8192)
def md5_of(email: str) -> str:
    return hashlib.md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()


def unique_id_of(email: str) -> str:
    """Ten hex digits of an address, the same in every audience, as unique_email_id and webhooks' data[id] are."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()[:10]


def new_contact_id() -> str:
    return f"{_random.getrandbits(128):032x}"


def new_hex_id() -> str:
    """Ten hex digits, as audiences, interests, webhooks and batches have them."""
    return f"{_random.getrandbits(40):010x}"


def share(found: Shared) -> Shared:
    """The one tuple that stands for all equal ones."""
    if len(_shared) > SHARED_SIZE:
        _shared.clear()
    kept: Shared = _shared.setdefault(found, found)
    return kept


@dataclass(slots=True)
class Member:
    """One member. Times are epoch seconds, 0 for never.

    cause: who took the member out or let it bounce - "", api, admin, contact, abuse or bounce. It outlives
    `status`: a contact's own unsubscribing still counts while pending or archived.
    """

    contact_id: str
    web_id: int
    email: str
    status: str
    cause: str = ""
    email_type: str = "html"
    merge_tags: tuple[str, ...] = ()
    merge_values: tuple[Any, ...] = ()  # an address as a tuple in the order of ADDRESS_PARTS
    tag_ids: tuple[int, ...] = ()  # in the order Mailchimp shows them
    tag_times: tuple[int, ...] = ()  # when each was put on
    dropped_tags: tuple[int, ...] = ()  # in the order they were taken off
    interests: tuple[str, ...] = ()  # those that are true
    permissions: tuple[str, ...] = ()  # marketing permissions given
    ip_signup: str = ""
    signup_at: int = 0
    ip_opt: str = ""
    opt_at: int = 0
    changed_at: int = 0
    unsubscribed_at: int = 0
    language: str = ""
    is_vip: bool = False
    latitude: float = 0
    longitude: float = 0
    source: str = "API - Generic"
    unique_id: str = ""  # only where a recording gave one
    hash: str = ""
    counted_status: str = ""  # the one under which the audience has counted it

    def __post_init__(self) -> None:
        self.hash = self.hash or md5_of(self.email)

    @property
    def merge_fields(self) -> dict[str, Any]:
        """The values that are not empty, by tag."""
        return {
            tag: dict(zip(ADDRESS_PARTS, value, strict=True)) if type(value) is tuple else value
            for tag, value in zip(self.merge_tags, self.merge_values, strict=True)
        }

    @merge_fields.setter
    def merge_fields(self, values: dict[str, Any]) -> None:
        self.merge_tags = share(tuple(values))
        self.merge_values = tuple(
            [tuple(value.values()) if type(value) is dict else value for value in values.values()]
        )

    def set_tags(self, ids: tuple[int, ...], times: tuple[int, ...]) -> None:
        self.tag_ids, self.tag_times = share(ids), share(times)

    def drop_tag(self, tag_id: int) -> None:
        pairs = [(one, at) for one, at in zip(self.tag_ids, self.tag_times, strict=True) if one != tag_id]
        self.set_tags(tuple(one for one, _ in pairs), tuple(at for _, at in pairs))
