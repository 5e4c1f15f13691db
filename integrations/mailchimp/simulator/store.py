"""Keeps the simulator's state over kill -9: one line per changed thing, appended before the answer goes out.

Lines hold whole things, the last one of a kind and id wins, a torn last line is ignored. At the start, and when
the file has grown to several times what lives in it, it is rewritten beside and renamed.
"""

import fcntl
import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Any

from integrations.mailchimp.simulator.state import Account, Audience, Member, MergeField, Webhook

MEMBER_FIELDS = tuple(one.name for one in fields(Member))
AUDIENCE_FIELDS = ("list_id", "name", "api_key", "web_id", "created_at", "is_double_optin", "about")
REWRITE_LINES = 200_000


class StateFileBusyError(Exception):
    """Another simulator has the state file open."""


def member_line(list_id: str, member: Member) -> list[Any]:
    return ["member", list_id, [getattr(member, name) for name in MEMBER_FIELDS]]


def audience_line(audience: Audience) -> list[Any]:
    return [
        "audience",
        audience.list_id,
        {
            **{name: getattr(audience, name) for name in AUDIENCE_FIELDS},
            "merge_fields": [asdict(one) for one in audience.merge_fields.values()],
            "webhooks": [asdict(one) for one in audience.webhooks.values()],
            "tag_names": list(audience.tag_names.items()),
            "forgotten": sorted(audience.forgotten),
            "signup_blocks": audience.signup_blocks,
        },
    ]


def account_line(account: Account) -> list[Any]:
    flags = {"is_revoked": account.is_revoked, "is_disabled": account.is_disabled}
    return [
        "account",
        account.api_key,
        {"name": account.name, "account_id": account.account_id, "about": account.about, **flags},
    ]


def read_member_line(values: list[Any]) -> Member:
    member = Member(**dict(zip(MEMBER_FIELDS, values, strict=True)))
    member.tags = {int(tag_id): added_at for tag_id, added_at in member.tags.items()}  # JSON keys are text
    return member


def read_audience_line(body: dict[str, Any]) -> Audience:
    audience = Audience(**{name: body[name] for name in AUDIENCE_FIELDS})
    audience.merge_fields = {one["merge_id"]: MergeField(**one) for one in body["merge_fields"]}
    audience.webhooks = {one["webhook_id"]: Webhook(**one) for one in body["webhooks"]}
    for tag_id, name in body["tag_names"]:
        audience.name_tag(tag_id, name)
    audience.forgotten = set(body["forgotten"])
    audience.signup_blocks = body["signup_blocks"]
    return audience


class Store:
    """The state file, or nothing at all where none is wanted."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self._lock_file: IO[str] | None = None
        self._line_count = 0

    def read(self) -> tuple[dict[str, Account], dict[str, Audience], float]:
        """Accounts, audiences and the clock's offset as last written; takes the file for this process alone."""
        accounts: dict[str, Account] = {}
        audiences: dict[str, Audience] = {}
        offset = 0.0
        if self._path is None:
            return accounts, audiences, offset
        self._take(self._path)
        for kind, key, body in _lines(self._path):
            if kind == "account":
                accounts[key] = Account(api_key=key, **body)
            elif kind == "clock":
                offset = float(body)
            elif kind == "audience":
                fresh = read_audience_line(body)
                if key in audiences:
                    fresh.by_contact, fresh.by_hash = audiences[key].by_contact, audiences[key].by_hash
                audiences[key] = fresh
            elif kind == "deleted":
                audiences.pop(key, None)
            else:
                _apply_line(audiences[key], kind, body)
        return accounts, audiences, offset

    def _take(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_file = path.with_suffix(path.suffix + ".lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise StateFileBusyError(
                f"Another simulator is using {path}; give this one its own --state-file."
            ) from None

    def write(self, lines: Iterable[list[Any]]) -> None:
        """Append and hand over to the operating system, so that killing this process loses nothing."""
        if self._file is None:
            return
        texts = [json.dumps(line, separators=(",", ":")) + "\n" for line in lines]
        self._line_count += len(texts)
        self._file.write("".join(texts))
        self._file.flush()

    def rewrite(self, lines: Iterable[list[Any]]) -> None:
        """Write everything beside the file and put it in its place."""
        if self._path is None:
            return
        beside = self._path.with_suffix(self._path.suffix + ".new")
        count = 0
        with beside.open("w") as file:
            for line in lines:
                file.write(json.dumps(line, separators=(",", ":")) + "\n")
                count += 1
        if self._file is not None:
            self._file.close()
        beside.replace(self._path)
        self._file = self._path.open("a")
        self._line_count = count

    def is_due_for_rewrite(self, live_count: int) -> bool:
        return self._line_count > max(REWRITE_LINES, 5 * live_count)

    def close(self) -> None:
        for file in (self._file, self._lock_file):
            if file is not None:
                file.close()
        self._file = self._lock_file = None


def _apply_line(audience: Audience, kind: str, body: Any) -> None:
    if kind == "member":
        member = read_member_line(body)
        before = audience.by_contact.get(member.contact_id)
        if before is not None and before.hash != member.hash:
            audience.by_hash.pop(before.hash, None)
        audience.put(member)
    elif kind == "dropped" and body in audience.by_contact:
        audience.drop(audience.by_contact[body])
    elif kind == "forgotten":
        audience.forgotten.add(body)
    elif kind == "admitted":
        audience.forgotten.discard(body)


def _lines(path: Path) -> Iterable[list[Any]]:
    if not path.exists():
        return
    with path.open() as file:
        for text in file:
            if not text.endswith("\n"):
                return  # torn by a kill in the middle of the write; its answer never went out
            yield json.loads(text)
