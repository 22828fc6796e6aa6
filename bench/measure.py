"""What the benchmarks share: a broker, memory and processor time of programs, a median."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from broker import Kafka

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_S = 0.02
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

median = statistics.median


@contextmanager
def kafka() -> Iterator[Kafka]:
    """A fresh broker, and no trace of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="anabranch-bench-kafka-", dir=os.environ.get("ANB_BENCH_FOLDER")))
    broker = Kafka(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


def resident_kib(pid: int) -> int:
    """Memory of a process that it shares with nobody by intent: anonymous and file pages, not shared memory."""
    fields = dict.fromkeys(("RssAnon", "RssFile"), 0)
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in fields:
            fields[name] = int(value.split()[0])
    return sum(fields.values())


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, its waited-for children not counted."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def ceilings_mib(sites: int) -> dict[str, float]:
    """What a program's peak may be; the outboxes have four partitions."""
    return {"aggregator": 40 + 2 * sites * 4, "agent": 48, "server": 64}


def say_missed(missed: list[str]) -> int:
    """Says each target that was missed, in a sentence; the exit status."""
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if missed else 0


class Sampler:
    """Peak memory of processes by name, looked at every 20 ms in a thread."""

    def __init__(self, pids: dict[str, int]) -> None:
        self.pids = pids
        self.peak_kib = dict.fromkeys(pids, 0)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sampler:
        self._cpu_before = self._cpu()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self.cpu_s = self._cpu() - self._cpu_before

    def _cpu(self) -> float:
        return sum(cpu_s(pid) for pid in self.pids.values())

    def _run(self) -> None:
        while not self._stopped.is_set():
            for name, pid in self.pids.items():
                self.peak_kib[name] = max(self.peak_kib[name], resident_kib(pid))
            time.sleep(SAMPLE_S)

    def peak_mib(self, beginning: str) -> float:
        """The largest of all whose name begins so."""
        return round(max(kib for name, kib in self.peak_kib.items() if name.startswith(beginning)) / 1024, 1)
