"""The bus against a real broker: CUnit programs of this folder, their tests one by one in their output."""

from __future__ import annotations

import os
import re
import subprocess

from broker import KAFKA_SH, Kafka
from federation import ROOT

PROGRAMS = ROOT / "build/release/tests/e2e"


def run(name: str, kafka: Kafka, **environment: str) -> None:
    environment = {**os.environ, "ANABRANCH_TEST_BOOTSTRAP": kafka.bootstrap_servers, **environment}
    done = subprocess.run(
        [PROGRAMS / name], env=environment, capture_output=True, text=True, timeout=400, check=False, cwd=ROOT
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert re.search(r"^\w+: \d+ passed, 0 failed$", done.stdout, re.MULTILINE)


def test_the_bus_keeps_its_contract_on_kafka(kafka: Kafka) -> None:
    run("bus_kafka_test", kafka)


def test_what_is_on_its_way_survives_the_death_of_the_broker(kafka: Kafka) -> None:
    restart = f"{KAFKA_SH} kill {kafka.folder} && {KAFKA_SH} start {kafka.folder} {kafka.port}"
    run("bus_restart_test", kafka, ANABRANCH_TEST_RESTART=restart)
