"""The repository keeps its own rules."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# These turn a checked mapping into Python of which every word is a literal of ours; tests show that keys cannot escape.
WRITES_ITS_OWN_CODE = {
    "mappings/language/generate.py",
    "mappings/language/strict.py",
    "mappings/language/frozen.py",
}


def tracked(*patterns: str) -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in done.stdout.splitlines() if (ROOT / line).exists()]


def test_every_package_init_holds_a_docstring_and_nothing_else():
    for init in tracked("app/**/__init__.py", "integrations/**/__init__.py", "mappings/**/__init__.py"):
        code = compile(init.read_text(), str(init), "exec")

        assert {"__module__", "__doc__"} >= set(code.co_names), init


def test_every_module_opens_with_a_sentence():
    for module in tracked("app/**.py", "integrations/**.py", "mappings/**.py"):
        if "versions" in module.parts:
            continue
        first = module.read_text().lstrip()

        assert first.startswith('"""'), f"{module} says nothing of its room"


def test_no_lock_file_names_an_index():
    for lock in tracked("*.lock"):
        assert "://" not in lock.read_text(), lock


def test_there_is_no_third_party_file():
    assert not [path for path in tracked() if path.name.endswith((".min.js", ".min.css"))]


def test_every_setting_is_documented():
    names = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "app/core/config.py").read_text()))
    operations = (ROOT / "docs/operations.md").read_text()
    example = (ROOT / ".env.example").read_text()

    assert names
    assert set() == {name for name in names if f"`{name}`" not in operations}
    assert set() == {name for name in names if f"{name}=" not in example}


def test_every_command_is_documented():
    from app.cli.main import COMMANDS

    operations = (ROOT / "docs/operations.md").read_text()

    assert set() == {name for name in COMMANDS if f"`muster {name}" not in operations}


def test_nothing_evaluates_text_as_code():
    forbidden = re.compile(r"(?<![\w.])(eval|exec)\(|pickle\.loads?|yaml\.load\(|shell=True")
    for module in tracked("app/**.py", "integrations/**.py", "mappings/**.py"):
        if module.relative_to(ROOT).as_posix() not in WRITES_ITS_OWN_CODE:
            assert not forbidden.search(module.read_text()), module
