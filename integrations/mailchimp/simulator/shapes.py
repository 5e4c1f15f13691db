"""How things look in an answer: members, lists, merge fields, webhooks, links, and the choice of fields."""

import json
from collections.abc import Mapping
from typing import Any

from integrations.mailchimp.simulator.state import (
    Account,
    Audience,
    Member,
    MergeField,
    Webhook,
    iso,
    unique_id_of,
)

SHOWN_TAGS = 50
HASH_MARK = "@hash@"
NO_STATS = {"avg_open_rate": 0, "avg_click_rate": 0}
RATING = 2
REASONS = {
    "contact": "None given",
    "abuse": "Abuse complaint",
    "bounce": "Bounced",
}  # of our own wording; only the admin's is recorded
ADMIN_REASON = "N/A (Unsubscribed by admin)"

# rel, what follows the member's own path, method, whether a target schema and a body schema are named
_MEMBER_LINKS = (
    ("self", "", "GET", "Response", ""),
    ("parent", None, "GET", "CollectionResponse", "Paths/Lists/Members/Collection"),
    ("update", "", "PATCH", "Response", "Definitions/Lists/Members/PATCH"),
    ("upsert", "", "PUT", "Response", "Definitions/Lists/Members/PUT"),
    ("delete", "", "DELETE", "", ""),
    ("activity", "/activity", "GET", "Activity/Response", ""),
    ("goals", "/goals", "GET", "Goals/Response", ""),
    ("notes", "/notes", "GET", "Notes/CollectionResponse", ""),
    ("events", "/events", "POST", "Events/POST", ""),
    ("delete_permanent", "/actions/delete-permanent", "POST", "", ""),
)


