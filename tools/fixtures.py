"""Play every integration's fixtures and what is derived from them, and count: `integrations: N, cases: M, failed: F`."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from integrations.kit.registry import list_integrations

ROOT = Path(__file__).parent.parent
REPORT = ROOT / ".cache" / "tests" / "fixtures.xml"
SUITE = ["tests/integrations/test_fixtures.py"]


def main(arguments: list[str]) -> int:
    """The suite's exit code, after the line with the counts."""
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={REPORT}", *SUITE, *arguments]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if not REPORT.exists():
        return code or 1
    cases = failed = 0
    for test in ET.parse(REPORT).getroot().iter("testcase"):
        counts = {each.get("name"): int(each.get("value", 0)) for each in test.iter("property")}
        has_failed = test.find("failure") is not None or test.find("error") is not None
        cases += counts.get("cases", 1)
        failed += counts.get("failed", 0) or has_failed
    print(f"integrations: {len(list_integrations())}, cases: {cases}, failed: {failed}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
