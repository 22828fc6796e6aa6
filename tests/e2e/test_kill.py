"""kill -9 of any role in the middle of a round: the job ends with the same bytes as if nothing had happened.

A round is "in the middle" when a site's trainer stands at its gate, or when an agent was stopped while its update was
on its way; both are seen in the control log or over REST before anything is killed.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker import Kafka
from conftest import Start
from control_log import ControlLog
from federation import Federation, Json, wait_until
from jobs import make_job

ROUNDS = 3
MIB = 2.3
LARGE_MIB = 96.0  # takes long enough to be caught while it is uploaded

OpenLog = Callable[[Federation], ControlLog]


@pytest.fixture(scope="module")
def undisturbed(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[float], str]]:
    """Digest of the job of that size when nobody disturbs it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    known: dict[float, str] = {}
    with (
        tempfile.TemporaryDirectory(prefix="anabranch-e2e-") as work,
        Federation(Path(work), kafka.bootstrap_servers) as federation,
    ):

        def digest(mib: float) -> str:
            if mib not in known:
                job = make_job(folder / f"job-{mib}", rounds=ROUNDS, mib=mib)
                known[mib] = federation.wait_completed(federation.submit(job))["model"]["sha256"]
            return known[mib]

        yield digest


def in_the_middle(federation: Federation, folder: Path) -> str:
    """A job whose site-3 holds its trainer in round 1 while the others have delivered."""
    federation.hold("site-3", 1)
    job = federation.submit(make_job(folder, rounds=ROUNDS, mib=MIB))
    federation.trainer_at("site-3", 1)

    def others_closed(seen: Json) -> bool:
        phases = {site["site"]: site["phase"] for site in seen["rounds"][-1]["sites"]}
        return bool(seen["round"] == 1 and phases["site-1"] == phases["site-2"] == "closed")

    federation.wait_for("two updates of round 1 are in the log", job, others_closed)
    return job


@pytest.mark.parametrize("role", ["server", "aggregator-1", "site-3", "site-1"])
def test_a_program_is_killed_while_a_site_trains(
    role: str, start: Start, tmp_path: Path, undisturbed: Callable[[float], str]
) -> None:
    federation = start()
    job = in_the_middle(federation, tmp_path / "job")
    federation[role].kill()
    federation.restart(role)
    federation.release("site-3", 1)
    assert federation.wait_completed(job)["model"]["sha256"] == undisturbed(MIB)


def test_a_trainer_is_killed_while_it_trains(start: Start, tmp_path: Path, undisturbed: Callable[[float], str]) -> None:
    federation = start()
    job = in_the_middle(federation, tmp_path / "job")
    pid = federation.trainer_at("site-3", 1)
    (federation.gates / "at-site-3-1").unlink()
    os.kill(pid, signal.SIGKILL)
    again = federation.trainer_at("site-3", 1)
    assert again != pid
    federation.release("site-3", 1)
    seen = federation.wait_completed(job)
    assert seen["rounds"][1]["counted"] == ["site-1", "site-2", "site-3"]
    assert seen["model"]["sha256"] == undisturbed(MIB)


def test_the_broker_is_killed_while_a_site_trains(
    kafka: Kafka, start: Start, tmp_path: Path, undisturbed: Callable[[float], str]
) -> None:
    expected = undisturbed(MIB)
    federation = start()
    job = in_the_middle(federation, tmp_path / "job")
    kafka.kill()
    kafka.start()
    federation.release("site-3", 1)
    assert federation.wait_completed(job)["model"]["sha256"] == expected


def test_all_programs_are_killed_at_once(start: Start, tmp_path: Path, undisturbed: Callable[[float], str]) -> None:
    federation = start(aggregators=2)
    job = in_the_middle(federation, tmp_path / "job")
    for program in federation.programs.values():
        program.kill()
    federation.start()
    federation.release("site-3", 1)
    assert federation.wait_completed(job)["model"]["sha256"] == undisturbed(MIB)


def chunks_written(log: ControlLog, opened: Json) -> int:
    """How many records the sender of a stream has written into its outbox since it opened it."""
    outbox = f"{log.project}.out.{opened['head']['node']}"
    return sum(log.bounds(outbox, partition)[1] - offset for partition, offset in enumerate(opened["start_offsets"]))


