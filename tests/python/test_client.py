"""What the functions of anabranch.client promise, against a fake agent."""

from __future__ import annotations

import logging
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

import anabranch.client as flare
from conftest import Agent, image, parse_image


def test_functions_before_init_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flare, "_default", None)
    for call in (flare.receive, flare.is_running, flare.is_train, flare.get_job_id, flare.system_info, flare.shutdown):
        with pytest.raises(RuntimeError, match="needs to call init method first"):
            call()


def test_init_without_an_agent_says_how_scripts_are_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flare, "_default", None)
    monkeypatch.delenv("ANABRANCH_SOCKET", raising=False)
    with pytest.raises(RuntimeError, match="job submit"):
        flare.init()


def test_init_names_the_path_nobody_listens_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(flare, "_default", None)
    monkeypatch.setenv("ANABRANCH_SOCKET", str(tmp_path / "nobody"))
    with pytest.raises(ConnectionError, match="nobody"):
        flare.init()


def test_init_refuses_a_rank_of_another_type(agent: Agent) -> None:
    with pytest.raises(ValueError, match="rank"):
        flare.init(rank=1.5)  # type: ignore[arg-type]


def test_a_refusal_of_the_agent_is_the_error_of_init(agent: Agent) -> None:
    def script(a: Agent) -> None:
        a.receive("hello")
        a.say("refused", task=None, reason="this agent speaks protocol 9")

    agent.start(script)
    with pytest.raises(ConnectionError, match="protocol 9"):
        flare.init()


def test_second_init_is_a_warning(agent: Agent, caplog: pytest.LogCaptureFixture) -> None:
    agent.start(Agent.welcome)
    context = flare.init()
    with caplog.at_level(logging.WARNING):
        assert flare.init(rank=7) is context
    assert "before" in caplog.text


def test_the_loop_trains_evaluates_and_ends(agent: Agent) -> None:
    def script(a: Agent) -> None:
        a.welcome()
        a.task(0)
        a.result()
        a.task(1, "evaluate")
        a.result()
        a.end()

    agent.start(script)
    flare.init()
    kinds = []
    while flare.is_running():
        model = flare.receive()
        assert model is not None
        kinds.append((flare.is_train(), flare.is_evaluate(), flare.get_task_name(), model.current_round))
        if flare.is_train():
            params = {name: array + 1 for name, array in model.params.items() if name != "half"}
            params["half"] = model.params["half"]
            meta = {"NUM_STEPS_CURRENT_ROUND": 32}
            flare.send(flare.FLModel(params=params, metrics={"loss": np.float32(0.5)}, meta=meta))
        else:
            flare.send(flare.FLModel(metrics={}))
    agent.join()
    assert kinds == [(True, False, "train", 0), (False, True, "evaluate", 1)]
    assert flare.receive() is None
    assert not flare.is_running()
    (first, model_bytes, seals), (second, no_bytes, _) = agent.results
    assert (first["weight"], first["metrics"], first["params_type"]) == (32.0, {"loss": 0.5}, "FULL")
    assert seals & 0xE == 0xE
    assert model_bytes is not None
    sent = parse_image(model_bytes)
    assert list(sent) == ["w", "b", "steps", "half", "none"], "the received order is kept"
    assert sent["w"] == ("F32", [2, 3], struct.pack("<6f", 2, 3, 4, 5, 6, 7))
    assert sent["steps"] == ("I64", [], struct.pack("<q", 8))
    assert sent["half"] == ("BF16", [2], struct.pack("<2H", 0x3F80, 0x4000))
    assert sent["none"] == ("F32", [0, 4], b"")
    assert (second["metrics"], no_bytes) == ({}, None)


def test_received_arrays_are_read_only_views_that_outlive_the_task(agent: Agent) -> None:
    def script(a: Agent) -> None:
        a.welcome()
        a.task(0)

    agent.start(script)
    flare.init()
    model = flare.receive()
    assert model is not None
    assert flare.receive() is model, "the same object until it is answered"
    weights = model.params["w"]
    with pytest.raises(ValueError, match="read-only"):
        weights[0, 0] = 1
    assert not weights.flags.owndata
    assert model.params["none"].shape == (0, 4)
    assert model.params["steps"].shape == ()
    assert model.params["half"].dtype.itemsize == 2
    assert (model.params_type, model.total_rounds) == (flare.ParamsType.FULL, 3)
    assert (model.meta["site_name"], model.meta["job_id"]) == ("site-1", "0123456789abcdef")
    flare.shutdown()
    del model
    assert weights.sum() == 21
    assert not any("anabranch" in link for link in _open_files())


def _open_files() -> list[str]:
    entries = [path for path in Path("/proc/self/fd").iterdir() if os.path.lexists(path)]
    return [str(path.readlink()) for path in entries]


