"""What travels between a training script and the federation: a model, its metrics and its round."""

from __future__ import annotations

import operator
from enum import Enum
from typing import Any

__all__ = ["FLModel", "ParamsType"]


class ParamsType(str, Enum):
    """How the parameters of a result relate to the global model."""

    FULL = "FULL"
    """They replace it."""

    DIFF = "DIFF"
    """They are added to it."""


def _round_number(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an int, got a bool")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {type(value).__name__}") from None
    if number < 0:
        raise ValueError(f"{name} must not be negative, got {number}")
    return number


class FLModel:
    """Parameters, metrics and rounds, as a script receives and sends them.

    Args:
        params_type: ``FULL`` or ``DIFF``, as text or :class:`ParamsType`; ``FULL`` when only ``params`` is given.
        params: Name of each tensor, and its array. Received arrays are read-only views of memory shared with the agent:
            copy one (``array.copy()``) before changing it.
        optimizer_params: For the script's own use; does not travel.
        metrics: Name and number. Sent with ``params`` they are about the model that was *received*.
        start_round: First round of the job.
        current_round: Round of the task, from 0.
        total_rounds: How many training rounds the job has.
        meta: ``NUM_STEPS_CURRENT_ROUND`` is the weight of a result, 1 by default.

    Raises:
        ValueError: ``params_type`` is neither FULL nor DIFF, or stands without ``params``; a negative round.
        TypeError: ``metrics`` or ``meta`` is not a dict; a round is not an int.

    """

    def __init__(
        self,
        params_type: str | ParamsType | None = None,
        params: Any = None,
        optimizer_params: Any = None,
        metrics: dict[str, Any] | None = None,
        start_round: int | None = 0,
        current_round: int | None = None,
        total_rounds: int | None = None,
        meta: dict[str, Any] | None = None,
    ) -> None:
        if params_type is None:
            kind = None if params is None else ParamsType.FULL
        elif params is None:
            raise ValueError("params_type is given but params is None")
        else:
            kind = ParamsType(params_type)
        if metrics is not None and not isinstance(metrics, dict):
            raise TypeError(f"metrics must be a dict, got {type(metrics).__name__}")
        if meta is not None and not isinstance(meta, dict):
            raise TypeError(f"meta must be a dict, got {type(meta).__name__}")
        self.params_type: ParamsType | None = kind
        self.params: Any = params
        self.optimizer_params: Any = optimizer_params
        self.metrics: dict[str, Any] | None = metrics
        self.start_round = _round_number("start_round", start_round)
        self.current_round = _round_number("current_round", current_round)
        self.total_rounds = _round_number("total_rounds", total_rounds)
        self.meta: dict[str, Any] = {} if meta is None else meta

    def summary(self) -> dict[str, Any]:
        """Short facts about the model, without its numbers."""
        facts: dict[str, Any] = {
            "params_type": None if self.params_type is None else str(ParamsType(self.params_type).value),
            "params": None if self.params is None else f"{len(self.params)} tensors",
            "metrics": self.metrics,
            "current_round": self.current_round,
            "total_rounds": self.total_rounds,
            "meta": self.meta,
        }
        return {name: fact for name, fact in facts.items() if fact not in (None, {})}

    def __repr__(self) -> str:
        return "FLModel(" + ", ".join(f"{name}={fact!r}" for name, fact in self.summary().items()) + ")"