def stop_in_upload(federation: Federation, log: ControlLog, job: str) -> Json:
    """Stop site-3's agent when part of its update of some round is in the log; the record that opened the update."""
    while True:
        _, opened = log.wait("site-3 opens an update", "stream-opened", node="site-3", job=job, purpose="update")
        wait_until("some chunks are there", lambda opened=opened: chunks_written(log, opened) >= 8)  # type: ignore[misc]
        federation["site-3"].signal(signal.SIGSTOP)
        closed = [
            record
            for _, record in log.records()
            if record["kind"] == "stream-closed" and record["stream"] == opened["stream"]
        ]
        if not closed:
            return opened
        federation["site-3"].signal(signal.SIGCONT)  # it was quicker than we; the next round


def test_output_lies_in_the_log_before_the_last_update_is_closed(
    start: Start, control_log: OpenLog, tmp_path: Path
) -> None:
    federation = start()
    job = federation.submit(make_job(tmp_path / "job", rounds=8, mib=LARGE_MIB))
    opened = stop_in_upload(federation, control_log(federation), job)
    log = control_log(federation)  # from the beginning again: the share may have been opened meanwhile
    _, share = log.wait("the aggregator opens its share", "stream-opened", node="aggregator-1", round=opened["round"])
    # the agent stands still, so its update cannot be closed: what the aggregator has written by now was folded early
    wait_until("the aggregator has written chunks of the next model", lambda: chunks_written(log, share) > 0)
    before = [record for _, record in control_log(federation).records()]
    assert not [r for r in before if r["kind"] == "stream-closed" and r["stream"] == opened["stream"]]
    federation["site-3"].signal(signal.SIGCONT)
    federation.wait_completed(job)


@pytest.mark.parametrize("role", ["aggregator-1", "site-3", "server", "site-1"])
def test_a_program_is_killed_while_an_update_is_uploaded(
    role: str, start: Start, control_log: OpenLog, tmp_path: Path, undisturbed: Callable[[float], str]
) -> None:
    expected = undisturbed(LARGE_MIB)
    federation = start()
    log = control_log(federation)
    job = federation.submit(make_job(tmp_path / "job", rounds=ROUNDS, mib=LARGE_MIB))
    stop_in_upload(federation, log, job)
    federation[role].kill()
    federation.restart(role)
    if role != "site-3":
        federation["site-3"].signal(signal.SIGCONT)
    assert federation.wait_completed(job)["model"]["sha256"] == expected


def test_the_server_is_killed_while_it_stores_the_model(
    start: Start, control_log: OpenLog, tmp_path: Path, undisturbed: Callable[[float], str]
) -> None:
    expected = undisturbed(LARGE_MIB)
    federation = start()
    log = control_log(federation)
    for attempt in range(5):
        job = federation.submit(make_job(tmp_path / f"job-{attempt}", rounds=ROUNDS, mib=LARGE_MIB))
        log.wait("the last round is closed", "round-closed", job=job, round=ROUNDS - 1)
        federation["server"].kill()
        stored = [record for _, record in log.records() if record["kind"] == "model-stored" and record["job"] == job]
        federation.restart("server")
        assert federation.wait_completed(job)["model"]["sha256"] == expected
        if not stored:
            return
    raise AssertionError("the server was always quicker than we")


def test_a_stand_by_takes_over_and_the_paused_leader_harms_nobody(
    start: Start, control_log: OpenLog, tmp_path: Path, undisturbed: Callable[[float], str]
) -> None:
    expected = undisturbed(MIB)
    federation = start(servers=2)
    federation["server"].kill()
    federation.restart("server")  # who starts last leads
    federation.hold("site-3", 2)
    job = in_the_middle(federation, tmp_path / "job")
    log = control_log(federation)
    claims = [record["head"]["node"] for _, record in log.records() if record["kind"] == "leader-claimed"]
    assert claims[-1] == "server"
    federation["server"].signal(signal.SIGSTOP)
    log.wait("the stand-by leads", "leader-claimed", node="server-2")
    federation.release("site-3", 1)
    federation.trainer_at("site-3", 2)  # a round that the stand-by has opened
    federation["server"].signal(signal.SIGCONT)
    wait_until("the paused server steps down", lambda: "event=follows leader=server-2" in federation["server"].tail())
    federation["server-2"].kill()
    federation["server"].kill()
    federation.restart("server")
    federation.release("site-3", 2)
    assert federation.wait_completed(job)["model"]["sha256"] == expected
