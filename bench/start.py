"""How long a program takes from its start to its ready file, on real Kafka: the first time, and after kill -9.

    ./run bench start [--restarts 9]                        (--quick: 2 restarts)

The last line is one JSON object: for each program its first start, and the median and longest of its restarts (ms).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from federation import Federation
from measure import kafka, median


def measure(restarts: int, folder: Path) -> dict[str, dict[str, float]]:
    with kafka() as broker, Federation(folder, broker.bootstrap_servers, sites=2) as federation:
        seen = {name: [float(program.ready["ready_ms"])] for name, program in federation.programs.items()}
        for _ in range(restarts):
            for name in seen:
                federation[name].kill()
                federation.restart(name)
                seen[name].append(float(federation[name].ready["ready_ms"]))
    return {
        name: {"first_ms": times[0], "median_ms": median(times[1:]), "longest_ms": max(times[1:])}
        for name, times in seen.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench start", description="From start to ready.")
    parser.add_argument("--restarts", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="2 restarts: does it work at all")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anabranch-bench-") as folder:
        found = measure(2 if options.quick else max(1, options.restarts), Path(folder))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