def test_send_without_a_task_or_content_is_refused(agent: Agent) -> None:
    def script(a: Agent) -> None:
        a.welcome()
        a.task(0)
        a.result()

    agent.start(script)
    flare.init()
    with pytest.raises(TypeError, match="FLModel"):
        flare.send({"w": 1})  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match='"receive" needs to be called before sending model!'):
        flare.send(flare.FLModel(metrics={"x": 1}))
    flare.receive()
    with pytest.raises(RuntimeError, match="neither params nor metrics"):
        flare.send(flare.FLModel())
    flare.send(fl_model=flare.FLModel(params={"w": np.ones(2)}), clear_registry=False)
    with pytest.raises(RuntimeError, match="receive"):
        flare.send(flare.FLModel(metrics={"x": 1}))
    assert flare.receive() is not None, "clear_registry=False keeps the model"
    assert flare.is_train(), "the last task's kind stays"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"w": [1.0, 2.0]}, "numpy array"),
        ({"w": 3.5}, "numpy array"),
        ({"w": np.ones(2, np.complex64)}, "complex64"),
        ({"w": np.array(["a"])}, "data type"),
        ({3: np.ones(2)}, "texts"),
        ({"__metadata__": np.ones(2)}, "cannot be the name"),
        ([np.ones(2)], "dict of arrays"),
    ],
)
def test_what_cannot_be_a_model_is_named_and_the_task_stays(agent: Agent, params: object, message: str) -> None:
    def script(a: Agent) -> None:
        a.welcome()
        a.task(0)
        a.result()

    agent.start(script)
    flare.init()
    flare.receive()
    with pytest.raises(TypeError, match=message):
        flare.send(flare.FLModel(params=params))
    flare.send(flare.FLModel(params={"w": np.ones(2)}))


def test_a_refused_result_leaves_the_task_open(agent: Agent) -> None:
    def script(a: Agent) -> None:
        a.welcome()
        a.task(0)
        message = a.receive("result")
        a.say("refused", task=message["task"], reason="weight must be above 0, got 0")
        a.result()

    agent.start(script)
    flare.init()
    flare.receive()
    with pytest.raises(RuntimeError, match="weight must be above 0"):
        flare.send(flare.FLModel(params={"w": np.ones(1)}, meta={"NUM_STEPS_CURRENT_ROUND": 0}))
    flare.send(flare.FLModel(params={"w": np.ones(1)}))


def test_arrays_of_any_order_and_stride_are_sent_as_they_read(agent: Agent) -> None:
    def script(a: Agent) -> None:
        a.welcome()
        a.task(0)
        a.result()

    agent.start(script)
    flare.init()
    flare.receive()
    params = {
        "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "big": np.array([1, 2], dtype=">i2"),
        "step": np.arange(10, dtype=np.uint8)[::3],
        "scalar": np.float64(2.5),
        "flag": np.array(True),
    }
    flare.send(flare.FLModel(params=params))
    agent.join()
    data = agent.results[0][1]
    assert data is not None
    assert (8 + struct.unpack("<Q", data[:8])[0]) % 64 == 0, "tensors begin at a multiple of 64"
    sent = parse_image(data)
    assert list(sent) == ["scalar", "turned", "big", "flag", "step"], "wide types first"
    assert sent["turned"] == ("F32", [3, 2], struct.pack("<6f", 0, 3, 1, 4, 2, 5))
    assert sent["big"] == ("I16", [2], struct.pack("<2h", 1, 2))
    assert sent["step"] == ("U8", [4], bytes([0, 3, 6, 9]))
    assert sent["scalar"] == ("F64", [], struct.pack("<d", 2.5))
    assert sent["flag"] == ("BOOL", [], b"\x01")


def test_metrics_that_are_no_numbers(agent: Agent) -> None:
    def script(a: Agent) -> None:
        a.welcome()
        a.task(0, "evaluate")
        a.result()

    agent.start(script)
    flare.init()
    flare.receive()
    with pytest.raises(TypeError, match="accuracy"):
        flare.send(flare.FLModel(metrics={"accuracy": "good"}))
    flare.send(flare.FLModel(metrics={"loss": float("nan"), "count": np.int64(3)}))
    agent.join()
    assert agent.results[0][0]["metrics"] == {"loss": None, "count": 3.0}


def test_receive_gives_none_when_the_time_is_over_and_asks_once(agent: Agent) -> None:
    late = threading.Event()

    def script(a: Agent) -> None:
        a.welcome()
        late.wait(20)
        a.task(0)
        a.peer.settimeout(0.2)
        with pytest.raises(TimeoutError):
            a.peer.recv(10)

    agent.start(script)
    flare.init()
    assert flare.receive(timeout=0.05) is None
    assert flare.receive(timeout=0) is None
    late.set()
    assert flare.receive() is not None
    agent.join()


