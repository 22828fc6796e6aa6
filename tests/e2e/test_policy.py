"""Sites that decide for themselves: open, closed, without a policy, with listed code, with a program that is asked."""

from __future__ import annotations

import subprocess
from pathlib import Path

from conftest import Start
from federation import BIN, OPEN, Federation, wait_until
from jobs import make_job

LISTED = OPEN.replace("any", "listed, commands: [[python3, train.py]], digests: ['%s'], environment: [ANB_GATES]")


def answers(federation: Federation, job: str, number: int) -> dict[str, str | None]:
    """The reasons of so many sites once they are there; None: accepted."""

    def ask() -> dict[str, str | None] | None:
        found = {a["site"]: None if a["accepted"] else a["reason"] for a in federation.job(job)["answers"]}
        return found if len(found) == number else None

    return wait_until(f"{number} answers", ask)


def forget_policy(federation: Federation, site: str) -> None:
    """As a site whose owner has not named a policy file yet."""
    federation[site].end()
    config = federation.kits / site / "node.yaml"
    config.write_text(config.read_text().replace("policy: policy.yaml\n", ""))
    federation[site].start()


def test_each_site_decides_by_its_own_policy(start: Start, tmp_path: Path) -> None:
    federation = start(sites=5)
    ask = tmp_path / "ask.sh"
    ask.write_text('#!/bin/sh\necho \'{"decision":"allow"}\'\nexit 3\n')
    ask.chmod(0o755)
    federation.write_policy("site-2", federation.templates["site-2"])
    federation.write_policy("site-3", LISTED % ("0" * 64))
    federation.write_policy("site-4", OPEN + f"authorization: {{program: {ask}}}\n")
    forget_policy(federation, "site-5")

    job = federation.submit(make_job(tmp_path / "first", rounds=1, minimum=1))
    said = answers(federation, job, 5)
    assert said["site-1"] is None
    assert said["site-2"] == "rule submitters: ann (role admin) is not one of its users and has none of its roles"
    assert str(said["site-3"]).startswith("rule code: the file train.py is not in code.digests: ")
    assert said["site-4"] == "rule authorization: the site's program ended with exit status 3"
    assert said["site-5"] == "rule policy: this site has no policy file: its owner must write one"
    assert federation.cli("job", "wait", job).returncode == 0
    assert federation.job(job)["sites"] == ["site-1"]
    assert "site-2: rule submitters: ann" in federation.cli("job", "show", job).stdout

    federation.write_policy("site-2", OPEN)  # holds from the next job on, without a restart
    digest = str(said["site-3"]).split(": ")[-1]
    federation.write_policy("site-3", LISTED % digest)
    job = federation.submit(make_job(tmp_path / "second", rounds=1, minimum=3))
    assert federation.cli("job", "wait", job).returncode == 0
    assert federation.job(job)["sites"] == ["site-1", "site-2", "site-3"]


def test_an_agent_with_a_broken_policy_does_not_start(start: Start) -> None:
    federation = start(sites=1)
    federation["site-1"].end()
    federation.write_policy("site-1", "code:\n  alow: any\n")
    command = [str(BIN / "anabranch-client"), *federation["site-1"].command[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "policy.yaml:2: unknown key code.alow: did you mean code.allow?" in done.stderr
