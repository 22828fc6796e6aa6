"""`anabranch dev` with programs that only pretend: who is started how, and that all of them are ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_support import BAD_INPUT, CANNOT, OK, run

ROLES = ("broker", "server", "aggregator", "client")


class Dev:
    """`anabranch dev` in a folder of its own, with programs of our choice."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "federation"
        self.programs = tmp_path / "bin"
        self.programs.mkdir()
        for role in ROLES:
            self.add_program(role)

    def add_program(self, role: str) -> None:
        path = self.programs / f"anabranch-{role}"
        path.write_text(f"#!{sys.executable}\n{Path(__file__).with_name('fake_program.py').read_text()}")
        path.chmod(0o755)

    def __call__(self, verb: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        more = ["--programs", str(self.programs)] if verb == "up" else []
        return run("dev", verb, *more, *words, ANABRANCH_FOLDER=str(self.folder), **environment)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self("status", "--json").stdout))

    def pids(self) -> list[int]:
        return [node["pid"] for node in self.status()["nodes"]]

    def logged_pids(self) -> list[int]:
        """Of all that came as far as their first line."""
        texts = [log.read_text().splitlines() for log in (self.folder / "logs").iterdir()]
        return [json.loads(lines[0])["pid"] for lines in texts if lines]

    def told(self, name: str) -> dict[str, Any]:
        """What the program `name` wrote first to its log."""
        return dict(json.loads((self.folder / "logs" / f"{name}.log").read_text().splitlines()[0]))


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    made = Dev(tmp_path)
    yield made
    made("down", "--grace", "0")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_up_starts_everything_in_order_and_down_ends_it(dev: Dev) -> None:
    up = dev("up", "--sites", "2", "--aggregators", "2", "--listen", "127.0.0.1:18777")
    assert up.returncode == OK, up.stderr
    assert "https://127.0.0.1:18777" in up.stdout and "2 aggregators, 2 sites" in up.stdout
    status = dev.status()
    names = ["broker", "server", "aggregator-1", "aggregator-2", "site-1", "site-2"]
    assert [node["name"] for node in status["nodes"]] == names
    assert status["running"] and all(node["up"] for node in status["nodes"])
    pids = dev.pids()
    assert all(dev.told(name)["session"] == pid for name, pid in zip(names, pids, strict=True))
    down = dev("down")
    assert (down.returncode, down.stdout) == (OK, "6 processes ended\n")
    assert not any(map(is_alive, pids))
    assert not dev.folder.exists()


def test_up_tells_each_program_what_it_must_know(dev: Dev) -> None:
    assert dev("up", "--sites", "1", "--project", "river").returncode == OK
    broker, server, aggregator, site = (dev.told(n)["words"] for n in ("broker", "server", "aggregator-1", "site-1"))
    assert {words["--project"] for words in (broker, server, aggregator, site)} == {"river"}
    assert broker["--nodes"] == "server,aggregator-1,site-1"
    assert {words["--bootstrap-servers"] for words in (server, aggregator, site)} == {"127.0.0.1:19092"}
    assert (server["--name"], aggregator["--name"], site["--name"]) == ("server", "aggregator-1", "site-1")
    assert server["--max-model-mib"] == "8"
    assert site["--data-folder"] == str(dev.folder / "data" / "site-1")
    assert "--data-folder" not in aggregator


def test_a_second_up_adds_to_the_identities_that_are_there(dev: Dev) -> None:
    assert dev("up", "--sites", "1").returncode == OK
    kits = dev.folder / "project" / "kits"
    assert {kit.name for kit in kits.iterdir()} == {"server", "aggregator-1", "site-1", "admin"}
    told = dev.told("site-1")["words"]
    assert told["--config"] == str(kits / "site-1" / "node.yaml")
    assert told["--roster"] == str(dev.folder / "project" / "roster")
    key = (kits / "site-1" / "identity-key.pem").read_bytes()
    assert dev("down", "--keep-data").returncode == OK
    assert dev("up", "--sites", "2").returncode == OK
    assert (kits / "site-1" / "identity-key.pem").read_bytes() == key
    assert (kits / "site-2" / "node.yaml").exists()
    assert '"version":2' in (dev.folder / "project" / "roster").read_text()
    assert dev("down", "--keep-data").returncode == OK
    other = dev("up", "--project", "other")
    assert other.returncode == BAD_INPUT and "identities of project dev" in other.stderr


def test_up_with_a_broker_of_yours_starts_none_and_has_no_limit(dev: Dev) -> None:
    assert dev("up", "--sites", "1", "--bootstrap-servers", "kafka:9092").returncode == OK
    assert [node["role"] for node in dev.status()["nodes"]] == ["server", "aggregator", "site"]
    words = dev.told("server")["words"]
    assert (words["--bootstrap-servers"], words["--max-model-mib"]) == ("kafka:9092", "0")


