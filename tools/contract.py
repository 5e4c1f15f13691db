"""Check the contract with Mailchimp: traffic by its definition, and the simulator by recorded exchanges.

MUSTER_RECORDED=FILE compares with another recording; --live runs the suite against a real account's test audience
(docs/live-contract.md). The exit code is 0 only when everything is valid and equal.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUITE = ["tests/integrations/mailchimp_gateway", "tests/integrations/simulator/test_replay.py"]
# The comparison with the recording runs by itself below, where its differences are shown.
COMPARED_BELOW = "tests/integrations/simulator/test_replay.py::test_every_recorded_exchange_is_answered_alike"
USAGE_ERROR = 2


def find_recording() -> Path | None:
    """The recording to compare with: the named one, or the one in the shared folder, or none."""
    named = os.environ.get("MUSTER_RECORDED")
    if named:
        return Path(named)
    shared = Path(os.environ.get("MUSTER_SHARED") or ROOT.parent / "shared")
    usual = shared / "data" / "mailchimp" / "recorded.jsonl"
    return usual if usual.is_file() else None


def run(*arguments: str) -> int:
    """Run Python with these arguments at the project's root; its exit code."""
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, check=False).returncode


def compare(recording: Path | None) -> int:
    """Replay a recording into the simulator and print what differs and how many are equal."""
    if recording is None:
        print(
            "No recording to compare with: name one by MUSTER_RECORDED=FILE, or its folder by MUSTER_SHARED."
        )
        return 0
    if not recording.is_file():
        print(f"MUSTER_RECORDED names no file: {recording}", file=sys.stderr)
        return USAGE_ERROR
    return run("-m", "integrations.mailchimp.simulator.replay", str(recording.absolute()))


def main(arguments: list[str]) -> int:
    """The suite first, the recording in any case."""
    suite = 0
    if "--replay-only" not in arguments:
        suite = run("-m", "pytest", "-q", *SUITE, "--deselect", COMPARED_BELOW, *arguments)
    sys.stdout.flush()
    return compare(find_recording()) or suite


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
