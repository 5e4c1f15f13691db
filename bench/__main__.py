"""Every benchmark, one after another; ratios on the terminal, all figures in bench/results/report.json."""

import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
BENCHMARKS = {
    "map": "map and validate beside jmespath + marshmallow",
    "ingest": "durable ingest beside pgbench",
    "contacts_write": "resolve and record in batches",
    "story": "door to customer database and to Mailchimp",
    "push": "calls and contacts a second to Mailchimp",
    "integrations": "verify, split and map of every integration; a Meta batch from door to events",
    "simulator": "the simulator by itself: CPU a batch and a page, memory a member",
}


def main() -> int:
    """Run what is named on the command line, or all; 1 when one of them fails."""
    RESULTS.mkdir(exist_ok=True)
    chosen = sys.argv[1:] or list(BENCHMARKS)
    report = {
        "at": datetime.now(UTC).isoformat(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "results": {},
    }
    is_failed = False
    for name in chosen:
        print(f"\n== {name}: {BENCHMARKS[name]}", flush=True)
        file = RESULTS / f"{name}.json"
        file.unlink(missing_ok=True)
        done = subprocess.run([sys.executable, "-m", f"bench.{name}", "--json", str(file)], check=False)
        is_failed |= done.returncode != 0
        if file.exists():
            report["results"][name] = json.loads(file.read_text())
    (RESULTS / "report.json").write_text(json.dumps(report, indent=2))
    print(f"\nWritten: {RESULTS / 'report.json'}")
    return int(is_failed)


if __name__ == "__main__":
    sys.exit(main())