class Shapes:
    """Answers of one account; `root` is the host its links point to."""

    def __init__(self, account: Account) -> None:
        self._centre = account.centre
        self._batch_texts: dict[str, tuple[str, str]] = {}
        self.root = f"https://{account.centre}.api.mailchimp.com"
        self._member_links = [
            (rel, tail, method, *(self._schema_keys(target, schema)))
            for rel, tail, method, target, schema in _MEMBER_LINKS
        ]

    def _schema_keys(self, target: str, schema: str) -> tuple[str, str]:
        base = f"{self.root}/schema/3.0"
        return (
            f"{base}/Definitions/Lists/Members/{target}.json" if target else "",
            f"{base}/{schema}.json" if schema else "",
        )

    def member_links(self, list_id: str, member_hash: str) -> list[dict[str, str]]:
        parent = f"{self.root}/3.0/lists/{list_id}/members"
        own = f"{parent}/{member_hash}"
        links = []
        for rel, tail, method, target, schema in self._member_links:
            link = {"rel": rel, "href": parent if tail is None else own + tail, "method": method}
            if target:
                link["targetSchema"] = target
            if schema:
                link["schema"] = schema
            links.append(link)
        return links

    def link(self, rel: str, path: str, method: str = "GET") -> dict[str, str]:
        return {"rel": rel, "href": f"{self.root}/3.0{path}", "method": method}

    def member(
        self, audience: Audience, fields: Mapping[str, MergeField], member: Member, *, has_links: bool = True
    ) -> dict[str, Any]:
        """A member as GET shows it, its keys in Mailchimp's order."""
        values = member.merge_fields
        member_hash = member.hash
        body: dict[str, Any] = {
            "id": member_hash,
            "email_address": member.email,
            "unique_email_id": member.unique_id or unique_id_of(member.email),
            "contact_id": member.contact_id,
            "full_name": f"{values.get('FNAME', '')} {values.get('LNAME', '')}".strip(),
            "web_id": member.web_id,
            "email_type": member.email_type,
            "status": member.status,
        }
        if member.status == "unsubscribed":
            body["unsubscribe_reason"] = REASONS.get(member.cause, ADMIN_REASON)
        body |= {
            "consents_to_one_to_one_messaging": True,
            "merge_fields": {tag: values.get(tag, "") for tag in fields},
            "stats": NO_STATS,
            "ip_signup": member.ip_signup,
            "timestamp_signup": iso(member.signup_at),
            "ip_opt": member.ip_opt,
            "timestamp_opt": iso(member.opt_at),
            "member_rating": RATING,
            "last_changed": iso(member.changed_at),
            "language": member.language,
            "vip": member.is_vip,
            "email_client": "",
            "location": _location(member),
            "source": member.source,
            "tags_count": len(member.tags),
            "tags": _tags(audience, member),
            "list_id": audience.list_id,
        }
        if has_links:
            body["_links"] = self.member_links(audience.list_id, member_hash)
        return body

    def batch_member_text(self, audience: Audience, fields: Mapping[str, MergeField], member: Member) -> str:
        """A member as POST /lists/{id} shows it, as JSON text: most of it is alike in all of them.

        The definition gives it no contact_id, full_name, web_id, source and reason.
        """
        texts = self._batch_texts.get(audience.list_id)
        if texts is None:
            texts = self._batch_texts[audience.list_id] = self._unchanging_texts(audience)
        values, member_hash = member.merge_fields, member.hash
        body = {
            "id": member_hash,
            "email_address": member.email,
            "unique_email_id": member.unique_id or unique_id_of(member.email),
            "email_type": member.email_type,
            "status": member.status,
            "merge_fields": {tag: values.get(tag, "") for tag in fields},
            "ip_signup": member.ip_signup,
            "timestamp_signup": iso(member.signup_at),
            "ip_opt": member.ip_opt,
            "timestamp_opt": iso(member.opt_at),
            "last_changed": iso(member.changed_at),
            "language": member.language,
            "vip": member.is_vip,
            "tags_count": len(member.tags),
            "tags": _tags(audience, member),
            "location": _location(member),
        }
        constants, links = texts
        return f"{json.dumps(body)[:-1]}, {constants}, {links.replace(HASH_MARK, member_hash)}}}"

    def _unchanging_texts(self, audience: Audience) -> tuple[str, str]:
        """What is alike in every member of a batch's answer, and the links with a mark for the hash."""
        constants = {
            "stats": NO_STATS,
            "member_rating": RATING,
            "email_client": "",
            "list_id": audience.list_id,
        }
        links = {"_links": self.member_links(audience.list_id, HASH_MARK)}
        return json.dumps(constants)[1:-1], json.dumps(links)[1:-1]

    def audience(self, audience: Audience, *, has_total: bool = False) -> dict[str, Any]:
        """A list; its stats are counted afresh."""
        counts = {"subscribed": 0, "unsubscribed": 0, "cleaned": 0}
        last_sub = last_unsub = 0
        for member in audience.members():
            if member.status in counts:
                counts[member.status] += 1
            last_sub = max(last_sub, member.opt_at)
            last_unsub = max(last_unsub, member.unsubscribed_at)
        stats: dict[str, Any] = {
            "member_count": counts["subscribed"],
            "unsubscribe_count": counts["unsubscribed"],
            "cleaned_count": counts["cleaned"],
            "member_count_since_send": counts["subscribed"],
            "unsubscribe_count_since_send": counts["unsubscribed"],
            "cleaned_count_since_send": counts["cleaned"],
            "campaign_count": 0,
            "campaign_last_sent": "",
            "merge_field_count": len(audience.merge_fields),
            "avg_sub_rate": 0,
            "avg_unsub_rate": 0,
            "target_sub_rate": 0,
            "open_rate": 0,
            "click_rate": 0,
            "last_sub_date": iso(last_sub),
            "last_unsub_date": iso(last_unsub),
        }
        if has_total:
            stats["total_contacts"] = len(audience.by_contact)
        return {
            **self._audience_head(audience),
            "stats": stats,
            "_links": self._audience_links(audience.list_id),
        }

    def _audience_head(self, audience: Audience) -> dict[str, Any]:
        address = {"company": "Muster", "address1": "1 Example Street", "address2": "", "city": "Springfield"}
        address |= {"state": "", "zip": "00000", "country": "US", "phone": ""}
        form = f"https://sim.{self._centre}.list-manage.com/subscribe?u=8d3a3db4d97663a9074efcc16&id={audience.list_id}"
        return {
            "id": audience.list_id,
            "web_id": audience.web_id,
            "name": audience.name,
            "contact": address,
            "permission_reminder": "You signed up on our website.",
            "use_archive_bar": True,
            "campaign_defaults": {
                "from_name": "Muster",
                "from_email": "office@muster.example",
                "subject": "",
                "language": "en",
            },
            "notify_on_subscribe": "",
            "notify_on_unsubscribe": "",
            "date_created": iso(audience.created_at),
            "list_rating": 0,
            "email_type_option": False,
            "subscribe_url_short": f"https://sim.list-manage.com/{audience.list_id}",
            "subscribe_url_long": form,
            "beamer_address": f"sim-{audience.list_id}@inbound.muster.example",
            "visibility": "prv",
            "double_optin": audience.is_double_optin,
            "has_welcome": False,
            "marketing_permissions": False,
            "modules": [],
        }

    def _audience_links(self, list_id: str) -> list[dict[str, str]]:
        own = f"/lists/{list_id}"
        return [
            self.link("self", own),
            self.link("parent", "/lists"),
            self.link("update", own, "PATCH"),
            self.link("batch-sub-unsub-members", own, "POST"),
            self.link("members", f"{own}/members"),
            self.link("merge-fields", f"{own}/merge-fields"),
            self.link("webhooks", f"{own}/webhooks"),
        ]

    def merge_field(self, audience: Audience, field: MergeField) -> dict[str, Any]:
        own = f"/lists/{audience.list_id}/merge-fields/{field.merge_id}"
        return {
            "merge_id": field.merge_id,
            "tag": field.tag,
            "name": field.name,
            "type": field.type,
            "required": field.is_required,
            "default_value": field.default_value,
            "public": field.is_public,
            "display_order": field.display_order,
            "options": field.options,
            "help_text": field.help_text,
            "list_id": audience.list_id,
            "_links": [
                self.link("self", own),
                self.link("update", own, "PATCH"),
                self.link("delete", own, "DELETE"),
            ],
        }

    def webhook(self, audience: Audience, webhook: Webhook, *, has_secret: bool = False) -> dict[str, Any]:
        """The secret is in the answer to the creation, and never again."""
        own = f"/lists/{audience.list_id}/webhooks/{webhook.webhook_id}"
        body: dict[str, Any] = {
            "id": webhook.webhook_id,
            "url": webhook.url,
            "events": webhook.events,
            "sources": webhook.sources,
            "list_id": audience.list_id,
            "signing_enabled": bool(webhook.secret),
            "_links": [
                self.link("self", own),
                self.link("update", own, "PATCH"),
                self.link("delete", own, "DELETE"),
            ],
        }
        if has_secret:
            body["signing_secret"] = webhook.secret
        return body


def _location(member: Member) -> dict[str, Any]:
    place = {"latitude": member.latitude, "longitude": member.longitude}
    return {**place, "gmtoff": 0, "dstoff": 0, "country_code": "", "timezone": ""}


def _tags(audience: Audience, member: Member) -> list[dict[str, Any]]:
    names = audience.tag_names
    return [{"id": tag_id, "name": names[tag_id]} for tag_id in list(member.tags)[:SHOWN_TAGS]]
