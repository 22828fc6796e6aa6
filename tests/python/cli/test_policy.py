"""`anabranch policy check`: the decision of a site's policy about a job folder, and the rule that made it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cli_support import BAD_INPUT, CANNOT, OK, run

OPEN = "submitters: {roles: [lead]}\njobs: {smallest_cohort: 1}\ncode: {allow: any}\n"
TRAIN = "print(1)\n"


@pytest.fixture
def job(tmp_path: Path) -> Path:
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "job.yaml").write_text("name: small\nrounds: 2\ntrainer: {command: [python3, train.py]}\n")
    (folder / "train.py").write_text(TRAIN)
    return folder


def policy(job: Path, text: str) -> Path:
    path = job.parent / "site.yaml"
    path.write_text(text)
    return path


def decision(job: Path, text: str, *words: str) -> dict[str, Any]:
    done = run("policy", "check", job, "--policy", policy(job, text), "--json", *words)
    assert done.returncode in (OK, CANNOT), done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert (said["decision"] == "allow") == (done.returncode == OK)
    return said


def program(job: Path, lines: str) -> Path:
    path = job.parent / "ask.py"
    path.write_text(f"#!/usr/bin/env python3\nimport json, sys\njob = json.load(sys.stdin)\n{lines}\n")
    path.chmod(0o755)
    return path


def test_a_policy_that_cannot_be_read_names_file_line_and_cure(job: Path) -> None:
    done = run("policy", "check", job, "--policy", policy(job, "code: {alow: any}\n"))
    assert done.returncode == BAD_INPUT
    assert "site.yaml:1: unknown key code.alow: did you mean code.allow?" in done.stderr
    done = run("policy", "check", job, "--policy", job / "none.yaml")
    assert done.returncode == BAD_INPUT
    assert "none.yaml" in done.stderr


def test_an_empty_policy_denies(job: Path) -> None:
    said = decision(job, "{}\n")
    assert said["rule"] == "submitters"
    assert [f["rule"] for f in said["findings"] if not f["allowed"]] == ["submitters", "smallest_cohort", "code"]


def test_users_count_by_name_and_role(job: Path) -> None:
    assert decision(job, OPEN)["decision"] == "allow"
    assert decision(job, OPEN, "--role", "member", "--user", "jan")["reason"].startswith("jan (role member)")
    assert run("policy", "check", job, "--policy", policy(job, OPEN), "--role", "server").returncode == BAD_INPUT


def test_listed_code_is_the_code_with_these_digests(job: Path) -> None:
    listed = OPEN.replace("any", "listed, commands: [[python3, train.py]], digests: ['%s']")
    assert decision(job, listed % hashlib.sha256(TRAIN.encode()).hexdigest())["decision"] == "allow"
    said = decision(job, listed % hashlib.sha256(b"other").hexdigest())
    assert said["rule"] == "code"
    assert said["reason"].startswith("the file train.py is not in code.digests")


def test_the_initial_model_is_no_code(job: Path) -> None:
    listed = OPEN.replace("any", "listed, commands: [[python3, train.py]], digests: ['%s']")
    with (job / "job.yaml").open("a") as file:
        file.write("model: first.safetensors\n")
    (job / "first.safetensors").write_bytes(bytes(8))
    assert decision(job, listed % hashlib.sha256(TRAIN.encode()).hexdigest())["decision"] == "allow"


def test_the_sites_program_is_asked_last(job: Path) -> None:
    ask = program(job, "print(json.dumps({'decision': 'allow' if job['site'] == 'ours' else 'deny'}))")
    text = OPEN + f"authorization: {{program: {ask}}}\n"
    assert decision(job, text, "--site", "ours")["findings"][-1]["rule"] == "authorization"
    assert decision(job, text)["rule"] == "authorization"
    said = decision(job, text, "--role", "member")
    assert said["rule"] == "submitters"
    assert "authorization" not in {f["rule"] for f in said["findings"]}


def test_people_get_a_table(job: Path) -> None:
    done = run("policy", "check", job, "--policy", policy(job, OPEN.replace("any", "none")))
    assert done.returncode == CANNOT
    assert done.stdout.splitlines()[0].split() == ["RULE", "SAYS", "WHY"]
    assert "site.yaml denies: rule code: no program or code of a job may run here" in done.stderr
