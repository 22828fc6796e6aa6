"""The vectors of the envelope are what its second implementation makes: see tests/vectors/envelope.py."""

import subprocess
import sys
from pathlib import Path

VECTORS = Path(__file__).resolve().parents[1] / "vectors"


def test_the_vectors_are_what_the_generator_writes() -> None:
    made = subprocess.run(
        [sys.executable, VECTORS / "envelope.py"], check=True, capture_output=True, text=True, timeout=60
    )
    assert made.stdout == (VECTORS / "envelope.json").read_text()
