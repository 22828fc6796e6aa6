"""Sites that never answer, trainers that fail, updates that cannot count."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from conftest import Start
from federation import Json
from jobs import expected_value, make_job

SHORT_S = 5  # the deadline of rounds that are meant to be cut


def excluded(entry: Json) -> dict[str, str]:
    return {item["site"]: item["reason"] for item in entry["excluded"]}


def test_a_silent_site_is_cut_at_the_deadline_and_named_when_the_quorum_is_met(start: Start, tmp_path: Path) -> None:
    federation = start()
    federation.hold("site-3", 0)
    job = federation.submit(make_job(tmp_path / "job", rounds=1, quorum=2, deadline_s=SHORT_S))
    federation.trainer_at("site-3", 0)
    federation["site-3"].signal(signal.SIGSTOP)
    seen = federation.wait_completed(job)
    first = seen["rounds"][0]
    assert first["counted"] == ["site-1", "site-2"]
    assert list(excluded(first)) == ["site-3"] and excluded(first)["site-3"]
    assert seen["model"] is not None
    assert first["digest"]


def test_without_a_quorum_the_job_fails_with_the_names_of_the_missing_sites(start: Start, tmp_path: Path) -> None:
    federation = start()
    federation.hold("site-2", 0)
    federation.hold("site-3", 0)
    job = federation.submit(make_job(tmp_path / "job", rounds=2, quorum=2, deadline_s=SHORT_S))
    for site in ("site-2", "site-3"):
        federation.trainer_at(site, 0)
        federation[site].signal(signal.SIGSTOP)
    seen = federation.wait_ended(job)
    assert seen["outcome"] == "failed"
    assert "site-2" in seen["reason"] and "site-3" in seen["reason"] and "site-1" not in seen["reason"]


def test_a_site_that_comes_back_is_in_the_next_round(start: Start, tmp_path: Path) -> None:
    federation = start()
    federation.hold("site-3", 0)
    federation.hold("site-1", 1)
    job = federation.submit(make_job(tmp_path / "job", rounds=3, quorum=2, deadline_s=30))
    federation.trainer_at("site-3", 0)
    federation["site-3"].kill()
    federation.wait_for("round 0 went on without site-3", job, lambda seen: (seen["round"] or 0) >= 1)
    federation.restart("site-3")
    federation.release("site-3", 0)
    federation.release("site-1", 1)
    seen = federation.wait_completed(job)
    assert "site-3" not in seen["rounds"][0]["counted"]
    assert "site-3" in seen["rounds"][2]["counted"]


def test_the_last_lines_of_a_trainer_that_fails_are_in_the_jobs_log(start: Start, tmp_path: Path) -> None:
    federation = start()
    federation.tell("site-2", 0, "exit")
    job = federation.submit(make_job(tmp_path / "job", rounds=1, quorum=2))
    seen = federation.wait_completed(job)
    assert list(excluded(seen["rounds"][0])) == ["site-2"]
    lines = federation.cli("job", "logs", job).stdout
    assert "the disk of this site is broken" in lines and "site-2" in lines


def test_a_job_that_loses_its_quorum_by_failing_trainers_fails_and_says_so(start: Start, tmp_path: Path) -> None:
    federation = start()
    federation.tell("site-2", 0, "exit")
    done = federation.cli("job", "submit", str(make_job(tmp_path / "job", rounds=1)), "--wait", ok=False)
    assert done.returncode == 1
    assert "site-2" in done.stdout + done.stderr


@pytest.mark.parametrize("what", ["nan", "zero", "layout"])
def test_an_update_that_cannot_count_excludes_its_site_and_nothing_crashes(
    what: str, start: Start, tmp_path: Path
) -> None:
    federation = start()
    federation.tell("site-2", 0, what)
    job = federation.submit(make_job(tmp_path / "job", rounds=2, quorum=2, deadline_s=30))
    seen = federation.wait_completed(job)
    assert seen["rounds"][0]["counted"] == ["site-1", "site-3"]
    assert excluded(seen["rounds"][0])["site-2"]
    assert seen["rounds"][1]["counted"] == ["site-1", "site-2", "site-3"]
    assert all(program.is_running() for program in federation.programs.values())


def test_a_cut_round_is_the_mean_of_those_who_counted(start: Start, tmp_path: Path) -> None:
    federation = start()
    federation.tell("site-3", 0, "exit")
    job = federation.submit(make_job(tmp_path / "job", rounds=1, quorum=2))
    federation.wait_completed(job)
    target = tmp_path / "global.safetensors"
    federation.cli("job", "download", job, "--output", str(target))
    assert load_file(str(target))["w"][0] == pytest.approx(expected_value(1, sites=(1, 2)))
