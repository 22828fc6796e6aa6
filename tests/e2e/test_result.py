"""What a job gives when nothing goes wrong, and that it is the same however the work is shared."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from conftest import Start
from federation import BIN, ROOT
from jobs import expected_value, make_job


def test_the_model_is_the_weighted_mean_and_downloads_as_safetensors(start: Start, tmp_path: Path) -> None:
    federation = start(sites=3)
    job = federation.submit(make_job(tmp_path / "job", rounds=3))
    seen = federation.wait_completed(job)
    target = tmp_path / "global.safetensors"
    federation.cli("job", "download", job, "--output", str(target))
    model = load_file(str(target))
    assert set(model) == {"b", "w"}
    for values in model.values():
        np.testing.assert_allclose(values, expected_value(3), rtol=1e-6)
    assert hashlib.sha256(target.read_bytes()).hexdigest() == seen["model"]["sha256"]
    assert seen["model"]["bytes"] == target.stat().st_size


def test_every_round_tells_who_counted_and_what_it_moved(start: Start, tmp_path: Path) -> None:
    federation = start(sites=3)
    seen = federation.wait_completed(federation.submit(make_job(tmp_path / "job", rounds=2, mib=1)))
    trained = [entry for entry in seen["rounds"] if entry["task"] == "train"]
    assert [entry["counted"] for entry in trained] == [["site-1", "site-2", "site-3"]] * 2
    assert all(entry["bytes"] >= 3 << 20 for entry in trained)
    # metrics of round r are the evaluation of the model that the sites received in it
    assert trained[0]["metrics"]["seen"] == pytest.approx(0.0)
    assert trained[1]["metrics"]["seen"] == pytest.approx(expected_value(1))


def digest_of_job(start: Start, folder: Path, aggregators: int) -> str:
    federation = start(sites=3, aggregators=aggregators)
    seen = federation.wait_completed(federation.submit(make_job(folder, rounds=3, mib=5.3)))
    shares = [share["node"] for share in seen["rounds"][-1]["shares"] or seen["rounds"][0]["shares"]]
    assert len(set(shares)) == aggregators, f"not every aggregator took part: {shares}"
    sha256: str = seen["model"]["sha256"]
    return sha256


def test_one_two_and_three_aggregators_give_the_same_bits(start: Start, tmp_path: Path) -> None:
    digests = {digest_of_job(start, tmp_path / f"job-{n}", n) for n in (1, 2, 3)}
    assert len(digests) == 1


def test_digits_are_learnt_by_all_sites_together_and_by_none_alone(start: Start, tmp_path: Path) -> None:
    federation = start(sites=3, aggregators=2)
    job = federation.submit(ROOT / "examples/digits")
    federation.wait_completed(job)
    target = tmp_path / "global.safetensors"
    federation.cli("job", "download", job, "--output", str(target))
    command = ["python3", str(ROOT / "examples/digits/judge.py"), str(target), "--json"]
    judged = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert judged["global_accuracy"] >= 0.93
    assert judged["best_site_accuracy"] < 0.7


def test_a_trainer_for_every_task_gives_the_same_bits_as_one_for_the_job(start: Start, tmp_path: Path) -> None:
    federation = start(sites=3)
    digests = set()
    for launch in ("job", "task"):
        seen = federation.wait_completed(federation.submit(make_job(tmp_path / launch, rounds=2, launch=launch)))
        digests.add(seen["model"]["sha256"])
    assert len(digests) == 1


@pytest.mark.parametrize("name", ["anabranch", "anabranch-server", "anabranch-aggregator", "anabranch-client"])
def test_a_stripped_program_is_smaller_than_two_mib(name: str, tmp_path: Path) -> None:
    stripped = tmp_path / name
    subprocess.run(["strip", "-o", stripped, BIN / name], check=True)
    assert stripped.stat().st_size < 2 << 20
    print(f"{name}: {stripped.stat().st_size / 1024:.0f} KiB")
