"""A broker with the identities and rules that `anabranch provision` made: who gets in, and what they may do there."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation import BIN, ROOT, wait_until
from provisioned import Provisioned, create, errors_of, read, see, write

TOPICS = ("river.control", "river.pulse", "river.telemetry")
NODES = ("conductor", "fold-1", "hospital-a")
EXAMPLE = BIN.parent / "examples/exchange"
DENIED = "TOPIC_AUTHORIZATION_FAILED"


@pytest.fixture(scope="module")
def made() -> Iterator[Provisioned]:
    """The page up to three running nodes, which made the topics."""
    folder = Path(tempfile.mkdtemp(prefix="anabranch-e2e-tls-"))
    page = Provisioned(folder)
    try:
        page.start()
        yield page
    finally:
        page.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_three_nodes_do_a_whole_job_over_tls_with_rules(made: Provisioned) -> None:
    shutil.copytree(EXAMPLE, made.folder / "job")
    job = made.folder / "job" / "job.yaml"
    job.write_text(job.read_text().replace("minimum: 2", "minimum: 1"))
    made.shell(f"python3 {ROOT}/examples/exchange/make_model.py 3 model.safetensors")
    made.shell("anabranch job submit job --model model.safetensors --wait")
    shown = json.loads(made.shell("anabranch site list --json"))
    assert "hospital-a" in json.dumps(shown)
    assert not [name for name in NODES if "authorization" in made.log(name)]


def test_strangers_do_not_get_in(made: Provisioned) -> None:
    made.shell("anabranch provision create project.yaml --folder foreign")
    foreign = made.folder / "foreign/kits/hospital-a"
    root = made.project / "root/root.pem"
    assert any("certificate" in error for error in errors_of(made.settings(foreign, root)))
    nobody = {k: v for k, v in made.settings(foreign, root).items() if k.startswith(("boot", "sec", "ssl.ca", "log"))}
    assert any("certificate" in error for error in errors_of(nobody))
    assert errors_of({**nobody, "security.protocol": "plaintext"})


def test_a_broker_of_another_root_is_not_spoken_to(made: Provisioned) -> None:
    made.shell("test -d foreign || anabranch provision create project.yaml --folder foreign")
    ours = made.settings(made.kit("hospital-a"), made.folder / "foreign/root/root.pem")
    assert any("certificate verify failed" in error for error in errors_of(ours))


def test_only_the_server_makes_topics_and_only_the_project_s(made: Provisioned) -> None:
    assert create(made.settings(made.kit("conductor")), "delta.control") == DENIED
    for name in ("fold-1", "hospital-a", "alice"):
        assert create(made.settings(made.kit(name)), "river.more") == DENIED


@pytest.mark.parametrize("name", NODES)
def test_a_node_writes_its_own_outbox_and_no_other(made: Provisioned, name: str) -> None:
    settings = made.settings(made.kit(name))
    for topic in TOPICS:
        assert write(settings, topic) is None
    for other in NODES:
        assert write(settings, f"river.out.{other}") == (None if other == name else DENIED)
    assert read(settings, "river.control") is None


@pytest.mark.parametrize(
    ("name", "allowed", "denied"),
    [
        ("conductor", ["river.pulse", "river.telemetry", "river.out.fold-1"], ["river.out.hospital-a"]),
        ("fold-1", ["river.out.hospital-a", "river.out.conductor"], ["river.pulse", "river.telemetry"]),
        ("hospital-a", ["river.out.fold-1", "river.out.conductor"], ["river.pulse", "river.telemetry"]),
    ],
)
def test_a_node_reads_what_its_roles_need(made: Provisioned, name: str, allowed: list[str], denied: list[str]) -> None:
    for topic in allowed:
        writer = topic.removeprefix("river.out.") if ".out." in topic else name
        assert write(made.settings(made.kit(writer)), topic) is None
        assert read(made.settings(made.kit(name)), topic) is None
    for topic in denied:
        assert read(made.settings(made.kit(name)), topic) == DENIED


def test_a_user_has_no_rights_on_the_broker(made: Provisioned) -> None:
    alice = {**made.settings(made.kit("alice")), "enable.idempotence": False}
    assert write(alice, "river.control") == DENIED
    assert see(alice, "river.control") == DENIED


def test_the_rest_of_the_page_works_and_a_revoked_node_may_do_nothing(made: Provisioned) -> None:
    made.go_on()
    assert write(made.settings(made.kit("hospital-a.4")), "river.control") is None  # renewed
    made.shell("anabranch provision revoke hospital-a --folder river --passphrase-file passphrase")
    made.shell("anabranch roster publish river/roster")
    wait_until("the revoked node stops", lambda: "hospital-a was revoked" in made.log("hospital-a"))
    made.shell('KAFKA_ACLS="deploy/kafka/kafka.sh acls" sh river/operator/acls.sh')
    for kit in ("hospital-a", "hospital-a.4"):
        revoked = {**made.settings(made.kit(kit)), "enable.idempotence": False}
        for topic in ("river.control", "river.out.hospital-a"):
            assert write(revoked, topic) == DENIED
        assert see(revoked, "river.control") == DENIED
