"""One exchange round after another over real Kafka, nobody trains: what Anabranch itself costs.

    ./run bench exchange --sites 4 --mib 256 --rounds 5 --aggregators 1     (--quick: 2 sites, 16 MiB, 3 rounds)

The job is examples/exchange: each site adds its number to every element, so each bit of the result is known. It runs
several times, and between its runs floor.py moves the same bytes through the same broker: what the machine does
meanwhile meets both. The first of each warms the broker up (it compiles its code) and is not counted. The last line is
one JSON object; all times are medians over rounds, all memory figures peaks of the largest process of a kind. The exit
status is 1 when the model is wrong, a program passes its memory's ceiling, or 4 sites with 256 MiB need more than 1.5
times the floor.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from control_log import ControlLog
from federation import Federation, Json
from floor import Floor
from measure import ROOT, Sampler, ceilings_mib, kafka, median, say_missed

STATED_SITES, STATED_MIB, MOST_RATIO = 4, 256, 1.5
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


@dataclass
class Seen:
    """What was measured, over all runs of the job."""

    floors: list[float] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    cpu_s: float = 0
    peaks_mib: dict[str, float] = field(default_factory=dict)
    digest: str = ""
    correct: bool = True

    def note_peaks(self, sampler: Sampler) -> None:
        for kind in ("aggregator", "site", "server"):
            self.peaks_mib[kind] = max(self.peaks_mib.get(kind, 0), sampler.peak_mib(kind))


class Bench:
    def __init__(self, options: argparse.Namespace, folder: Path, federation: Federation, floor: Floor) -> None:
        self.options = options
        self.federation = federation
        self.floor = floor
        self.model = folder / "model.safetensors"
        self.target = folder / "global.safetensors"
        self.job_folder = make_job(folder / "exchange", options.sites, options.rounds)
        make_model(self.model, options.mib)

    def _run_job(self, overlap: Overlap) -> tuple[Json, Sampler]:
        federation = self.federation
        log = ControlLog(federation.bootstrap_servers, federation.project)
        pids = {name: program.pid for name, program in federation.programs.items()}
        with Sampler(pids) as sampler:
            job = federation.submit(self.job_folder, "--model", str(self.model))
            ended = False
            while not ended:
                for _, record in log.records():
                    overlap.see(record)
                    ended = ended or (record["kind"] == "job-ended" and record["job"] == job)
        log.close()
        return federation.wait_completed(job), sampler

    def run(self, seen: Seen) -> None:
        """Floor, job, floor: as many rounds of the one as of the other."""
        n_before = self.options.rounds // 2
        floors = [self.floor.round_s() for _ in range(n_before)]
        overlap = Overlap(self.federation.bootstrap_servers, self.federation.project)
        job, sampler = self._run_job(overlap)
        overlap.consumer.close()
        floors += [self.floor.round_s() for _ in range(self.options.rounds - n_before)]
        rounds = round_seconds(job)
        print("floor, s a round:", *(f"{s:.2f}" for s in floors))
        print("exchange, s a round:", *(f"{s:.2f}" for s in rounds), flush=True)
        seen.floors += floors
        seen.rounds += rounds
        seen.shares += overlap.shares
        seen.cpu_s += sampler.cpu_s
        seen.note_peaks(sampler)
        self._check(job, seen)

    def _check(self, job: Json, seen: Seen) -> None:
        self.federation.cli("job", "download", job["id"], "--output", str(self.target))
        seen.correct = seen.correct and is_correct(self.model, self.target, self.options.sites, self.options.rounds)
        seen.digest = job["model"]["sha256"]
        self.target.unlink()
        self.federation.cli("job", "delete", job["id"], "--yes")


def measure(options: argparse.Namespace, folder: Path) -> Seen:
    seen, warm_up = Seen(), Seen()
    (folder / "federation").mkdir()
    with kafka() as broker, Floor(broker.bootstrap_servers, options.sites, options.mib) as floor:
        federation = Federation(
            folder / "federation", broker.bootstrap_servers, sites=options.sites, aggregators=options.aggregators
        )
        with federation:
            bench = Bench(options, folder, federation, floor)
            bench.run(warm_up)
            for _ in range(options.repeat):
                bench.run(seen)
    seen.correct = seen.correct and warm_up.correct
    return seen


def result(options: argparse.Namespace, seen: Seen) -> dict[str, Any]:
    s_per_round, floor_s = median(seen.rounds), median(seen.floors)
    return {
        "sites": options.sites,
        "mib": options.mib,
        "rounds": len(seen.rounds),
        "aggregators": options.aggregators,
        "s_per_round": round(s_per_round, 3),
        "floor_s": round(floor_s, 3),
        "ratio": round(s_per_round / floor_s, 2),
        "aggregator_rss_mib": seen.peaks_mib["aggregator"],
        "agent_rss_mib": seen.peaks_mib["site"],
        "server_rss_mib": seen.peaks_mib["server"],
        "cpu_s_per_round": round(seen.cpu_s / len(seen.rounds), 2),
        "overlap": round(median(seen.shares), 2),
        "digest": seen.digest,
        "correct": seen.correct,
    }


def judge(options: argparse.Namespace, found: dict[str, Any]) -> list[str]:
    missed = [] if found["correct"] else ["the global model is not what it must be"]
    for role, ceiling in ceilings_mib(options.sites).items():
        peak = found[f"{role}_rss_mib"]
        if peak > ceiling:
            missed.append(f"{role}: {peak} MiB, at most {ceiling} are allowed")
    is_stated = (options.sites, options.mib) == (STATED_SITES, STATED_MIB)
    if is_stated and found["ratio"] > MOST_RATIO:
        missed.append(f"a round takes {found['ratio']} times the floor, at most {MOST_RATIO} is allowed")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench exchange", description="Exchange rounds without training.")
    parser.add_argument("--sites", type=int, default=STATED_SITES)
    parser.add_argument("--mib", type=float, default=STATED_MIB, help="size of the model")
    parser.add_argument("--rounds", type=int, default=5, help="of one run of the job")
    parser.add_argument("--repeat", type=int, default=3, help="runs of the job that count")
    parser.add_argument("--aggregators", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="2 sites, 16 MiB, 3 rounds, once: does it work at all")
    options = parser.parse_args()
    if options.quick:
        options.sites, options.mib, options.rounds, options.repeat = 2, 16, 3, 1
    with tempfile.TemporaryDirectory(prefix="anabranch-bench-") as folder:
        found = result(options, measure(options, Path(folder)))
    print(json.dumps(found))
    return say_missed(judge(options, found))


if __name__ == "__main__":
    sys.exit(main())
