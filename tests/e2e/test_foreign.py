"""Records that no honest node would write: refused, counted, and the job's bytes stay the same."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from broker import Kafka
from conftest import Start
from control_log import SIGNATURE_BYTES, ControlLog, Record, decode, encode, put, sign
from federation import Federation, wait_until
from jobs import expected_value, make_job
from test_jobs import metrics
from test_kill import LARGE_MIB, stop_in_upload

OpenLog = Callable[[Federation], ControlLog]


def head(project: str, node: str) -> Record:
    return {"project": project, "node": node, "incarnation": 1, "sequence": 1, "epoch": 0, "time_ms": 0}


def hostile_records(project: str, job: str, kits: Path) -> list[bytes]:
    aborted = {"job": job, "outcome": "aborted", "said": b""}
    as_server = encode("job-ended", {"head": {**head(project, "server"), "sequence": 1000, "epoch": 1}, **aborted})
    as_itself = encode("job-ended", {"head": {**head(project, "site-2"), "sequence": 1000, "epoch": 1}, **aborted})
    unsigned = [
        b"",
        b"not avro at all",
        b"\xc3\x01" + b"\0" * 8 + b"unknown schema",
        encode("job-ended", {"head": head("another-project", "server"), **aborted}),
        encode("job-ended", {"head": head(project, "nobody"), **aborted}),
        encode("job-ended", {"head": head(project, "site-1"), **aborted}),
        encode("job-ended", {"head": {**head(project, "server"), "epoch": 0}, **aborted}),
        encode("leader-claimed", {"head": head("another-project", "x")})[:-3],
        as_server,
    ]
    others_key = kits / "site-2" / "identity-key.pem"  # a good certificate, of another name
    return [
        *unsigned,
        *(value + bytes(SIGNATURE_BYTES) for value in unsigned),
        sign(as_server, others_key),
        sign(as_itself, others_key),
        sign(as_server, kits / "ann" / "identity-key.pem"),
        sign(as_server, kits.parent / "root" / "root-key.pem"),
        sign(as_server, others_key)[:-1],
    ]


def test_foreign_records_in_the_control_log_change_nothing(kafka: Kafka, start: Start, tmp_path: Path) -> None:
    federation = start()
    federation.hold("site-3", 1)
    job = federation.submit(make_job(tmp_path / "job", rounds=3))
    federation.trainer_at("site-3", 1)
    for value in hostile_records(federation.project, job, federation.kits):
        put(kafka.bootstrap_servers, f"{federation.project}.control", value)
        put(kafka.bootstrap_servers, f"{federation.project}.pulse", value)
        put(kafka.bootstrap_servers, f"{federation.project}.telemetry", value)
    federation.release("site-3", 1)
    seen = federation.wait_completed(job)
    assert seen["rounds"][-1]["metrics"]["seen"] == pytest.approx(expected_value(3))
    refused = {name: count for name, count in metrics(federation).items() if "refused" in name}
    reasons = {name.split('"')[1]: count for name, count in refused.items() if '"' in name}
    assert reasons["undecodable"] >= 5 and reasons["unknown-sender"] >= 1, reasons
    assert reasons["bad-signature"] >= 5 and reasons["wrong-role"] == 1, reasons
    assert all(program.is_running() for program in federation.programs.values())


def a_chunk(kafka: Kafka, topic: str, stream: bytes, start_offsets: list[int]) -> tuple[int, Record] | None:
    """Some chunk of that stream, and its partition."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": "e2e", "auto.offset.reset": "error"})
    try:
        for partition, offset in enumerate(start_offsets):
            consumer.assign([TopicPartition(topic, partition, offset)])
            message = consumer.poll(5.0)
            value = message.value() if message is not None and not message.error() else None
            if value is not None and decode(value)["stream"] == stream:
                return partition, decode(value)
    finally:
        consumer.close()
    return None


@pytest.mark.parametrize("how", ["repeated", "altered", "of an unknown stream"])
def test_foreign_chunks_among_the_chunks_of_an_update_change_no_bit(
    how: str, kafka: Kafka, start: Start, control_log: OpenLog, tmp_path: Path
) -> None:
    federation = start()
    log = control_log(federation)
    job = federation.submit(make_job(tmp_path / "job", rounds=3, mib=LARGE_MIB, quorum=2, deadline_s=60))
    opened = stop_in_upload(federation, log, job)
    topic = f"{federation.project}.out.site-3"
    found = a_chunk(kafka, topic, opened["stream"], opened["start_offsets"])
    assert found is not None
    partition, chunk = found
    del chunk["kind"]
    if how == "altered":
        chunk["data"] = bytes([chunk["data"][0] ^ 1]) + chunk["data"][1:]
    if how == "of an unknown stream":
        chunk["stream"] = bytes(16)
    put(kafka.bootstrap_servers, topic, encode("chunk", chunk), partition)
    federation["site-3"].signal(signal.SIGCONT)
    seen = federation.wait_completed(job)
    assert seen["rounds"][-1]["metrics"]["seen"] == pytest.approx(expected_value(3))
    assert all(program.is_running() for program in federation.programs.values())
    if how != "of an unknown stream":  # which is of no concern to who reads another one
        name = 'anabranch_stream_refusals_total{node="aggregator-1",reason="repeated-chunk"}'
        wait_until("the aggregator's pulse tells what it refused", lambda: metrics(federation).get(name))
