"""A trainer that tries what it should not. At the site that HOSTILE_SITE names; at the others it does its work.

It says on its standard output what it could do, one word a line with what came of it.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import anabranch.client as flare

SEALS = 1 | 2 | 4 | 8  # F_SEAL_SEAL, SHRINK, GROW, WRITE


def attempt(word: str, act: Callable[[], object]) -> None:
    try:
        result = act()
    except OSError as failed:
        print(f"{word}: {errno.errorcode[failed.errno or errno.EIO]}", flush=True)
    else:
        print(f"{word}: worked {str(result)[:40]!r}", flush=True)


def look_at_the_agent() -> None:
    agent = os.getppid()
    attempt("environ", lambda: Path(f"/proc/{agent}/environ").read_bytes()[:8])
    attempt("mem", lambda: os.open(f"/proc/{agent}/mem", os.O_RDONLY))
    attempt("descriptor", lambda: Path(f"/proc/{agent}/fd/0").readlink())
    attempt("signal", lambda: os.kill(agent, signal.SIGSTOP))
    libc = ctypes.CDLL(None, use_errno=True)
    traced = libc.ptrace(16, agent, None, None)  # PTRACE_ATTACH
    print(f"ptrace: {'worked' if traced == 0 else errno.errorcode[ctypes.get_errno()]}", flush=True)


def look_for_keys(folder: Path) -> None:
    """Each file below the federation's folder, by every way."""
    found = []
    for name in os.environ["HOSTILE_FILES"].split(":"):
        for way in (
            folder / name,
            Path("/proc/self/root") / (folder / name).relative_to("/"),
            Path(f"../../../{name}"),
        ):
            with contextlib.suppress(OSError):
                found.append(f"{way} {way.read_bytes()[:11]!r}")
    print(f"keys: {len(found)} {found[:1]}", flush=True)
    secrets = [name for name in os.environ if "KEY" in name or "BOOTSTRAP" in name or "9092" in os.environ[name]]
    print(f"variables: {secrets}", flush=True)
    held = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            held.append(str(descriptor.readlink()))
    print(f"descriptors: {[path for path in held if 'site-' in path and '/jobs/' not in path]}", flush=True)


def write_elsewhere(folder: Path) -> None:
    attempt("write", lambda: (folder / "site-1/audit/audit.log").open("ab"))
    attempt("temporary", lambda: Path("/tmp/hostile").write_text("x"))


def flood() -> None:
    """The agent's socket: connections, half messages, nonsense, a packet too large."""
    for number in range(300):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
            link.connect(os.environ["ANABRANCH_SOCKET"])
            link.setblocking(False)
            link.send([b"{", b'{"type":"next"}', b"\xff" * 4096, b" " * 65537][number % 4])
    print("flood: done", flush=True)


def send_nonsense() -> None:
    """A memory file of 8 TiB that says that its header has 2 GiB, without seals and with them."""
    hello = b'{"type":"hello","protocol":1,"library":"hostile"}'
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.connect(os.environ["ANABRANCH_SOCKET"])
        link.send(hello)
        link.send(b'{"type":"next"}')
        answers = [link.recv(65536), socket.recv_fds(link, 65536, 1)[0]]
        for seals in (0, SEALS):
            fd = os.memfd_create("huge", os.MFD_ALLOW_SEALING)
            os.ftruncate(fd, 8 << 40)
            os.pwrite(fd, (2 << 30).to_bytes(8, "little"), 0)
            if seals:
                fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
            socket.send_fds(link, [b'{"type":"result","task":"0-train"}'], [fd])
            os.close(fd)
            answers.append(link.recv(65536))
    print(f"nonsense: {[b'refused' in answer for answer in answers[2:]]}", flush=True)


def leave_behind() -> None:
    subprocess.run(["setsid", "sh", "-c", "sleep 1000 & echo $!"], check=True, stdin=subprocess.DEVNULL)


def chatter() -> None:
    for _ in range(2000):
        sys.stdout.write("all work and no play\n" * 50)
    sys.stdout.flush()


def be_hostile() -> None:
    folder = Path(os.environ["HOSTILE_FOLDER"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    look_at_the_agent()
    look_for_keys(folder)
    write_elsewhere(folder)
    leave_behind()
    send_nonsense()
    flood()
    chatter()
    sys.exit(7)


def work() -> None:
    flare.init()
    while flare.is_running():
        model = flare.receive()
        if flare.is_evaluate():
            flare.send(flare.FLModel(metrics={"seen": float(model.params["w"][0])}))
            continue
        flare.send(flare.FLModel(params={name: value + np.float32(1) for name, value in model.params.items()}))


if os.environ["HOSTILE_SITE"] in os.environ["ANABRANCH_SOCKET"]:
    be_hostile()
work()
