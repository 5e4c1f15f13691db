"""What a mapping document may say: marshmallow schemas whose messages name path, reason and hint."""

from collections.abc import Callable
from typing import Any

from marshmallow import Schema, ValidationError, post_load, validate, validates_schema
from marshmallow import fields as ma

from mappings.language.calls import Flaws, parse_calls
from mappings.language.flaws import Flaw, nested
from mappings.language.paths import parse_path
from mappings.language.problems import Refused, suggestion
from mappings.language.steps.arguments import texts, word_key
from mappings.language.steps.text import compile_pattern
from mappings.language.strict import StrictSchema
from mappings.language.when import parse_condition

MAX_RULES = 500
MAX_PATHS = 50
MAX_TESTS = 200
MAX_TAG = 100  # Mailchimp's limit for a tag's name
MISSING = object()
_NAME = validate.Regexp(
    r"^[a-z0-9][a-z0-9_.-]{0,79}$", error="Small letters, digits, - and _ are allowed here."
)


class _ParsedField(ma.Field[Any]):
    """A key whose value a function parses; the function adds flaws with their places, or raises one."""

    def __init__(self, parse: Callable[[Any, Flaws], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._parse = parse

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - marshmallow's
        flaws: Flaws = []
        try:
            found = self._parse(value, flaws)
        except Refused as refused:
            flaws.append(((), refused))
        if flaws:
            raise ValidationError(nested(flaws))
        return found


def _path(value: Any, _flaws: Flaws) -> Any:
    return parse_path(value if isinstance(value, str) else "")


def _paths(value: Any, flaws: Flaws) -> Any:
    entries = value if isinstance(value, list) else [value]
    if not 0 < len(entries) <= MAX_PATHS:
        raise Refused("bad_path", f"One path, or a list of 1 to {MAX_PATHS} of which the first present wins.")
    paths = []
    for index, entry in enumerate(entries):
        try:
            paths.append(_path(entry, flaws))
        except Refused as refused:
            flaws.append(((index,) if isinstance(value, list) else (), refused))
    return tuple(paths)


def _words(value: Any, _flaws: Flaws) -> Any:
    spoken = {True: "true", False: "false"}
    entries = (
        [spoken[entry] if isinstance(entry, bool) else entry for entry in value]
        if isinstance(value, list)
        else value
    )
    return tuple(word_key(word) for word in texts()(entries))


def _tags(value: Any, _flaws: Flaws) -> Any:
    tags = texts(50)(value)
    if any(not tag.strip() or len(tag) > MAX_TAG for tag in tags):
        raise Refused("bad_tag", f"A tag has 1 to {MAX_TAG} characters.")
    return tags


_CHECKS = ("between", "one_of", "max_length", "matches")


def _checks(value: Any, flaws: Flaws) -> Any:
    if not isinstance(value, dict) or not value:
        raise Refused("bad_check", f"A check is an object with one of {', '.join(_CHECKS)}.")
    checks = []
    for name, argument in value.items():
        try:
            checks.append((name, _check_argument(name, argument)))
        except Refused as refused:
            flaws.append(((name,), refused))
    return tuple(checks)


def _check_argument(name: str, argument: Any) -> Any:
    if name == "one_of":
        return texts()(argument)
    if name == "matches":
        return compile_pattern(argument)
    if name == "max_length" and isinstance(argument, int) and not isinstance(argument, bool) and argument > 0:
        return argument
    if (
        name == "between"
        and isinstance(argument, list)
        and [isinstance(x, int | float) for x in argument] == [True, True]
    ):
        return tuple(argument)
    if name not in _CHECKS:
        raise Refused("unknown_key", f'There is no check "{name[:40]}".', suggestion(name, _CHECKS))
    raise Refused("bad_check", "between takes [least, most]; max_length takes a whole number above 0.")


class _FieldSchema(StrictSchema):
    to = ma.String(required=True)
    paths = _ParsedField(_paths, data_key="from", load_default=())
    do = _ParsedField(parse_calls, load_default=())
    default = ma.Raw(load_default=MISSING)
    is_required = ma.Boolean(data_key="required", load_default=False, truthy={True}, falsy={False})
    is_key = ma.Boolean(data_key="key", load_default=False, truthy={True}, falsy={False})
    on_error = ma.String(load_default="", validate=validate.OneOf(("reject", "skip", "keep_raw", "review")))
    mode = ma.String(load_default="", validate=validate.OneOf(("set", "add", "remove")))
    check = _ParsedField(_checks, load_default=())
    when = _ParsedField(parse_condition, load_default=None)

    @validates_schema(skip_on_field_errors=True)
    def need_a_value(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """A rule reads a path or has a default."""
        if not data["paths"] and data["default"] is MISSING:
            raise ValidationError([Flaw("missing", "A rule needs from, or a default.")], "from")


class _IdentitySchema(StrictSchema):
    kind = ma.String(
        required=True,
        validate=validate.Regexp(
            r"^[a-z][a-z0-9_]{0,39}$", error="Small letters, digits and _ are allowed here."
        ),
    )
    paths = _ParsedField(_paths, data_key="from", required=True)
    do = _ParsedField(parse_calls, load_default=())
    scope = ma.String(load_default="", validate=validate.Length(max=100))
    scope_from = _ParsedField(_path, load_default=None)
    when = _ParsedField(parse_condition, load_default=None)


class _TagSchema(StrictSchema):
    add = _ParsedField(_tags, load_default=())
    remove = _ParsedField(_tags, load_default=())
    when = _ParsedField(parse_condition, load_default=None)


class _ConsentSchema(StrictSchema):
    channel = ma.String(required=True, validate=validate.OneOf(("email", "phone", "sms", "whatsapp", "post")))
    purpose = ma.String(
        required=True,
        validate=validate.Regexp(
            r"^(\*|[a-z0-9][a-z0-9_-]{0,39})$",
            error="Small letters, digits, - and _, or * for every purpose.",
        ),
    )
    paths = _ParsedField(_paths, data_key="from", load_default=())
    do = _ParsedField(parse_calls, load_default=())
    yes = _ParsedField(_words, load_default=())
    no = _ParsedField(_words, load_default=())
    always = ma.String(load_default="", validate=validate.OneOf(("given", "withdrawn")))
    wording = ma.String(load_default="", validate=validate.Length(max=2_000))
    wording_from = _ParsedField(_paths, load_default=())
    at = _ParsedField(_path, load_default=None)
    method = ma.String(load_default="", validate=validate.Length(max=60))
    proof = ma.String(load_default="claimed", validate=validate.OneOf(("claimed", "confirmed")))
    address_from = _ParsedField(_path, load_default=None)
    when = _ParsedField(parse_condition, load_default=None)

    @validates_schema(skip_on_field_errors=True)
    def need_an_answer(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """A consent rule reads an answer, or is always the same; only a withdrawal is about every purpose."""
        if bool(data["paths"]) == bool(data["always"]):
            raise ValidationError(
                [Flaw("missing", "A consent rule has either from, or always: given or withdrawn.")], "from"
            )
        gives = data["always"] == "given" or (data["paths"] and (data["yes"] or not data["no"]))
        if data["purpose"] == "*" and gives:
            raise ValidationError(
                [
                    Flaw(
                        "too_wide",
                        "Nobody agrees to every purpose.",
                        "Name the purpose, or use no: or always: withdrawn.",
                    )
                ],
                "purpose",
            )


class _CaseSchema(StrictSchema):
    name = ma.String(required=True, validate=validate.Length(min=1, max=200))
    given = ma.Raw(required=True, allow_none=True)
    event = ma.Dict(keys=ma.String(), load_default=dict)
    expect = ma.Raw(load_default=None)
    error = ma.Dict(load_default=None)
    ignored = ma.Raw(load_default=None)

    @validates_schema(skip_on_field_errors=True)
    def need_one_outcome(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """A test has exactly one of expect, error and ignored."""
        if sum(data[key] is not None for key in ("expect", "error", "ignored")) != 1:
            raise ValidationError(
                [Flaw("bad_test", "A test has exactly one of expect, error, ignored.")], "expect"
            )


def _rules(schema: type[Schema], most: int = MAX_RULES, data_key: str | None = None) -> Any:
    return ma.List(
        ma.Nested(schema), load_default=list, validate=validate.Length(max=most), data_key=data_key
    )


class DocumentSchema(StrictSchema):
    """A whole document."""

    mapping = ma.String(required=True, validate=_NAME)
    version = ma.Integer(required=True, strict=True, validate=validate.Equal(1))
    source = ma.String(load_default="", validate=validate.Length(max=80))
    target = ma.String(required=True, validate=validate.Equal("contact"))
    description = ma.String(load_default="", validate=validate.Length(max=2_000))
    when = _ParsedField(parse_condition, load_default=None)
    each = _ParsedField(_path, load_default=None)
    rules = _rules(_FieldSchema, data_key="fields")
    identities = _rules(_IdentitySchema)
    tags = _rules(_TagSchema)
    consent = _rules(_ConsentSchema)
    erase = _ParsedField(parse_condition, load_default=None)
    summary = ma.String(load_default="", validate=validate.Length(max=200))
    tests = _rules(_CaseSchema, MAX_TESTS)

    @post_load
    def leave_out_words_for_readers(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """The version is checked and the description is for people."""
        return {key: value for key, value in data.items() if key not in ("version", "target", "description")}
