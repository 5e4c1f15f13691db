"""A live audience as Mailchimp describes it: read by network, kept in `audiences.remote_schema`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.mailchimp.answers import MergeField
from integrations.mailchimp.answers_more import InterestCategory
from integrations.mailchimp.gateway import Gateway

# Mailchimp's usual merge fields and the contact fields they mean; used where the audience has them.
DEFAULT_MERGE_FIELDS = {"FNAME": "first_name", "LNAME": "last_name", "PHONE": "phone"}


@dataclass(frozen=True, slots=True)
class LiveAudience:
    """What an audience is, as far as pushing needs to know."""

    list_id: str
    name: str
    subscribe_url: str = ""
    is_double_optin: bool = False
    merge_fields: tuple[MergeField, ...] = ()
    interests: tuple[InterestCategory, ...] | None = None  # None: not read

    def as_schema(self) -> dict[str, Any]:
        """The form kept in the database."""
        schema: dict[str, Any] = {
            "name": self.name,
            "subscribe_url": self.subscribe_url,
            "merge_fields": {
                one.tag: {
                    "merge_id": one.merge_id,
                    "name": one.name,
                    "type": one.type,
                    "is_required": one.is_required,
                    "choices": list(one.choices),
                    "phone_format": one.phone_format,
                }
                for one in self.merge_fields
            },
        }
        if self.interests is not None:
            schema["interests"] = {
                one.interest_id: {"name": one.name, "group": group.title}
                for group in self.interests
                for one in group.interests
            }
        return schema


def read_live_audience(gateway: Gateway, list_id: str) -> LiveAudience:
    """Three calls, and one for each group of interests. MailchimpProblem where the audience or the key is not there."""
    info = gateway.get_audience(list_id)
    return LiveAudience(
        list_id,
        info.name,
        info.subscribe_url,
        info.is_double_optin,
        gateway.list_merge_fields(list_id),
        gateway.list_interest_categories(list_id),
    )


def default_merge_fields(live: LiveAudience) -> Mapping[str, str]:
    """The usual mapping, for the merge fields that exist."""
    there = {one.tag for one in live.merge_fields}
    return {tag: name for tag, name in DEFAULT_MERGE_FIELDS.items() if tag in there}
