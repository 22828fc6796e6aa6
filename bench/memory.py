"""Peak memory of each program for models of 64 MiB, 512 MiB and 2 GiB, after about as many bytes of each.

    ./run bench memory [--sites 2] [--mib 64 512 2048] [--gib 4]              (--quick: 16 and 64 MiB, half a GiB)

Each model goes through a federation of its own, until every site has sent `--gib`. Agents count without the model they
share with their trainers. The last line is one JSON object; the exit status is 1 when the aggregator's peaks differ by
more than 5 % between the models, or a program passes its ceiling.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from broker import Kafka
from exchange import make_job, make_model
from federation import Federation
from measure import ceilings_mib, kafka, say_missed

MOST_RATIO = 1.05

Peaks = dict[str, float]


def peaks_of(federation: Federation) -> Peaks:
    peaks = {name: program.peak_mib() for name, program in federation.programs.items()}
    return {
        "aggregator": round(peaks["aggregator-1"], 1),
        "agent": round(max(mib for name, mib in peaks.items() if name.startswith("site")), 1),
        "server": round(peaks["server"], 1),
    }


def measure(broker: Kafka, sites: int, mib: int, rounds: int) -> Peaks:
    with tempfile.TemporaryDirectory(prefix="anabranch-bench-") as name:
        folder = Path(name)
        make_model(folder / "model.safetensors", mib)
        (folder / "federation").mkdir()
        with Federation(folder / "federation", broker.bootstrap_servers, sites=sites) as federation:
            job = make_job(folder / "exchange", sites, rounds)
            federation.wait_completed(federation.submit(job, "--model", str(folder / "model.safetensors")), 900)
            return peaks_of(federation)


def judge(peaks: dict[int, Peaks], ratio: float, sites: int) -> list[str]:
    """What is missed, a sentence each."""
    missed = [
        f"{role}: {found[role]} MiB for a model of {mib} MiB, at most {ceiling} is allowed"
        for mib, found in peaks.items()
        for role, ceiling in ceilings_mib(sites).items()
        if found[role] > ceiling
    ]
    if ratio > MOST_RATIO:
        missed.append(f"aggregator: the peaks differ by a factor of {ratio}, at most {MOST_RATIO} is allowed")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench memory", description="Peak memory by size of the model.")
    parser.add_argument("--sites", type=int, default=2)
    parser.add_argument("--mib", type=int, nargs="+", default=[64, 512, 2048], help="sizes of the models")
    parser.add_argument("--gib", type=float, default=4, help="what each site sends of each")
    parser.add_argument("--quick", action="store_true", help="16 and 64 MiB, half a GiB: does it work at all")
    options = parser.parse_args()
    if options.quick:
        options.mib, options.gib = [16, 64], 0.5
    peaks: dict[int, Peaks] = {}
    with kafka() as broker:
        for mib in options.mib:
            rounds = max(2, int(options.gib * 1024 / mib))
            peaks[mib] = measure(broker, options.sites, mib, rounds)
            print(f"{mib} MiB, {rounds} rounds:", json.dumps(peaks[mib]), flush=True)
    ratios = {
        role: round(max(p[role] for p in peaks.values()) / min(p[role] for p in peaks.values()), 3)
        for role in ceilings_mib(options.sites)
    }
    found: dict[str, Any] = {"sites": options.sites, "peaks_mib": peaks, "ratios": ratios}
    print(json.dumps(found))
    return say_missed(judge(peaks, ratios["aggregator"], options.sites))


if __name__ == "__main__":
    sys.exit(main())
