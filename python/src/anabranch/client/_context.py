"""One training process and its link to the agent: what the functions of anabranch.client work on."""

from __future__ import annotations

import contextlib
import logging
import math
import operator
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from anabranch.client._image import read_image, write_image
from anabranch.client._link import SOCKET_VARIABLE, Link, LinkClosedError
from anabranch.client.model import FLModel, ParamsType

__all__ = ["Context"]

_log = logging.getLogger("anabranch")
_WEIGHT_KEY = "NUM_STEPS_CURRENT_ROUND"


class Context:
    """What :func:`anabranch.client.init` returns: the link of this process to its site. Usable with ``with``.

    Only rank 0 holds a link. One thread receives and sends; :meth:`log` may be called from any.
    """

    def __init__(self, rank: str) -> None:
        self.rank = rank
        self._link: Link | None = None
        self._welcome: dict[str, Any] = {}
        self._path = os.environ.get(SOCKET_VARIABLE, "")
        self._task: dict[str, Any] | None = None  # the open one
        self._task_name: str | None = None  # of the last one, also after it was answered
        self._model: FLModel | None = None
        self._order: list[str] = []
        self._asked = False
        self._over = False
        if not self._path:
            raise RuntimeError(
                f"{SOCKET_VARIABLE} is not set: a training script is started by the agent of its site "
                "(`anabranch job submit FOLDER`), not by hand"
            )
        if rank == "0":
            self._link = Link(self._path)
            self._welcome = self._link.welcome

    # -- questions

    @property
    def site_name(self) -> str:
        """Name of this site."""
        return str(self._welcome.get("site", ""))

    @property
    def job_id(self) -> str:
        """Id of the job."""
        return str(self._welcome.get("job", ""))

    def task_name(self) -> str | None:
        """Name of the last task; None before the first one."""
        self._need_rank_0("get_task_name")
        return self._task_name

    def is_task(self, kind: str) -> bool:
        """Whether the last task is called as tasks of this kind are."""
        self._need_rank_0(f"is_{kind}")
        names = self._welcome.get("tasks", {})
        return self._task_name is not None and self._task_name == names.get(kind, kind)

    def _need_rank_0(self, function: str) -> None:
        if self.rank != "0":
            raise RuntimeError(f"only rank 0 may call {function}, this is rank {self.rank}")

    # -- work

    def is_running(self) -> bool:
        """Wait for the next task; False once the job is over. On other ranks: whether the job is not over yet."""
        if self.rank != "0":
            return not self._over and os.path.exists(self._path)
        if not self._over and self._model is None:
            self._fetch(None)
        return not self._over

    def receive(self, timeout: float | None = None) -> FLModel | None:
        """The model of the open task, the same object until it is answered; None when the job or the time is over."""
        if self.rank == "0" and not self._over and self._model is None:
            self._fetch(timeout)
        return None if self._over else self._model

    def send(self, model: FLModel, clear: bool) -> None:
        """Answer the open task. Returns when the agent has the result."""
        if not isinstance(model, FLModel):
            raise TypeError(f"send takes an FLModel, got {type(model).__name__}")
        if self.rank != "0":
            return
        if model.params is None and model.metrics is None:
            raise RuntimeError("the model to send has neither params nor metrics")
        if self._task is None or self._link is None:
            raise RuntimeError('"receive" needs to be called before sending model!')
        if self._over:
            raise RuntimeError("the job is over, nobody waits for this result")
        self._answer(self._link, self._task, model)
        self._task = None
        if clear:
            self.clear()

    def clear(self) -> None:
        """Forget the cached task. If it was not answered, the next receive gives it again."""
        self._task = None
        self._model = None

    def log(self, key: str, value: Any, step: int | None) -> None:
        """Report a number; lost without an error when nobody is there to take it."""
        self._need_rank_0("log")
        if not isinstance(key, str):
            raise TypeError(f"key must be a text, got {type(key).__name__}")
        message = {"type": "log", "key": key, "value": _number(key, value), "step": _step(step)}
        if self._link is None or self._over:
            return
        with contextlib.suppress(LinkClosedError):
            self._link.send(message)

    def shutdown(self) -> None:
        """Hang up; is_running is False afterwards."""
        self._over = True
        self.clear()
        if self._link is not None:
            self._link.close()
            self._link = None

    def __enter__(self) -> Context:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()

    # -- the socket

    def _fetch(self, timeout: float | None) -> None:
        """Ask for a task and wait for it, at most `timeout` seconds."""
        assert self._link is not None
        try:
            if not self._asked:
                self._link.send({"type": "next"})
                self._asked = True
            answer = self._await(self._link, ("task",), timeout)
        except LinkClosedError as error:
            _log.warning("%s: the job is over for this script", error)
            self._over = True
            return
        if answer is not None:
            self._asked = False
            self._take_task(*answer)

    def _await(
        self, link: Link, wanted: tuple[str, ...], timeout: float | None = None
    ) -> tuple[dict[str, Any], int | None] | None:
        """The next message of a wanted type; None when the time or the job is over."""
        while True:
            answer = link.receive(timeout)
            if answer is None:
                return None
            message, fd = answer
            if message.get("type") in wanted:
                return message, fd
            if fd is not None:
                os.close(fd)
            if message.get("type") == "end":
                _log.info("the job is over: %s %s", message.get("outcome"), message.get("reason") or "")
                self._over = True
                return None
            _log.warning("the agent says: %s", message)

    def _take_task(self, message: dict[str, Any], fd: int | None) -> None:
        if fd is None:
            raise RuntimeError("the agent sent a task without a model")
        try:
            params = read_image(fd)
        finally:
            os.close(fd)
        self._task = message
        self._task_name = message["name"]
        self._order = list(params)
        round_number, total = message["round"], message["total_rounds"]
        self._model = FLModel(
            params=params,
            current_round=round_number,
            total_rounds=total,
            meta={
                "job_id": self.job_id,
                "site_name": self.site_name,
                "current_round": round_number,
                "total_rounds": total,
            },
        )

    def _answer(self, link: Link, task: Mapping[str, Any], model: FLModel) -> None:
        message = {
            "type": "result",
            "task": task["id"],
            "params_type": ParamsType(model.params_type or ParamsType.FULL).value,
            "weight": _number(_WEIGHT_KEY, model.meta.get(_WEIGHT_KEY, 1.0)),
            "metrics": None if model.metrics is None else _numbers(model.metrics),
        }
        fd = None
        if model.params is not None and not self.is_task("evaluate"):
            if not isinstance(model.params, Mapping):
                raise TypeError(f"params must be a dict of arrays, got {type(model.params).__name__}")
            fd = write_image(model.params, self._order)
        try:
            link.send(message, fd)
            answer = self._await(link, ("accepted", "refused"))
        except LinkClosedError as error:
            self._over = True
            raise RuntimeError(f"the result was not taken: {error}") from error
        finally:
            if fd is not None:
                os.close(fd)
        if answer is not None:
            _judge(answer[0])


def _judge(answer: Mapping[str, Any]) -> None:
    if answer["type"] == "refused":
        raise RuntimeError(f"the agent refuses the result: {answer.get('reason')}")
    if answer.get("late"):
        _log.warning("the round went on without this site: the result is not used")


def _number(name: str, value: Any) -> float | None:
    """`value`, a number or an array of one, as JSON has it: None for NaN and infinity."""
    if isinstance(value, (str, bytes, dict)):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}") from None
    return number if math.isfinite(number) else None


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    for name in metrics:
        if not isinstance(name, str):
            raise TypeError(f"names of metrics are texts, got {name!r}")
    return {name: _number(f"metrics[{name!r}]", value) for name, value in metrics.items()}


def _step(step: Any) -> int | None:
    if step is None:
        return None
    number = operator.index(step)
    if number < 0:
        raise ValueError(f"a step must not be negative, got {number}")
    return number
