"""What had happened before a recording: notes, events and activity of members, days and months of an audience."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.parts import Campaign
from integrations.mailchimp.simulator.person import handle, seconds_of
from integrations.mailchimp.simulator.recording import Exchange, objects_of

Told = dict[str, Any]
MEMBER_PART, TAIL_PART = 3, 4  # of /lists/{id}/members/{key}/notes
STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")


@dataclass(slots=True)
class Stories:
    """By member's key, each as first shown."""

    notes: dict[str, dict[int, Told]] = field(default_factory=dict)
    events: dict[str, list[Told]] = field(default_factory=dict)
    acts: dict[str, list[Told]] = field(default_factory=dict)
    days: list[Told] = field(default_factory=list)
    months: list[Told] = field(default_factory=list)
    made_notes: set[int] = field(default_factory=set)
    since: int = 0  # when the recording began: what happened later is of its own making

    def learn(self, exchange: Exchange) -> None:
        """Take one exchange about this audience into account."""
        parts = exchange.parts
        self.since = self.since or exchange.at
        if not exchange.is_fine:
            return
        if parts[2:3] == ["members"] and len(parts) > TAIL_PART:
            self._learn_member(exchange, handle(parts[MEMBER_PART]), parts[TAIL_PART:])
        elif exchange.method == "GET" and parts[2:] == ["activity"]:
            self.days = self.days or objects_of(exchange.found, "activity")
        elif exchange.method == "GET" and parts[2:] == ["growth-history"]:
            self.months = self.months or objects_of(exchange.found, "history")
        for body in exchange.members:
            last = body.get("last_note")
            if (
                isinstance(last, dict)
                and "id" in body
                and last.get("note_id") not in {None, *self.made_notes}
            ):
                known = self.notes.setdefault(body["id"], {})
                known.setdefault(last["note_id"], {**last, "id": last["note_id"]})

    def _learn_member(self, exchange: Exchange, key: str, tail: list[str]) -> None:
        answer = exchange.found
        if tail == ["notes"] and exchange.method == "POST":
            self.made_notes.add(answer.get("id", 0))
        elif tail[0] == "notes":
            number = int(tail[1]) if len(tail) > 1 and tail[1].isdigit() else 0
            shown = objects_of(answer, "notes") if tail == ["notes"] else [{**answer, "id": number}]
            known = self.notes.setdefault(key, {})
            for note in shown:
                if note.get("id") and note["id"] not in self.made_notes:
                    known.setdefault(note["id"], note)
        elif exchange.method == "GET" and tail == ["events"]:
            self.events.setdefault(key, objects_of(answer, "events"))
        elif exchange.method == "GET" and tail == ["activity"]:
            self.acts.setdefault(key, objects_of(answer, "activity"))

    def plant(self, audience: Audience) -> None:
        """Put everything into its audience, whose members are there already."""
        for key, notes in self.notes.items():
            member = audience.find(key)
            if member is not None and notes:
                audience.story(member).notes += [_note(note) for note in notes.values()]
        for key, events in self.events.items():
            member = audience.find(key)
            before = [one for one in map(_event, events) if one["at"] < self.since or not self.since]
            if member is not None and before:
                audience.story(member).events += before
        for key, acts in self.acts.items():
            member = audience.find(key)
            if member is not None and acts:
                audience.story(member).acts += [_act(audience, act) for act in acts]
        self._plant_counts(audience)

    def _plant_counts(self, audience: Audience) -> None:
        """Days as told; of months the changes that make the totals told."""
        for day in self.days:
            if "day" in day:
                audience.days[day["day"]] = {name: one for name, one in day.items() if isinstance(one, int)}
        if self.months:
            audience.months.clear()
        before = dict.fromkeys(STATUSES, 0)
        for month in sorted(self.months, key=lambda one: str(one.get("month"))):
            totals = {name: int(month.get(name) or 0) for name in STATUSES}
            changes = {name: totals[name] - before[name] for name in STATUSES}
            audience.months[str(month.get("month"))], before = changes, totals


def _note(told: Mapping[str, Any]) -> Told:
    since = told.get("created_at")
    times = {"created_at": seconds_of(since), "updated_at": seconds_of(told.get("updated_at") or since)}
    return {"id": told["id"], **times, "created_by": told.get("created_by", ""), "note": told.get("note", "")}


def _event(told: Mapping[str, Any]) -> Told:
    at = seconds_of(told.get("occurred_at"))
    return {"at": at, "name": told.get("name", ""), "properties": told.get("properties") or {}}


def _act(audience: Audience, told: Mapping[str, Any]) -> Told:
    """One thing that a campaign did; the campaign comes along, as its title is shown."""
    campaign_id, at = str(told.get("campaign_id") or ""), seconds_of(told.get("timestamp"))
    title = str(told.get("title") or "")
    audience.campaigns.setdefault(campaign_id, Campaign(campaign_id, title, "", at))
    more = {name: told[name] for name in ("url", "type") if name in told}
    return {"kind": told.get("action", ""), "at": at, "campaign_id": campaign_id, **more}
