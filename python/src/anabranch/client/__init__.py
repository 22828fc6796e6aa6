"""What a training script calls. One process is one client: rank 0 of a site.

::

    import anabranch.client as flare

    flare.init()
    while flare.is_running():
        model = flare.receive()
        params = {name: train(array.copy()) for name, array in model.params.items()}
        flare.send(flare.FLModel(params=params, metrics={"loss": 0.1}, meta={"NUM_STEPS_CURRENT_ROUND": 64}))

One thread receives and sends; :func:`log` may be called from any. Processes of other ranks call the same functions:
``receive`` gives None there, ``send`` does nothing.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from anabranch.client._context import Context
from anabranch.client.model import FLModel, ParamsType

__all__ = [
    "Context",
    "FLModel",
    "ParamsType",
    "clear",
    "get_job_id",
    "get_site_name",
    "get_task_name",
    "init",
    "is_evaluate",
    "is_running",
    "is_train",
    "log",
    "receive",
    "send",
    "shutdown",
    "system_info",
]

_log = logging.getLogger("anabranch")
_default: Context | None = None


def init(rank: int | str | None = None) -> Context:
    """Open the link to the site. Does not wait for a task.

    Args:
        rank: Global rank of this process, by default the environment variable RANK, else 0.

    Returns:
        The context that the other functions use. A second call returns the same one.

    Raises:
        ValueError: ``rank`` is neither an int nor a text.
        RuntimeError: The script was not started by an agent.
        ConnectionError: The agent cannot be reached, or refuses this trainer.

    """
    global _default
    if rank is None:
        rank = os.environ.get("RANK", "0")
    if isinstance(rank, bool) or not isinstance(rank, (int, str)):
        raise ValueError(f"rank must be an int or a text, got {type(rank).__name__}")
    if _default is not None:
        _log.warning("init was called before: nothing is done")
        return _default
    _default = Context(str(rank))
    return _default


def _context(ctx: Context | None) -> Context:
    chosen = ctx if ctx is not None else _default
    if chosen is None:
        raise RuntimeError("needs to call init method first")
    return chosen


def receive(timeout: float | None = None, ctx: Context | None = None) -> FLModel | None:
    """The model of the next task; until it is answered every call returns the same object.

    Args:
        timeout: Seconds to wait, by default without limit.
        ctx: What init returned.

    Returns:
        The model; None when the time or the job is over, and on ranks other than 0.

    Raises:
        RuntimeError: init was not called.

    """
    return _context(ctx).receive(timeout)


def send(
    model: FLModel | None = None,
    clear_cache: bool = True,
    ctx: Context | None = None,
    *,
    fl_model: FLModel | None = None,
    clear_registry: bool | None = None,
) -> None:
    """Answer the task with a trained model, with metrics, or both. Returns when the agent has it.

    Args:
        model: What to send. Its arrays are copied once and may be changed afterwards.
        clear_cache: Forget the received model, so that the next receive waits for the next task.
        ctx: What init returned.
        fl_model: Another name of ``model``.
        clear_registry: Another name of ``clear_cache``.

    Raises:
        TypeError: Not an FLModel; a tensor that is no array, a metric that is no number.
        RuntimeError: No task is open, there is nothing to send, or the agent refuses the result. In the last two
            cases the task stays open.

    """
    chosen = model if model is not None else fl_model
    if not isinstance(chosen, FLModel):
        raise TypeError(f"send takes an FLModel, got {type(chosen).__name__}")
    _context(ctx).send(chosen, clear_cache if clear_registry is None else clear_registry)


def clear(ctx: Context | None = None) -> None:
    """Forget the cached task. If it was not answered, the next receive gives it again."""
    _context(ctx).clear()


def is_running(ctx: Context | None = None) -> bool:
    """Wait for the next task: True when it is here, False once the job is over or the agent is gone."""
    return _context(ctx).is_running()


def is_train(ctx: Context | None = None) -> bool:
    """Whether the current task is to train. RuntimeError on ranks other than 0."""
    return _context(ctx).is_task("train")


def is_evaluate(ctx: Context | None = None) -> bool:
    """Whether the current task is to evaluate. RuntimeError on ranks other than 0."""
    return _context(ctx).is_task("evaluate")


def get_task_name(ctx: Context | None = None) -> str | None:
    """Name of the current task, None before the first. RuntimeError on ranks other than 0."""
    return _context(ctx).task_name()


def get_site_name(ctx: Context | None = None) -> str:
    """Name of this site; empty on ranks other than 0."""
    return _context(ctx).site_name


def get_job_id(ctx: Context | None = None) -> str:
    """Id of the job; empty on ranks other than 0."""
    return _context(ctx).job_id


def system_info(ctx: Context | None = None) -> dict[str, str]:
    """Site and job, each under both of its names: ``site_name``, ``SITE_NAME``, ``job_id``, ``JOB_ID``."""
    context = _context(ctx)
    site, job = context.site_name, context.job_id
    return {"site_name": site, "SITE_NAME": site, "job_id": job, "JOB_ID": job}


def log(
    key: str,
    value: Any,
    data_type: Any = None,
    *,
    global_step: int | None = None,
    step: int | None = None,
    ctx: Context | None = None,
    **_: Any,
) -> None:
    """Report a number of the training. Never fails because nobody takes it.

    Args:
        key: Its name.
        value: A Python number, or a numpy or torch scalar.
        data_type: Accepted for scripts written for NVIDIA FLARE; every value here is a scalar.
        global_step: Where in the training, from 0.
        step: Another name of ``global_step``.
        ctx: What init returned.

    Raises:
        TypeError: ``key`` is not a text, ``value`` not a number.
        ValueError: A negative step.
        RuntimeError: init was not called, or the rank is not 0.

    """
    _context(ctx).log(key, value, global_step if global_step is not None else step)


def shutdown(ctx: Context | None = None) -> None:
    """Hang up. is_running is False afterwards."""
    _context(ctx).shutdown()
