"""Submitting and downloading: what travels, and what happens when it does not arrive whole."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from cli_support import BAD_INPUT, CANNOT, ID, JOB, JOB_FAILED, OK, ended, kits, run, safetensors, summary
from fake_server import Answer, FakeServer, refusal

pytest_plugins = ["cli_fixtures"]


def submitted(server: FakeServer) -> None:
    server.script("POST", "/v1/jobs", Answer(201, {"job": summary(phase="submitted", round=None)}))


# -- submit ----------------------------------------------------------------------------------------------------------


def test_submit_sends_folder_model_and_a_request_id(server: FakeServer, folder: Path) -> None:
    submitted(server)
    result = run("job", "submit", folder, "--server", server.url)
    assert (result.returncode, result.stdout) == (OK, ID + "\n")
    assert f"anabranch job wait {ID}" in result.stderr
    parts = server.requests[0].parts()
    assert list(parts) == ["request", "manifest", "bundle", "model"]
    assert parts["model"] == safetensors(b"the model" * 1000)
    assert len(parts["request"]) == 32
    assert b"print('hello')" in parts["bundle"] and b"job.yaml" in parts["bundle"]
    assert b"the model" not in parts["bundle"]


def is_signed_by(user: str, signed: bytes, signature: bytes, scratch: Path) -> bool:
    """What OpenSSL's own program says; it wants the two numbers as DER."""
    numbers = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
    encoded = [n.to_bytes(n.bit_length() // 8 + 1, "big") for n in numbers]
    body = b"".join(b"\x02" + bytes([len(n)]) + n for n in encoded)
    (scratch / "signed").write_bytes(signed)
    (scratch / "signature").write_bytes(b"\x30" + bytes([len(body)]) + body)
    certificate = kits() / user / "certificate.pem"
    command = ["openssl", "x509", "-in", str(certificate), "-pubkey", "-noout"]
    (scratch / "public.pem").write_bytes(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    words = ["openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "signed"]
    return subprocess.run(words, cwd=scratch, capture_output=True, timeout=60).returncode == 0


def test_submit_signs_what_it_sends(server: FakeServer, folder: Path) -> None:
    submitted(server)
    run("job", "submit", folder, "--server", server.url)
    parts = server.requests[0].parts()
    text, signature = parts["manifest"].rsplit(b"signature ", 1)
    said = json.loads(text)
    assert (said["project"], said["submitter"], said["request"]) == ("river", "alice", parts["request"].decode())
    assert said["archive"] == {"bytes": len(parts["bundle"]), "sha256": hashlib.sha256(parts["bundle"]).hexdigest()}
    assert said["model"]["sha256"] == hashlib.sha256(b"the model" * 1000).hexdigest()
    assert [f["path"] for f in said["files"]] == ["job.yaml", "train.py"]
    assert said["files"][1]["sha256"] == hashlib.sha256(b"print('hello')\n").hexdigest()
    assert is_signed_by(
        "alice", b"anabranch job\0" + hashlib.sha256(text).digest(), base64.b64decode(signature), folder
    )


def test_submit_without_a_key_says_how_to_get_one(server: FakeServer, folder: Path, tmp_path: Path) -> None:
    result = run("job", "submit", folder, "--kit", tmp_path, "--server", server.url)
    assert result.returncode == BAD_INPUT
    assert "is no user's kit, as anabranch provision makes them" in result.stderr
    assert server.requests == []


def test_submit_takes_the_model_from_the_command_line(server: FakeServer, folder: Path, tmp_path: Path) -> None:
    submitted(server)
    (folder / "job.yaml").write_text("name: digits\n")
    elsewhere = tmp_path / "other.safetensors"
    elsewhere.write_bytes(safetensors(b"other"))
    assert run("job", "submit", folder, "--model", elsewhere, "--server", server.url).returncode == OK
    assert server.requests[0].parts()["model"] == safetensors(b"other")
    assert (
        run("job", "submit", folder, "--model", folder / "first.safetensors", "--server", server.url).returncode == OK
    )
    assert b"the model" not in server.requests[1].parts()["bundle"]


def test_submit_sends_the_same_request_again_when_the_answer_is_lost(server: FakeServer, folder: Path) -> None:
    server.script(
        "POST", "/v1/jobs", Answer(drop=True), refusal(503, "unavailable", "x"), Answer(200, {"job": summary()})
    )
    assert run("job", "submit", folder, "--server", server.url).stdout == ID + "\n"
    first, second, third = (request.parts() for request in server.requests)
    assert first == second == third


def test_submit_uses_the_request_id_that_is_given(server: FakeServer, folder: Path) -> None:
    submitted(server)
    run("job", "submit", folder, "--request-id", "nightly-7", "--server", server.url)
    assert server.requests[0].parts()["request"] == b"nightly-7"


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        (None, "has no job.yaml or job.json"),
        ("name: digits\n", "no model to begin with"),
        ("model: ../outside\n", "outside the job folder"),
        ("model: /etc/passwd\n", "outside the job folder"),
        ("model: link\n", "outside the job folder"),
        ("model: none.safetensors\n", "cannot open the model"),
        ("model: sub\n", "is not a file"),
        ("a: [\n", "job.yaml:"),
    ],
)
def test_submit_refuses_a_folder_it_cannot_send(
    server: FakeServer, folder: Path, job: str | None, sentence: str
) -> None:
    (folder / "job.yaml").unlink()
    (folder / "../outside").write_text("not ours to send")
    (folder / "link").symlink_to("../outside")
    (folder / "sub").mkdir()
    if job is not None:
        (folder / "job.yaml").write_text(job)
    result = run("job", "submit", folder, "--server", server.url)
    assert result.returncode == BAD_INPUT
    assert sentence in result.stderr
    assert server.requests == []


def test_submit_of_no_folder_says_so(server: FakeServer, tmp_path: Path) -> None:
    result = run("job", "submit", tmp_path / "none", "--server", server.url)
    assert result.returncode == BAD_INPUT
    assert "cannot read the job folder" in result.stderr


def test_submit_prints_the_servers_judgement_of_the_job_file(server: FakeServer, folder: Path) -> None:
    server.script("POST", "/v1/jobs", refusal(400, "invalid", "job.yaml:7: rounds must be 1..100000, got 0"))
    result = run("job", "submit", folder, "--server", server.url)
    assert (result.returncode, result.stderr) == (BAD_INPUT, "anabranch: job.yaml:7: rounds must be 1..100000, got 0\n")


def test_submit_and_wait_ends_as_the_job_does(server: FakeServer, folder: Path) -> None:
    submitted(server)
    server.script("GET", JOB, Answer(body={"job": summary(rounds=[])}), Answer(body={"job": ended(rounds=[])}))
    result = run("job", "submit", folder, "--wait", "--server", server.url)
    assert result.returncode == OK
    assert result.stdout.splitlines() == [ID, f"job {ID} completed in 12s"]
    server.script("GET", JOB, Answer(body={"job": ended("failed", reason="no quorum")}))
    result = run("job", "submit", folder, "--wait", "--json", "--server", server.url)
    assert result.returncode == JOB_FAILED
    assert json.loads(result.stdout)["job"]["outcome"] == "failed"


# -- download --------------------------------------------------------------------------------------------------------

MODEL = bytes(range(256)) * 5000
TAG = {"ETag": f'"{hashlib.sha256(MODEL).hexdigest()}"'}


def test_download_writes_the_verified_model(server: FakeServer, tmp_path: Path) -> None:
    server.script("GET", f"{JOB}/model", Answer(body=MODEL, headers=TAG))
    output = tmp_path / "global.safetensors"
    output.write_bytes(b"old")
    result = run("job", "download", ID, "--output", output, "--json", "--server", server.url)
    assert result.returncode == OK
    told = json.loads(result.stdout)
    assert told == {"file": str(output), "bytes": len(MODEL), "sha256": hashlib.sha256(MODEL).hexdigest()}
    assert output.read_bytes() == MODEL
    assert [p.name for p in tmp_path.iterdir()] == ["global.safetensors"]
    assert output.stat().st_mode & 0o400


def test_a_truncated_download_is_fetched_again(server: FakeServer, tmp_path: Path) -> None:
    server.script("GET", f"{JOB}/model", Answer(body=MODEL, headers=TAG, cut=70_000), Answer(body=MODEL, headers=TAG))
    assert run("job", "download", ID, "--output", tmp_path / "m", "--server", server.url).returncode == OK
    assert (tmp_path / "m").read_bytes() == MODEL


@pytest.mark.parametrize(
    ("answer", "exit_code", "sentence"),
    [
        (Answer(body=MODEL, headers=TAG, cut=70_000), CANNOT, "failed"),
        (Answer(body=MODEL[::-1], headers=TAG), CANNOT, "arrived damaged"),
        (Answer(body=MODEL), CANNOT, "no SHA-256"),
        (Answer(body=MODEL, headers={"ETag": "W/x"}), CANNOT, "arrived damaged"),
        (refusal(404, "not-found", "there is no model yet"), BAD_INPUT, "there is no model yet"),
    ],
)
def test_a_model_that_is_not_whole_is_never_written(
    server: FakeServer, tmp_path: Path, answer: Answer, exit_code: int, sentence: str
) -> None:
    server.script("GET", f"{JOB}/model", answer)
    output = tmp_path / "m"
    output.write_bytes(b"old")
    result = run("job", "download", ID, "--output", output, "--server", server.url)
    assert result.returncode == exit_code
    assert sentence in result.stderr
    assert output.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_a_download_to_nowhere_is_refused(server: FakeServer, tmp_path: Path) -> None:
    server.script("GET", f"{JOB}/model", Answer(body=MODEL, headers=TAG))
    assert (
        run("job", "download", ID, "--output", tmp_path / "none" / "m", "--server", server.url).returncode == BAD_INPUT
    )
