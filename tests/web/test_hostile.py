"""Whatever people and platforms send is shown as text, character for character, and is nothing else."""

import json
from pathlib import Path

import pytest

from tests.web.conftest import Dom, Person
from tests.web.rows import add_contact, add_delivery, add_event, add_source

PER_PAGE = 250
OWN = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"'><svg/onload=alert(1)>", "</bdi></td><iframe>", "{{7*7}}",
    "{% raw %}", "a\r\nb", "\rc", "\u202eabc", "&amp;lt;", "\u2028x", "\x01\x1f", "  spaces  ", "javascript:alert(1)",
]  # fmt: skip


def corpus(folder: Path, name: str) -> list[str]:
    lines = (folder / "corpora" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [
        text for line in lines for text in [json.loads(line).get("text")] if isinstance(text, str) and text
    ]
    # PostgreSQL stores neither NUL nor half of a surrogate pair; the door keeps those bytes, split leaves them out.
    return [text for text in texts if "\0" not in text and text.encode("utf-8", "ignore").decode() == text]


def check(viewer: Person, session, texts: list[str]) -> int:
    """Show the texts as fields of contacts and compare; how many were looked at."""
    plain = add_contact(session, f0="plain")
    session.commit()
    usual = Dom(viewer.get(f"/contacts/{plain.id}").text)
    seen = 0
    for start in range(0, len(texts), PER_PAGE):
        some = texts[start : start + PER_PAGE]
        contact = add_contact(session, **{f"f{number:04}": text for number, text in enumerate(some)})
        session.commit()
        dom = Dom(viewer.get(f"/contacts/{contact.id}").text)
        missing = [text for text in some if text not in dom.isolated]
        strange = set(dom.tags) - set(usual.tags)
        handlers = [name for _, name, _ in dom.attributes if name.startswith("on")]
        assert ([], set(), []) == (missing, strange, handlers)
        assert dom.tags.count("script") == usual.tags.count("script")
        seen += len(some)
    return seen


def test_hostile_field_values_are_text(viewer: Person, session):
    assert len(OWN) == check(viewer, session, OWN)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "least"), [("xss", 1000), ("blns", 250), ("name", 40), ("ssti", 50)])
def test_hostile_texts_of_the_corpora_are_text(viewer: Person, session, shared: Path, name: str, least: int):
    assert check(viewer, session, corpus(shared, name)) >= least


@pytest.mark.parametrize("text", OWN)
def test_hostile_bodies_keys_and_reasons_are_text(viewer: Person, session, text: str):
    source = add_source(session, label=text)
    body = text.encode()
    delivery = add_delivery(
        session, source, text, body, content_type="text/html", headers=[["x-note", text]], query=[["q", text]]
    )
    error = {"code": "x", "reason": text, "hint": text, "path": text, "value": text, "field": text}
    add_event(
        session, source, delivery, text, {"a": text}, state="dead", reason=text, error=error, warnings=[error]
    )
    session.commit()

    pages = [
        viewer.get(path).text
        for path in (f"/deliveries/{delivery.id}", "/deliveries", "/dead-letters", "/sources", "/")
    ]

    strange = [
        tag
        for page in pages
        for tag in Dom(page).tags
        if tag in {"iframe", "img" if "<img" in text else "object", "style"}
    ]
    scripts = [Dom(page).tags.count("script") for page in pages]
    brand_images = ["img"] * len(pages) if "<img" in text else []
    assert brand_images == strange
    assert [1] * len(pages) == scripts
    assert text in Dom(pages[0]).isolated


@pytest.mark.shared
def test_sql_in_every_filter_finds_nothing_and_breaks_nothing(viewer: Person, session, shared: Path):
    source = add_source(session)
    add_delivery(session, source, "k", b"{}")
    add_contact(session, email="ana@mail.example")
    session.commit()
    answers = []

    for text in corpus(shared, "sqli")[::10]:
        for path, name in (
            ("/deliveries", "q"),
            ("/deliveries", "source"),
            ("/deliveries", "state"),
            ("/deliveries", "before"),
            ("/contacts", "q"),
            ("/dead-letters", "source"),
        ):
            answers.append((path, viewer.get(path, query_string={name: text}).status_code, text))

    assert len(answers) > 100
    assert [] == [answer for answer in answers if answer[1] != 200]
