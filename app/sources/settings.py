"""What an admin may set for a source: checked against the integration's own table. Pure, but for making secrets."""

import base64
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from app.core.errors import InvalidError, NotFoundError
from integrations.kit.base import BaseSource
from integrations.kit.contract import Setting, Source, SourceConfig
from integrations.kit.registry import UnknownIntegration, get_source

URL_KEY = "url_key"  # the secret that stands in the path: /hooks/<slug>/<url_key>
LIST_INTEGRATION = (
    "list"  # sources of list sync jobs: no platform calls them, so they have no hook and no secret
)
LONGEST_VALUE = 4_000


def _whsec() -> str:
    # The form of Standard Webhooks 1.0.0: https://github.com/standard-webhooks/standard-webhooks, seen 2026-11-21.
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


GENERATORS: Mapping[str, Callable[[], str]] = {"token": lambda: secrets.token_urlsafe(32), "whsec": _whsec}


@dataclass(frozen=True, slots=True)
class Range:
    """What a number of Muster's own may be."""

    least: int
    most: int
    help: str


# Muster's own settings of any source; they are columns of it.
COLUMNS: Mapping[str, Range] = {
    "max_body_bytes": Range(1, 20 * 1024 * 1024, "the largest body accepted, in bytes"),
    "trust": Range(0, 100, "which source wins under the survivorship rule most_trusted: the higher one"),
}


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """One setting that is missing, unknown or unusable."""

    path: str
    code: str
    reason: str
    hint: str = ""
    value: str = ""
    field: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class CheckedSettings:
    """Given values, sorted into where they belong."""

    plain: dict[str, str] = field(default_factory=dict)
    secret: dict[str, str] = field(default_factory=dict)
    columns: dict[str, int] = field(default_factory=dict)
    generated: dict[str, str] = field(default_factory=dict)  # the part of `secret` that Muster made


def integration_of(name: str) -> Source:
    """The integration's source object; NotFoundError names the ones there are."""
    try:
        return get_source(name)
    except UnknownIntegration as error:
        raise NotFoundError(str(error), "`muster sources list` shows the sources there are.") from error


def primary_setting(source: Source) -> Setting | None:
    """The secret that `sources add` answers with and `sources rotate` renews."""
    return next((setting for setting in source.settings if setting.is_primary), None)


def hook_path(slug: str, url_key: str = "") -> str:
    """Where the platform posts to."""
    return f"/hooks/{slug}/{url_key}" if url_key else f"/hooks/{slug}"


def list_settings(integration: str) -> tuple[Setting, ...]:
    """What can be set for a source of this integration; nothing for a list."""
    return () if integration == LIST_INTEGRATION else integration_of(integration).settings


def list_config_problems(source: Source, config: SourceConfig) -> tuple[str, ...]:
    """Sentences of the integration about what is missing or wrong; empty when deliveries can come in."""
    return source.list_config_problems(config) if isinstance(source, BaseSource) else ()


def refuse_unusable(source: Source, config: SourceConfig, given: Collection[str]) -> None:
    """InvalidError with what the integration has against the values of the settings named in `given`.

    What it misses without them (a token that comes later) is no reason to refuse; `muster doctor` says it.
    """
    others = SourceConfig(
        config.slug,
        {name: value for name, value in config.settings.items() if name not in given},
        {name: values for name, values in config.secrets.items() if name not in given},
    )
    known = list_config_problems(source, others)
    found = [sentence for sentence in list_config_problems(source, config) if sentence not in known]
    if found:
        problems = [SettingProblem(_named_in(sentence, source), "unusable", sentence) for sentence in found]
        raise InvalidError(
            f"{len(found)} setting{'s' if len(found) > 1 else ''} of a {source.label} source cannot be used.",
            f"Settings of {source.name}: {_overview(source)}.",
            problems,
        )


def _named_in(sentence: str, source: Source) -> str:
    """The setting that the sentence begins with."""
    return next((each.name for each in source.settings if sentence.startswith(each.label)), source.name)


def check_list_columns(slug: str, given: Mapping[str, str]) -> CheckedSettings:
    """What may be set for a list: its trust. InvalidError for anything else."""
    if foreign := sorted(name for name in given if name != "trust"):
        raise InvalidError(
            f"{slug} is a list: it has no hook and no secrets, so {', '.join(foreign)[:80]} cannot be set.",
            f"Its trust can be: muster sources set {slug} trust=60.",
        )
    checked = CheckedSettings()
    problems = [problem for name, value in given.items() if (problem := _take_number(checked, name, value))]
    if problems:
        raise InvalidError(f"The trust of {slug} cannot be that.", problems[0].reason, problems)
    return checked


def check_given(source: Source, given: Mapping[str, str], *, is_new: bool) -> CheckedSettings:
    """Sort `given`; for a new source make what is generated and insist on what is required. InvalidError names all."""
    known = {setting.name: setting for setting in source.settings}
    checked = CheckedSettings()
    problems = [problem for name, value in given.items() if (problem := _take(checked, known, name, value))]
    if is_new:
        problems += _complete(checked, source, given)
    if problems:
        raise InvalidError(
            f"{len(problems)} setting{'s' if len(problems) > 1 else ''} of a {source.label} source cannot be used.",
            f"Settings of {source.name}: {_overview(source)}.",
            problems,
        )
    return checked


def _take(
    checked: CheckedSettings, known: Mapping[str, Setting], name: str, value: str
) -> SettingProblem | None:
    if name in COLUMNS:
        return _take_number(checked, name, value)
    setting = known.get(name)
    if setting is None:
        hint = f"It knows: {', '.join((*known, *COLUMNS))}."
        return SettingProblem(name, "unknown_setting", f"This integration has no setting {name!r}.", hint)
    if len(value) > LONGEST_VALUE or "\x00" in value:
        return SettingProblem(name, "too_long", f"{setting.label} is longer than {LONGEST_VALUE} characters.")
    if (setting.is_secret or setting.is_required) and not value.strip():
        return SettingProblem(name, "empty", f"{setting.label} is empty.", setting.help)
    (checked.secret if setting.is_secret else checked.plain)[name] = value.strip()
    return None


def _take_number(checked: CheckedSettings, name: str, value: str) -> SettingProblem | None:
    allowed = COLUMNS[name]
    number = int(value) if value.strip().isdecimal() and len(value) <= len(str(allowed.most)) + 1 else -1
    if not allowed.least <= number <= allowed.most:
        reason = f"{name} is a number from {allowed.least} to {allowed.most}."
        return SettingProblem(name, "out_of_range", reason, f"It says {allowed.help}.", value[:80])
    checked.columns[name] = number
    return None


def _complete(checked: CheckedSettings, source: Source, given: Mapping[str, str]) -> list[SettingProblem]:
    problems = []
    for setting in source.settings:
        if setting.name in given:
            continue
        if setting.generated:
            value = GENERATORS[setting.generated]()
            (checked.secret if setting.is_secret else checked.plain)[setting.name] = value
            checked.generated[setting.name] = value
        elif setting.default:
            checked.plain[setting.name] = setting.default
        elif setting.is_required:
            hint = f"{setting.help} Give it as --set {setting.name}=...".strip()
            problems.append(SettingProblem(setting.name, "required", f"{setting.label} is missing.", hint))
    return problems


def _overview(source: Source) -> str:
    return "; ".join(
        f"{setting.name} ({'required' if setting.is_required and not setting.generated else 'optional'}) {setting.help or setting.label}"
        for setting in source.settings
    )
