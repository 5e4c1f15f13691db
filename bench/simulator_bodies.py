"""Bench: the batches that the simulator is measured with."""

import json

BATCH = 500


def batch_body(number: int, name: str) -> str:
    """500 members as Muster sends them: two names, a phone, an address for every fifth, two tags."""
    address = {
        "addr1": "1 High Street",
        "city": "Springfield",
        "state": "IL",
        "zip": "62701",
        "country": "US",
    }
    members = []
    for place in range(BATCH):
        fields: dict[str, object] = {
            "FNAME": f"{name}{place}",
            "LNAME": f"Doe{number}",
            "PHONE": f"+1555{place:07}",
        }
        if place % 5 == 0:
            fields["ADDRESS"] = address
        email = f"person{number}.{place}@people.example"
        told = {"email_address": email, "status_if_new": "subscribed", "merge_fields": fields}
        members.append({**told, "tags": ["alumni", "news"], "language": "en"})
    return json.dumps({"members": members, "update_existing": True})
