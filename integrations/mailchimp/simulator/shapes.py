"""How things look in an answer: lists, merge fields, tags, groups, webhooks, batches, and their links."""

from typing import Any

from integrations.mailchimp.simulator.audience import Account, Audience
from integrations.mailchimp.simulator.clock import iso
from integrations.mailchimp.simulator.parts import Category, Interest, MergeField, Tag, Webhook
from integrations.mailchimp.simulator.render import MemberTexts, texts_of


class Shapes:
    """Answers of one account; `root` is the host its links point to."""

    def __init__(self, account: Account) -> None:
        self._centre = account.centre
        self.root = f"https://{account.centre}.api.mailchimp.com"

    def link(self, rel: str, path: str, method: str = "GET") -> dict[str, str]:
        return {"rel": rel, "href": f"{self.root}/3.0{path}", "method": method}

    def own_links(self, path: str, *, can_update: bool = True) -> list[dict[str, str]]:
        """self, update and delete of one thing."""
        links = [self.link("self", path)]
        if can_update:
            links.append(self.link("update", path, "PATCH"))
        return [*links, self.link("delete", path, "DELETE")]

    def texts(self, audience: Audience) -> MemberTexts:
        return texts_of(audience, self.root)

    def audience(self, audience: Audience, stats: dict[str, Any]) -> dict[str, Any]:
        """A list with its counts."""
        return {
            **self._audience_head(audience),
            **audience.about,
            "name": audience.name,
            "double_optin": audience.is_double_optin,
            "marketing_permissions": audience.has_permissions,
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
            "has_welcome": False,
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
            "_links": self.own_links(own),
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
            "_links": self.own_links(own),
        }
        if has_secret:
            body["signing_secret"] = webhook.secret
        return body

    def tag(self, audience: Audience, tag: Tag, member_count: int) -> dict[str, Any]:
        """A tag or saved segment as the segments' endpoints show it."""
        own = f"/lists/{audience.list_id}/segments/{tag.tag_id}"
        return {
            "id": tag.tag_id,
            "name": tag.name,
            "member_count": member_count,
            "type": "static" if tag.options is None else "saved",
            "created_at": iso(tag.created_at),
            "updated_at": iso(tag.updated_at),
            "options": tag.options or {"match": "all", "conditions": []},
            "list_id": audience.list_id,
            "_links": self.own_links(own),
        }

    def category(self, audience: Audience, category: Category) -> dict[str, Any]:
        own = f"/lists/{audience.list_id}/interest-categories/{category.category_id}"
        return {
            "list_id": audience.list_id,
            "id": category.category_id,
            "title": category.title,
            "display_order": category.display_order,
            "type": category.type,
            "_links": self.own_links(own),
        }

    def interest(self, audience: Audience, interest: Interest, subscriber_count: int) -> dict[str, Any]:
        """The count is a text, as the definition has it."""
        category = f"/lists/{audience.list_id}/interest-categories/{interest.category_id}"
        return {
            "category_id": interest.category_id,
            "list_id": audience.list_id,
            "id": interest.interest_id,
            "name": interest.name,
            "subscriber_count": str(subscriber_count),
            "display_order": interest.display_order,
            "_links": self.own_links(f"{category}/interests/{interest.interest_id}"),
        }


def count_stats(audience: Audience) -> dict[str, Any]:
    """The list's stats as they are this moment."""
    counts = audience.counts
    subscribed, unsubscribed = counts.get("subscribed", 0), counts.get("unsubscribed", 0)
    cleaned = counts.get("cleaned", 0)
    return {
        "member_count": subscribed,
        "total_contacts": len(audience.by_contact),
        "unsubscribe_count": unsubscribed,
        "cleaned_count": cleaned,
        "member_count_since_send": subscribed,
        "unsubscribe_count_since_send": unsubscribed,
        "cleaned_count_since_send": cleaned,
        "campaign_count": len(audience.campaigns),
        "campaign_last_sent": iso(max((one.sent_at for one in audience.campaigns.values()), default=0)),
        "merge_field_count": len(audience.merge_fields),
        "avg_sub_rate": 0,
        "avg_unsub_rate": 0,
        "target_sub_rate": 0,
        "open_rate": 0,
        "click_rate": 0,
        "last_sub_date": iso(audience.last_sub_at),
        "last_unsub_date": iso(audience.last_unsub_at),
    }
