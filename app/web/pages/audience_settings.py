"""An audience's settings: entry rule with a live count, merge fields with preflight, what Muster manages, policies."""

from functools import partial
from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user

from app.audiences.configure import get_audience_row
from app.audiences.counting import EntitledCount, count_entitled
from app.audiences.load import view_audience
from app.audiences.models import Audience
from app.audiences.outward import ADDRESS_NAME, EMAIL_TAG
from app.audiences.preflight import Preflight, check_schema, preflight
from app.audiences.schema import create_merge_field, guess_field, refresh_schema
from app.audiences.settings import change_settings
from app.core.audit import audit
from app.core.errors import InvalidError, MusterError
from app.web.access import make_blueprint, requires
from app.web.pages import audience_form as form
from app.web.pages.forms import Refusal, calling, do
from app.web.pages.rule_words import rule_sentence
from app.web.queries.audiences import find_names
from app.web.wiring import reading, wiring, writing
from mappings.language.fields import default_fields

blueprint = make_blueprint("audience_settings")
LONGEST_TEXT = 20_000
ID_TYPES = ("text", "number")


@blueprint.get("/audiences/<slug:audience>/settings")
@requires("viewer")
def show(audience: str) -> ResponseReturnValue:
    """All settings. With `?preflight=1` every contact's values are looked at too."""
    return _page(audience)


def _page(slug: str, refusal: Refusal | None = None, counted: "_Counted | None" = None) -> str:
    row = get_audience_row(reading(), slug)
    typed = refusal.typed if refusal else {}
    schema = row.remote_schema or {}
    is_whole = request.args.get("preflight") == "1"
    view = view_audience(row)
    found = preflight(reading(), view) if is_whole else Preflight(tuple(check_schema(view)))
    return render_template(
        "audiences/settings.html",
        audience=_plain(row),
        refusal=refusal,
        typed=typed,
        rule_text=typed.get("rule") or form.shown_rule(row.entry_rule),
        sentence=rule_sentence(row.entry_rule),
        counted=counted or _count(row, row.entry_rule),
        rows=form.field_rows(row.merge_fields, schema, row.contact_id_field),
        email_direction=form.shown_mapping(row.merge_fields.get(EMAIL_TAG))[1],
        interests=form.interest_rows(row.interests, schema),
        id_tags=[tag for tag, one in (schema.get("merge_fields") or {}).items() if one["type"] in ID_TYPES],
        preflight=found,
        is_whole=is_whole,
        names=find_names(reading(), {one for line in found.rows for one in line.contact_ids}),
        known_fields=(ADDRESS_NAME, *default_fields().names()),
        words=form,
    )


def _plain(row: Audience) -> dict[str, Any]:
    """The row's own settings as the form shows them."""
    names = (
        "slug", "list_id", "purpose", "channel", "contact_id_field", "is_double_opt_in", "on_leave", "on_return",
        "keeps_activity",
    )  # fmt: skip
    read_at = (row.remote_schema or {}).get("read_at")
    return {
        **{name: getattr(row, name) for name in names},
        "label": row.label or row.slug,
        "tags": "\n".join(map(str, row.tags)),
        "permissions": "\n".join(f"{one} = {what}" for one, what in row.marketing_permissions.items()),
        "guard_per_cent": f"{row.guard_share * 100:g}",
        "is_read": bool(read_at or (row.remote_schema or {}).get("merge_fields")),
    }


class _Counted:
    """What stands below the rule: its sentence and count, or what is wrong with it."""

    def __init__(self, sentence: str, count: EntitledCount | None, problem: str = "", hint: str = "") -> None:
        self.sentence, self.count, self.problem, self.hint = sentence, count, problem, hint
        self.names = find_names(reading(), count.sample) if count else {}


def _count(row: Audience, rule: Any) -> _Counted:
    count = count_entitled(reading(), view_audience(row), rule)  # checks the rule
    return _Counted(rule_sentence(rule), count)


def _count_typed(row: Audience, text: str) -> _Counted:
    try:
        return _count(row, form.read_rule(text))
    except MusterError as error:
        return _Counted("", None, error.message, error.hint)


def _rule_text() -> str:
    text = request.form.get("rule", "").replace("\r\n", "\n")
    if len(text) > LONGEST_TEXT:
        raise InvalidError("The entry rule is too long.", f"At most {LONGEST_TEXT} characters.")
    return text


@blueprint.post("/audiences/<slug:audience>/rule/count")
@requires("editor")
def count_rule(audience: str) -> ResponseReturnValue:
    """How many a rule would let in, in words; called by the button, and while somebody writes."""
    row = get_audience_row(reading(), audience)
    text = request.form.get("rule", "")[:LONGEST_TEXT]
    counted = _count_typed(row, text)
    if request.headers.get("X-Fragment"):
        return render_template("audiences/_count.html", counted=counted)
    return _page(audience, Refusal("", "", typed={"rule": text}), counted)


