"""The mapping of a source: edit, check while writing, publish, compare, roll back."""

from dataclasses import dataclass

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user

from app.core.errors import ConflictError, InvalidError
from app.sources.mappings import publish_mapping, roll_back
from app.web.access import make_blueprint, requires
from app.web.mapping_check import LONGEST_DOCUMENT, Check, check_mapping, compare
from app.web.queries.sources import (
    StoredEvent,
    find_stored_event,
    get_document,
    get_source_view,
    list_event_choices,
    list_version_lines,
)
from app.web.wiring import reading, writing
from mappings.language.event import EventInfo

blueprint = make_blueprint("mapping")
NEW_DOCUMENT = "mapping: {slug}\nversion: 1\ntarget: contact\nfields:\n  - to: email\n    from: email\n    do: [email]\n    key: true\n"


@dataclass(frozen=True, slots=True)
class Text:
    """A mapping text on its way: what it started from, and whether somebody was faster."""

    document: str
    note: str = ""
    started_from: int | None = None
    is_conflict: bool = False


@blueprint.get("/sources/<slug:slug>/mapping")
@requires("viewer")
def show(slug: str) -> ResponseReturnValue:
    """The version in force, to edit, beside its result on a stored event."""
    source = get_source_view(reading(), slug)
    number = source.mapping_number
    document = get_document(reading(), slug, number) if number else NEW_DOCUMENT.format(slug=slug)
    return _page(slug, Text(document, started_from=number))


def _page(slug: str, text: Text) -> str:
    source = get_source_view(reading(), slug)
    events = list_event_choices(reading(), slug)
    wanted = request.values.get("event", type=int)
    stored = find_stored_event(reading(), slug, wanted or (events[0].id if events else 0))
    return render_template(
        "mapping/show.html",
        source=source,
        document=text.document,
        note=text.note,
        base_number=source.mapping_number,
        started_from=text.started_from,
        conflict=text.is_conflict,
        versions=list_version_lines(reading(), slug),
        events=events,
        event_id=stored.id if stored else None,
        stored=stored,
        check=_check(slug, text.document, stored),
    )


def _check(slug: str, document: str, stored: StoredEvent | None) -> Check:
    if stored is None:
        return check_mapping(document, None, EventInfo(source=slug))
    info = EventInfo(stored.key, stored.kind, stored.occurred_at, stored.received_at, stored.account, slug)
    return check_mapping(document, stored.content, info)


def _document() -> str:
    """The text as it was written: browsers send CR LF at line ends."""
    document = request.form.get("document", "").replace("\r\n", "\n")
    if len(document) > LONGEST_DOCUMENT:
        abort(413)
    return document


@blueprint.post("/sources/<slug:slug>/mapping/check")
@requires("editor")
def check(slug: str) -> ResponseReturnValue:
    """Problems by line, and the result on the chosen event; called at each pause of the writer."""
    get_source_view(reading(), slug)
    stored = find_stored_event(reading(), slug, request.form.get("event", 0, type=int))
    return render_template("mapping/_result.html", check=_check(slug, _document(), stored), stored=stored)


@blueprint.post("/sources/<slug:slug>/mapping")
@requires("editor")
def publish(slug: str) -> ResponseReturnValue:
    """Publish with a note, unless there are problems or somebody else published meanwhile."""
    text = Text(_document(), request.form.get("note", "").strip(), request.form.get("base", 0, type=int))
    try:
        with writing() as db:
            source = get_source_view(db, slug)
            made = publish_mapping(
                db, source.id, text.document, text.note, current_user.email, based_on=text.started_from
            )
    except ConflictError:
        return _page(slug, Text(text.document, text.note, text.started_from, is_conflict=True)), 409
    except InvalidError:
        return _page(slug, text), 422  # the check beside the text names each problem
    flash(f"Version {made.number} is in force.")
    return redirect(url_for("mapping.show", slug=slug))


@blueprint.post("/sources/<slug:slug>/mapping/versions/<id:number>/roll-back")
@requires("editor")
def roll_back_to(slug: str, number: int) -> ResponseReturnValue:
    """Publish an earlier version again, as a new one."""
    with writing() as db:
        made = roll_back(db, get_source_view(db, slug).id, number, author=current_user.email)
    flash(f"Version {made.number} is in force: the text of version {number} again.")
    return redirect(url_for("mapping.show", slug=slug))


@blueprint.get("/sources/<slug:slug>/mapping/versions/<id:number>")
@requires("viewer")
def version(slug: str, number: int) -> ResponseReturnValue:
    """One version as it was published."""
    source = get_source_view(reading(), slug)
    document = get_document(reading(), slug, number)
    line = next((found for found in list_version_lines(reading(), slug) if found.number == number), None)
    return render_template(
        "mapping/version.html", source=source, document=document, version=line or abort(404)
    )


@blueprint.get("/sources/<slug:slug>/mapping/compare/<id:old>/<id:new>")
@requires("viewer")
def compare_versions(slug: str, old: int, new: int) -> ResponseReturnValue:
    """What changed from one version to another."""
    source = get_source_view(reading(), slug)
    lines = compare(get_document(reading(), slug, old), get_document(reading(), slug, new))
    return render_template("mapping/compare.html", source=source, old=old, new=new, lines=lines)
