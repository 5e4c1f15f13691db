"""Measures map + validate per core: Muster's compiled mapping beside jmespath + marshmallow doing the same work.

The baseline is one compiled JMESPath multiselect over the same content, with the very same leaf functions
(Muster's e-mail, phone, name and date readers, caches included) registered as JMESPath functions, and a marshmallow
schema that checks the result and makes the contact patch. Both must give equal results for every event before
anything is timed.

    python bench/map.py [--json FILE] [--events N] [--seconds S]
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import jmespath
import marshmallow
from jmespath import functions

from mappings.language.compile import EventInfo, compile_mapping
from mappings.language.document import load_document
from mappings.language.patch import ConsentEvidence, ContactPatch, Identity, MappingResult
from mappings.language.steps.contact import country, email, phone
from mappings.language.steps.names import name_family, name_given
from mappings.language.steps.values import CONSENT_YES, class_year

DOCUMENT = """
mapping: bench
version: 1
target: contact
fields:
  - {to: email, from: fields.email, do: [trim, email], required: true, key: true}
  - {to: first_name, from: fields.full_name, do: [trim, name_given]}
  - {to: last_name, from: fields.full_name, do: [trim, name_family]}
  - {to: full_name, from: fields.full_name}
  - {to: phone, from: fields.phone, do: [{phone: {region_from: fields.country, default: GB}}]}
  - {to: country, from: fields.country}
  - {to: class_year, from: fields.grad_year}
  - {to: organisation, from: work.organisation}
  - {to: job_title, from: work.title}
  - {to: city, from: address.city}
  - {to: postal_code, from: address.postcode, do: [trim, upper]}
  - {to: interests, from: fields.interests, do: [{split: ";"}]}
  - {to: origin, from: [utm.source, utm_source], default: website}
  - {to: message, from: fields.message}
consent:
  - {channel: email, purpose: newsletter, from: fields.consent, wording: join-form-2026-02, method: form}
"""

EXPRESSION = """{
  email: m_email(fields.email), first_name: m_given(fields.full_name), last_name: m_family(fields.full_name),
  full_name: m_trim(fields.full_name), phone: m_phone(fields.phone, fields.country), country: m_country(fields.country),
  class_year: m_year(fields.grad_year), organisation: m_trim(work.organisation), job_title: m_trim(work.title),
  city: m_trim(address.city), postal_code: m_upper(address.postcode), interests: m_split(fields.interests),
  origin: m_trim(utm.source || utm_source || 'website'), message: m_trim(fields.message), consent: m_yes(fields.consent)
}"""


def _text_or_none(value: Any, read: Callable[[str], Any] | None = None) -> Any:
    text = value.strip() if isinstance(value, str) else str(value) if isinstance(value, int) else None
    if not text:
        return None
    return (read(text) if read else text) or None


class LeafFunctions(functions.Functions):
    """The same leaf work as the mapping's steps, as JMESPath functions."""

    @functions.signature({"types": []})
    def _func_m_trim(self, value):
        return _text_or_none(value)

    @functions.signature({"types": []})
    def _func_m_upper(self, value):
        return _text_or_none(value, str.upper)

    @functions.signature({"types": []})
    def _func_m_email(self, value):
        return _text_or_none(value, email.run)

    @functions.signature({"types": []})
    def _func_m_given(self, value):
        return _text_or_none(value, name_given.run)

    @functions.signature({"types": []})
    def _func_m_family(self, value):
        return _text_or_none(value, name_family.run)

    @functions.signature({"types": []}, {"types": []})
    def _func_m_phone(self, value, region):
        return _text_or_none(value, lambda text: phone.run(text, "GB", region))

    @functions.signature({"types": []})
    def _func_m_country(self, value):
        return _text_or_none(value, country.run)

    @functions.signature({"types": []})
    def _func_m_year(self, value):
        return _text_or_none(value, class_year.run)

    @functions.signature({"types": []})
    def _func_m_split(self, value):
        parts = [part.strip() for part in value.split(";")] if isinstance(value, str) else []
        return [part for part in parts if part] or None

    @functions.signature({"types": []})
    def _func_m_yes(self, value):
        return "given" if isinstance(value, str) and value.strip().casefold() in CONSENT_YES else None


class PatchSchema(marshmallow.Schema):
    """What the baseline's result must look like: the same types and limits as the field dictionary's."""

    email = marshmallow.fields.Email(required=True)
    first_name = marshmallow.fields.String(validate=marshmallow.validate.Length(max=2000))
    last_name = marshmallow.fields.String(validate=marshmallow.validate.Length(max=2000))
    full_name = marshmallow.fields.String(validate=marshmallow.validate.Length(max=2000))
    phone = marshmallow.fields.String(validate=marshmallow.validate.Length(max=20))
    country = marshmallow.fields.String(validate=marshmallow.validate.Length(equal=2))
    class_year = marshmallow.fields.Integer(validate=marshmallow.validate.Range(1850, 2100))
    organisation = marshmallow.fields.String(validate=marshmallow.validate.Length(max=2000))
    job_title = marshmallow.fields.String(validate=marshmallow.validate.Length(max=2000))
    city = marshmallow.fields.String(validate=marshmallow.validate.Length(max=2000))
    postal_code = marshmallow.fields.String(validate=marshmallow.validate.Length(max=2000))
    interests = marshmallow.fields.List(marshmallow.fields.String())
    origin = marshmallow.fields.String(validate=marshmallow.validate.Length(max=2000))
    message = marshmallow.fields.String(validate=marshmallow.validate.Length(max=2000))
    consent = marshmallow.fields.String(validate=marshmallow.validate.OneOf(("given",)))

    @marshmallow.post_load
    def make_result(self, data, **_kwargs):
        """The same result as Muster's, so that both are compared whole."""
        verdict = data.pop("consent", None)
        consents = (
            (ConsentEvidence("email", "newsletter", verdict, wording="join-form-2026-02", method="form"),)
            if verdict
            else ()
        )
        identities = tuple(Identity(kind, data[kind]) for kind in ("email", "phone") if kind in data)
        return MappingResult((ContactPatch(identities=identities, fields=data, consents=consents),))


