"""The examples in C, as their READMEs say (digits is in test_result.py)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from conftest import Start
from federation import ROOT

EXAMPLES = ROOT / "build/release/examples"


def test_hello_c_comes_to_rest_at_the_mean_of_the_sites_numbers(start: Start, tmp_path: Path) -> None:
    federation = start(sites=2)
    job = federation.submit(EXAMPLES / "hello-c")
    federation.wait_completed(job)
    target = tmp_path / "global.safetensors"
    federation.cli("job", "download", job, "--output", str(target))
    rounds, mean = 5, 1.5  # each round goes half the way
    for values in load_file(target).values():
        assert values == pytest.approx(mean * (1 - 0.5**rounds))


def test_exchange_adds_the_mean_of_the_sites_numbers_in_each_round(start: Start, tmp_path: Path) -> None:
    federation = start(sites=3, aggregators=2)
    model, target = tmp_path / "model.safetensors", tmp_path / "global.safetensors"
    subprocess.run(["python3", ROOT / "examples/exchange/make_model.py", "20", model], check=True)
    job = federation.submit(EXAMPLES / "exchange", "--model", str(model))
    seen = federation.wait_completed(job)
    federation.cli("job", "download", job, "--output", str(target))
    rounds = sum(entry["task"] == "train" for entry in seen["rounds"])
    before, after = load_file(model), load_file(target)
    assert rounds == 3 and list(before) == list(after)
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values + 2 * rounds)
