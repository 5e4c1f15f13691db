"""Run every test and name, in the last lines, what could not run here and why."""

import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
REPORT = ROOT / ".cache" / "tests" / "report.xml"
# A file at a time, in more processes than cores: many tests wait for other processes.
SIDE_BY_SIDE = ("-n", "4", "--dist", "loadfile", "--no-loadscope-reorder")
# They start a whole Muster or servers of their own: first, so that no long file is left for the end.
LONG = ("faults", "story", "browser", "door")


@dataclass
class Tally:
    """What a run counted."""

    passed: int = 0
    failed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


def list_rooms() -> list[str]:
    """Every folder of tests, those with long files first."""
    rooms = {path.relative_to(TESTS).parts[0] for path in TESTS.glob("*/**/test_*.py")}
    return [f"tests/{room}" for room in (*LONG, *sorted(rooms - set(LONG)))]


def count_report(under: str = "") -> Tally:
    """What the report says of all tests, or of those `under` a package."""
    tally = Tally()
    for case in ET.parse(REPORT).getroot().iter("testcase") if REPORT.exists() else ():
        if not (case.get("classname") or "").startswith(under):
            continue
        skipped = case.find("skipped")
        if skipped is not None:
            reason = re.sub(r"^Skipped: ", "", skipped.get("message") or "no reason given")
            tally.skipped[reason] += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            tally.failed += 1
        else:
            tally.passed += 1
    return tally


def main() -> int:
    """pytest's exit code, or 1 where browser tests had to run and did not."""
    shutil.rmtree(REPORT.parent, ignore_errors=True)
    REPORT.parent.mkdir(parents=True)
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={REPORT}", *SIDE_BY_SIDE]
    code = subprocess.run([*command, *list_rooms(), *sys.argv[1:]], cwd=ROOT, check=False).returncode
    tally, browser = count_report(), count_report("tests.browser.")
    must_have_browser = os.environ.get("MUSTER_REQUIRE_BROWSER") == "1"
    is_browser_missing = must_have_browser and (browser.passed == 0 or sum(browser.skipped.values()) > 0)
    print(f"\nTook {time.monotonic() - started:.0f} s.")
    for reason, count in sorted(tally.skipped.items()):
        print(f"Not run here: {count} x {reason}")
    if is_browser_missing:
        print("The browser tests had to run here and did not.")
    print(f"{tally.passed} passed, {tally.failed} failed, {sum(tally.skipped.values())} skipped")
    return code or (1 if is_browser_missing else 0)


if __name__ == "__main__":
    sys.exit(main())
