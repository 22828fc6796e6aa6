"""A project's identities, made by the command line and judged by OpenSSL's own program."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cli_support import BAD_INPUT, CANNOT, OK, run

PROJECT = """\
project: river
brokers: ["127.0.0.1:9093", "kafka-2.example.org:9093"]
nodes:
  - {name: conductor, roles: [server]}
  - {name: fold-1, roles: [aggregator]}
  - {name: hospital-a, roles: [site]}
users:
  - {name: alice, role: admin}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder of a project that has just been made."""
    (tmp_path / "project.yaml").write_text(PROJECT)
    result = run("provision", "create", tmp_path / "project.yaml", "--folder", tmp_path / "river")
    assert result.returncode == OK, result.stderr
    return tmp_path / "river"


def openssl(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=60)


def is_good(project: Path, certificate: Path, purpose: str) -> bool:
    root = project / "root" / "root.pem"
    return openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", root, certificate).returncode == 0


def roster(folder: Path) -> dict[str, Any]:
    text = (folder / "roster").read_text()
    body, signature = text.rsplit("signature ", 1)
    assert len(base64.b64decode(signature)) == 64
    read: dict[str, Any] = json.loads(body)
    return read


def show(project: Path) -> dict[str, Any]:
    result = run("provision", "show", "--folder", project, "--json")
    assert result.returncode == OK, result.stderr
    shown: dict[str, Any] = json.loads(result.stdout)
    return shown


def files(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# -- what is refused -------------------------------------------------------------------------------------------------


def test_a_project_is_never_made_over_another(project: Path) -> None:
    before = files(project)
    result = run("provision", "create", project.parent / "project.yaml", "--folder", project)
    assert result.returncode == BAD_INPUT
    assert "keys are never written over" in result.stderr
    assert files(project) == before


def test_a_project_file_with_a_mistake_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text(PROJECT.replace("[site]", "[sight]"))
    result = run("provision", "create", tmp_path / "project.yaml", "--folder", tmp_path / "river")
    assert result.returncode == BAD_INPUT
    assert 'project.yaml:6: hospital-a: role "sight" is unknown' in result.stderr
    assert not (tmp_path / "river").exists()
    assert not (tmp_path / "river.part").exists()


def test_a_folder_without_a_project_is_told(tmp_path: Path) -> None:
    result = run("provision", "show", "--folder", tmp_path / "nothing")
    assert result.returncode == BAD_INPUT
    assert "provision create makes one" in result.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["add", "hospital-a", "--roles", "site"], "in the roster already"),
        (["add", "Hospital", "--roles", "site"], "Hospital"),
        (["add", "hospital-b", "--roles", "site,admin"], "do not go together"),
        (["add", "hospital-b", "--roles", "sight"], "is unknown"),
        (["add", "hospital-b"], "roles"),
        (["revoke", "hospital-b"], 'is called "hospital-b"'),
        (["renew", "hospital-b"], 'is called "hospital-b"'),
    ],
)
def test_bad_words_change_nothing(project: Path, words: list[str], sentence: str) -> None:
    before = files(project)
    result = run("provision", *words, "--folder", project)
    assert result.returncode == BAD_INPUT
    assert sentence in result.stderr
    assert files(project) == before


def test_an_altered_roster_is_refused(project: Path) -> None:
    path = project / "roster"
    path.write_text(path.read_text().replace('"version":1', '"version":2'))
    result = run("provision", "show", "--folder", project)
    assert result.returncode == CANNOT
    assert "the signature does not fit" in result.stderr


def test_another_root_s_key_is_refused(project: Path, tmp_path: Path) -> None:
    run("provision", "create", tmp_path / "project.yaml", "--folder", tmp_path / "other")
    (project / "root" / "root-key.pem").write_bytes((tmp_path / "other" / "root" / "root-key.pem").read_bytes())
    result = run("provision", "revoke", "hospital-a", "--folder", project)
    assert "is not the key of root/root.pem" in result.stderr
    assert roster(project)["version"] == 1


def test_a_revoked_name_is_never_given_again(project: Path) -> None:
    assert run("provision", "revoke", "hospital-a", "--folder", project).returncode == OK
    result = run("provision", "add", "hospital-a", "--roles", "site", "--folder", project)
    assert result.returncode == CANNOT
    assert "take another" in result.stderr
    assert roster(project)["version"] == 2
    assert "--deny-principal User:hospital-a --operation All" in (project / "operator" / "acls.sh").read_text()


def test_an_encrypted_root_needs_its_passphrase(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text(PROJECT)
    (tmp_path / "right").write_text("correct horse\n")
    (tmp_path / "wrong").write_text("correct house\n")
    (tmp_path / "empty").write_text("\n")
    project = tmp_path / "river"
    secret = ["--passphrase-file", tmp_path / "right"]
    assert run("provision", "create", tmp_path / "project.yaml", "--folder", project, *secret).returncode == OK
    assert "ENCRYPTED" in (project / "root" / "root-key.pem").read_text()
    add = ["provision", "add", "hospital-b", "--roles", "site", "--folder", project]
    assert "give --passphrase-file" in run(*add).stderr
    assert "is this its passphrase?" in run(*add, "--passphrase-file", tmp_path / "wrong").stderr
    assert "must not be empty" in run(*add, "--passphrase-file", tmp_path / "empty").stderr
    assert roster(project)["version"] == 1
    assert run(*add, *secret, "--kit-passphrase-file", tmp_path / "wrong").returncode == OK
    key = project / "kits" / "hospital-b" / "identity-key.pem"
    assert openssl("pkey", "-in", key, "-passin", f"file:{tmp_path / 'wrong'}", "-noout").returncode == 0
    assert openssl("pkey", "-in", key, "-passin", f"file:{tmp_path / 'right'}", "-noout").returncode != 0


# -- what is made ----------------------------------------------------------------------------------------------------


def test_only_their_owner_can_read_what_is_made(project: Path) -> None:
    for path in [project, *project.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_openssl_finds_the_certificates_good_for_their_purpose_only(project: Path) -> None:
    for name in ("conductor", "fold-1", "hospital-a", "alice"):
        certificate = project / "kits" / name / "certificate.pem"
        assert is_good(project, certificate, "sslclient")
        assert not is_good(project, certificate, "sslserver")
    store = project / "brokers" / "broker-2" / "keystore.pem"
    assert is_good(project, store, "sslserver")
    text = openssl("x509", "-in", store, "-noout", "-ext", "subjectAltName").stdout
    assert "DNS:kafka-2.example.org" in text
    text = openssl("x509", "-in", project / "kits" / "hospital-a" / "certificate.pem", "-noout", "-text").stdout
    assert "URI:anabranch://river/hospital-a" in text


def test_openssl_finds_another_project_s_certificates_bad(project: Path, tmp_path: Path) -> None:
    run("provision", "create", tmp_path / "project.yaml", "--folder", tmp_path / "other")
    assert not is_good(project, tmp_path / "other" / "kits" / "hospital-a" / "certificate.pem", "sslclient")


def test_a_kit_is_complete_and_its_keys_fit(project: Path) -> None:
    kit = project / "kits" / "hospital-a"
    expected = {
        "certificate.pem",
        "encryption-key.pem",
        "identity-key.pem",
        "node.yaml",
        "root.pem",
        "roster",
        "policy.yaml",
    }
    assert {p.name for p in kit.iterdir()} == expected
    public = openssl("pkey", "-in", kit / "identity-key.pem", "-pubout").stdout
    assert openssl("x509", "-in", kit / "certificate.pem", "-noout", "-pubkey").stdout == public
    assert (kit / "roster").read_bytes() == (project / "roster").read_bytes()
    member = next(m for m in roster(kit)["members"] if m["name"] == "hospital-a")
    encryption = openssl("pkey", "-in", kit / "encryption-key.pem", "-pubout", "-outform", "PEM").stdout
    der = base64.b64decode("".join(encryption.splitlines()[1:-1]))
    assert der.endswith(base64.b64decode(member["encryption_key"]))
    assert not (project / "kits" / "alice" / "encryption-key.pem").exists()


def test_the_programs_read_the_settings_of_a_kit(project: Path) -> None:
    for name, program in (("conductor", "server"), ("fold-1", "aggregator"), ("hospital-a", "client")):
        text = (project / "kits" / name / "node.yaml").read_text()
        assert text.startswith(f"# anabranch-{program} --config node.yaml\n")
        assert "bootstrap-servers: 127.0.0.1:9093,kafka-2.example.org:9093\n" in text
        known = run_program(program, "--config", project / "kits" / name / "node.yaml", "--log-level", "none")
        assert "--log-level must be debug" in known.stderr  # so all that stands before it was understood


@pytest.mark.parametrize("missing", ["identity-key", "encryption-key", "certificate", "root", "roster"])
def test_a_program_without_all_of_a_kit_says_what_is_missing_and_how_to_get_it(project: Path, missing: str) -> None:
    config = project / "kits" / "fold-1" / "node.yaml"
    config.write_text("".join(line for line in config.open() if not line.startswith(f"{missing}:")))
    known = run_program("aggregator", "--config", config)
    assert known.returncode == BAD_INPUT
    assert f"--{missing} is needed: `anabranch provision` makes a kit" in known.stderr


def test_a_program_with_another_node_s_keys_does_not_start(project: Path) -> None:
    kits = project / "kits"
    key = kits / "hospital-a" / "identity-key.pem"
    known = run_program("aggregator", "--config", kits / "fold-1" / "node.yaml", "--identity-key", key)
    assert known.returncode != OK
    assert "other keys for fold-1 than its kit" in known.stdout + known.stderr


def test_a_project_whose_brokers_are_without_tls_has_no_identities_for_them(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text(PROJECT + "broker_protocol: plaintext\n")
    made = run("provision", "create", tmp_path / "project.yaml", "--folder", tmp_path / "river")
    assert "2 brokers without TLS" in made.stdout
    assert {p.name for p in (tmp_path / "river").iterdir()} == {"project.yaml", "root", "roster", "kits"}
    assert "broker-protocol: plaintext\n" in (tmp_path / "river/kits/fold-1/node.yaml").read_text()
    result = run("provision", "brokers", "--folder", tmp_path / "river")
    assert (result.returncode, "are without TLS" in result.stderr) == (BAD_INPUT, True)
    assert run("provision", "add", "fold-2", "--roles", "aggregator", "--folder", tmp_path / "river").returncode == OK


def run_program(program: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    from cli_support import environment
    from cli_support import program as anabranch

    path = anabranch().parent / f"anabranch-{program}"
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return subprocess.run([path, *map(str, words)], env=environment(), capture_output=True, text=True, timeout=60)


def test_the_access_rules_give_each_role_what_it_needs(project: Path) -> None:
    rules = [set(line.split()[2:]) for line in (project / "operator" / "acls.sh").read_text().splitlines()]

    def who(operation: str, topic: str) -> set[str]:
        return {
            word.removeprefix("User:")
            for rule in rules
            if {"--topic", topic, operation} <= rule
            for word in rule
            if word.startswith("User:")
        }

    nodes = {"conductor", "fold-1", "hospital-a"}
    assert who("Read", "river.control") == who("Write", "river.control") == nodes
    assert who("Read", "river.pulse") == who("Read", "river.telemetry") == {"conductor"}
    assert who("Create", "river.") == {"conductor"}
    for name in nodes:
        assert who("Write", f"river.out.{name}") == {name}
    assert who("Read", "river.out.hospital-a") == {"fold-1"}
    assert who("Read", "river.out.fold-1") == nodes
    assert who("Read", "river.out.conductor") == {"fold-1", "hospital-a"}
    assert subprocess.run(["sh", "-n", project / "operator" / "acls.sh"], check=False).returncode == 0


# -- changes ---------------------------------------------------------------------------------------------------------


def test_each_change_is_a_new_version(project: Path) -> None:
    assert run("provision", "add", "hospital-b", "--roles", "site,aggregator", "--folder", project).returncode == OK
    assert run("provision", "revoke", "hospital-b", "--folder", project).returncode == OK
    shown = show(project)
    assert shown["version"] == 3
    assert [m["name"] for m in shown["members"]] == ["alice", "conductor", "fold-1", "hospital-a"]
    assert all(m["state"] == "ok" for m in shown["members"])
    assert shown["revoked"] == [{"name": "hospital-b", "version": 3}]


def test_renewing_makes_another_kit_and_leaves_the_old_one(project: Path) -> None:
    old = files(project / "kits")
    before = show(project)["members"][3]
    assert run("provision", "renew", "hospital-a", "--folder", project).returncode == OK
    after = show(project)["members"][3]
    assert before["name"] == after["name"] == "hospital-a"
    assert before["fingerprint"] != after["fingerprint"]
    new = project / "kits" / "hospital-a.2"
    assert (new / "identity-key.pem").read_bytes() not in old.values()
    assert is_good(project, new / "certificate.pem", "sslclient")
    assert old.items() <= files(project / "kits").items()


def test_brokers_get_new_identities_and_the_old_ones_are_kept(project: Path) -> None:
    old = (project / "brokers" / "broker-1" / "keystore.pem").read_bytes()
    text = (project / "project.yaml").read_text()
    (project / "project.yaml").write_text(text.replace('"127.0.0.1:9093"', '"127.0.0.1:9093", "10.0.0.3:9093"'))
    assert run("provision", "brokers", "--folder", project).returncode == OK
    assert len(list((project / "brokers").iterdir())) == 3
    assert (project / "brokers" / "broker-1" / "keystore.pem").read_bytes() != old
    assert [p.read_bytes() for p in project.glob("brokers.until-*/broker-1/keystore.pem")] == [old]
    settings = (project / "brokers" / "broker-2" / "server.properties").read_text()
    assert f"ssl.keystore.location={project}/brokers/broker-2/keystore.pem" in settings
    assert "User:broker.broker-3" in settings
    assert (project / "operator" / "acls.sh").exists()


# -- requests --------------------------------------------------------------------------------------------------------


def ask(folder: Path, *more: str) -> tuple[Path, str]:
    result = run("provision", "request", "hospital-c", "--project", "river", "--folder", folder, *more)
    assert result.returncode == OK, result.stderr
    return folder / "request.json", result.stdout.split("fingerprint ")[1].strip()


def approve(project: Path, request: Path, fingerprint: str, *more: str) -> subprocess.CompletedProcess[str]:
    return run("provision", "approve", request, "--fingerprint", fingerprint, "--folder", project, *more)


def test_keys_of_a_request_never_leave_their_folder(project: Path, tmp_path: Path) -> None:
    request, fingerprint = ask(tmp_path / "own")
    assert "PRIVATE" not in request.read_text()
    assert approve(project, request, fingerprint).returncode == OK
    kit = project / "kits" / "hospital-c"
    assert {p.name for p in kit.iterdir()} == {"certificate.pem", "node.yaml", "policy.yaml", "root.pem", "roster"}
    public = openssl("pkey", "-in", tmp_path / "own" / "identity-key.pem", "-pubout").stdout
    assert openssl("x509", "-in", kit / "certificate.pem", "-noout", "-pubkey").stdout == public


def test_a_request_that_was_changed_on_its_way_is_refused(project: Path, tmp_path: Path) -> None:
    request, fingerprint = ask(tmp_path / "own")
    foreign, foreign_fingerprint = ask(tmp_path / "foreign")
    result = approve(project, foreign, fingerprint)
    assert result.returncode == CANNOT
    assert "not the one you were told" in result.stderr
    # even when the operator believes it: one key's request under another's name, roles or project does not fit
    changed = tmp_path / "changed.json"
    for old, new in (("hospital-c", "hospital-d"), ("river", "delta")):
        changed.write_text(request.read_text().replace(old, new))
        digest = openssl("dgst", "-sha256", "-r", changed).stdout.split()[0]
        result = approve(project, changed, digest)
        assert "names another subject" in result.stderr
    assert roster(project)["version"] == 1
    assert foreign_fingerprint != fingerprint


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"project":"river","name":"hospital-c","roles":"site"}', "\0"])
def test_what_is_no_request_is_refused(project: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "request.json"
    path.write_text(text)
    digest = openssl("dgst", "-sha256", "-r", path).stdout.split()[0]
    assert approve(project, path, digest).returncode in (BAD_INPUT, CANNOT)
    assert roster(project)["version"] == 1


def test_a_request_replaces_keys_only_when_told_to(project: Path, tmp_path: Path) -> None:
    first, first_fingerprint = ask(tmp_path / "first")
    second, second_fingerprint = ask(tmp_path / "second")
    result = approve(project, first, first_fingerprint, "--replace")
    assert "leave out --replace" in result.stderr
    assert approve(project, first, first_fingerprint).returncode == OK
    assert "--replace gives it" in approve(project, second, second_fingerprint).stderr
    assert approve(project, second, second_fingerprint, "--replace").returncode == OK
    assert (project / "kits" / "hospital-c.3" / "certificate.pem").exists()
    other, other_fingerprint = ask(tmp_path / "other", "--roles", "aggregator")
    assert "other roles" in approve(project, other, other_fingerprint, "--replace").stderr


def test_one_command_at_a_time_works_in_a_project(project: Path) -> None:
    import fcntl
    import os

    held = os.open(project, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = run("provision", "show", "--folder", project)
    finally:
        os.close(held)
    assert result.returncode == BAD_INPUT
    assert "wait for it to end" in result.stderr


# -- what a server shows to users ------------------------------------------------------------------------------------


def rest_names(kit: Path) -> str:
    return openssl("x509", "-in", kit / "rest-certificate.pem", "-noout", "-ext", "subjectAltName").stdout


def test_a_server_gets_a_certificate_for_tls_servers_only(project: Path) -> None:
    kit = project / "kits" / "conductor"
    assert is_good(project, kit / "rest-certificate.pem", "sslserver")
    assert not is_good(project, kit / "rest-certificate.pem", "sslclient")
    assert not is_good(project, kit / "certificate.pem", "sslserver")
    assert (kit / "rest-key.pem").read_text() != (kit / "identity-key.pem").read_text()
    assert "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1" in rest_names(kit)
    assert "rest-certificate: rest-certificate.pem" in (kit / "node.yaml").read_text()
    assert not (project / "kits" / "hospital-a" / "rest-key.pem").exists()


def test_its_addresses_are_those_of_the_project_file_or_the_command_line(tmp_path: Path) -> None:
    text = PROJECT.replace("roles: [server]", "roles: [server], addresses: [conductor.example.org, 10.0.0.7]")
    (tmp_path / "project.yaml").write_text(text)
    words = ["--folder", tmp_path / "river"]
    assert run("provision", "create", tmp_path / "project.yaml", *words).returncode == OK
    assert "DNS:conductor.example.org, IP Address:10.0.0.7" in rest_names(tmp_path / "river" / "kits" / "conductor")
    renewed = run("provision", "renew", "conductor", "--addresses", "other.example.org", *words)
    assert renewed.returncode == OK, renewed.stderr
    kit = Path(renewed.stdout.rpartition(" is in ")[2].strip())
    assert "DNS:other.example.org" in rest_names(kit) and "10.0.0.7" not in rest_names(kit)
    refused = run("provision", "add", "second", "--roles", "server", "--addresses", "a b", *words)
    assert refused.returncode == BAD_INPUT and 'address "a b" is no host name' in refused.stderr
