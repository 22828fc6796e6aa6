"""How long a program takes from its start to its ready file, on real Kafka: the first time, and after kill -9.

    ./run bench start [--projects 3] [--restarts 5]        (--quick: 1 project, 2 restarts)

The broker answers before: it has given a producer its id and taken its record, for which a broker that was started just
now needs about a second. A server's first start has the broker make the project's topics; how long a plain client waits
for as many is measured before each (`topics_ms`). The last line is one JSON object: for each program the median of its
first starts, and the median and longest of its restarts (ms). The exit status is 1 when a first start, without the
broker's part of a server's, or a restart takes 100 ms or more in the median.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import uuid
from pathlib import Path

from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # type: ignore[attr-defined]

from federation import Federation
from measure import kafka, median, say_missed

MOST_MS = 100
TOPICS = {"control": 1, "pulse": 1, "telemetry": 4, "out.server": 4}  # partitions

Times = dict[str, dict[str, float]]


def await_producer_ids(bootstrap_servers: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "log_level": 0})
    producer.produce("bench-start", b"x")
    if producer.flush(60) > 0:
        raise RuntimeError("the broker takes no record")


def topics_ms(admin: AdminClient) -> float:
    """Make topics such as a project's; until each partition tells its end."""
    project = f"bench-{uuid.uuid4().hex[:8]}"
    ends = {
        TopicPartition(f"{project}.{name}", p): OffsetSpec.latest()  # type: ignore[no-untyped-call]
        for name, partitions in TOPICS.items()
        for p in range(partitions)
    }
    begin = time.monotonic()
    made = admin.create_topics([NewTopic(f"{project}.{name}", partitions) for name, partitions in TOPICS.items()])
    for topic in made.values():
        topic.result()
    while True:
        try:
            for end in admin.list_offsets(ends).values():
                end.result()
            return (time.monotonic() - begin) * 1000
        except KafkaException:
            time.sleep(0.001)


def ready_ms(federation: Federation) -> dict[str, float]:
    return {name: float(program.ready["ready_ms"]) for name, program in federation.programs.items()}


def note(times: dict[str, list[float]], seen: dict[str, float]) -> None:
    for name, ms in seen.items():
        times.setdefault(name, []).append(ms)


def restart_all(federation: Federation, restarts: int, again: dict[str, list[float]]) -> None:
    for _ in range(restarts):
        for name, program in federation.programs.items():
            program.kill()
            federation.restart(name)
        note(again, ready_ms(federation))


def measure(projects: int, restarts: int) -> tuple[float, Times]:
    plain: list[float] = []
    first: dict[str, list[float]] = {}
    again: dict[str, list[float]] = {}
    with kafka() as broker:
        await_producer_ids(broker.bootstrap_servers)
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
        admin.list_topics(timeout=20)
        for _ in range(projects):
            plain.append(topics_ms(admin))
            with (
                tempfile.TemporaryDirectory(prefix="anabranch-bench-") as folder,
                Federation(Path(folder), broker.bootstrap_servers, sites=2) as federation,
            ):
                note(first, ready_ms(federation))
                restart_all(federation, restarts, again)
    times = {
        name: {"first_ms": median(first[name]), "restart_ms": median(seen), "longest_ms": max(seen)}
        for name, seen in again.items()
    }
    return round(median(plain), 1), times


def judge(broker_ms: float, times: Times) -> list[str]:
    missed = []
    for name, seen in times.items():
        first = seen["first_ms"] - (broker_ms if name == "server" else 0)
        for words, ms in (("first start", first), ("restart", seen["restart_ms"])):
            if ms >= MOST_MS:
                missed.append(f"{name}: a {words} takes {ms:.0f} ms, less than {MOST_MS} is wanted")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench start", description="From start to ready.")
    parser.add_argument("--projects", type=int, default=3)
    parser.add_argument("--restarts", type=int, default=5, help="of each program, in each project")
    parser.add_argument("--quick", action="store_true", help="1 project, 2 restarts: does it work at all")
    options = parser.parse_args()
    if options.quick:
        options.projects, options.restarts = 1, 2
    broker_ms, times = measure(options.projects, options.restarts)
    print(json.dumps({"topics_ms": broker_ms, **times}))
    return say_missed(judge(broker_ms, times))


if __name__ == "__main__":
    sys.exit(main())
