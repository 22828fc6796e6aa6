"""A small network, its data and its training, in numpy. Nothing here knows of a federation.

64 pixels -> 64 hidden units (ReLU) -> 10 digits. Everything is a function of its arguments: the same model, data and
seed give the same bits.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

HIDDEN = 64
EPOCHS = 2
BATCH = 32
LEARNING_RATE = 0.3

# Which digits a site has. Digits 6 and 7 are at site-2 alone; no site has more than six of the ten.
LABELS = {
    "site-1": (0, 1, 2, 3, 4, 5),
    "site-2": (4, 5, 6, 7, 8, 9),
    "site-3": (0, 1, 2, 3, 8, 9),
}

Model = dict[str, np.ndarray]


def load() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images [n, 64] in 0..1 and digits [n], to train with and held out (every fifth, the same for all sites)."""
    digits = load_digits()
    images, labels = (digits.data / 16).astype(np.float32), digits.target
    held_out = np.arange(len(labels)) % 5 == 0
    return images[~held_out], labels[~held_out], images[held_out], labels[held_out]


def share_of(site: str, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of the training data that lies at a site."""
    if site not in LABELS:
        raise ValueError(f"this example has data for {', '.join(LABELS)}, not for {site}")
    mine = np.isin(labels, LABELS[site])
    return images[mine], labels[mine]


def initial(seed: int = 0) -> Model:
    """The model that the job starts from."""
    random = np.random.default_rng(seed)
    model = {
        "hidden.weight": random.normal(0, 1 / 8, (64, HIDDEN)),
        "hidden.bias": np.zeros(HIDDEN),
        "digits.weight": random.normal(0, 1 / 8, (HIDDEN, 10)),
        "digits.bias": np.zeros(10),
    }
    return {name: array.astype(np.float32) for name, array in model.items()}


def forward(model: Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hidden activations [n, HIDDEN] and probabilities [n, 10]."""
    hidden = np.maximum(images @ model["hidden.weight"] + model["hidden.bias"], 0)
    logits = hidden @ model["digits.weight"] + model["digits.bias"]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return hidden, powers / powers.sum(axis=1, keepdims=True)


def train(model: Model, images: np.ndarray, labels: np.ndarray, seed: int, epochs: int = EPOCHS) -> Model:
    """A new model after some epochs of plain gradient descent in small batches."""
    model = {name: array.copy() for name, array in model.items()}
    wanted = np.eye(10, dtype=np.float32)[labels]
    random = np.random.default_rng(seed)
    for _ in range(epochs):
        order = random.permutation(len(labels))
        for start in range(0, len(order), BATCH):
            step(model, images[order[start : start + BATCH]], wanted[order[start : start + BATCH]])
    return model


def step(model: Model, images: np.ndarray, wanted: np.ndarray) -> None:
    """One step down the gradient of the cross entropy."""
    hidden, guess = forward(model, images)
    error = (guess - wanted) / np.float32(len(images))
    hidden_error = (error @ model["digits.weight"].T) * (hidden > 0)
    model["digits.weight"] -= LEARNING_RATE * (hidden.T @ error)
    model["digits.bias"] -= LEARNING_RATE * error.sum(axis=0)
    model["hidden.weight"] -= LEARNING_RATE * (images.T @ hidden_error)
    model["hidden.bias"] -= LEARNING_RATE * hidden_error.sum(axis=0)


def evaluate(model: Model, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy and mean cross entropy."""
    _, guess = forward(model, images)
    chosen = guess[np.arange(len(labels)), labels].astype(np.float64)
    return {
        "accuracy": float((guess.argmax(axis=1) == labels).mean()),
        "loss": float(-np.log(np.maximum(chosen, 1e-12)).mean()),
    }
