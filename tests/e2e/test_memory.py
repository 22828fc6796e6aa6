"""Memory knows neither the size of the model nor how much has passed.

What a fold may hold at once follows from its design, so its bound is exact to a few records, and far below what it is
promised to stay under. The same programs then carry a model five times as large: whatever grows with a model or with
the bytes that passed shows, since a peak never sinks. ./run bench memory compares 64 MiB with 2 GiB.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from conftest import Start
from federation import ROOT, Federation

EXAMPLES = ROOT / "build/release/examples"
SITES, PARTITIONS = 2, 4
CEILINGS_MIB = {"server": 64, "aggregator-1": 40 + 2 * SITES * PARTITIONS, "site-1": 48, "site-2": 48}
RECORD_MIB = 0.94
# a record waiting for each input, one arriving and one in use; the sums, of twice its size; the writer's buffers
FOLD_RECORDS = SITES * PARTITIONS + 2 + 2 + 8
LAYOUT_BYTES, LAYOUT_TENSORS = 5 << 18, 9950  # common/tensor/layout.h
PROGRAM_MIB = 6  # code and heap that a program only needs once it works
GROWTH_MIB = 8 * RECORD_MIB  # how many of these fall together in the first job is a matter of chance


def make_model(path: Path, mib: int) -> None:
    subprocess.run(["python3", ROOT / "examples/exchange/make_model.py", str(mib), path], check=True)


def make_long_table(path: Path) -> None:
    """A model whose header is as long as headers may be."""
    shape = np.zeros(200, np.float32)
    save_file({f"{'a-rather-long-name-' * 3}{number:06}": shape for number in range(LAYOUT_TENSORS)}, str(path))
    assert LAYOUT_BYTES * 0.95 < path.stat().st_size - LAYOUT_TENSORS * shape.nbytes < LAYOUT_BYTES


def exchange(federation: Federation, folder: Path, make: Callable[[Path], None], rounds: int) -> dict[str, float]:
    """Run the job; each program's peak since it began."""
    folder.mkdir()
    model, job_folder = folder / "model.safetensors", folder / "exchange"
    make(model)
    subprocess.run(["cp", "-r", EXAMPLES / "exchange", job_folder], check=True)
    description = job_folder / "job.yaml"
    description.write_text(description.read_text().replace("rounds: 3", f"rounds: {rounds}"))
    federation.wait_completed(federation.submit(job_folder, "--model", str(model)))
    return peaks(federation)


def peaks(federation: Federation) -> dict[str, float]:
    return {name: federation[name].peak_mib() for name in CEILINGS_MIB}


def test_a_model_five_times_as_large_needs_no_more_memory(start: Start, tmp_path: Path) -> None:
    federation = start(sites=SITES)
    ready = peaks(federation)
    small = exchange(federation, tmp_path / "small", lambda path: make_model(path, 64), rounds=4)
    large = exchange(federation, tmp_path / "large", lambda path: make_model(path, 320), rounds=2)
    seen = (ready, small, large)
    assert large["aggregator-1"] <= ready["aggregator-1"] + PROGRAM_MIB + FOLD_RECORDS * RECORD_MIB, seen
    for name, ceiling in CEILINGS_MIB.items():
        assert large[name] <= ceiling, (name, seen)
        assert large[name] <= small[name] + GROWTH_MIB, (name, seen)


def test_the_longest_table_of_tensors_stays_below_the_ceilings(start: Start, tmp_path: Path) -> None:
    peak = exchange(start(sites=SITES), tmp_path / "long", make_long_table, rounds=6)
    assert all(peak[name] <= ceiling for name, ceiling in CEILINGS_MIB.items()), peak
