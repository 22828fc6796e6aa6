"""REST as a client speaks it that knows only schemas/openapi.yaml: requests by certificate or token, and raw bytes."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

from federation import ROOT, Federation, Json

OPENAPI: Json = yaml.safe_load((ROOT / "schemas/openapi.yaml").read_text())
METHODS = ("get", "post", "delete", "put", "patch")


@dataclass(frozen=True)
class Operation:
    """One method of one path, and what each role may do there: none, own, all; empty when nobody is asked."""

    method: str
    path: str
    rights: dict[str, str]


def operations() -> list[Operation]:
    """All that the description has; nodes in a path are this server, and {id} stays to be filled in."""
    return [
        Operation(method.upper(), path.replace("{node}", "server"), described.get("x-rights", {}))
        for path, methods in OPENAPI["paths"].items()
        for method, described in methods.items()
        if method in METHODS
    ]


@dataclass
class Reply:
    code: int
    body: bytes

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["error"]["message"])


class Client:
    """Shows the certificate of a user of the federation, or a token, or nothing."""

    def __init__(self, federation: Federation, user: str | None = None, token: str | None = None) -> None:
        self.address = urlsplit(federation.url)
        self.trust = federation.tls(user)
        self.head = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, method: str, path: str, body: Any = None) -> Reply:
        connection = http.client.HTTPSConnection(
            str(self.address.hostname), self.address.port, timeout=30, context=self.trust
        )
        head, data = dict(self.head), None
        if body is not None:
            data, head["Content-Type"] = json.dumps(body), "application/json"
        try:
            connection.request(method, path, data, head)
            answer = connection.getresponse()
            return Reply(answer.status, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Json:
        reply = self.ask("GET", path)
        assert reply.code == 200, reply
        document: Json = json.loads(reply.body)
        return document

    def connect(self, source: str = "127.0.0.1", timeout_s: float = 10) -> socket.socket:
        """TCP only, from an address of this machine."""
        at = (str(self.address.hostname), self.address.port or 443)
        connection = socket.create_connection(at, timeout=timeout_s, source_address=(source, 0))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def open(self) -> ssl.SSLSocket:
        return self.trust.wrap_socket(self.connect(), server_hostname=self.address.hostname)

    def send_raw(self, data: bytes) -> bytes:
        """Send these bytes over TLS, give the server a moment to answer, end our half, and wait for its end."""
        got = b""
        with self.open() as connection, contextlib.suppress(OSError):  # the server may have had enough
            connection.sendall(data)
            connection.settimeout(0.01)
            with contextlib.suppress(TimeoutError):  # half a request has no answer
                got = connection.recv(65536)
            connection.settimeout(10)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        return got