def test_a_second_up_says_it_is_running(dev: Dev) -> None:
    assert dev("up", "--sites", "1").returncode == OK
    pids = dev.pids()
    second = dev("up", "--sites", "1")
    assert second.returncode == BAD_INPUT
    assert "already running" in second.stderr
    assert dev.pids() == pids and all(map(is_alive, pids))


def test_who_brings_it_up_is_logged_in_until_it_is_down(dev: Dev) -> None:
    assert dev("up", "--sites", "1").returncode == OK
    os.kill(dev.pids()[1], signal.SIGKILL)
    result = run("health")
    assert result.returncode == CANNOT
    assert f"cannot reach the server at {dev.status()['server']}" in result.stderr
    assert dev("down").returncode == OK
    assert "not logged in to any server" in run("health").stderr


@pytest.mark.parametrize("role", ROLES)
def test_a_program_that_ends_at_once_ends_all_and_shows_its_log(dev: Dev, role: str) -> None:
    result = dev("up", "--sites", "2", **{f"FAKE_{role.upper()}": "exit"})
    assert result.returncode == CANNOT
    assert f"{role} cannot go on: the reason" in result.stderr
    assert "ended while it started" in result.stderr
    assert dev.status() == dev.status() | {"running": False, "nodes": []}
    assert not any(map(is_alive, dev.logged_pids()))


def test_a_program_that_is_never_ready_ends_all(dev: Dev) -> None:
    result = dev("up", "--sites", "1", "--timeout", "1", FAKE_AGGREGATOR="hang")
    assert result.returncode == CANNOT
    assert "aggregator-1 was not ready within 1 s" in result.stderr
    assert not any(map(is_alive, dev.logged_pids()))


def test_a_program_that_is_missing_is_named(dev: Dev) -> None:
    (dev.programs / "anabranch-client").unlink()
    result = dev("up")
    assert result.returncode == BAD_INPUT
    assert "there is no program anabranch-client" in result.stderr
    assert not dev.status()["running"]


def test_down_kills_what_does_not_end(dev: Dev) -> None:
    assert dev("up", "--sites", "1", FAKE_CLIENT="stubborn").returncode == OK
    pids = dev.pids()
    down = dev("down", "--grace", "1", "--json")
    assert json.loads(down.stdout) == {"stopped": 4, "killed": 1}
    assert not any(map(is_alive, pids))


def test_a_foreign_process_is_not_ended(dev: Dev) -> None:
    assert dev("up", "--sites", "1").returncode == OK
    state = json.loads((dev.folder / "state.json").read_text())
    site = state["nodes"][-1]
    ours, site["pid"] = site["pid"], os.getpid()
    (dev.folder / "state.json").write_text(json.dumps(state))
    assert [node["up"] for node in dev.status()["nodes"]] == [True, True, True, False]
    assert dev("down").returncode == OK
    assert is_alive(ours)
    os.kill(ours, signal.SIGKILL)


def test_status_shows_who_is_gone_and_up_begins_again_after_all_are(dev: Dev) -> None:
    assert dev("up", "--sites", "1").returncode == OK
    pids = dev.pids()
    os.kill(pids[-1], signal.SIGKILL)
    rows = [line.split() for line in dev("status").stdout.splitlines()[3:]]
    assert [row[3] for row in rows][:3] == ["up"] * 3
    for pid in pids[:-1]:
        os.kill(pid, signal.SIGKILL)
    while any(map(is_alive, pids)):
        pass
    assert [node["up"] for node in dev.status()["nodes"]] == [False] * 4
    assert dev("up", "--sites", "1").returncode == OK
    assert not set(pids) & set(dev.pids())


def test_down_keeps_data_and_foreign_files(dev: Dev) -> None:
    assert dev("up", "--sites", "1").returncode == OK
    (dev.folder / "data" / "model").write_text("x")
    (dev.folder / "mine").write_text("x")
    assert dev("down", "--keep-data").returncode == OK
    assert (dev.folder / "data" / "model").exists() and not dev.status()["nodes"]
    assert dev("up", "--sites", "1").returncode == OK
    assert dev("down").returncode == OK
    assert [path.name for path in dev.folder.iterdir()] == ["mine"]


def test_nothing_to_show_and_nothing_to_stop_is_no_error(dev: Dev) -> None:
    assert "no federation" in dev("status").stdout
    assert "no federation" in dev("down").stdout
    assert not dev.folder.exists()


@pytest.mark.parametrize("words", [["--sites", "0"], ["--sites", "1000"], ["--project", "A.b"], ["--aggregators", "x"]])
def test_bad_numbers_and_names_are_refused(dev: Dev, words: list[str]) -> None:
    assert dev("up", *words).returncode == BAD_INPUT