FIRST = ("Ana María", "Bo", "Chidi", "Dora", "Émile", "Fatima", "Greta", "Hiro")
LAST = ("López", "O'Brien", "van Beethoven", "Smith", "Nowak", "Okafor")


def events(count: int) -> list[dict[str, Any]]:
    """Invented people, some fields blank or absent; the same for every run."""
    return [_event(index) for index in range(count)]


def _event(index: int) -> dict[str, Any]:
    first, last = FIRST[index % len(FIRST)], LAST[index % len(LAST)]
    fields = {
        "email": f" Person.{index}@Example.ORG ",
        "full_name": f" {first} {last} ",
        "phone": f"(020) 7946 {index % 10_000:04d}",
        "country": ("GB", "United Kingdom", "")[index % 3],
        "grad_year": ("1998", "'98", 2004, None)[index % 4],
        "interests": "mentoring; reunions" if index % 2 else "",
        "consent": ("yes", "", "on")[index % 3],
        "message": "Please tell me when the next reunion is. " * (index % 4),
    }
    content: dict[str, Any] = {
        "form": "alumni-join",
        "submitted_at": "2026-03-05T10:22:31Z",
        "fields": fields,
    }
    content["work"] = {
        "organisation": f"Example {index % 50} Ltd",
        "title": "Director" if index % 5 else None,
    }
    content["address"] = {"city": "London", "postcode": " ec1a 1bb"}
    if index % 2:
        content["utm"] = {"source": "facebook"}
    return content


Run = Callable[[dict[str, Any]], Any]
EVENT = EventInfo(key="1", source="website", occurred_at=datetime(2026, 3, 5, tzinfo=UTC))


def make_muster() -> Run:
    """Muster's way: the whole of `apply`."""
    apply = compile_mapping(load_document(DOCUMENT)).apply
    return lambda content: apply(content, EVENT)


def make_baseline() -> Run:
    """One compiled expression, then the schema, which makes the contact patch."""
    expression = jmespath.compile(EXPRESSION)
    options = jmespath.Options(custom_functions=LeafFunctions())
    schema = PatchSchema()

    def run(content: dict[str, Any]) -> Any:
        found = expression.search(content, options=options)
        return schema.load({name: value for name, value in found.items() if value is not None})

    return run


def measure(
    muster: Run, baseline: Run, contents: list[dict[str, Any]], seconds: float
) -> tuple[float, float, float]:
    """(Muster's rate, the baseline's, their ratio) in events a second of CPU time: medians of many short turns in pairs."""
    ours: list[float] = []
    theirs: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = len(ours) * 50 % len(contents)
        ours.append(_spent(muster, contents * 2) / (2 * len(contents)))
        theirs.append(_spent(baseline, contents[start : start + 50]) / 50)
    rates = 1 / statistics.median(ours), 1 / statistics.median(theirs)
    return *rates, rates[0] / rates[1]


def _spent(run: Run, contents: list[dict[str, Any]]) -> float:
    # CPU time: the number is per core, and other processes on the machine must not count.
    started = time.process_time()
    for content in contents:
        run(content)
    return time.process_time() - started


def compile_seconds(rules: int = 200) -> tuple[float, float]:
    """(load, compile) in CPU seconds of a document with so many rules."""
    rows = "".join(
        f"  - {{to: message, from: [a.b{row}, c{row}], do: [trim, {{cut: 40}}]}}\n" for row in range(rules)
    )
    started = time.process_time()
    document = load_document(f"mapping: big\nversion: 1\ntarget: contact\nfields:\n{rows}")
    loaded = time.process_time()
    compile_mapping(document)
    return loaded - started, time.process_time() - loaded


def main() -> None:
    """Check equality, measure, print, and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    contents = events(arguments.events)
    muster, baseline = make_muster(), make_baseline()
    unequal = [index for index, content in enumerate(contents) if muster(content) != baseline(content)]
    if unequal:
        sys.exit(f"The results differ for {len(unequal)} of {len(contents)} events, first {unequal[0]}.")
    muster_rate, baseline_rate, ratio = measure(muster, baseline, contents, arguments.seconds)
    load, compiled = compile_seconds()
    report = {
        "name": "map and validate per core",
        "events": len(contents),
        "equal_results": True,
        "muster_per_second": round(muster_rate),
        "jmespath_marshmallow_per_second": round(baseline_rate),
        "ratio": round(ratio, 2),
        "goal_ratio": 10,
        "load_200_rules_seconds": round(load, 4),
        "compile_200_rules_seconds": round(compiled, 4),
        "python": platform.python_version(),
    }
    print(f"map + validate, one core, {len(contents)} events, equal results")
    print(f"  muster                 {muster_rate:>10,.0f} events/s   {1e6 / muster_rate:6.1f} us")
    print(f"  jmespath + marshmallow {baseline_rate:>10,.0f} events/s   {1e6 / baseline_rate:6.1f} us")
    print(
        f"  ratio {report['ratio']} (goal >= 10); 200 rules: load {load * 1000:.0f} ms, compile {compiled * 1000:.1f} ms"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
