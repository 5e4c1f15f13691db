"""Every `muster ...` that the product or its documents name is a command that exists, with these words and options."""

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

from app.cli.main import muster
from app.sources.settings import COLUMNS
from integrations.kit.registry import get_source, list_integrations

ROOT = Path(__file__).parents[2]
# A hint stands in backticks or code tags, or begins a sentence; what follows `muster` is read as far as it is words.
NAMED = re.compile(r"(?<![\w/@.-])muster(?= [a-z])((?: +[\w{}\[\]().|=<>\"':,/*~-]+)*)")
QUOTED = re.compile(r"`(muster [^`]+)`|<(?:code|pre)[^>]*>(muster [^<]+)<")
WORD = re.compile(r"[a-z][a-z-]*")
# `muster` in these is the name of a program, a file or an application, and no hint.
OTHER_MEANINGS = frozenset({"muster accounts", "muster inbox", "muster start"})
DOCUMENTS = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "integrations").rglob("README.md"),
        *(ROOT / "mappings").rglob("README.md"),
    ]
)


def strings_of(module: Path) -> Iterator[str]:
    """Every text of a module; what is filled in later is {x}."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "{x}" for part in node.values]
            yield "".join(map(str, parts))


def named_in(text: str) -> Iterator[tuple[str, bool]]:
    """What a text calls a command, and whether it is quoted: what is not may go on as a sentence."""
    for found in QUOTED.findall(text):
        yield " ".join((found[0] or found[1]).split()), True
    for found in NAMED.findall(QUOTED.sub("", text)):
        yield f"muster{found}", False


def hints() -> Iterator[tuple[str, str, bool]]:
    """(file, `muster x y`, whether quoted) of everything that the product says."""
    for folder in ("app", "integrations", "mappings"):
        for module in sorted((ROOT / folder).rglob("*.py")):
            texts = list(strings_of(module))
            yield from ((str(module.relative_to(ROOT)), *one) for text in texts for one in named_in(text))
    for page in sorted((ROOT / "app/web/templates").rglob("*.html")):
        yield from ((str(page.relative_to(ROOT)), *one) for one in named_in(page.read_text()))


def walk(words: list[str]) -> tuple[click.Command, list[str], str]:
    """The command that the words lead to, the rest of them, and what is wrong with the first that leads nowhere."""
    command: click.Command = muster
    context = click.Context(command, info_name="muster")
    for number, word in enumerate(words):
        if not isinstance(command, click.Group):
            return command, words[number:], ""
        if not WORD.fullmatch(word):
            return command, words[number:], ""
        found = command.commands.get(word) if command is not muster else command.get_command(context, word)
        if found is None:
            return command, words[number:], f"{command.name} has no {word}"
        command = found
    return command, [], ""


def fault_of(hint: str, is_quoted: bool = True) -> str:
    """What is wrong with a hint; "" where every word and option of it exists."""
    first, *more = [word.strip(".,:;)'\"") for word in hint.split()[1:]]
    for alternative in first.split("|"):
        try:
            command, rest, fault = walk([alternative, *more])
        except click.exceptions.NoSuchCommand:
            return f"muster has no {alternative}"
        is_sentence = not is_quoted and getattr(command, "invoke_without_command", False)
        if fault and not is_sentence:
            return fault
        options = {"--help", *(name for parameter in command.params for name in parameter.opts)}
        unknown = [word for word in rest if word.startswith("--") and word not in options]
        if unknown:
            return f"{command.name} has no {', '.join(unknown)}"
    return ""


def test_every_command_that_the_product_names_exists():
    found = [one for one in hints() if " ".join(one[1].split()[:2]).strip(".,:;") not in OTHER_MEANINGS]

    assert len({hint for _, hint, _ in found}) > 60
    assert [] == [
        (where, hint, fault) for where, hint, is_quoted in found if (fault := fault_of(hint, is_quoted))
    ]


@pytest.mark.parametrize(
    "hint",
    ["muster audiences add-fields x", "muster nothing", "muster sync push --chnged", "muster sync aprove x"],
)
def test_a_hint_with_a_wrong_word_would_be_found(hint):
    assert fault_of(hint)


def lines_of(document: Path) -> Iterator[str]:
    """Every command line of a document: in its code blocks, and between backticks."""
    text = document.read_text()
    for block in re.findall(r"```(?:bash|sh)\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip().startswith("muster "):
                yield re.split(r" [|#>] | \|\| | && | \| ", line.strip())[0]
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for quoted in re.findall(r"`(muster [^`]+)`", outside):
        yield " ".join(quoted.split())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_a_document_names_exists(document):
    assert [] == [(line, fault) for line in lines_of(document) if (fault := fault_of(line))]


@pytest.fixture
def any_path(monkeypatch):
    """Files that an example names need not be there."""
    monkeypatch.setattr(click.Path, "convert", lambda _self, value, _parameter, _context: Path(value))


def examples_of(name: str) -> list[str]:
    """The commands of a page's code blocks."""
    text = (ROOT / "docs" / name).read_text()
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("muster ")]


@pytest.mark.usefixtures("any_path")
@pytest.mark.parametrize(("page", "least"), [("audiences.md", 30), ("sources.md", 15)])
def test_every_example_of_a_page_is_understood_by_its_command(page, least):
    examples = examples_of(page)

    assert len(examples) >= least
    for example in examples:
        words = shlex.split(example, comments=True)[1:]
        command, rest, fault = walk(words)

        assert "" == fault, example
        assert command.make_context(command.name, list(rest), resilient_parsing=False), example


@pytest.mark.usefixtures("any_path")
@pytest.mark.parametrize("name", list_integrations())
def test_every_command_of_an_integrations_page_is_understood_and_sets_what_the_integration_has(name):
    page = ROOT / "integrations" / name / "README.md"
    known = {*COLUMNS, *(setting.name for setting in get_source(name).settings)}

    assert [] == re.findall(r"`(--[a-z][^`]*)`", page.read_text()), "an option without its command"
    for line in lines_of(page):
        command, rest, _ = walk(shlex.split(line)[1:])
        if not rest or "<" in line:  # a command's name alone, or a place for a word of the reader's
            continue
        context = command.make_context(command.name, list(rest), resilient_parsing=False)
        assert set() == settings_in(context.params) - known, line


def settings_in(given: Mapping[str, object]) -> set[str]:
    """The settings that the words of `sources add` or `sources set` name."""
    pairs = [pair for value in given.values() if isinstance(value, tuple) for pair in value]
    return {str(pair).partition("=")[0] for pair in pairs if "=" in str(pair)}


def test_a_setting_that_an_integration_does_not_have_would_be_found():
    command, rest, _ = walk(["sources", "set", "news", "signing=x"])

    assert {"signing"} == settings_in(command.make_context("set", list(rest)).params)


@pytest.mark.parametrize(
    ("page", "group"), [("audiences.md", "audiences"), ("audiences.md", "sync"), ("sources.md", "sources")]
)
def test_a_page_shows_every_command_of_its_group(page, group):
    command, _, _ = walk([group])
    shown = " ".join(examples_of(page))

    assert isinstance(command, click.Group)
    assert set() == {name for name in command.commands if f"muster {group} {name}" not in shown}
