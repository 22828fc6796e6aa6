"""One real Kafka for the session, one federation for each test that asks for it."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from broker import Kafka
from control_log import ControlLog
from federation import Federation

Start = Callable[..., Federation]


def pytest_configure() -> None:
    # `./run` ends us with SIGTERM; fixtures are then torn down as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    folder = Path(tempfile.mkdtemp(prefix="anabranch-e2e-kafka-"))
    broker = Kafka(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


FAILED = pytest.StashKey[bool]()


@pytest.fixture
def start(kafka: Kafka, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Start a federation: start(sites=3, aggregators=1, server=[options])."""
    started: list[Federation] = []

    def make(**how: Any) -> Federation:
        # not below tmp_path: the path of a Unix socket is short
        folder = Path(tempfile.mkdtemp(prefix="anabranch-e2e-"))
        federation = Federation(folder, kafka.bootstrap_servers, gates=tmp_path / "gates", **how)
        started.append(federation)
        return federation.start()

    yield make
    for federation in started:
        federation.end()
        if request.node.stash.get(FAILED, True):
            print(federation.logs())
        forget_topics(kafka, federation.project)
        shutil.rmtree(federation.folder, ignore_errors=True)
    if not request.node.stash.get(FAILED, True):
        shutil.rmtree(tmp_path, ignore_errors=True)  # models are large


def forget_topics(kafka: Kafka, project: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    topics = [name for name in admin.list_topics(timeout=20).topics if name.startswith(f"{project}.")]
    if topics:
        for done in admin.delete_topics(topics).values():
            done.result(timeout=20)


@pytest.fixture
def control_log(kafka: Kafka) -> Iterator[Callable[[Federation], ControlLog]]:
    """Open a reader of a federation's control log."""
    opened: list[ControlLog] = []

    def make(federation: Federation) -> ControlLog:
        opened.append(ControlLog(kafka.bootstrap_servers, federation.project))
        return opened[-1]

    yield make
    for log in opened:
        log.close()
