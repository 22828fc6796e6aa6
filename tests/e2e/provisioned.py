"""docs/provisioning.md, typed as it stands there: a project in a folder of its own and its broker with TLS."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from broker import free_ports
from federation import BIN, ROOT

PAGE = ROOT / "docs/provisioning.md"
PATIENCE_S = 60.0
LOGIN, END, STOP = "anabranch login", 'kill "$(', "kafka.sh stop"
REQUEST, APPROVE = "provision request", "provision approve"


class Provisioned:
    """What the page makes; the broker runs between `start` and `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_ports(2)
        self.project = folder / "river"
        (folder / "deploy").symlink_to(ROOT / "deploy")
        page = PAGE.read_text().replace("9093", str(self.port)).replace("8500", str(free_ports(1)))
        self.blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)

    def shell(self, text: str) -> str:
        environment = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def place_of(self, words: str) -> int:
        return next(i for i, block in enumerate(self.blocks) if words in block)

    def start(self) -> None:
        """Everything up to the running broker with its rules, the nodes, and a user who has logged in."""
        for block in self.blocks[: self.place_of(LOGIN) + 1]:
            self.shell(block)

    def stop(self) -> None:
        try:
            self.shell("set +e\n" + self.blocks[self.place_of(END)])  # some nodes may have stopped by themselves
        finally:
            self.shell(self.blocks[self.place_of(STOP)])

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def go_on(self) -> None:
        """The rest of the page up to its end: a request, its approval, changes, a node with its new kit."""
        request, approve = self.place_of(REQUEST), self.place_of(APPROVE)
        fingerprint = self.shell(self.blocks[request]).split("fingerprint ")[1].strip()
        self.shell(self.blocks[approve].replace("FINGERPRINT", fingerprint))
        for block in self.blocks[approve + 1 : self.place_of(END)]:
            self.shell(block)

    def settings(self, kit: Path, root: Path | None = None) -> dict[str, Any]:
        return {
            "bootstrap.servers": f"127.0.0.1:{self.port}",
            "security.protocol": "ssl",
            "ssl.key.location": str(kit / "identity-key.pem"),
            "ssl.certificate.location": str(kit / "certificate.pem"),
            "ssl.ca.location": str(root or kit / "root.pem"),
            "log_level": 0,
        }

    def kit(self, name: str) -> Path:
        return self.project / "kits" / name


# -- what a client may do: the name of the error, or None --------------------------------------------------------------


def name_of(error: KafkaError | None) -> str | None:
    return None if error is None else str(error.name())


def create(settings: dict[str, Any], topic: str) -> str | None:
    admin = AdminClient(settings)
    try:
        admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(timeout=PATIENCE_S)
    except KafkaException as failure:
        return name_of(failure.args[0])
    return None


def write(settings: dict[str, Any], topic: str) -> str | None:
    seen: list[str | None] = []
    producer = Producer(settings)
    producer.produce(topic, b"hello", partition=0, on_delivery=lambda error, _: seen.append(name_of(error)))
    producer.flush(PATIENCE_S)
    assert len(seen) == 1
    return seen[0]


def read(settings: dict[str, Any], topic: str) -> str | None:
    """The first record of the topic; the consumer group is not ours to have, and not needed."""
    consumer = Consumer({**settings, "group.id": "none", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        while True:
            message = consumer.poll(PATIENCE_S)
            assert message is not None, f"neither a record nor an error came from {topic}"
            error = message.error()
            if error is None or error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
                return name_of(error)
    finally:
        consumer.close()


def see(settings: dict[str, Any], topic: str) -> str | None:
    """Ask for the topic itself: who may not even know of it gets no answer to a read."""
    return name_of(AdminClient(settings).list_topics(topic, timeout=PATIENCE_S).topics[topic].error)


def errors_of(settings: dict[str, Any]) -> list[str]:
    """What a client that cannot get in is told."""
    seen: list[str] = []
    producer = Producer({**settings, "error_cb": lambda error: seen.append(error.str()), "message.timeout.ms": 2000})
    producer.produce("river.control", b"hello")
    producer.flush(PATIENCE_S)
    return seen
