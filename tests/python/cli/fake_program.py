"""Stands in for the programs of a federation: run by the name it is linked as, it says that it is ready, logs its words
and waits for the signal that ends it; the server also tells whoever asks that all nodes are alive. FAKE_<ROLE> in the
environment makes it misbehave: exit, hang, stubborn."""

from __future__ import annotations

import json
import os
import signal
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType

role = Path(sys.argv[0]).name.removeprefix("anabranch-")
mood = os.environ.get(f"FAKE_{role.upper()}", "")
words = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))


def stop(number: int, frame: FrameType | None) -> None:
    print(f"{role} ends in good order", flush=True)
    sys.exit(0)


class Nodes(BaseHTTPRequestHandler):
    """More sites and aggregators than anybody waits for."""

    def do_GET(self) -> None:
        kind = self.path.rpartition("/")[2]
        body = json.dumps({kind: [{"name": f"n{i}", "alive": True} for i in range(100)]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


def serve(address: str, kit: Path) -> str:
    """Over HTTPS, with the certificate of the kit; where it listens."""
    host, _, port = address.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Nodes)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(kit / "rest-certificate.pem", kit / "rest-key.pem")
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"{host}:{server.server_port}"


signal.signal(signal.SIGTERM, signal.SIG_IGN if mood == "stubborn" else stop)
print(json.dumps({"words": words, "session": os.getsid(0), "pid": os.getpid()}), flush=True)
if mood == "exit":
    print(f"{role} cannot go on: the reason", flush=True)
    sys.exit(3)
ready = {"name": words.get("--name", role), "pid": os.getpid(), "ready_ms": 1}
if role == "broker":
    ready["bootstrap_servers"] = "127.0.0.1:19092"
if role == "server":
    ready["listen"] = serve(words["--listen"], Path(words["--config"]).parent)
if mood != "hang":
    Path(words["--ready-file"]).write_text(json.dumps(ready) + "\n")
while True:
    time.sleep(60)
