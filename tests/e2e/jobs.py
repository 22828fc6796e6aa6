"""Job folders for the tests, made of tests/e2e/job and a model of any size."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

TRAINER = Path(__file__).parent / "job" / "train.py"


def gates_of(folder: Path) -> Path:
    """Where a test opens and closes the gates of the job in `folder`: beside it."""
    return folder.parent / "gates"


def make_job(
    folder: Path,
    *,
    mib: float = 0.25,
    rounds: int = 3,
    minimum: int = 3,
    quorum: int | None = None,
    deadline_s: int = 120,
    launch: str = "job",
) -> Path:
    """A job folder; `mib` is the size of its model: zeros, so that the results are known."""
    folder.mkdir(parents=True)
    gates_of(folder).mkdir(exist_ok=True)
    shutil.copy(TRAINER, folder / "train.py")
    n = max(1, int(mib * (1 << 20)) // 4)
    save_file({"b": np.zeros(3, np.float32), "w": np.zeros(n, np.float32)}, str(folder / "initial.safetensors"))
    job = {
        "name": folder.name,
        "rounds": rounds,
        "model": "initial.safetensors",
        "sites": {"minimum": minimum, "wait_s": 30},
        "round": {"quorum": quorum if quorum is not None else minimum, "deadline_s": deadline_s},
        "trainer": {
            "command": ["python3", "train.py"],
            "launch": launch,
            "environment": {"ANB_GATES": str(gates_of(folder))},
        },
    }
    (folder / "job.yaml").write_text(json.dumps(job, indent=2) + "\n")  # JSON is YAML, too
    return folder


def expected_value(rounds: int, sites: tuple[int, ...] = (1, 2, 3)) -> float:
    """What every parameter is after `rounds`: the weighted mean of what the sites add (each weighs its own number)."""
    mean = sum(site * site for site in sites) / sum(sites)
    return sum(mean * (number + 1) for number in range(rounds))