def test_clear_without_an_answer_asks_for_the_task_again(agent: Agent) -> None:
    def script(a: Agent) -> None:
        a.welcome()
        a.task(0)
        a.task(0)

    agent.start(script)
    flare.init()
    first = flare.receive()
    flare.clear()
    second = flare.receive()
    assert first is not second
    assert second is not None


def test_an_agent_that_dies_ends_the_loop(agent: Agent) -> None:
    def script(a: Agent) -> None:
        a.welcome()
        a.task(0)
        a.peer.close()

    agent.start(script)
    flare.init()
    assert flare.is_running()
    agent.join()
    with pytest.raises(RuntimeError, match="not taken"):
        flare.send(flare.FLModel(params={"w": np.ones(1)}))
    assert not flare.is_running()
    assert flare.receive() is None
    flare.log("loss", 1.0)


def test_the_job_may_end_while_a_result_is_sent(agent: Agent) -> None:
    def script(a: Agent) -> None:
        a.welcome()
        a.task(0)
        a.receive("result")
        a.say("end", outcome="aborted", reason="by a person")

    agent.start(script)
    flare.init()
    flare.receive()
    flare.send(flare.FLModel(params={"w": np.ones(1)}))
    assert not flare.is_running()


def test_unknown_messages_are_skipped(agent: Agent) -> None:
    def script(a: Agent) -> None:
        a.welcome()
        a.receive("next")
        a.say("weather", text="fine")
        a.say("end", outcome="completed", reason="", mood="good")

    agent.start(script)
    flare.init()
    assert not flare.is_running()


@pytest.mark.parametrize("packet", [b"nonsense", b"[1]", b"\xff\xfe", b"{" + b"x" * 70000])
def test_what_is_no_message_ends_the_link(agent: Agent, packet: bytes) -> None:
    def script(a: Agent) -> None:
        a.welcome()
        a.receive("next")
        a.peer.send(packet)

    agent.start(script)
    flare.init()
    assert not flare.is_running()


def test_log_takes_any_scalar_and_refuses_the_rest(agent: Agent) -> None:
    seen = []

    def script(a: Agent) -> None:
        a.welcome()
        seen.extend(a.receive("log") for _ in range(3))

    agent.start(script)
    flare.init()
    with pytest.raises(TypeError, match="key"):
        flare.log(3, 1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="loss"):
        flare.log("loss", "high")
    with pytest.raises(ValueError, match="negative"):
        flare.log("loss", 1.0, global_step=-1)
    flare.log("loss", np.float32(0.5), global_step=0)
    flare.log("loss", np.array(2), "SCALAR", step=3)
    flare.log("loss", float("inf"))
    agent.join()
    assert [(m["value"], m["step"]) for m in seen] == [(0.5, 0), (2.0, 3), (None, None)]


def test_questions_about_site_and_job(agent: Agent) -> None:
    agent.start(Agent.welcome)
    context = flare.init("0")
    site, job = "site-1", "0123456789abcdef"
    assert flare.system_info(ctx=context) == {"site_name": site, "SITE_NAME": site, "job_id": job, "JOB_ID": job}
    assert (flare.get_site_name(), flare.get_job_id()) == (site, job)
    assert flare.get_task_name() is None
    assert not flare.is_train()
    assert not flare.is_evaluate()


def test_other_ranks_hold_no_link(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "2")
    flare.init()
    assert flare.is_running()
    assert flare.receive() is None
    flare.send(flare.FLModel(metrics={"x": 1}))
    for call in (flare.is_train, flare.is_evaluate, flare.get_task_name, lambda: flare.log("a", 1)):
        with pytest.raises(RuntimeError, match="rank"):
            call()
    Path(agent.path).unlink()
    assert not flare.is_running(), "the agent removes its socket when the job is over"


def test_shutdown_ends_the_loop(agent: Agent) -> None:
    agent.start(Agent.welcome)
    with flare.init():
        pass
    assert not flare.is_running()
    assert flare.receive() is None


def test_a_model_that_is_no_safetensors_file_is_an_error(agent: Agent) -> None:
    bad = image({"w": ("F8_E4M3", [1], b"x")})

    def script(a: Agent) -> None:
        a.welcome()
        a.task(0, model=bad)

    agent.start(script)
    flare.init()
    with pytest.raises(ValueError, match="F8_E4M3"):
        flare.receive()


def test_messages_stay_below_the_limit(agent: Agent) -> None:
    def script(a: Agent) -> None:
        a.welcome()
        a.task(0, "evaluate")

    agent.start(script)
    flare.init()
    flare.receive()
    with pytest.raises(ValueError, match="65536"):
        flare.send(flare.FLModel(metrics={f"metric-{i:060}": 1.0 for i in range(1000)}))
