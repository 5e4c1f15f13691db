"""A recording as it comes from the wire, made by hand: other audiences, other beginnings, other files."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Self

from integrations.mailchimp.simulator.member import md5_of

LIST, OTHER = "0f1e2d3c4b", "99aabbccdd"
START = datetime(2022, 3, 1, 9, 0, tzinfo=UTC)
ADA, GRACE, EVE = "ada@lovelace.example", "grace@hopper.example", "eve@people.example"
ERRORS = "https://mailchimp.com/developer/marketing/docs/errors/"
# rel, tail, method, target schema, body schema
LINKS = [
    ("self", "/{id}", "GET", "Response", ""),
    ("parent", "", "GET", "CollectionResponse", "Paths/Lists/Members/Collection"),
    ("update", "/{id}", "PATCH", "Response", "Definitions/Lists/Members/PATCH"),
    ("upsert", "/{id}", "PUT", "Response", "Definitions/Lists/Members/PUT"),
    ("delete", "/{id}", "DELETE", "", ""),
    ("activity", "/{id}/activity", "GET", "Activity/Response", ""),
    ("goals", "/{id}/goals", "GET", "Goals/Response", ""),
    ("notes", "/{id}/notes", "GET", "Notes/CollectionResponse", ""),
    ("events", "/{id}/events", "POST", "Events/POST", ""),
    ("delete_permanent", "/{id}/actions/delete-permanent", "POST", "", ""),
]


class Tape:
    """Lines of a recording, one second apart."""

    def __init__(self, host: str = "us9", file: str = "one.js", list_id: str = LIST) -> None:
        self.host, self.file, self.list_id, self.now = host, file, list_id, START
        self.lines: list[dict[str, Any]] = []

    @property
    def time(self) -> str:
        return self.now.isoformat()

    def add(self, method: str, path: str, answer: Any, status: int = 200, body: Any = None) -> Self:
        is_problem = status >= 400
        if is_problem:
            answer = {"type": ERRORS, "status": status, "instance": str(len(self.lines)), **answer}
        kind = "problem+json" if is_problem else "json"
        headers = [
            "Content-Type",
            f"application/{kind}; charset=utf-8",
            "Date",
            format_datetime(self.now, usegmt=True),
        ]
        host = f"https://{self.host}.api.mailchimp.com:443"
        line = {"method": method, "path": path, "body": body or {}, "host": host, "status": status}
        self.lines.append({**line, "resp": answer, "headers": headers, "file": self.file})
        self.now += timedelta(seconds=1)
        return self

    def on_list(self, method: str, tail: str, answer: Any, status: int = 200, body: Any = None) -> Self:
        return self.add(method, f"/3.0/lists/{self.list_id}{tail}", answer, status, body)

    def on(
        self, method: str, email: str, answer: Any, status: int = 200, body: Any = None, *, tail: str = ""
    ) -> Self:
        return self.on_list(method, f"/members/{md5_of(email)}{tail}", answer, status, body)

    def missing(self, method: str, email: str, tail: str = "") -> Self:
        return self.on(method, email, NOT_FOUND, 404, tail=tail)

    def member(
        self, email: str, status: str = "subscribed", opt: str = "2021-01-01T00:00:00+00:00", **more: Any
    ) -> dict[str, Any]:
        values = {"FNAME": "", "LNAME": "", **more.pop("merge_fields", {})}
        tags = [{"id": 100 + len(tag), "name": tag} for tag in more.pop("tags", [])]
        root, own = f"https://{self.host}.api.mailchimp.com", md5_of(email)
        links = []
        for rel, tail, method, target, schema in LINKS:
            href = f"{root}/3.0/lists/{self.list_id}/members{tail.format(id=own)}"
            link = {"rel": rel, "href": href, "method": method}
            if target:
                link["targetSchema"] = f"{root}/schema/3.0/Definitions/Lists/Members/{target}.json"
            if schema:
                link["schema"] = f"{root}/schema/3.0/{schema}.json"
            links.append(link)
        body = {
            "id": own, "email_address": email, "unique_email_id": "u" + own[:9], "contact_id": "c" + own[:31],
            "full_name": f"{values['FNAME']} {values['LNAME']}".strip(), "web_id": int(own[:6], 16),
            "email_type": "html", "status": status,
        }  # fmt: skip
        if status == "unsubscribed":
            body["unsubscribe_reason"] = more.pop("reason", "N/A (Unsubscribed by admin)")
        place = {"latitude": 0, "longitude": 0, "gmtoff": 0, "dstoff": 0, "country_code": "", "timezone": ""}
        return {
            **body, "consents_to_one_to_one_messaging": True, "merge_fields": values,
            "stats": {"avg_open_rate": 0, "avg_click_rate": 0}, "ip_signup": "", "timestamp_signup": "",
            "ip_opt": "198.51.100.7", "timestamp_opt": opt, "member_rating": 2, "last_changed": opt, "language": "",
            "vip": False, "email_client": "", "location": place, "source": "API - Generic",
            "tags_count": len(tags), "tags": tags, "list_id": self.list_id, "_links": links, **more,
        }  # fmt: skip

    def page(self, query: str, members: list[Any], total: int) -> Self:
        return self.on_list(
            "GET",
            f"/members?{query}",
            {"members": members, "list_id": self.list_id, "total_items": total, "_links": []},
        )


NOT_FOUND = {"title": "Resource Not Found", "detail": "The requested resource could not be found."}


def audience(list_id: str, name: str, **more: Any) -> dict[str, Any]:
    """As GET /lists shows it."""
    parts = ("company", "address1", "address2", "city", "state", "zip", "country", "phone")
    return {
        "id": list_id, "web_id": 3, "name": name, "contact": dict.fromkeys(parts, ""), "permission_reminder": "x",
        "use_archive_bar": True, "campaign_defaults": dict.fromkeys(("from_name", "from_email", "subject", "language"), ""),
        "notify_on_subscribe": "", "notify_on_unsubscribe": "", "date_created": "2020-01-01T00:00:00+00:00",
        "list_rating": 3, "email_type_option": False, "subscribe_url_short": "http://eep.example/x",
        "subscribe_url_long": "https://x.example", "beamer_address": "b@inbound.example", "visibility": "pub",
        "double_optin": False, "has_welcome": False, "marketing_permissions": False, "modules": [],
        "stats": {"member_count": 4}, "_links": [], **more,
    }  # fmt: skip
