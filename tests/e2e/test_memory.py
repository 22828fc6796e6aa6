"""Memory knows neither the size of the model nor how much has passed: peaks against stated ceilings."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import Start
from federation import ROOT, Federation

EXAMPLES = ROOT / "build/release/examples"
SITES, PARTITIONS = 2, 4
CEILINGS_MIB = {"server": 64, "aggregator-1": 40 + 2 * SITES * PARTITIONS, "site-1": 48, "site-2": 48}
NOISE_MIB = 6  # of a peak: librdkafka's buffers come and go


def peak_mib(federation: Federation, name: str) -> float:
    """Of what the process has mapped: the models that agent and trainer share lie in memory files it never maps."""
    status = Path(f"/proc/{federation[name].pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def peaks(federation: Federation, folder: Path, mib: int, rounds: int) -> dict[str, float]:
    folder.mkdir()
    model, job_folder = folder / "model.safetensors", folder / "exchange"
    subprocess.run(["python3", ROOT / "examples/exchange/make_model.py", str(mib), model], check=True)
    subprocess.run(["cp", "-r", EXAMPLES / "exchange", job_folder], check=True)
    description = job_folder / "job.yaml"
    description.write_text(description.read_text().replace("rounds: 3", f"rounds: {rounds}"))
    federation.wait_completed(federation.submit(job_folder, "--model", str(model)))
    return {name: peak_mib(federation, name) for name in CEILINGS_MIB}


def test_peaks_are_below_their_ceilings_and_the_same_for_a_model_12_times_as_large(
    start: Start, tmp_path: Path
) -> None:
    many_small = peaks(start(sites=SITES), tmp_path / "small", mib=16, rounds=24)
    few_large = peaks(start(sites=SITES), tmp_path / "large", mib=192, rounds=2)
    for name, ceiling in CEILINGS_MIB.items():
        assert many_small[name] <= ceiling and few_large[name] <= ceiling, (name, many_small, few_large)
        assert few_large[name] == pytest.approx(many_small[name], abs=NOISE_MIB), (name, many_small, few_large)
