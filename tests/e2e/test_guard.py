"""A hostile trainer, and what the audit logs say of it afterwards."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import Start
from federation import Federation, Json, wait_until
from jobs import make_job

HOSTILE = Path(__file__).parent / "job" / "hostile.py"
WORDS = ("environ", "mem", "descriptor", "signal", "write", "temporary")


def hostile_job(federation: Federation, folder: Path) -> Path:
    make_job(folder, rounds=2, minimum=2, quorum=1)
    (folder / "train.py").write_text(HOSTILE.read_text())
    job = json.loads((folder / "job.yaml").read_text())
    secrets = [str(path.relative_to(federation.folder)) for path in (federation.folder / "project").rglob("*key*.pem")]
    assert len(secrets) >= 6
    job["trainer"]["environment"] = {
        "HOSTILE_SITE": f"{federation.folder}/site-2/",
        "HOSTILE_FOLDER": str(federation.folder),
        "HOSTILE_FILES": ":".join([*secrets, "site-2/audit/audit.log"]),
    }
    (folder / "job.yaml").write_text(json.dumps(job))
    return folder


def lines_of(federation: Federation, job: str, site: str) -> list[str]:
    lines: list[Json] = federation.get(f"/v1/jobs/{job}/logs?limit=5000")["lines"]
    return [line["text"] for line in lines if line["site"] == site]


def audit_of(federation: Federation, node: str) -> list[Json]:
    return [json.loads(line) for line in (federation.folder / node / "audit/audit.log").read_text().splitlines()]


def test_a_hostile_trainer_gets_nothing_and_harms_nobody(start: Start, tmp_path: Path) -> None:
    federation = start(sites=2)
    job = federation.submit(hostile_job(federation, tmp_path / "hostile"))
    done = federation.wait_completed(job)
    assert done["rounds"][0]["counted"] == ["site-1"]
    assert "exit status 7" in done["rounds"][0]["excluded"][0]["reason"]
    wait_until("all lines are there", lambda: federation.get(f"/v1/jobs/{job}/logs?limit=5000")["ended"])
    said = lines_of(federation, job, "site-2")
    denied = [line for line in said if line.partition(": ")[0] in WORDS]
    assert len(denied) >= len(WORDS), said[:20]
    assert all(line.endswith((": EACCES", ": EPERM")) for line in denied), denied
    assert "ptrace: EPERM" in said
    assert "variables: []" in said
    assert "descriptors: []" in said
    assert {line for line in said if line.startswith("keys: ")} == {"keys: 0 []"}
    assert any("lines of the trainer are left out" in line for line in said)
    assert any("had left behind" in line for line in said)
    stray = int(next(line for line in said if line.isdigit()))
    assert not Path(f"/proc/{stray}").exists()
    assert federation["site-2"].is_running()
    assert "nonsense: [True, True]" in said

    what = [line["what"] for line in audit_of(federation, "site-2")]
    assert what.count("roster-changed") == 1
    for event in ("log-began", "job-accepted", "bundle-verified", "trainer-started", "trainer-ended", "job-ended"):
        assert event in what
    assert "update-sent" not in what
    assert "update-sent" in [line["what"] for line in audit_of(federation, "site-1")]
    verify_and_tamper(federation)


def verify_and_tamper(federation: Federation) -> None:
    for node in ("server", "site-1", "site-2"):
        folder = str(federation.folder / node / "audit")

        def whole(node: str = node, folder: str = folder) -> bool:
            done = federation.cli("audit", "verify", folder, "--node", node, "--json", ok=False)
            return done.returncode == 0 and json.loads(done.stdout)["heads_met"] > 0

        wait_until(f"the control log keeps a head of {node}", whole)
    log = federation.folder / "site-2/audit/audit.log"
    lines = log.read_text().splitlines(keepends=True)
    copy = federation.folder / "audit-copy.log"
    copy.write_text("".join([*lines[:2], lines[2].replace('"outcome":"ok"', '"outcome":"no"'), *lines[3:]]))
    assert federation.cli("audit", "verify", str(copy), ok=False).returncode == 1
    copy.write_text("".join(lines[:3]))
    assert federation.cli("audit", "verify", str(copy)).returncode == 0  # the chain alone does not tell
    cut = federation.cli("audit", "verify", str(copy), "--node", "site-2", ok=False)
    assert cut.returncode == 1
    assert "cut off" in cut.stderr
