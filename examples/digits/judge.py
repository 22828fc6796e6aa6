"""What the federation's model is worth, and what each site reaches alone: judge.py MODEL [--least A] [--alone B].

The accuracy of a safetensors file on the held-out images, and the accuracies of models that one site each has trained
by itself, from the same start, for as many epochs. With --least and --alone, exit status 1 unless the first is at least
A and the others stay below B.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import network
from safetensors.numpy import load_file

ROUNDS = 12  # as in job.yaml


def accuracy_of(model: network.Model) -> float:
    """On the held-out images."""
    _, _, images, labels = network.load()
    return network.evaluate(model, images, labels)["accuracy"]


def accuracy_alone(site: str) -> float:
    """Of a model that only this site has trained, as long as the federation did."""
    images, labels, _, _ = network.load()
    images, labels = network.share_of(site, images, labels)
    return accuracy_of(network.train(network.initial(), images, labels, seed=0, epochs=ROUNDS * network.EPOCHS))


def main() -> int:
    """Print both; compare with the bounds."""
    parser = argparse.ArgumentParser(description="Accuracy of a model, and of what each site reaches alone.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--least", type=float, help="accuracy that the model must reach")
    parser.add_argument("--alone", type=float, help="accuracy below which each site alone must stay")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    together = accuracy_of(load_file(options.model))
    alone = {site: accuracy_alone(site) for site in network.LABELS}
    best = max(alone.values())
    if options.json:
        print(json.dumps({"global_accuracy": together, "best_site_accuracy": best, "site_accuracy": alone}))
    else:
        wanted = f" (at least {options.least} wanted)" if options.least is not None else ""
        print(f"Accuracy on held-out images: {together:.3f} together{wanted}")
        for site, accuracy in alone.items():
            print(f"                             {accuracy:.3f} {site} alone")
        if options.alone is not None:
            print(f"                             each alone below {options.alone} expected")
    reached = options.least is None or together >= options.least
    alone_fails = options.alone is None or best < options.alone
    return 0 if reached and alone_fails else 1


if __name__ == "__main__":
    sys.exit(main())
