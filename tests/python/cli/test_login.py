"""Logins and tokens: what the command line shows a server, what it remembers, and what it never does."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from cli_support import BAD_INPUT, CANNOT, OK, home, kits, log_in, run
from fake_server import Answer, FakeServer, refusal

pytest_plugins = ["cli_fixtures"]

ALICE = {"user": {"name": "alice", "role": "admin", "by": "certificate", "expires_ms": 1827068564000}}
TOKEN = "anb-b9155b693226d9dd-" + "0123456789abcdef" * 4
MADE = {
    "id": "b9155b693226d9dd",
    "name": "prometheus",
    "role": "monitor",
    "creator": "alice",
    "created_ms": 1795532512136,
    "expires_ms": 1798124512136,
}


def remembered() -> str:
    return (home() / "anabranch" / "config.yaml").read_text()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


# -- what is refused -------------------------------------------------------------------------------------------------


def test_a_login_needs_a_kit_or_a_token(server: FakeServer, token_file: Path) -> None:
    for words in ([], ["--kit", kits() / "alice", "--token-file", token_file]):
        result = run("login", server.url, *words)
        assert result.returncode == BAD_INPUT
        assert "--kit FOLDER" in result.stderr


def test_what_the_server_does_not_accept_is_not_remembered(server: FakeServer) -> None:
    log_in()
    server.script("GET", "/v1/me", refusal(401, "denied", "this certificate is not the one of a user"))
    result = run("login", server.url, "--kit", kits() / "alice")
    assert (result.returncode, result.stderr) == (CANNOT, "anabranch: this certificate is not the one of a user\n")
    assert "not logged in" in run("whoami").stderr


def test_a_server_that_the_root_does_not_vouch_for_gets_nothing(
    server: FakeServer, token_file: Path, tmp_path: Path
) -> None:
    made = run("provision", "create", home() / "project.yaml", "--folder", tmp_path / "other")
    assert made.returncode == OK
    root = tmp_path / "other" / "root" / "root.pem"
    result = run("login", server.url, "--token-file", token_file, "--ca", root)
    assert result.returncode == CANNOT
    assert "certificate" in result.stderr
    assert server.requests == []


def test_a_server_under_another_name_than_its_certificates_gets_nothing(server: FakeServer, token_file: Path) -> None:
    port = server.url.rpartition(":")[2]
    root = kits() / "alice" / "root.pem"
    result = run("login", f"https://127.0.0.2:{port}", "--token-file", token_file, "--ca", root)
    assert result.returncode == CANNOT
    assert server.requests == []


def test_plain_http_is_never_spoken(token_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        result = run("login", url, "--token-file", token_file)
        assert result.returncode == BAD_INPUT
        assert "write https://HOST:PORT" in result.stderr
        listener.settimeout(0.05)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_kit_that_is_not_there_is_told(server: FakeServer, tmp_path: Path) -> None:
    result = run("login", server.url, "--kit", tmp_path / "none")
    assert result.returncode == BAD_INPUT
    assert f"there is no {tmp_path}/none" in result.stderr


# -- what works ------------------------------------------------------------------------------------------------------


def test_a_kit_logs_in_and_out(server: FakeServer) -> None:
    log_in()
    server.script("GET", "/v1/me", Answer(body=ALICE))
    result = run("login", server.url, "--kit", kits() / "alice")
    assert result.stdout == f"alice, admin, by certificate until 2027-11-24 15:02 UTC at {server.url}\n"
    assert str(kits() / "alice") in remembered()
    assert json.loads(run("whoami", "--json").stdout) == ALICE
    assert run("logout").returncode == OK
    assert server.url not in remembered()
    assert run("whoami").returncode == CANNOT


def test_a_kit_with_an_encrypted_key_needs_its_passphrase(server: FakeServer, tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("open sesame\n")
    words = ["--roles", "member", "--folder", kits().parent, "--kit-passphrase-file", passphrase]
    assert run("provision", "add", "carol", *words).returncode == OK
    server.script("GET", "/v1/me", Answer(body=ALICE))
    kit = ["--kit", kits() / "carol"]
    assert run("login", server.url, *kit).returncode == CANNOT
    assert server.requests == []
    assert run("login", server.url, *kit, "--kit-passphrase-file", passphrase).returncode == OK
    assert run("whoami").returncode == OK


def test_a_token_is_shown_and_never_printed(server: FakeServer, token_file: Path) -> None:
    server.script("GET", "/v1/me", Answer(body=ALICE))
    root = kits() / "alice" / "root.pem"
    result = run("login", server.url, "--token-file", token_file, "--ca", root)
    assert result.returncode == OK
    assert server.asked("GET", "/v1/me")[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in result.stdout + result.stderr
    assert (home() / "anabranch" / "config.yaml").stat().st_mode & 0o777 == 0o600
    server.script("GET", "/v1/jobs", Answer(body={"jobs": []}))
    assert run("job", "list").returncode == OK
    assert server.asked("GET", "/v1/jobs")[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_token_is_made_listed_and_revoked(server: FakeServer) -> None:
    server.script("POST", "/v1/tokens", Answer(201, {"token": MADE, "secret": TOKEN}))
    words = ["--name", "prometheus", "--role", "monitor", "--days", "7", "--server", server.url]
    result = run("token", "create", *words)
    assert result.stdout == TOKEN + "\n"
    asked = server.asked("POST", "/v1/tokens")[0]
    assert json.loads(asked.body) == {"name": "prometheus", "role": "monitor", "days": 7}
    assert asked.headers["content-type"] == "application/json"
    server.script("GET", "/v1/tokens", Answer(body={"tokens": [MADE]}))
    assert "b9155b693226d9dd  prometheus  monitor  alice" in run("token", "list", "--server", server.url).stdout
    server.script("DELETE", "/v1/tokens/b9155b693226d9dd", Answer(204))
    assert run("token", "revoke", "b9155b693226d9dd", "--server", server.url).returncode == OK
    assert run("token", "revoke", "b9155b69", "--server", server.url).returncode == BAD_INPUT


def test_a_token_that_may_have_been_made_is_not_made_twice(server: FakeServer) -> None:
    server.script("POST", "/v1/tokens", Answer(drop=True))
    assert run("token", "create", "--server", server.url).returncode == CANNOT
    assert len(server.asked("POST", "/v1/tokens")) == 1
