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
REPORTS = ROOT / ".cache" / "tests"
# A file at a time, in more processes than cores: many tests wait for other processes, those of the last stage most of all.
# By folder, so that no stage collects what it does not run; in the order given, so that no long file is left for the end.
SIDE_BY_SIDE = ["--dist", "loadfile", "--no-loadscope-reorder", "-n"]
WHOLE = [f"tests/{room}" for room in ("faults", "story", "browser")]  # each starts a Muster of its own
STAGES = {
    "rooms": [*SIDE_BY_SIDE, "3", "tests", *(f"--ignore={room}" for room in WHOLE)],
    "browser, story and faults": [*SIDE_BY_SIDE, "4", *WHOLE],
}
NO_TESTS = 5  # pytest's exit code for "no test was collected"


@dataclass
class Tally:
    """What one or more stages counted."""

    passed: int = 0
    failed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


def run_stage(name: str, arguments: list[str]) -> int:
    """Run one stage; its exit code."""
    print(f"\n== {name}", flush=True)
    report = _report(name)
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments, *sys.argv[1:]]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    return 0 if code == NO_TESTS else code


def _report(name: str) -> Path:
    return REPORTS / f"{name.replace(',', '').replace(' ', '-')}.xml"


def add_report(tally: Tally, report: Path, under: str = "") -> None:
    """Add what a stage's report says, of all tests or of those `under` a package."""
    if not report.exists():
        return
    for case in ET.parse(report).getroot().iter("testcase"):
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


def main() -> int:
    """Every stage runs, even after one that failed."""
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    started = time.monotonic()
    codes = {name: run_stage(name, arguments) for name, arguments in STAGES.items()}
    tally = Tally()
    for name in STAGES:
        add_report(tally, _report(name))
    browser = Tally()
    for name in STAGES:
        add_report(browser, _report(name), under="tests.browser.")
    must_have_browser = os.environ.get("MUSTER_REQUIRE_BROWSER") == "1"
    is_browser_missing = must_have_browser and (browser.passed == 0 or sum(browser.skipped.values()) > 0)
    print(f"\nTook {time.monotonic() - started:.0f} s.")
    for reason, count in sorted(tally.skipped.items()):
        print(f"Not run here: {count} x {reason}")
    if is_browser_missing:
        print("The browser tests had to run here and did not.")
    print(f"{tally.passed} passed, {tally.failed} failed, {sum(tally.skipped.values())} skipped")
    return 1 if any(codes.values()) or tally.failed or is_browser_missing else 0


if __name__ == "__main__":
    sys.exit(main())
