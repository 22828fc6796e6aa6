"""The digits example: together the sites learn what none of them can learn alone; the same work gives the same bits."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/digits"


@pytest.fixture(scope="module")
def network() -> ModuleType:
    spec = importlib.util.spec_from_file_location("network", EXAMPLE / "network.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["network"] = module
    spec.loader.exec_module(module)
    return module


def rounds_of_job() -> int:
    (line,) = [line for line in (EXAMPLE / "job.yaml").read_text().splitlines() if line.startswith("rounds:")]
    return int(line.split(":")[1])


def test_a_site_without_data_is_refused(network: ModuleType) -> None:
    images, labels, _, _ = network.load()
    with pytest.raises(ValueError, match="not for site-9"):
        network.share_of("site-9", images, labels)


def test_no_site_alone_reaches_070(network: ModuleType) -> None:
    images, labels, test_images, test_labels = network.load()
    epochs = network.EPOCHS * rounds_of_job()
    for number, site in enumerate(network.LABELS):
        alone = network.train(network.initial(), *network.share_of(site, images, labels), number, epochs)
        assert network.evaluate(alone, test_images, test_labels)["accuracy"] < 0.7, site


def test_together_they_reach_093(network: ModuleType) -> None:
    images, labels, test_images, test_labels = network.load()
    shares = [network.share_of(site, images, labels) for site in sorted(network.LABELS)]
    weights = [len(share_labels) for _, share_labels in shares]
    model = network.initial()
    for number in range(rounds_of_job()):
        updates = [network.train(model, *share, 1000 * site + number) for site, share in enumerate(shares)]
        model = {
            name: (sum(w * u[name].astype(np.float64) for w, u in zip(weights, updates, strict=True)) / sum(weights))
            .astype(np.float32)
            for name in model
        }  # fmt: skip
    assert network.evaluate(model, test_images, test_labels)["accuracy"] >= 0.93


def test_training_again_gives_the_same_bytes(network: ModuleType) -> None:
    images, labels, _, _ = network.load()
    share = network.share_of("site-2", images, labels)
    once, again = (network.train(network.initial(), *share, 7) for _ in range(2))
    assert all(once[name].tobytes() == again[name].tobytes() for name in once)
    assert all(array.dtype == np.float32 for array in once.values())


def test_the_committed_model_is_the_one_the_script_makes(network: ModuleType) -> None:
    from safetensors.numpy import load_file

    committed, made = load_file(EXAMPLE / "initial.safetensors"), network.initial()
    assert set(committed) == set(made)
    assert all(np.array_equal(committed[name], made[name]) for name in made)
