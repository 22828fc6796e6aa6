"""A site's filters in a whole job: noise, a budget that ends, a kill, and what the ledgers say afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from conftest import Start
from federation import BIN, OPEN, ROOT, Federation, Json, wait_until

DIGITS = ROOT / "examples/digits"
ROUNDS = 12
# Of norm 1: what docs/privacy.md says of multiplier 0.1. One update has rho = 2 / 0.1^2 = 200; eight of them epsilon
# 1867.9 at delta 1e-5, nine 2084.3.
NOISE = (
    "{{budget: {{epsilon: {epsilon}, delta: 1.0e-5}}}}, {{norm_clip: {{norm: 1.0}}}}, {{noise: {{multiplier: 0.1}}}}"
)


def policy(filters: str) -> str:
    return OPEN + f"privacy: {{default: patients, scopes: {{patients: {{filters: [{filters}]}}}}}}\n"


def spent(federation: Federation, site: str) -> Json:
    command = [str(BIN / "anabranch"), "privacy", "show", str(federation.folder / site), "--json"]
    shown = subprocess.run(command, check=True, capture_output=True, timeout=30)
    scope: Json = json.loads(shown.stdout)["scopes"][0]
    return scope


def rounds_of(seen: Json, site: str) -> list[int]:
    """Train rounds in which the site counted."""
    return [entry["round"] for entry in seen["rounds"] if entry["task"] == "train" and site in entry["counted"]]


def make_digits(folder: Path) -> Path:
    """The digits job, which goes on without one of its sites."""
    folder.mkdir()
    for file in DIGITS.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    text = (folder / "job.yaml").read_text()
    (folder / "job.yaml").write_text(text.replace("round:\n", "round:\n  quorum: 2\n"))
    return folder


def test_a_job_learns_under_noise_and_goes_on_without_a_site_that_has_spent_its_budget(
    start: Start, tmp_path: Path
) -> None:
    federation = start(sites=3)
    federation.write_policy("site-1", policy(NOISE.format(epsilon=5000) + ", {quantise: int8}"))
    federation.write_policy("site-2", policy(NOISE.format(epsilon=5000)))
    federation.write_policy("site-3", policy(NOISE.format(epsilon=2000)))
    job = federation.submit(make_digits(tmp_path / "digits"))
    ledger = federation.folder / "site-1" / "privacy" / "patients.ledger"
    wait_until("site-1 has paid twice", lambda: ledger.exists() and ledger.read_text().count("\n") >= 2)
    federation["site-1"].kill()
    paid = ledger.read_text().count("\n")
    federation.restart("site-1")
    seen = federation.wait_completed(job)

    assert rounds_of(seen, "site-3") == list(range(8))
    assert rounds_of(seen, "site-2") == list(range(ROUNDS))
    reasons = {item["reason"] for entry in seen["rounds"] for item in entry["excluded"] if item["site"] == "site-3"}
    assert any("the site's privacy budget is spent: epsilon 1868 of 2000" in reason for reason in reasons), reasons
    assert "privacy budget is spent" in federation.cli("job", "show", job).stdout
    assert spent(federation, "site-2")["updates"] == ROUNDS
    assert abs(spent(federation, "site-3")["epsilon"] - 1867.9) < 0.1
    assert spent(federation, "site-3")["more_updates"] == 0
    # what was paid before the kill stays paid; each round in which the site counted was paid for
    assert spent(federation, "site-1")["updates"] >= max(paid, len(rounds_of(seen, "site-1")))

    model = tmp_path / "global.safetensors"
    federation.cli("job", "download", job, "--output", str(model))
    judge = [sys.executable, str(DIGITS / "judge.py"), str(model), "--json", "--least", "0.6"]
    done = subprocess.run(judge, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
