"""How long a round of a tiny model takes: 1 KiB, 4 sites, 200 rounds, trainers kept running, real Kafka.

    ./run bench latency                                     (--quick: 2 sites, 20 rounds)

A round lasts from its opening to the next one's. The last line is one JSON object; the exit status is 1 when the median
of 4 sites and 200 rounds is above 30 ms.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from exchange import make_job, make_model, round_seconds
from federation import Federation
from measure import kafka, median, say_missed

WARM_UP_ROUNDS = 5  # connections are made, caches are cold
STATED_SITES, STATED_ROUNDS, MOST_MEDIAN_MS = 4, 200, 30


def measure(sites: int, rounds: int, folder: Path) -> dict[str, float]:
    model = folder / "model.safetensors"
    make_model(model, 1 / 1024)
    (folder / "federation").mkdir()
    with (
        kafka() as broker,
        Federation(folder / "federation", broker.bootstrap_servers, sites=sites) as federation,
    ):
        job = federation.submit(make_job(folder / "exchange", sites, rounds + WARM_UP_ROUNDS), "--model", str(model))
        seconds = round_seconds(federation.wait_completed(job))[WARM_UP_ROUNDS:]
    seconds.sort()
    return {
        "median_ms": round(median(seconds) * 1000, 1),
        "p99_ms": round(seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))] * 1000, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench latency", description="Rounds of a tiny model.")
    parser.add_argument("--sites", type=int, default=STATED_SITES)
    parser.add_argument("--rounds", type=int, default=STATED_ROUNDS)
    parser.add_argument("--quick", action="store_true", help="2 sites, 20 rounds: does it work at all")
    options = parser.parse_args()
    if options.quick:
        options.sites, options.rounds = 2, 20
    with tempfile.TemporaryDirectory(prefix="anabranch-bench-") as folder:
        found = measure(options.sites, options.rounds, Path(folder))
    print(json.dumps(found))
    is_stated = (options.sites, options.rounds) == (STATED_SITES, STATED_ROUNDS)
    if not is_stated or found["median_ms"] <= MOST_MEDIAN_MS:
        return 0
    return say_missed([f"a median round takes {found['median_ms']} ms, at most {MOST_MEDIAN_MS} ms are allowed"])


if __name__ == "__main__":
    sys.exit(main())
