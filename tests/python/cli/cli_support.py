"""How the tests of the command line run it, and what a server would say."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
ID = "0123456789abcdef"
JOB = f"/v1/jobs/{ID}"
OK, JOB_FAILED, CANNOT, TIMED_OUT, BAD_INPUT = range(5)


def program() -> Path:
    """The newest build of `anabranch`, or the one in ANABRANCH_BIN."""
    if folder := os.environ.get("ANABRANCH_BIN"):
        return Path(folder) / "anabranch"
    built = [p for preset in ("dev", "release") if (p := ROOT / "build" / preset / "bin" / "anabranch").exists()]
    assert built, "anabranch is not built: ./run build dev"
    return max(built, key=lambda p: p.stat().st_mtime)


def environment(**more: str) -> dict[str, str]:
    """Ours without what would change the command line's ways."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ANABRANCH_") and not k.lower().endswith("_proxy")}
    kept.pop("NO_COLOR", None)
    return kept | {"XDG_STATE_HOME": "/nonexistent", "XDG_CONFIG_HOME": str(home())} | more


@functools.cache
def home() -> Path:
    """Where the command line remembers its logins; gone when the tests end."""
    folder = Path(tempfile.mkdtemp(prefix="anabranch-cli-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


PROJECT = """\
project: river
brokers: ["127.0.0.1:9093"]
nodes: [{name: conductor, roles: [server]}]
users: [{name: alice, role: admin}]
"""


@functools.cache
def kits() -> Path:
    """The kits of a project with a server, `conductor`, and a user, `alice`."""
    (home() / "project.yaml").write_text(PROJECT)
    command = [str(program()), "provision", "create", str(home() / "project.yaml"), "--folder", str(home() / "river")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return home() / "river" / "kits"


def log_in(*urls: str) -> None:
    """As `anabranch login` would, without asking: alice is logged in to these servers and to no other."""
    entries = [f'  - server: "{url}"\n    root: "{kits()}/alice/root.pem"\n    kit: "{kits()}/alice"\n' for url in urls]
    path = home() / "anabranch" / "config.yaml"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text("servers:" + ("\n" + "".join(entries) if urls else " []\n"))
    path.chmod(0o600)


def run(*words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [str(program()), *map(str, words)]
    return subprocess.run(
        command, env=environment(**more), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )


def safetensors(data: bytes) -> bytes:
    """A model of one tensor with just these bytes."""
    head = json.dumps({"w": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}).encode()
    return len(head).to_bytes(8, "little") + head + data


def summary(**changes: Any) -> dict[str, Any]:
    job = {
        "id": ID,
        "name": "digits",
        "phase": "running",
        "outcome": None,
        "reason": None,
        "round": 1,
        "rounds_total": 3,
        "sites": ["site-1", "site-2"],
        "submitted_ms": 1_700_000_000_000,
        "started_ms": 1_700_000_000_100,
        "ended_ms": None,
        "revision": 7,
    }
    return job | changes


def round_of(
    number: int, accuracy: float, *, task: str = "train", phase: str = "closed", **changes: Any
) -> dict[str, Any]:
    made = {
        "round": number,
        "task": task,
        "phase": phase,
        "attempt": 0,
        "opened_ms": 1_700_000_000_000 + 2000 * number,
        "closed_ms": 1_700_000_001_500 + 2000 * number if phase == "closed" else None,
        "bytes": 2_621_440,
        "metrics": {"accuracy": accuracy},
        "counted": ["site-1", "site-2"],
        "excluded": [],
        "sites": [
            {"site": s, "phase": "closed", "weight": 1, "metrics": {}, "reason": None} for s in ("site-1", "site-2")
        ],
        "shares": [],
    }
    return made | changes


def ended(outcome: str = "completed", **changes: Any) -> dict[str, Any]:
    return summary(phase="ended", outcome=outcome, ended_ms=1_700_000_012_300, round=3, revision=9, **changes)
