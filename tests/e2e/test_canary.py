"""What the broker's disks hold after a job: none of the bytes that nodes meant for each other alone.

Canaries are put where secrets are: in tensors and their names, in the updates of the sites, in the files of the job
folder. Afterwards every file of every log segment of a real broker is searched for them. One of its own is written in
plain, to see that the search finds what is there.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from confluent_kafka import Producer
from safetensors.numpy import save_file

from broker import Kafka
from conftest import Start

NAME = "canary-of-a-tensor-name-1f7c"
VALUES = b"CnrY"  # of the first model; as one float32: an ordinary number, whose mean with itself is itself
UPDATES = b"SeCr"  # of what the sites send, and so of the models after that
SOURCE = "canary-in-the-trainers-source-93aa"
DATA = "canary-in-a-file-of-the-job-folder-07be"
METRIC = "canary-of-a-metric-2d5b"
LINE = "canary-in-a-line-of-the-trainer-88c0"
FAULT = "canary-in-the-last-words-of-a-trainer-e4f6"
PLAIN = b"canary-that-is-written-in-plain-c41d"
REPEATS = 8  # so many in a row are no accident

TRAINER = f"""
# {SOURCE}
import numpy as np
import anabranch.client as flare

flare.init()
print("{LINE}", flush=True)
while flare.is_running():
    model = flare.receive()
    assert model.params["{NAME}"].tobytes().startswith({VALUES!r} if model.current_round == 0 else {UPDATES!r})
    if flare.is_evaluate():
        flare.send(flare.FLModel(metrics={{"seen": 1.0}}))
        continue
    params = {{name: np.frombuffer({UPDATES!r} * value.size, np.float32) for name, value in model.params.items()}}
    flare.send(flare.FLModel(params=params, metrics={{"{METRIC}": 0.5}}, meta={{"NUM_STEPS_CURRENT_ROUND": 1}}))
"""


BROKEN_TRAINER = f"""
import anabranch.client as flare

flare.init()
flare.receive()
raise SystemExit("{FAULT}")
"""


def make_job(folder: Path, trainer: str = TRAINER) -> Path:
    folder.mkdir()
    values = np.frombuffer(VALUES * 100_000, np.float32)
    save_file({NAME: values}, str(folder / "initial.safetensors"))
    (folder / "train.py").write_text(trainer)
    (folder / "data.txt").write_text(DATA)
    job = {
        "name": "canary",
        "rounds": 2,
        "model": "initial.safetensors",
        "sites": {"minimum": 2},
        "trainer": {"command": ["python3", "train.py"]},
    }
    (folder / "job.yaml").write_text(json.dumps(job))
    return folder


def segments(kafka: Kafka, topic_begins: str) -> list[Path]:
    """The files that hold records of these topics."""
    return [path for path in kafka.folder.rglob("*.log") if path.parent.name.startswith(topic_begins)]


def hits(files: list[Path], canary: bytes) -> list[str]:
    return [str(path) for path in files if canary in path.read_bytes()]


def write_in_plain(kafka: Kafka, topic: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    producer.produce(topic, value=PLAIN)
    assert producer.flush(30) == 0


def test_nothing_of_a_job_can_be_read_in_the_brokers_segments(kafka: Kafka, start: Start, tmp_path: Path) -> None:
    federation = start(sites=2)
    job = federation.submit(make_job(tmp_path / "job"))
    federation.wait_completed(job)
    target = tmp_path / "model.safetensors"
    federation.cli("job", "download", job, "--output", str(target))
    assert UPDATES * REPEATS in target.read_bytes()  # they went all the way
    assert NAME.encode() in target.read_bytes()
    assert METRIC in json.dumps(federation.job(job))
    assert LINE in federation.cli("job", "logs", job).stdout
    broken = federation.submit(make_job(tmp_path / "broken", BROKEN_TRAINER))
    assert FAULT in federation.wait_ended(broken)["reason"]
    write_in_plain(kafka, f"{federation.project}.pulse")
    files = segments(kafka, federation.project)
    outboxes = {path.parent.name.rpartition("-")[0] for path in files if path.stat().st_size > 0}
    names = ("server", "aggregator-1", "site-1", "site-2")
    assert outboxes >= {f"{federation.project}.out.{name}" for name in names}
    assert sum(path.stat().st_size for path in files) > 6 * 4 * 100_000  # the models are there, all of them
    assert hits(files, PLAIN)
    secrets = [NAME.encode(), VALUES * REPEATS, UPDATES * REPEATS, SOURCE.encode(), DATA.encode()]
    secrets += [METRIC.encode(), LINE.encode(), FAULT.encode()]
    found = {canary: hits(files, canary) for canary in secrets}
    assert not any(found.values()), found
