"""`anabranch dev`: a federation in the background, on the embedded broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from federation import BIN
from jobs import make_job

Anabranch = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder_name() -> str:
    return "dev"


@pytest.fixture
def anabranch(tmp_path: Path, folder_name: str) -> Iterator[Anabranch]:
    folder = tmp_path / folder_name
    environment = {**os.environ, "HOME": str(tmp_path)}

    def run(*words: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(BIN / "anabranch"), *words]
        if words[0] == "dev":
            command += ["--folder", str(folder)]
        else:
            state = json.loads(run("dev", "status", "--json").stdout)
            command += ["--server", state["server"]]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, env=environment, check=False
        )
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return done

    yield run
    run("dev", "down", ok=False)


def test_a_job_runs_on_the_embedded_broker(anabranch: Anabranch, tmp_path: Path) -> None:
    anabranch("dev", "up", "--sites", "3", "--aggregators", "2")
    sites = json.loads(anabranch("site", "list", "--json").stdout)["sites"]
    assert [site["name"] for site in sites if site["alive"]] == ["site-1", "site-2", "site-3"]
    anabranch("job", "submit", str(make_job(tmp_path / "job", rounds=2)), "--wait")
    assert json.loads(anabranch("job", "list", "--json").stdout)["jobs"][0]["outcome"] == "completed"


def test_up_starts_again_what_is_gone_and_nothing_else(anabranch: Anabranch, tmp_path: Path) -> None:
    def pids() -> dict[str, int]:
        return {node["name"]: node["pid"] for node in json.loads(anabranch("dev", "status", "--json").stdout)["nodes"]}

    anabranch("dev", "up", "--sites", "2")
    before = pids()
    assert "already running" in anabranch("dev", "up", ok=False).stderr
    for name in ("server", "site-2"):
        os.kill(before[name], signal.SIGKILL)
    done = anabranch("dev", "up")
    assert "server was gone" in done.stderr and "site-2 was gone" in done.stderr
    after = pids()
    assert {name for name in before if before[name] != after[name]} == {"server", "site-2"}
    anabranch("job", "submit", str(make_job(tmp_path / "job", rounds=1, minimum=2)), "--wait")


@pytest.mark.parametrize("folder_name", ["deep-" * 20])
def test_a_job_runs_below_a_folder_whose_path_is_too_long_for_sockets(anabranch: Anabranch, tmp_path: Path) -> None:
    anabranch("dev", "up", "--sites", "1")
    anabranch("job", "submit", str(make_job(tmp_path / "job", rounds=1, minimum=1)), "--wait")


def test_a_model_too_large_for_the_embedded_broker_is_refused_with_the_way_to_kafka(
    anabranch: Anabranch, tmp_path: Path
) -> None:
    anabranch("dev", "up", "--sites", "1")
    done = anabranch("job", "submit", str(make_job(tmp_path / "job", minimum=1, mib=64)), ok=False)
    assert done.returncode == 4
    assert "--bootstrap-servers" in done.stdout + done.stderr


def test_down_leaves_no_process_behind(anabranch: Anabranch, tmp_path: Path) -> None:
    anabranch("dev", "up", "--sites", "2")
    mine = str(tmp_path / "dev")
    anabranch("dev", "down")
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert mine not in entry.read_bytes().decode(errors="replace"), entry
        except OSError:
            continue  # a process that has just ended
