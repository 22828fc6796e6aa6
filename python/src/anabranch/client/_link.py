"""The Unix socket between a training script and the agent of its site: packets in, packets out.

docs/protocol.md of the project, section "Agent and trainer", is the contract. One thread receives; any may send.
"""

from __future__ import annotations

import array
import json
import logging
import os
import select
import socket
import threading
from typing import Any

from anabranch._version import __version__

__all__ = ["SOCKET_VARIABLE", "Link", "LinkClosedError"]

PROTOCOL = 1
MESSAGE_MAX_BYTES = 65536
SOCKET_VARIABLE = "ANABRANCH_SOCKET"

_log = logging.getLogger("anabranch")


class LinkClosedError(ConnectionError):
    """The agent is gone."""


class Link:
    """A connection to the agent. ``welcome`` is what the agent said to our hello.

    Raises:
        ConnectionError: Nobody listens at ``path``, or the agent refuses this trainer.

    """

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        try:
            self._socket.connect(path)
            self.send({"type": "hello", "protocol": PROTOCOL, "library": f"anabranch-python {__version__}"})
            message, fd = self._receive()
            _close(fd)
            if message.get("type") == "refused":
                raise ConnectionError(f"the agent refuses this trainer: {message.get('reason')}")
            if message.get("type") != "welcome":
                raise ConnectionError(f"the agent answered {message.get('type')!r} to our hello")
        except OSError as error:
            self._socket.close()
            if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
                raise ConnectionError(f"no agent listens at {path}: {error.strerror}") from error
            raise
        self.welcome: dict[str, Any] = message

    def send(self, message: dict[str, Any], fd: int | None = None) -> None:
        """Send a message, and the model at ``fd`` with it. ``fd`` stays open.

        Raises:
            ValueError: The message is above 64 KiB.
            LinkClosedError: The agent is gone.

        """
        packet = json.dumps(message, allow_nan=False, separators=(",", ":")).encode()
        if len(packet) > MESSAGE_MAX_BYTES:
            raise ValueError(f"a {message['type']} message of {len(packet)} bytes is above {MESSAGE_MAX_BYTES}")
        rights = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]).tobytes())]
        try:
            with self._lock:
                self._socket.sendmsg([packet], rights)
        except OSError as error:
            raise LinkClosedError(f"the agent is gone: {error.strerror}") from error

    def receive(self, timeout: float | None = None) -> tuple[dict[str, Any], int | None] | None:
        """The next message and the descriptor that came with it (the caller's to close); None when the time is over.

        Raises:
            LinkClosedError: The agent is gone.

        """
        if timeout is not None and not self._poll.poll(max(0.0, timeout) * 1000):
            return None
        return self._receive()

    def _receive(self) -> tuple[dict[str, Any], int | None]:
        try:
            packet, ancillary, flags, _ = self._socket.recvmsg(
                MESSAGE_MAX_BYTES, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC
            )
        except OSError as error:
            raise LinkClosedError(f"the agent is gone: {error.strerror}") from error
        fds = array.array("i")
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        fd = fds[0] if fds else None
        if not packet:
            _close(fd)
            raise LinkClosedError("the agent has closed the connection")
        try:
            if flags & socket.MSG_TRUNC:
                raise ValueError("too long")
            message = json.loads(packet)
            if not isinstance(message, dict):
                raise ValueError("not an object")
        except ValueError as error:
            _close(fd)
            raise LinkClosedError(f"what the agent sent is no message: {error}") from error
        return message, fd

    def close(self) -> None:
        """Hang up. A thread that waits in receive is woken."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            _log.debug("the connection to the agent was closed already")
        self._socket.close()


def _close(fd: int | None) -> None:
    if fd is not None:
        os.close(fd)
