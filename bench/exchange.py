"""One exchange round after another over real Kafka, nobody trains: what Anabranch itself costs.

    ./run bench exchange --sites 4 --mib 256 --rounds 5 --aggregators 1     (--quick: 2 sites, 16 MiB, 3 rounds)

The job is examples/exchange: each site adds its number to every element, so each bit of the result is known. Before
it, the floor of floor.py is measured on the same broker. The last line is one JSON object; all times are medians over
rounds, all memory figures peaks of the largest process of a kind.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from control_log import ControlLog
from federation import Federation, Json
from floor import Floor
from measure import ROOT, Sampler, kafka, median

EXAMPLE = ROOT / "build/release/examples/exchange"  # job.yaml and the trainer, a program in C


def make_model(path: Path, mib: float) -> None:
    subprocess.run(["python3", str(ROOT / "examples/exchange/make_model.py"), str(mib), str(path)], check=True)


def data_of(path: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    """All elements of a file that holds nothing but F32, as they lie there."""
    with path.open("rb") as file:
        (head_bytes,) = struct.unpack("<Q", file.read(8))
    return np.memmap(path, dtype=np.float32, mode="r", offset=8 + head_bytes)


def is_correct(before: Path, after: Path, sites: int, rounds: int) -> bool:
    """Each site adds its number in each round, and all weigh the same. Exact: the numbers are small."""
    mean = np.float32(sum(range(1, sites + 1)) / sites)
    expected = data_of(before).copy()
    for _ in range(rounds):
        expected += mean
    return bool(np.array_equal(expected, data_of(after)))


def make_job(folder: Path, sites: int, rounds: int) -> Path:
    """The job of examples/exchange with other numbers."""
    shutil.copytree(EXAMPLE, folder)
    job = folder / "job.yaml"
    text = re.sub(r"(?m)^rounds:.*$", f"rounds: {rounds}", job.read_text())
    job.write_text(re.sub(r"(?m)^(\s+minimum:).*$", rf"\1 {sites}", text))
    return folder


class Overlap:
    """For each round the share of the next model that was in the log before the last update was closed.

    The broker finds, by the records' time stamps, the offset each partition of an aggregator's outbox had reached when
    that StreamClosed was written.
    """

    def __init__(self, bootstrap_servers: str, project: str) -> None:
        self.project = project
        self.opened: dict[bytes, Json] = {}
        self.closed: list[tuple[int, Json]] = []  # time stamp, record; of the round that is open
        self.shares: list[float] = []
        self.consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "bench"})

    def see(self, record: Json) -> None:
        kind = record["kind"]
        if kind == "stream-opened":
            self.opened[record["stream"]] = record
        elif kind == "stream-closed" and record["round"] >= 0:
            self.closed.append((record["head"]["time_ms"], record))
        elif kind == "round-closed" and record["model"]:
            self.shares.append(self._share())
            self.closed.clear()

    def _share(self) -> float:
        purpose = {stream: record["purpose"] for stream, record in self.opened.items()}
        last_ms = max(at for at, record in self.closed if purpose.get(record["stream"]) == "update")
        early = total = 0
        for _, record in self.closed:
            if purpose.get(record["stream"]) != "model":
                continue
            topic = f"{self.project}.out.{record['head']['node']}"
            for mark in record["marks"]:
                if mark["count"] == 0:
                    continue
                asked = TopicPartition(topic, mark["partition"], last_ms)
                found = self.consumer.offsets_for_times([asked], timeout=10)[0].offset
                reached = found if found >= 0 else mark["last_offset"] + 1
                early += min(max(reached - mark["first_offset"], 0), mark["count"])
                total += mark["count"]
        return early / total if total else 0.0


def round_seconds(job: Json) -> list[float]:
    """From one round's opening to the next one's; the last one until its closing."""
    trained = [entry for entry in job["rounds"] if entry["task"] == "train"]
    ends = [entry["opened_ms"] for entry in trained[1:]] + [trained[-1]["closed_ms"]]
    return [(end - entry["opened_ms"]) / 1000 for entry, end in zip(trained, ends, strict=True)]


def run_job(federation: Federation, folder: Path, model: Path, overlap: Overlap) -> tuple[Json, Sampler]:
    log = ControlLog(federation.bootstrap_servers, federation.project)
    pids = {name: program.pid for name, program in federation.programs.items()}
    with Sampler(pids) as sampler:
        job = federation.submit(folder, "--model", str(model))
        ended = False
        while not ended:
            for _, record in log.records():
                overlap.see(record)
                ended = ended or (record["kind"] == "job-ended" and record["job"] == job)
    log.close()
    overlap.consumer.close()
    return federation.wait_completed(job), sampler


def measure(options: argparse.Namespace, folder: Path) -> Json:
    model = folder / "model.safetensors"
    make_model(model, options.mib)
    with kafka() as broker:
        with Floor(broker.bootstrap_servers, options.sites, options.mib) as floor:
            floor.round_s()  # the broker compiles its code while it warms up
            floors = [floor.round_s() for _ in range(options.rounds)]
        print("floor, s a round:", *(f"{s:.2f}" for s in floors), flush=True)
        (folder / "federation").mkdir()
        federation = Federation(
            folder / "federation", broker.bootstrap_servers, sites=options.sites, aggregators=options.aggregators
        )
        with federation:
            overlap = Overlap(broker.bootstrap_servers, federation.project)
            job, sampler = run_job(
                federation, make_job(folder / "exchange", options.sites, options.rounds), model, overlap
            )
            target = folder / "global.safetensors"
            federation.cli("job", "download", job["id"], "--output", str(target))
        correct = is_correct(model, target, options.sites, options.rounds)
    rounds = round_seconds(job)
    print("exchange, s a round:", *(f"{s:.2f}" for s in rounds), flush=True)
    return result(options, floors, rounds, sampler, overlap, job, correct)


def result(
    options: argparse.Namespace,
    floors: list[float],
    rounds: list[float],
    sampler: Sampler,
    overlap: Overlap,
    job: Json,
    correct: bool,
) -> dict[str, Any]:
    s_per_round, floor_s = median(rounds), median(floors)
    return {
        "sites": options.sites,
        "mib": options.mib,
        "rounds": options.rounds,
        "aggregators": options.aggregators,
        "s_per_round": round(s_per_round, 3),
        "floor_s": round(floor_s, 3),
        "ratio": round(s_per_round / floor_s, 2),
        "aggregator_rss_mib": sampler.peak_mib("aggregator"),
        "agent_rss_mib": sampler.peak_mib("site"),
        "server_rss_mib": sampler.peak_mib("server"),
        "cpu_s_per_round": round(sampler.cpu_s / options.rounds, 2),
        "overlap": round(median(overlap.shares), 2),
        "digest": job["model"]["sha256"],
        "correct": correct,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench exchange", description="Exchange rounds without training.")
    parser.add_argument("--sites", type=int, default=4)
    parser.add_argument("--mib", type=float, default=256, help="size of the model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--aggregators", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="2 sites, 16 MiB, 3 rounds: does it work at all")
    options = parser.parse_args()
    if options.quick:
        options.sites, options.mib, options.rounds = 2, 16, 3
    with tempfile.TemporaryDirectory(prefix="anabranch-bench-") as folder:
        found = measure(options, Path(folder))
    print(json.dumps(found))
    return 0 if found["correct"] else 1


if __name__ == "__main__":
    sys.exit(main())