@blueprint.post("/audiences/<slug:audience>/rule")
@requires("editor")
def save_rule(audience: str) -> ResponseReturnValue:
    """Who belongs in the audience."""

    def work() -> str:
        rule = form.read_rule(_rule_text())
        return _save(audience, {"entry_rule": rule}, "The rule is saved. Everybody is planned anew.")

    return _do("rule", audience, work)


def _save(slug: str, values: dict[str, Any], said: str) -> str:
    with writing() as db:
        before = change_settings(db, get_audience_row(db, slug), values, current_user.email)
    return said if before else "Nothing was changed."


def _do(place: str, slug: str, work: Any) -> ResponseReturnValue:
    back = url_for("audience_settings.show", audience=slug) + f"#{place}"
    return do(place, work, partial(_page, slug), back, request.form.to_dict())


@blueprint.post("/audiences/<slug:audience>/fields")
@requires("editor")
def save_fields(audience: str) -> ResponseReturnValue:
    """Which contact field goes into which merge field, and whose value stands."""

    def work() -> str:
        with writing() as db:
            row = get_audience_row(db, audience)
            rows = form.field_rows(row.merge_fields, row.remote_schema or {}, row.contact_id_field)
            change_settings(
                db, row, {"merge_fields": form.read_fields(request.form, rows)}, current_user.email
            )
        return "The merge fields are saved. Everybody is planned anew."

    return _do("fields", audience, work)


@blueprint.post("/audiences/<slug:audience>/fields/new")
@requires("editor")
def create_field(audience: str) -> ResponseReturnValue:
    """Make a merge field at Mailchimp, and map the contact field to it where one is named."""
    tag, source = request.form.get("tag", "").strip().upper(), request.form.get("source", "").strip()

    def work() -> str:
        with writing() as db:
            row = get_audience_row(db, audience)
            audience_id, mapped = row.id, dict(row.merge_fields)
        if source and default_fields().find(source) is None and source != ADDRESS_NAME:
            raise InvalidError(f"There is no contact field {source[:40]!r}.", "Choose one of the list.")
        name, kind = guess_field(source or mapped.get(tag), tag)
        with calling() as connections:
            chosen = {
                "name": request.form.get("name", "").strip()[:50] or name,
                "type_": request.form.get("type") or kind,
            }
            sessions = wiring().runtime.sessions
            create_merge_field(sessions, connections, audience_id, tag, **chosen, actor=current_user.email)
        if source:
            reading().expire_all()  # the schema was read anew
            _save(audience, {"merge_fields": {**mapped, tag: source}}, "")
        return f"{tag} is made at Mailchimp{f' and takes {source}' if source else ''}."

    return _do("fields", audience, work)


@blueprint.post("/audiences/<slug:audience>/schema")
@requires("editor")
def read_schema(audience: str) -> ResponseReturnValue:
    """Read the merge fields and interests at Mailchimp again."""

    def work() -> str:
        with writing() as db:
            audience_id = get_audience_row(db, audience).id
            audit(db, current_user.email, "audience.read_schema", f"audience:{audience}")
        with calling() as connections:
            news = refresh_schema(wiring().runtime.sessions, connections, audience_id)
        told = [
            f"gone: {', '.join(gone)}" if (gone := news.gone + news.gone_interests) else "",
            f"back: {', '.join(back)}" if (back := news.back + news.back_interests) else "",
            f"made again: {', '.join(news.remade)}" if news.remade else "",
            f"changed: {', '.join(news.changed)}" if news.changed else "",
        ]
        return (
            f"Read again. {'; '.join(part for part in told if part) or 'Nothing that is mapped has changed'}."
        )

    return _do("fields", audience, work)


@blueprint.post("/audiences/<slug:audience>/managed")
@requires("editor")
def save_managed(audience: str) -> ResponseReturnValue:
    """The tags, interests and permissions that Muster sets there; all others are staff's."""

    def work() -> str:
        row = get_audience_row(reading(), audience)
        rows = form.interest_rows(row.interests, row.remote_schema or {})
        values = {
            "tags": form.read_words(request.form.get("tags", "")),
            "interests": form.read_interests(request.form, rows),
            "marketing_permissions": form.read_permissions(request.form.get("permissions", "")),
            "contact_id_field": request.form.get("contact_id_field", ""),
        }
        return _save(audience, values, "Saved. Everybody is planned anew.")

    return _do("managed", audience, work)


@blueprint.post("/audiences/<slug:audience>/policies")
@requires("editor")
def save_policies(audience: str) -> ResponseReturnValue:
    """Name, opt-in, what happens to those who leave and return, and how many may leave unasked."""

    def work() -> str:
        values = {
            "label": request.form.get("label", "").strip()[:100],
            "on_leave": request.form.get("on_leave", ""),
            "on_return": request.form.get("on_return", ""),
            "is_double_opt_in": request.form.get("is_double_opt_in") == "1",
            "keeps_activity": request.form.get("keeps_activity") == "1",
            "guard_share": form.read_share(request.form.get("guard_per_cent", "")),
        }
        return _save(audience, values, "Saved.")

    return _do("policies", audience, work)
