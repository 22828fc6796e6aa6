"""A real Kafka of deploy/kafka on ports that were free."""

from __future__ import annotations

import random
import socket
import subprocess
from pathlib import Path

from federation import ROOT

KAFKA_SH = ROOT / "deploy/kafka/kafka.sh"


def free_ports(count: int) -> int:
    """The first of `count` neighbouring ports that nobody listens on."""
    for _ in range(1000):
        first = random.randrange(20000, 30000)
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise RuntimeError("no free ports")


class Kafka:
    """One broker; all its state lies in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_ports(2)
        self.bootstrap_servers = f"127.0.0.1:{self.port}"

    def start(self) -> None:
        subprocess.run([KAFKA_SH, "start", self.folder, str(self.port)], check=True, timeout=180)

    def stop(self) -> None:
        subprocess.run([KAFKA_SH, "stop", self.folder], check=True, timeout=60)

    def kill(self) -> None:
        """kill -9."""
        subprocess.run([KAFKA_SH, "kill", self.folder], check=True, timeout=60)
