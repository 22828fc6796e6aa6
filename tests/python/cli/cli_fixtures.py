"""A fake server and a job folder for each test of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_support import safetensors
from fake_server import FakeServer


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    yield fake
    fake.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "digits"
    made.mkdir()
    (made / "job.yaml").write_text("name: digits\nmodel: first.safetensors\n")
    (made / "train.py").write_text("print('hello')\n")
    (made / "first.safetensors").write_bytes(safetensors(b"the model" * 1000))
    return made
