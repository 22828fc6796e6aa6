"""A fake agent: the other end of the trainer's socket, written from docs/protocol.md with nothing of the package."""

from __future__ import annotations

import array
import fcntl
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import anabranch.client as flare


def image(tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    """A safetensors file of name: (dtype, shape, bytes)."""
    at, head = 0, {}
    for name, (dtype, shape, data) in tensors.items():
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps({"__metadata__": {"made": "by hand"}, **head}).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values())


def parse_image(data: bytes) -> dict[str, tuple[str, list[int], bytes]]:
    """The tensors of a safetensors file, in the order of their bytes."""
    (size,) = struct.unpack("<Q", data[:8])
    entries, body = json.loads(data[8 : 8 + size]), data[8 + size :]
    ordered = sorted(entries.items(), key=lambda item: item[1]["data_offsets"])
    return {k: (e["dtype"], e["shape"], body[slice(*e["data_offsets"])]) for k, e in ordered}


def sealed(data: bytes) -> int:
    """A sealed memfd."""
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    return fd


MODEL = image(
    {
        "w": ("F32", [2, 3], struct.pack("<6f", 1, 2, 3, 4, 5, 6)),
        "b": ("F64", [2], struct.pack("<2d", 0.5, -0.5)),
        "steps": ("I64", [], struct.pack("<q", 7)),
        "half": ("BF16", [2], struct.pack("<2H", 0x3F80, 0x4000)),
        "none": ("F32", [0, 4], b""),
    }
)


class Agent:
    """Speaks for one trainer, by a script that runs on a thread."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen(4)
        self.listener.settimeout(20)
        self.thread: threading.Thread | None = None
        self.failure: BaseException | None = None
        self.results: list[tuple[dict[str, Any], bytes | None, int]] = []

    def start(self, script: Callable[[Agent], None]) -> None:
        def body() -> None:
            try:
                self.peer, _ = self.listener.accept()
                self.peer.settimeout(20)
                script(self)
            except BaseException as failure:
                self.failure = failure

        self.thread = threading.Thread(target=body, daemon=True)
        self.thread.start()

    def join(self) -> None:
        assert self.thread is not None
        self.thread.join(20)
        assert not self.thread.is_alive()
        if self.failure is not None:
            raise self.failure

    def receive(self, kind: str) -> dict[str, Any]:
        packet, ancillary, _, _ = self.peer.recvmsg(65536, socket.CMSG_SPACE(4))
        message = json.loads(packet)
        assert message["type"] == kind, message
        if kind == "result":
            self.results.append((message, *self._take(ancillary)))
        return message

    def _take(self, ancillary: list[tuple[int, int, bytes]]) -> tuple[bytes | None, int]:
        fds = array.array("i")
        for _, _, data in ancillary:
            fds.frombytes(data)
        if not fds:
            return None, 0
        with os.fdopen(fds[0], "rb") as file:
            file.seek(0)  # the offset is shared with the sender, who has written to the end
            return file.read(), fcntl.fcntl(file, fcntl.F_GET_SEALS)

    def say(self, kind: str, fd: int | None = None, **fields: Any) -> None:
        rights = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]).tobytes())]
        self.peer.sendmsg([json.dumps({"type": kind, **fields}).encode()], rights)

    def welcome(self) -> None:
        assert self.receive("hello")["protocol"] == 1
        tasks = {"train": "train", "evaluate": "evaluate"}
        self.say("welcome", protocol=1, job="0123456789abcdef", job_name="j", site="site-1", tasks=tasks, config={})

    def task(self, round_number: int, name: str = "train", model: bytes = MODEL) -> None:
        self.receive("next")
        fd = sealed(model)
        self.say("task", fd, id=f"{round_number}-{name}", name=name, round=round_number, total_rounds=3)
        os.close(fd)

    def result(self, late: bool = False) -> None:
        task = self.receive("result")["task"]
        self.say("accepted", task=task, late=late)

    def end(self) -> None:
        self.receive("next")
        self.say("end", outcome="completed", reason="")


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    """A fake agent whose path stands in the environment; the client starts fresh."""
    fake = Agent(tmp_path / "s")
    monkeypatch.setenv("ANABRANCH_SOCKET", fake.path)
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(flare, "_default", None)
    yield fake
    if flare._default is not None:
        flare.shutdown()
    if fake.thread is not None:
        fake.thread.join(20)
    fake.listener.close()
