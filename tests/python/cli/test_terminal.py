"""What a terminal sees that a pipe does not: bars, colours, a question."""

from __future__ import annotations

import hashlib
import os
import pty
import subprocess
from pathlib import Path

from cli_support import BAD_INPUT, ID, JOB, OK, ended, environment, program, round_of, summary
from fake_server import Answer, FakeServer

pytest_plugins = ["cli_fixtures"]


def on_terminal(*words: str | Path, answer: str = "", **more: str) -> tuple[int, str]:
    """Exit code and all that a terminal was sent."""
    ours, theirs = pty.openpty()
    command = [str(program()), *map(str, words)]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(TERM="xterm", **more)
    ) as process:
        os.close(theirs)
        os.write(ours, answer.encode())
        seen = b""
        try:
            while data := os.read(ours, 65536):
                seen += data
        except OSError:  # how a pseudo-terminal says that the other end is closed
            pass
        os.close(ours)
        return process.wait(60), seen.decode()


def test_wait_draws_a_bar_and_takes_it_away(server: FakeServer) -> None:
    server.script(
        "GET",
        JOB,
        Answer(body={"job": summary(rounds=[round_of(1, 0.5, phase="open")])}),
        Answer(body={"job": ended(rounds=[round_of(2, 0.75)])}),
    )
    code, seen = on_terminal("job", "wait", ID, "--server", server.url)
    assert code == OK
    assert "job 01234567  [=====>          ]  round 1/3  sites 2/2  " in seen and "s  accuracy=0.5\033[K" in seen
    assert seen.rpartition("\r\033[K")[2].startswith(f"job {ID} completed")
    assert "closed" not in seen


def test_a_download_draws_bytes_and_rate(server: FakeServer, tmp_path: Path) -> None:
    model = bytes(3_000_000)
    tag = {"ETag": f'"{hashlib.sha256(model).hexdigest()}"'}
    server.script("GET", f"{JOB}/model", Answer(body=model, headers=tag))
    code, seen = on_terminal("job", "download", ID, "--output", tmp_path / "m", "--server", server.url)
    assert code == OK
    assert "2.9 MiB of 2.9 MiB" in seen and "/s" in seen


def test_colours_are_for_terminals_that_want_them(server: FakeServer) -> None:
    server.script("GET", "/v1/jobs", Answer(body={"jobs": [ended()]}))
    words = ("job", "list", "--server", server.url)
    assert "\033[32mcompleted\033[0m" in on_terminal(*words)[1]
    assert "\033" not in on_terminal(*words, NO_COLOR="1")[1]


def test_delete_asks_and_takes_no_for_an_answer(server: FakeServer) -> None:
    server.script("DELETE", JOB, Answer(204))
    code, seen = on_terminal("job", "delete", ID, "--server", server.url, answer="n\n")
    assert code == BAD_INPUT and "nothing was deleted" in seen
    assert server.requests == []
    code, seen = on_terminal("job", "delete", ID, "--server", server.url, answer="y\n")
    assert code == OK and f"job {ID} deleted" in seen
