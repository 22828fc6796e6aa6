"""Who may do what over REST, and that nobody else gets through or in the way of others."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker import Kafka
from federation import BIN, ROOT, USERS, Federation, Program
from jobs import make_job
from rest import OPENAPI, Client, Operation, Reply, operations

NOBODYS = "0123456789abcdef"
N_HALF_OPEN = 1500
N_MUTATIONS = 2000  # tests/unit/server/mutator_test.c sends 10,000 without TLS


@pytest.fixture
def federation(start: Callable[..., Federation]) -> Federation:
    return start(sites=0, aggregators=0)


def anabranch(federation: Federation, user: str, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """The command line as this user, who is logged in with his kit."""
    environment = {**os.environ, "XDG_CONFIG_HOME": str(federation.folder / f"config-{user}")}
    command = [str(BIN / "anabranch"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == code, (words, done)
    return done


def log_in(federation: Federation, user: str) -> None:
    anabranch(federation, user, "login", federation.url, "--kit", str(federation.kits / user))


# -- rights -----------------------------------------------------------------------------------------------------------


class Scene:
    """Every user has a job; tokens are made when they are needed."""

    def __init__(self, federation: Federation, folder: Path) -> None:
        self.federation = federation
        self.clients = {user: Client(federation, user) for user in USERS}
        self.jobs = {user: self.submit(user, make_job(folder / f"job-{user}")) for user in USERS}
        prom = self.make_token("ann", name="prom", role="monitor")["secret"]
        self.clients["prom"] = Client(federation, token=str(prom))

    def submit(self, user: str, folder: Path) -> str:
        log_in(self.federation, user)
        return anabranch(self.federation, user, "job", "submit", str(folder)).stdout.strip()

    def make_token(self, maker: str, **wish: object) -> dict[str, object]:
        reply = self.clients[maker].ask("POST", "/v1/tokens", wish)
        assert reply.code == 201, reply
        made: dict[str, object] = json.loads(reply.body)
        return made

    def object_of(self, path: str, user: str) -> str:
        """The id of a job or of a new token of this user."""
        if path.startswith("/v1/jobs"):
            return self.jobs[user]
        token = self.make_token(user)["token"]
        assert isinstance(token, dict)
        return str(token["id"])


def is_missing(reply: Reply) -> bool:
    return reply.code == 404 and reply.message.startswith(("there is no job", "there is no token"))


def is_allowed(reply: Reply) -> bool:
    """The request came as far as its handler, or to the check of its body."""
    return reply.code not in (401, 403) and reply.code < 500 and not is_missing(reply)


def sees_all(operation: Operation, role: str) -> bool:
    """May this role look at all objects of the kind that the operation is about?"""
    kind = operation.path.partition("{id}")[0] + "{id}"
    return any(o.method == "GET" and o.path.startswith(kind) and o.rights[role] == "all" for o in operations())


def expect_foreign(operation: Operation, role: str, reply: Reply) -> bool:
    match operation.rights[role]:
        case "none":
            return reply.code == 403
        case "all":
            return is_allowed(reply)
        case _:
            return reply.code == 403 if sees_all(operation, role) else is_missing(reply)


def check_user(scene: Scene, operation: Operation, user: str, role: str, other: str) -> None:
    client, right = scene.clients[user], operation.rights[role]
    if "{id}" not in operation.path:
        reply = client.ask(operation.method, operation.path)
        assert is_allowed(reply) == (right != "none"), (operation, role, reply)
        return
    foreign = client.ask(operation.method, operation.path.replace("{id}", scene.object_of(operation.path, other)))
    assert expect_foreign(operation, role, foreign), (operation, role, foreign)
    nothing = client.ask(operation.method, operation.path.replace("{id}", NOBODYS))
    assert nothing.code == 403 if right == "none" else is_missing(nothing), (operation, role, nothing)
    if is_missing(foreign):  # nothing tells what is another's from what is not there
        assert re.sub("[0-9a-f]{16}", "", foreign.message) == re.sub("[0-9a-f]{16}", "", nothing.message)
    if right != "none":
        own = client.ask(operation.method, operation.path.replace("{id}", scene.object_of(operation.path, user)))
        assert is_allowed(own), (operation, role, own)


def test_every_role_reaches_just_what_the_table_says(federation: Federation, tmp_path: Path) -> None:
    scene = Scene(federation, tmp_path)
    nobody = Client(federation)
    for operation in sorted(operations(), key=lambda o: o.path.endswith("abort")):  # what ends jobs comes last
        reply = nobody.ask(operation.method, operation.path.replace("{id}", NOBODYS))
        if not operation.rights:
            assert reply.code in (200, 503), (operation, reply)
            continue
        assert reply.code == 401, (operation, reply)
        assert set(operation.rights) == {"monitor", "member", "lead", "admin"}
        for user, role in {"prom": "monitor", "mia": "member", "leo": "lead", "ann": "admin"}.items():
            check_user(scene, operation, user, role, "max")
    assert nobody.ask("GET", "/nothing").code == 401


def test_lists_show_a_member_only_what_is_his(federation: Federation, tmp_path: Path) -> None:
    scene = Scene(federation, tmp_path)
    scene.make_token("max")
    own = scene.make_token("mia")["token"]
    assert [job["id"] for job in scene.clients["mia"].get("/v1/jobs")["jobs"]] == [scene.jobs["mia"]]
    assert len(scene.clients["leo"].get("/v1/jobs")["jobs"]) == len(USERS)
    assert scene.clients["mia"].get("/v1/tokens")["tokens"] == [own]
    assert len(scene.clients["ann"].get("/v1/tokens")["tokens"]) == 3
    assert scene.clients["mia"].get(f"/v1/jobs/{scene.jobs['mia']}")["job"]["submitter"] == "mia"


def test_a_request_id_is_its_submitters_own(federation: Federation, tmp_path: Path) -> None:
    folder = make_job(tmp_path / "job")
    ids = []
    for user in ("mia", "mia", "max"):
        log_in(federation, user)
        ids.append(anabranch(federation, user, "job", "submit", str(folder), "--request-id", "nightly").stdout)
    assert ids[0] == ids[1] != ids[2]


# -- who is believed --------------------------------------------------------------------------------------------------


def shown(federation: Federation, certificate: Path, key: Path) -> int:
    """The answer to whoever shows this certificate; 401 also when TLS itself ends it."""
    client = Client(federation)
    client.trust.load_cert_chain(certificate, key)
    try:
        return client.ask("GET", "/v1/me").code
    except (ssl.SSLError, ConnectionError):
        return 401


def test_certificates_of_others_are_nobodys(federation: Federation, tmp_path: Path) -> None:
    kit, mia = federation.kits / "server", federation.kits / "mia"
    assert shown(federation, mia / "certificate.pem", mia / "identity-key.pem") == 200
    assert shown(federation, kit / "certificate.pem", kit / "identity-key.pem") == 401  # a node
    assert shown(federation, kit / "rest-certificate.pem", kit / "rest-key.pem") == 401  # the server's own
    command = [str(BIN / "anabranch"), "provision", "create", str(federation.folder / "project.yaml"), "--folder"]
    subprocess.run([*command, str(tmp_path / "other")], check=True, capture_output=True, timeout=60)
    other = tmp_path / "other" / "kits" / "mia"  # the same project and name, another root
    assert shown(federation, other / "certificate.pem", other / "identity-key.pem") == 401


def test_a_server_of_another_root_is_not_spoken_to(federation: Federation, tmp_path: Path) -> None:
    command = [str(BIN / "anabranch"), "provision", "create", str(federation.folder / "project.yaml"), "--folder"]
    subprocess.run([*command, str(tmp_path / "other")], check=True, capture_output=True, timeout=60)
    words = ("login", federation.url, "--kit", str(tmp_path / "other" / "kits" / "mia"))
    assert "certificate" in anabranch(federation, "mia", *words, code=2).stderr
    assert "not logged in" in anabranch(federation, "mia", "whoami", code=2).stderr


def test_old_tls_is_refused(federation: Federation) -> None:
    for version, is_good in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
        client = Client(federation, "ann")
        client.trust.set_ciphers("ALL:@SECLEVEL=0")
        client.trust.minimum_version = client.trust.maximum_version = version
        if is_good:
            assert client.ask("GET", "/v1/me").code == 200
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                client.ask("GET", "/v1/me")


def test_a_token_logs_in_until_it_is_revoked_and_after_a_restart(federation: Federation, tmp_path: Path) -> None:
    log_in(federation, "mia")
    token = tmp_path / "token"
    token.write_text(anabranch(federation, "mia", "token", "create", "--days", "7").stdout)
    root = str(federation.kits / "mia" / "root.pem")
    federation["server"].kill()
    federation.restart("server")
    words = ("login", federation.url, "--token-file", str(token), "--ca", root)
    assert "mia, member, by token" in anabranch(federation, "script", *words).stdout
    refused = anabranch(federation, "script", "token", "create", code=2)
    assert "tokens are made with a certificate" in refused.stderr
    listed = json.loads(anabranch(federation, "script", "token", "list", "--json").stdout)["tokens"]
    anabranch(federation, "script", "token", "revoke", listed[0]["id"])
    assert "does not know that token" in anabranch(federation, "script", "whoami", code=2).stderr
    assert token.read_text().strip() not in federation["server"].log.read_text()


# -- docs/users.md ----------------------------------------------------------------------------------------------------


def test_the_page_about_users_does_what_it_says_as_it_stands(kafka: Kafka) -> None:
    folder = Path(tempfile.mkdtemp(prefix="anabranch-users-"))
    page = (ROOT / "docs/users.md").read_text().replace('"127.0.0.1:9093"', f'"{kafka.bootstrap_servers}"')
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "XDG_CONFIG_HOME": str(folder / "config")}

    def shell(text: str) -> str:
        command = ["bash", "-euo", "pipefail", "-c", text.replace("curl ", "curl --fail-with-body ")]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    shell(blocks[0].replace("brokers:", "broker_protocol: plaintext\nbrokers:"))
    kit = folder / "river" / "kits" / "conductor"
    command = [str(BIN / "anabranch-server"), "--config", str(kit / "node.yaml"), "--listen", "127.0.0.1:0"]
    server = Program(folder, "conductor", command)
    try:
        url = f"https://{server.start().ready['listen']}"
        said = "".join(shell(block.replace("https://127.0.0.1:8500", url)) for block in blocks[1:])
    finally:
        server.end()
        shutil.rmtree(folder, ignore_errors=True)
    assert "alice, admin, by certificate" in said and "alice, admin, by token" in said
    assert '{"jobs":[]}' in said and "anabranch_leading 1" in said and '"by":"certificate"' in said


# -- who gets in the way ----------------------------------------------------------------------------------------------


def faults(federation: Federation) -> int:
    """How many answers of the 5xx kind the server has given."""
    reply = Client(federation, "ann").ask("GET", "/metrics")
    found = re.search(rb'anabranch_http_responses_total\{class="5xx"\} (\d+)', reply.body)
    assert found, reply.body
    return int(found.group(1))


@pytest.fixture
def undisturbed(federation: Federation) -> Iterator[Callable[[], None]]:
    """Asks as a good client; in the end the server is the same process and has not failed once."""
    good = Client(federation, "ann")
    pid, before = federation["server"].pid, faults(federation)

    def ask() -> None:
        assert good.get("/v1/jobs") == {"jobs": []}

    ask()
    yield ask
    ask()
    assert federation["server"].is_running() and federation["server"].pid == pid
    assert faults(federation) == before


def test_requests_made_from_the_description_are_answered_as_it_says(
    federation: Federation, undisturbed: Callable[[], None]
) -> None:
    kit = federation.kits / "ann"
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", str(ROOT / "schemas/openapi.yaml")]
    command += ["--url", federation.url, "--tls-verify", str(kit / "root.pem"), "--checks", checks]
    command += ["--request-cert", str(kit / "certificate.pem"), "--request-cert-key", str(kit / "identity-key.pem")]
    command += ["--phases", "coverage,fuzzing", "--seed", "1", "--max-examples", "25", "--no-shrink", "--no-color"]
    command += [
        "--generation-database",
        "none",
        "--continue-on-failure",
        "--warnings",
        "off",
        "--suppress-health-check",
        "all",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=federation.folder, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    assert f"Tested: {sum(len(m) for m in OPENAPI['paths'].values())}" in done.stdout


PIECES = [
    b"\r\n", b"\0", b"%00", b"../", b"\r\nHost: b", b" ", b"\xff\xfe", b"\r\nContent-Length: 5", b"\n\n", b"{}",
    b"\r\nTransfer-Encoding: chunked", b"\r\nAuthorization: Bearer anb-", b"--B", b"0\r\n\r\n", b"4294967296", b"?a=b&",
]  # fmt: skip


def mutate(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0:
                data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
            case 1:
                data = data[:at]
            case 2:
                data = data[:at] + data[at + 1 :]
            case _:
                data = data[:at] + chance.choice(PIECES) + data[at:]
    return data


def request_of(operation: Operation) -> bytes:
    path = operation.path.replace("{id}", NOBODYS)
    body = b'{"name": "x", "days": 3}' if path == "/v1/tokens" and operation.method == "POST" else b""
    kind = b"application/json"
    if (operation.method, path) == ("POST", "/v1/jobs"):
        kind = b"multipart/form-data; boundary=B"
        body = b'--B\r\nContent-Disposition: form-data; name="bundle"\r\n\r\nno archive\r\n--B--\r\n'
    head = f"{operation.method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n".encode()
    return head + (b"Content-Type: " + kind + b"\r\n" if body else b"") + b"\r\n" + body


def test_mutated_requests_and_records_of_tls_harm_nobody(
    federation: Federation, undisturbed: Callable[[], None]
) -> None:
    chance = random.Random(7)
    bases = [request_of(operation) for operation in operations()]
    client, codes = Client(federation, "mia"), Counter[bytes]()
    for number in range(N_MUTATIONS):
        data = mutate(chance.choice(bases), chance)
        if number % 5:
            codes[client.send_raw(data)[9:12]] += 1
        else:  # below TLS
            with client.connect() as connection:
                connection.sendall(mutate(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + data, chance))
        if number % 100 == 0:
            undisturbed()
    assert codes[b"400"] > N_MUTATIONS / 10 and codes[b"404"] > 0 and codes[b"403"] > 0, codes
    assert not [code for code in codes if code.startswith(b"5") and code != b"505"], codes


def half_open(client: Client, number: int) -> socket.socket:
    """TCP only, a part of a first TLS message, or TLS with half a request; from one machine or from many."""
    source = "127.0.0.2" if number % 2 else f"127.0.{1 + number % 200}.{3 + number // 200}"
    connection = client.connect(source)
    match number % 3:
        case 1:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100))
        case 2:
            try:
                connection = client.trust.wrap_socket(connection, server_hostname="127.0.0.1")
                connection.sendall(b"GET /v1/jobs HTTP/1.1\r\nHost: lo")
            except (OSError, ssl.SSLError):
                pass  # cut off already: others came
    return connection


def test_a_flood_of_half_open_connections_does_not_keep_a_good_client_out(
    federation: Federation, undisturbed: Callable[[], None]
) -> None:
    client = Client(federation, "mia")
    connections = []
    try:
        for number in range(N_HALF_OPEN):
            connections.append(half_open(client, number))
            if number % 50 == 0:
                undisturbed()
    finally:
        for connection in connections:
            connection.close()
