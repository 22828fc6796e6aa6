"""Jobs as their owner sees them: submit, look, abort, delete, and what is said when something is wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from conftest import Start
from federation import Federation, wait_until
from jobs import make_job

# -- bad input


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("name: a\nrounds: 0\n", ["job.yaml:2:", "rounds", "1..100000", "got 0"]),
        ("name: a\nrounds: 2\nronds: 3\n", ["job.yaml:3:", "ronds", "rounds"]),
        ("name: a\nrounds: many\n", ["job.yaml:2:", "rounds"]),
        ("name: a\nrounds: 1\ntrainer: {}\n", ["command"]),
        ("name: a\nrounds: 1\naggregation:\n  rule: median-of-three\n", ["job.yaml:4:", "fedavg"]),
        ("name: [\n", ["job.yaml:"]),
    ],
)
def test_a_bad_job_file_is_refused_with_line_and_reason(
    text: str, sentences: list[str], start: Start, tmp_path: Path
) -> None:
    federation = start(sites=1)
    folder = make_job(tmp_path / "job", minimum=1)
    (folder / "job.yaml").write_text(text)
    model = str(folder / "initial.safetensors")
    done = federation.cli("job", "submit", str(folder), "--model", model, ok=False)
    assert done.returncode == 4
    said = done.stdout + done.stderr
    assert all(sentence in said for sentence in sentences), said
    assert federation.get("/v1/jobs")["jobs"] == []


def break_model(model: Path, how: str) -> None:
    data = model.read_bytes()
    if how == "truncated":
        model.write_bytes(data[:-7])
    elif how == "oversized":
        model.write_bytes(data + b"\0" * 9)
    elif how == "huge header":
        model.write_bytes(b"\xff" * 7 + b"\x7f" + data[8:])
    elif how == "empty":
        model.write_bytes(b"")


@pytest.mark.parametrize("how", ["truncated", "oversized", "huge header", "empty"])
def test_a_bad_model_file_is_refused(how: str, start: Start, tmp_path: Path) -> None:
    federation = start(sites=1)
    folder = make_job(tmp_path / "job", minimum=1)
    break_model(folder / "initial.safetensors", how)
    done = federation.cli("job", "submit", str(folder), ok=False)
    assert done.returncode == 4, done.stdout + done.stderr
    assert federation.get("/v1/jobs")["jobs"] == []
    assert federation["server"].is_running()


# -- exit codes


def test_a_server_that_is_not_there_is_exit_code_2(start: Start) -> None:
    federation = start(sites=0, aggregators=0)
    federation["server"].end()
    assert federation.cli("job", "list", ok=False).returncode == 2


def test_waiting_too_long_is_exit_code_3(start: Start, tmp_path: Path) -> None:
    federation = start(sites=1)
    federation.hold("site-1", 0)
    job = federation.submit(make_job(tmp_path / "job", minimum=1, rounds=1))
    federation.trainer_at("site-1", 0)
    assert federation.cli("job", "wait", job, "--timeout", "1", ok=False).returncode == 3
    federation.release("site-1", 0)
    assert federation.cli("job", "wait", job).returncode == 0


# -- submit


def test_the_same_request_again_is_the_same_job(start: Start, tmp_path: Path) -> None:
    federation = start(sites=1)
    folder = make_job(tmp_path / "job", minimum=1, rounds=1)
    first = federation.submit(folder, "--request-id", "monday")
    assert federation.submit(folder, "--request-id", "monday") == first
    assert federation.submit(folder, "--request-id", "tuesday") != first
    assert len(federation.get("/v1/jobs")["jobs"]) == 2


def test_a_job_that_was_acknowledged_survives_the_server(start: Start, tmp_path: Path) -> None:
    federation = start(sites=1)
    folder = make_job(tmp_path / "job", minimum=1, rounds=1)
    job = federation.submit(folder, "--request-id", "monday")
    federation["server"].kill()
    federation.restart("server")
    assert federation.submit(folder, "--request-id", "monday") == job
    federation.wait_completed(job)
    assert [entry["id"] for entry in federation.get("/v1/jobs")["jobs"]] == [job]


# -- abort, delete


def wait_gone(pid: int) -> None:
    wait_until(f"the trainer {pid} is gone", lambda: not Path(f"/proc/{pid}").exists())


def test_abort_ends_the_job_and_its_trainers(start: Start, tmp_path: Path) -> None:
    federation = start(sites=2)
    for site in ("site-1", "site-2"):
        federation.hold(site, 0)
    job = federation.submit(make_job(tmp_path / "job", minimum=2))
    pids = [federation.trainer_at(site, 0) for site in ("site-1", "site-2")]
    federation.cli("job", "abort", job)
    assert federation.wait_ended(job)["outcome"] == "aborted"
    for pid in pids:
        wait_gone(pid)
    federation.cli("job", "abort", job)  # again is no error
    assert federation.cli("job", "wait", job, ok=False).returncode == 1


def test_a_running_job_cannot_be_deleted_an_ended_one_leaves_nothing(start: Start, tmp_path: Path) -> None:
    federation = start(sites=1)
    federation.hold("site-1", 0)
    job = federation.submit(make_job(tmp_path / "job", minimum=1, rounds=1, mib=3))
    federation.trainer_at("site-1", 0)
    assert federation.cli("job", "delete", job, "--yes", ok=False).returncode != 0
    federation.release("site-1", 0)
    federation.wait_completed(job)
    federation.cli("job", "delete", job, "--yes")
    with pytest.raises(urllib.error.HTTPError) as refused:
        federation.get(f"/v1/jobs/{job}")
    assert refused.value.code == 404

    def large_files() -> list[Path]:
        return [
            path
            for path in (federation.folder / "server").rglob("*")
            if path.is_file() and path.stat().st_size > 1 << 20
        ]

    wait_until("the model is gone from the store", lambda: not large_files())


# -- disk full


def can_mount() -> bool:
    unshare = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(unshare, capture_output=True).returncode == 0


def fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(b"\0" * 65536)
        except OSError:
            return filler


@pytest.mark.skipif(not can_mount(), reason="a small file system needs the right to mount")
def test_a_full_disk_fails_the_job_and_the_server_lives(start: Start, tmp_path: Path) -> None:
    federation = start(sites=1)
    server = federation["server"]
    server.end()
    data = federation.folder / "server"
    mount = f"mount -t tmpfs -o size=32m tmpfs '{data}' && exec \"$@\""
    server.command = ["unshare", "--mount", "sh", "-c", mount, "sh", *server.command]
    federation.restart("server")
    federation.hold("site-1", 0)
    job = federation.submit(make_job(tmp_path / "job", minimum=1, rounds=1, mib=4))
    federation.trainer_at("site-1", 0)
    filler = fill(Path(f"/proc/{server.pid}/root{data}"))
    federation.release("site-1", 0)
    seen = federation.wait_ended(job)
    assert seen["outcome"] == "failed"
    assert "space" in seen["reason"], seen["reason"]
    filler.unlink()
    again = federation.submit(make_job(tmp_path / "again", minimum=1, rounds=1))
    federation.wait_completed(again)


# -- what the server says about itself


def test_sites_aggregators_and_health_are_told(start: Start) -> None:
    federation = start(sites=2, aggregators=1)

    def names(kind: str) -> list[str]:
        return [node["name"] for node in federation.get(f"/v1/{kind}")[kind]]

    # a node may be ready a moment before the server has read so
    wait_until("both sites are told", lambda: names("sites") == ["site-1", "site-2"])
    wait_until("the aggregator is told", lambda: names("aggregators") == ["aggregator-1"])
    assert federation.get("/health")["status"] == "ok"
    for words in (["site", "list"], ["aggregator", "list"], ["health"], ["job", "list"]):
        json.loads(federation.cli(*words, "--json").stdout)


def test_a_site_that_died_is_told_to_be_away_and_works_again_after_its_restart(start: Start, tmp_path: Path) -> None:
    federation = start(sites=1)
    federation["site-1"].kill()

    def is_alive() -> bool:
        return bool(federation.get("/v1/sites")["sites"][0]["alive"])

    wait_until("the site is seen to be away", lambda: not is_alive())
    federation.restart("site-1")
    wait_until("the site is seen again", is_alive)
    federation.wait_completed(federation.submit(make_job(tmp_path / "job", minimum=1, rounds=1)))


def metrics(federation: Federation) -> dict[str, float]:
    with urllib.request.urlopen(f"{federation.url}/metrics", timeout=10, context=federation.trust) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line and line[0] != "#"}


def test_metrics_are_prometheus_text(start: Start) -> None:
    federation = start(sites=1)
    seen = metrics(federation)
    assert seen and all(name.startswith(("anabranch_", "process_")) for name in seen)


def test_trainers_do_not_outlive_their_agent(start: Start, tmp_path: Path) -> None:
    federation = start(sites=1)
    federation.hold("site-1", 0)
    federation.submit(make_job(tmp_path / "job", minimum=1))
    pid = federation.trainer_at("site-1", 0)
    federation["site-1"].end()
    wait_gone(pid)
