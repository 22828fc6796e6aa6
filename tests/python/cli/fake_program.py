"""Stands in for the programs of a federation: run by the name it is linked as, it says that it is ready, logs its words
and waits for the signal that ends it. FAKE_<ROLE> in the environment makes it misbehave: exit, hang, stubborn."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

role = Path(sys.argv[0]).name.removeprefix("anabranch-")
mood = os.environ.get(f"FAKE_{role.upper()}", "")
words = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))


def stop(number: int, frame: FrameType | None) -> None:
    print(f"{role} ends in good order", flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, signal.SIG_IGN if mood == "stubborn" else stop)
print(json.dumps({"words": words, "session": os.getsid(0), "pid": os.getpid()}), flush=True)
if mood == "exit":
    print(f"{role} cannot go on: the reason", flush=True)
    sys.exit(3)
ready = {"name": words.get("--name", role), "pid": os.getpid(), "ready_ms": 1}
if role == "broker":
    ready["bootstrap_servers"] = "127.0.0.1:19092"
if role == "server":
    ready["listen"] = "127.0.0.1:18500" if words["--listen"].endswith(":0") else words["--listen"]
if mood != "hang":
    Path(words["--ready-file"]).write_text(json.dumps(ready) + "\n")
while True:
    time.sleep(60)
