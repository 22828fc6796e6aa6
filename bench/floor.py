"""The floor of an exchange round: plain producers and consumers move the same bytes through the same broker.

A round moves every byte of the model so often: each site sends it and the aggregators read what each sent; the
aggregators send one model and each site reads it. So N producers write a topic each and one consumer reads them all in
step, while one more producer writes a topic that N consumers read: all at once, nobody waits for anybody.
"""

from __future__ import annotations

import signal
import subprocess
import time
import uuid
from types import TracebackType

from measure import ROOT

PROGRAM = ROOT / "build/release/bench/bench_floor"
CHUNK_BYTES = 983040


class Floor:
    def __init__(self, bootstrap_servers: str, sites: int, mib: float) -> None:
        chunks = str(max(1, -(-int(mib * (1 << 20)) // CHUNK_BYTES)))
        project = f"floor-{uuid.uuid4().hex[:8]}"
        updates = [f"{project}.out.site-{number}" for number in range(sites)]
        model = f"{project}.out.aggregator"
        # producers first: they make the topics
        roles = [["produce", topic, chunks] for topic in [*updates, model]]
        roles += [["consume", chunks, *updates], *[["consume", chunks, model]] * sites]
        self.processes = [self._start([str(PROGRAM), bootstrap_servers, *role]) for role in roles]
        for process in self.processes:
            self._expect(process, "ready")
        self._signal(signal.SIGSTOP)

    def _signal(self, number: signal.Signals) -> None:
        """Between rounds they stand still: consumers that wait ask the broker 200 times a second."""
        for process in self.processes:
            process.send_signal(number)

    @staticmethod
    def _start(command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @staticmethod
    def _expect(process: subprocess.Popen[str], word: str) -> None:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if line != word:
            raise RuntimeError(f"bench_floor said {line!r} where {word!r} was expected")

    def round_s(self) -> float:
        """Seconds of one round, from the word go until the last one is done."""
        self._signal(signal.SIGCONT)
        start = time.monotonic()
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in self.processes:
            self._expect(process, "done")
        seconds = time.monotonic() - start
        self._signal(signal.SIGSTOP)
        return seconds

    def __enter__(self) -> Floor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._signal(signal.SIGCONT)
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self.processes:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
