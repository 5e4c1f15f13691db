"""The start of a new integration: a folder and a preset that pass every test, to be changed line by line."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from app.core.errors import ConflictError, InvalidError

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
LONGEST_NAME = 40

SOURCE = Template('''"""$label: what it posts, and how it proves who it is.

Facts from the platform's pages (write their addresses here, and the date you read them).
"""

from typing import ClassVar

from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    Event,
    Ignored,
    RawRequest,
    Setting,
    SourceConfig,
    Split,
    Unreadable,
)
from integrations.kit.signing import Check, HmacScheme, Prefixed
from integrations.kit.strict_json import load_object
from integrations.kit.times import find_time

# The types of events that mean a person; whatever else comes in is ignored by its name.
PEOPLE = frozenset({"person.created", "person.updated"})


class $class_name(BaseSource):
    """Signed JSON, one event a delivery."""

    name = "$name"
    label = "$label"
    checks: ClassVar[tuple[Check, ...]] = (
        HmacScheme(secret="secret", header="x-signature-256", layout=Prefixed("sha256=")),  # noqa: S106 -- a setting's name
    )
    settings = (
        Setting(
            "secret",
            "Signing secret",
            "From the platform's webhook settings.",
            is_secret=True,
            is_required=True,
            is_primary=True,
        ),
    )

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """One event a delivery; its own id is the key."""
        body = load_object(request.body, "Send it as the platform's page shows it.")
        if not isinstance(body.get("id"), str):
            raise Unreadable("the body is no event with an id", "Send it as the platform's page shows it.")
        kind = str(body.get("type") or "")
        if kind not in PEOPLE:
            return Split(ignored=(Ignored(kind[:40] or "no type", "a type of event Muster does not need"),))
        person = body.get("person")
        content = person if isinstance(person, dict) else {}
        return Split((Event(body["id"], kind, content, find_time(body.get("created_at"))),))


source = $class_name()
''')

PRESET = Template("""# $label: the person of an event, by the platform's names.
mapping: $slug
version: 1
source: $name
target: contact
fields:
  - {to: email, from: email, do: [trim, email], key: true}
  - {to: first_name, from: first_name}
  - {to: last_name, from: last_name}
  - {to: origin, from: origin, default: $label}
summary: arrived from $label
tests:
  - name: a person
    given: {email: ana@mail.example, first_name: Ana, last_name: López}
    expect: {email: ana@mail.example, first_name: Ana, last_name: López, origin: $label}
  - name: without an address nobody is known
    given: {first_name: Ana}
    error: {code: no_identity}
""")

README = Template("""# $label

What comes in, in a sentence.

## Set up

1. `muster sources add $name $slug --set secret=...` answers with the address to type in.
2. At the platform: the clicks, with the exact texts of its screens.
3. Send the platform's test event and look at **Deliveries** in Muster's console.

## Good to know

- Permissions, limits, how long the platform tries again, what it leaves out.

Checked: $today, against: a real delivery, the published format, the screens (say which).
""")

BODY = {
    "id": "evt_1",
    "type": "person.created",
    "created_at": "2026-11-01T10:00:00Z",
    "person": {"email": "ana@mail.example", "first_name": "Ana", "last_name": "López"},
}
EVENT = {
    "key": "evt_1",
    "kind": "person.created",
    "content": BODY["person"],
    "occurred_at": "2026-11-01T10:00:00+00:00",
}
GIVEN = {
    "now": "2026-11-01T10:00:05Z",
    "headers": {"Content-Type": "application/json"},
    "secrets": {"secret": ["a-secret-for-tests"]},
}


def check_name(name: str) -> None:
    """InvalidError unless the name can be a folder, an address and a preset."""
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise InvalidError(
            f"{name[:60]!r} cannot name an integration.",
            "Small letters, digits and single _; a letter first.",
        )


def write_scaffold(root: Path, name: str, label: str) -> list[Path]:
    """Write the files under `root`; those written, relative to it. ConflictError where one is there already."""
    if not (root / "integrations").is_dir() or not (root / "mappings" / "presets").is_dir():
        raise InvalidError(
            f"{root.resolve()} is not Muster's project folder.", "Go there, or name it with --root."
        )
    files = list_files(name, label)
    taken = [path for path in files if (root / path).exists()]
    if taken:
        raise ConflictError(f"{taken[0]} is there already.", "Choose another name.")
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
    return list(files)


def list_files(name: str, label: str) -> dict[Path, str]:
    """Path -> text of everything a new integration starts with."""
    words = {
        "name": name,
        "slug": name.replace("_", "-"),
        "label": label,
        "class_name": "".join(part.title() for part in name.split("_")),
        "today": datetime.now(UTC).date().isoformat(),
    }
    folder = Path("integrations") / name
    return {
        folder / "__init__.py": f'"""{label}."""\n',
        folder / "source.py": SOURCE.substitute(words),
        folder / "README.md": README.substitute(words),
        **{folder / "fixtures" / path: text for path, text in _fixtures(label).items()},
        Path("mappings") / "presets" / f"{name}.yaml": PRESET.substitute(words),
    }


def _fixtures(label: str) -> dict[str, str]:
    patch = {
        "identities": ["email ana@mail.example"],
        "fields": {"email": "ana@mail.example", "first_name": "Ana", "last_name": "López", "origin": label},
    }
    cases = {
        "person": (
            {**GIVEN, "sign": True, "body": _json(BODY)},
            {"verdict": "ok", "events": [EVENT], "patches": [{"patches": [patch]}]},
        ),
        "another_type": (
            {**GIVEN, "sign": True, "body": _json({**BODY, "type": "ping"})},
            {
                "verdict": "ok",
                "ignored": [{"kind": "ping", "reason": "a type of event Muster does not need"}],
            },
        ),
        "unsigned": ({**GIVEN, "body": _json(BODY)}, {"verdict": "signature header missing"}),
        "junk": (
            {**GIVEN, "sign": True, "body": "[1]"},
            {"verdict": "ok", "unreadable": "the JSON is no object"},
        ),
    }
    return {
        f"{case}.{part}.json": json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        for case, (given, expect) in cases.items()
        for part, content in (("given", given), ("expect", expect))
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
