"""`anabranch privacy show`: what the ledgers of a site say."""

from __future__ import annotations

import json
from pathlib import Path

from cli_support import BAD_INPUT, OK, run


def line(update: int, total_rho: float, rho: float = 0.5) -> str:
    entry = {"update": update, "time_ms": 1764000000000, "job": "0011223344556677", "round": update - 1, "rho": rho}
    entry |= {"pure": 0, "numbers": 650, "total_rho": total_rho, "total_pure": 0, "total_numbers": 650 * update}
    return json.dumps(entry | {"epsilon": 1, "budget": 20, "delta": 1e-5}) + "\n"


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    done = run("privacy", "show", tmp_path / "none.ledger")
    assert done.returncode == BAD_INPUT
    assert "none.ledger" in done.stderr
    done = run("privacy", "show", tmp_path)
    assert done.returncode == BAD_INPUT
    assert "there is no ledger" in done.stderr
    (tmp_path / "bad.ledger").write_text("spent: 3\n")
    done = run("privacy", "show", tmp_path)
    assert done.returncode == BAD_INPUT
    assert "bad.ledger is not the ledger that was written here" in done.stderr


def test_a_ledger_is_shown_with_what_is_left(tmp_path: Path) -> None:
    ledger = tmp_path / "ward.ledger"
    ledger.write_text(line(1, 0.5) + line(2, 1.0) + '{"time_ms":')  # the last line was cut off by a crash
    done = run("privacy", "show", ledger)
    assert done.returncode == OK, done.stderr
    head, row = done.stdout.splitlines()
    assert head.split() == ["SCOPE", "UPDATES", "EPSILON", "OF", "LEFT", "DELTA", "MORE", "LAST", "JOB", "ROUND"]
    assert row.split()[:2] == ["ward", "2"]
    assert "2025-11-24 16:00" in row


def test_a_data_folder_is_shown_as_json(tmp_path: Path) -> None:
    (tmp_path / "privacy").mkdir()
    (tmp_path / "privacy" / "b.ledger").write_text(line(1, 0.5))
    (tmp_path / "privacy" / "a.ledger").write_text("")
    (tmp_path / "privacy" / "notes.txt").write_text("no ledger")
    done = run("privacy", "show", tmp_path, "--json")
    assert done.returncode == OK, done.stderr
    a, b = json.loads(done.stdout)["scopes"]
    assert (a["scope"], a["updates"], b["scope"]) == ("a", 0, "b")
    # rho 0.5, delta 1e-5: 4.728387, as Google's dp-accounting 0.6.0 has it; ten such updates: 19.047
    assert abs(b["epsilon"] - 4.728387) < 1e-5
    assert abs(b["left"] - (20 - 4.728387)) < 1e-5
    assert b["more_updates"] == 9
