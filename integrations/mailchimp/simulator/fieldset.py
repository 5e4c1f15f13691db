"""The merge fields of an audience before a recording began: shown, told by members' values, or by refusals."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from integrations.mailchimp.simulator.parts import MergeField, default_merge_fields
from integrations.mailchimp.simulator.recording import Exchange, objects_of

DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
TAKEN_TAG = re.compile(r'^A Merge Field with the tag "(\w+)" already exists')
USUAL_TYPES = {"ADDRESS": "address", "PHONE": "phone", "BIRTHDAY": "birthday"}
# How a refusal of a value begins -> the field's type.
TYPE_OF_MESSAGE = {
    "Please enter a number": "number",
    "Please enter a complete address": "address",
    "Please enter the date": "date",
    "Please enter a valid date": "date",
    "Please enter a month (01-12) and a day (01-31)": "birthday",
    "Please enter a phone number": "phone",
    "That is not a valid URL": "url",
    "Please enter a valid url": "url",
    "Please enter a zip code": "zip",
    "Please enter a valid zip": "zip",
}
CHOICES = re.compile(r"^Value must be one of: (.*?)(?: \(not .*\))?$")
NO_VALUE = "Please enter a value"
NOT_FIELDS = frozenset({"status", "email_type", "email_address"})  # but parts of the member itself
OLD_MEMBER = frozenset({"email_address", "status", "merge_fields", "last_changed"})  # of a member shown whole


@dataclass(slots=True)
class Fieldset:
    """Fields that answers show, by merge_id, and those that are only guessed, by tag."""

    shown: dict[int, dict[str, Any]] = field(default_factory=dict)
    guessed: dict[str, dict[str, Any]] = field(default_factory=dict)
    made_ids: set[int] = field(default_factory=set)  # by the recording itself
    gone_ids: set[int] = field(default_factory=set)  # answered with 404
    made_tags: set[str] = field(default_factory=set)
    is_complete: bool = False  # all were listed: no guess is needed
    is_told: bool = False  # a whole member tells all tags

    def learn(self, exchange: Exchange) -> None:
        """Take one exchange about this audience into account."""
        if exchange.parts[2:3] == ["merge-fields"]:
            self._learn_own(exchange)
            return
        told = exchange.told.get("merge_fields") or {}
        for error in exchange.errors:
            self._learn_refusal(str(error.get("field") or ""), str(error.get("message")), told)
        for member in exchange.members:
            if isinstance(member.get("merge_fields"), dict):
                wanted = {name.rpartition(".")[2] for name in exchange.query.get("fields", "").split(",")}
                self.is_told |= member.keys() >= OLD_MEMBER or "merge_fields" in wanted
                self._learn_values(member["merge_fields"])

    def _learn_own(self, exchange: Exchange) -> None:
        """Fields listed, shown, made, changed or taken away."""
        answer, ids = exchange.found, exchange.parts[3:]
        taken = TAKEN_TAG.match(str(answer.get("detail")))
        if taken:
            self._guess(taken[1], USUAL_TYPES.get(taken[1], "text"))
        if exchange.status == 404 and ids[:1] and ids[0].isdigit():  # noqa: PLR2004
            self.gone_ids.add(int(ids[0]))
        if not exchange.is_fine or (ids and not ids[0].isdigit()):
            return
        if exchange.method == "POST":
            self.made_ids.add(answer.get("merge_id", 0))
            self.made_tags.add(str(answer.get("tag")))
            return
        fields = objects_of(answer, "merge_fields") if not ids else [{"merge_id": int(ids[0]), **answer}]
        for one in fields:
            self._see(one)
        is_whole = not ids and not exchange.query.keys() & {"type", "required", "offset"}
        self.is_complete |= is_whole and exchange.total in {None, len(fields)}

    def _see(self, told: dict[str, Any]) -> None:
        """A field that an answer shows; without its merge_id where `fields=` left it out."""
        if "merge_id" in told:
            if told["merge_id"] not in self.made_ids:
                self.shown.setdefault(told["merge_id"], self._named(told))
        elif "tag" in told:
            self._guess(told["tag"], str(told.get("type") or "text"))
            self.guessed.get(told["tag"], {}).update(told)

    def _learn_refusal(self, tag: str, message: str, told: Mapping[str, Any]) -> None:
        """What a refusal says of a field's type, or that it is required."""
        type_ = next((one for start, one in TYPE_OF_MESSAGE.items() if message.startswith(start)), "")
        choices = CHOICES.match(message)
        if not tag or tag in NOT_FIELDS:
            return
        if type_ == "phone":
            self._guess(tag, type_, options={"phone_format": "US"})
        elif type_:
            self._guess(tag, type_)
        elif choices:
            self._guess(tag, "dropdown", options={"choices": choices[1].split(", ")})
        elif message == NO_VALUE and told.get(tag, "") == "":
            self._guess(tag, USUAL_TYPES.get(tag, "text"), required=True)

    def _learn_values(self, values: Mapping[str, Any]) -> None:
        for tag, value in values.items():
            self._guess(tag, USUAL_TYPES.get(tag, "text"))
            if isinstance(value, (int, float)):
                self._guess(tag, "number")
            elif isinstance(value, dict):
                self._guess(tag, "address")
            elif isinstance(value, str) and DATE.match(value):
                self._guess(tag, "date")

    def _guess(self, tag: str, type_: str, **more: Any) -> None:
        if self.is_complete or tag in self.made_tags:
            return
        known = self.guessed.setdefault(tag, {"tag": tag, "name": tag, "type": type_})
        if type_ != "text":
            known["type"] = type_
        known |= more

    def of_the_start(self) -> dict[int, MergeField]:
        """By merge_id; those that nobody showed have the ids that are left, the usual ones their own."""
        found = {merge_id: _merge_field(merge_id, told) for merge_id, told in self.shown.items()}
        tags = {one.tag for one in found.values()} | self.made_tags
        usual = {one.tag: one for one in default_merge_fields().values()}
        if not self.is_told and not self.is_complete:
            for tag in usual.keys() - tags - self.guessed.keys():
                if usual[tag].merge_id not in found.keys() | self.made_ids | self.gone_ids:
                    found[usual[tag].merge_id] = usual[tag]
        for tag, told in self.guessed.items():
            if tag not in tags:
                number = self._free_id(found, usual[tag].merge_id if tag in usual else len(usual) + 1)
                found[number] = _merge_field(number, told)
        return dict(sorted(found.items()))

    def _named(self, told: dict[str, Any]) -> dict[str, Any]:
        """A field of which only the id is known has the usual tag, or one that members have shown and no field."""
        usual = default_merge_fields().get(told["merge_id"])
        if "tag" in told:
            return told
        if not self.is_told:
            return asdict(usual) | told if usual else told
        tags = {one.get("tag") for one in self.shown.values()} | self.made_tags
        free = [tag for tag in self.guessed if tag not in tags]
        if usual and usual.tag in free:
            return {**self.guessed[usual.tag], **told}
        return {**self.guessed[free[-1]], **told} if free else told

    def _free_id(self, found: Mapping[int, MergeField], wanted: int) -> int:
        while wanted in found.keys() | self.made_ids | self.gone_ids:
            wanted += 1
        return wanted


def _merge_field(number: int, told: Mapping[str, Any]) -> MergeField:
    tag = str(told.get("tag") or f"MMERGE{number}")
    return MergeField(
        number,
        tag,
        told.get("name") or tag,
        told.get("type") or "text",
        is_required=bool(told.get("required")),
        default_value=str(told.get("default_value") or ""),
        is_public=bool(told.get("public")),
        display_order=int(told.get("display_order") or number),
        options=dict(told.get("options") or {}),
        help_text=str(told.get("help_text") or ""),
    )
