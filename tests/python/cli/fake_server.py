"""A fake Anabranch server over HTTPS: answers by script, remembers what was asked. It checks nothing by itself, but
whether whoever calls is of its project. One at a time is where alice is logged in."""

from __future__ import annotations

import email
import email.policy
import json
import ssl
import threading
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cli_support import kits, log_in


@dataclass
class Answer:
    """One answer. `cut` ends the connection after so many bytes of the body; `drop` ends it without any answer."""

    status: int = 200
    body: Any = None  # bytes as they are, anything else as JSON
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    drop: bool = False

    def data(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


def refusal(status: int, code: str, message: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": message}})


@dataclass
class Request:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    def parts(self) -> dict[str, bytes]:
        """The parts of a multipart body, by name."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + self.body, policy=email.policy.HTTP)
        return {
            str(part.get_param("name", header="content-disposition")): payload(part) for part in message.iter_parts()
        }


def payload(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data


def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    kit = kits() / "conductor"
    context.load_cert_chain(kit / "rest-certificate.pem", kit / "rest-key.pem")
    context.load_verify_locations(kit / "root.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


class FakeServer:
    """`script("GET", "/v1/jobs", answer, ...)`: the answers in turn, the last one again and again."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: dict[tuple[str, str], list[Answer]] = {}
        self.lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def answer(self) -> None:
                fake.serve(self)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815  (names that http.server looks for)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.socket = tls().wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self.http.server_address[1]}"
        log_in(self.url)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join(10)

    def script(self, method: str, path: str, *answers: Answer) -> None:
        self.answers[method, path] = list(answers)

    def asked(self, method: str, path: str) -> list[Request]:
        return [r for r in self.requests if (r.method, r.path) == (method, path)]

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        path, _, query = handler.path.partition("?")
        size = int(handler.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Request(str(handler.command), path, query, headers, handler.rfile.read(size))
        with self.lock:
            self.requests.append(request)
            queue = self.answers.get((request.method, path), [refusal(404, "not-found", f"there is no {path}")])
            answer = queue.pop(0) if len(queue) > 1 else queue[0]
        self.send(handler, answer)

    @staticmethod
    def send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.drop:
            handler.close_connection = True
            return
        data = answer.data()
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: answer.cut])
        if answer.cut is not None:
            handler.close_connection = True
