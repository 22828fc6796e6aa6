"""The command line against a fake server: what it asks, what it prints, how it ends."""

from __future__ import annotations

import json
import socket
import subprocess
from typing import Any

import pytest
from cli_support import (
    BAD_INPUT,
    CANNOT,
    ID,
    JOB,
    JOB_FAILED,
    OK,
    TIMED_OUT,
    ended,
    log_in,
    program,
    round_of,
    run,
    summary,
)
from fake_server import Answer, FakeServer, refusal

pytest_plugins = ["cli_fixtures"]

# -- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["job", "sumbit"], 'did you mean "job submit"?'),
        (["jobs", "list"], 'did you mean "job list"?'),
        (["job"], "needs a second word"),
        (["frobnicate"], 'unknown verb "frobnicate"'),
        (["job", "show"], "ID is missing"),
        (["job", "list", "extra"], '"extra" is not expected'),
        (["job", "list", "--jason"], 'did you mean "json"?'),
        (["job", "show", "NOT-AN-ID"], "is not a job id"),
        (["job", "show", "0123456789abcdef0"], "is not a job id"),
        (["job", "wait", ID, "--timeout", "soon"], "timeout must be"),
        (["job", "list", "--server", "ftp://example"], "is not an address"),
        (["job", "list", "--server", "https://"], "is not an address"),
    ],
)
def test_bad_words_end_with_4_and_a_sentence(words: list[str], sentence: str) -> None:
    result = run(*words)
    assert result.returncode == BAD_INPUT
    assert sentence in result.stderr
    assert result.stdout == ""


def test_help_names_every_verb_and_the_exit_codes() -> None:
    result = run("help")
    assert result.returncode == OK
    for verb in ("job submit DIR", "job wait ID", "site list", "dev up", "Exit codes"):
        assert verb in result.stdout
    assert run("--help").stdout == result.stdout
    assert run().returncode == BAD_INPUT


def test_help_of_one_verb_is_its_options() -> None:
    result = run("help", "job", "submit")
    assert result.returncode == OK
    assert "--request-id" in result.stdout
    assert run("job", "submit", "--help").stdout == result.stdout


def test_version_asks_nobody() -> None:
    result = run("version", "--json")
    assert result.returncode == OK
    assert set(json.loads(result.stdout)) == {"version"}
    assert run("--version").stdout == f"anabranch {json.loads(result.stdout)['version']}\n"


def test_output_that_cannot_be_written_is_an_error() -> None:
    result = subprocess.run(f"{program()} version >/dev/full", shell=True, capture_output=True, text=True, timeout=60)
    assert result.returncode == CANNOT
    assert "standard output" in result.stderr


# -- reaching the server ---------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_ends_with_2() -> None:
    with socket.socket() as taken:  # bound, never listening: nobody can answer there
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        log_in(f"https://{address}")
        result = run("job", "list", "--server", address)
    assert result.returncode == CANNOT
    assert "cannot reach the server" in result.stderr


def test_the_server_comes_from_the_environment(server: FakeServer) -> None:
    server.script("GET", "/v1/jobs", Answer(body={"jobs": []}))
    assert run("job", "list", ANABRANCH_SERVER=server.url + "/").returncode == OK
    assert run("job", "list", ANABRANCH_SERVER=server.url.removeprefix("https://")).returncode == OK


def test_a_proxy_is_not_asked_for_this_machine(server: FakeServer) -> None:
    server.script("GET", "/v1/jobs", Answer(body={"jobs": []}))
    assert run("job", "list", "--server", server.url, https_proxy="http://127.0.0.1:1").returncode == OK


def test_a_dropped_connection_is_tried_again(server: FakeServer) -> None:
    server.script("GET", "/v1/jobs", Answer(drop=True), Answer(drop=True), Answer(body={"jobs": []}))
    assert run("job", "list", "--server", server.url).returncode == OK


def test_an_unavailable_server_is_tried_again_and_then_given_up(server: FakeServer) -> None:
    away = refusal(503, "unavailable", "no leader yet")
    server.script("GET", "/v1/jobs", away, Answer(body={"jobs": []}))
    assert run("job", "list", "--server", server.url).returncode == OK
    server.script("GET", "/v1/jobs", away)
    result = run("job", "list", "--server", server.url)
    assert (result.returncode, result.stderr) == (CANNOT, "anabranch: no leader yet\n")


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, "invalid", BAD_INPUT),
        (400, "corrupt", BAD_INPUT),
        (403, "denied", CANNOT),
        (404, "not-found", BAD_INPUT),
        (409, "exists", BAD_INPUT),
        (413, "too-large", BAD_INPUT),
        (500, "io", CANNOT),
        (500, "abandoned", CANNOT),
        (500, "ok", CANNOT),
        (507, "no-space", CANNOT),
    ],
)
def test_a_refusal_is_printed_as_the_server_says_it(server: FakeServer, status: int, code: str, exit_code: int) -> None:
    server.script("GET", JOB, refusal(status, code, f"because of {code}"))
    result = run("job", "show", ID, "--server", server.url)
    assert (result.returncode, result.stderr) == (exit_code, f"anabranch: because of {code}\n")
    assert len(server.asked("GET", JOB)) == 1


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"error": 3}', b'{"error": {"message": 3}}'])
def test_a_refusal_without_a_sentence_asks_what_is_there(server: FakeServer, body: bytes) -> None:
    server.script("GET", "/v1/jobs", Answer(418, body))
    result = run("job", "list", "--server", server.url)
    assert result.returncode == CANNOT
    assert "answered 418" in result.stderr


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, b'{"jobs": [', b'{"a": 1, "a": 2}', b"\xff"])
def test_an_answer_that_is_not_json_is_an_error(server: FakeServer, body: bytes) -> None:
    server.script("GET", "/v1/jobs", Answer(200, body))
    assert run("job", "list", "--server", server.url).returncode == CANNOT


@pytest.mark.parametrize("body", [None, [], {}, {"jobs": 3}, {"jobs": [3, None, {"id": 5}]}, {"job": []}])
@pytest.mark.parametrize(
    "words", [["job", "list"], ["job", "show", ID], ["site", "list"], ["health"], ["job", "logs", ID]]
)
def test_an_answer_of_another_shape_never_crashes(server: FakeServer, words: list[str], body: Any) -> None:
    for path in ("/v1/jobs", JOB, "/v1/sites", "/health", f"{JOB}/logs"):
        server.script("GET", path, Answer(body=body))
    assert run(*words, "--server", server.url).returncode in (OK, CANNOT)


# -- lists -----------------------------------------------------------------------------------------------------------


def test_jobs_are_listed_as_an_aligned_table(server: FakeServer) -> None:
    jobs = [summary(), ended("failed", id="fedcba9876543210", reason="site-2 is missing")]
    server.script("GET", "/v1/jobs", Answer(body={"jobs": jobs}))
    result = run("job", "list", "--server", server.url)
    heading, first, second = result.stdout.splitlines()
    assert heading.split() == ["ID", "NAME", "STATE", "ROUNDS", "SITES", "AGE", "REASON"]
    assert first.split()[:5] == [ID, "digits", "running", "1/3", "2"]
    assert second.split()[:4] == ["fedcba9876543210", "digits", "failed", "3/3"]
    assert second.endswith("site-2 is missing")
    assert first.index("running") == heading.index("STATE") == second.index("failed")
    assert "\033" not in result.stdout


def test_json_is_what_the_server_said(server: FakeServer) -> None:
    body = {"jobs": [summary()]}
    server.script("GET", "/v1/jobs", Answer(body=body))
    assert json.loads(run("job", "list", "--json", "--server", server.url).stdout) == body


def test_an_empty_list_says_what_to_do(server: FakeServer) -> None:
    server.script("GET", "/v1/jobs", Answer(body={"jobs": []}))
    assert "anabranch job submit" in run("job", "list", "--server", server.url).stdout


def test_sites_and_aggregators_are_listed(server: FakeServer) -> None:
    nodes = [
        {"name": "a", "up": True, "alive": True, "last_seen_ms": 1_700_000_000_000, "activity": "idle", "version": "1"},
        {"name": "b", "up": True, "alive": False, "last_seen_ms": 0, "activity": "", "version": "1"},
        {"name": "c", "up": False, "alive": False, "last_seen_ms": 5, "activity": "idle", "version": "1"},
    ]
    server.script("GET", "/v1/sites", Answer(body={"sites": nodes}))
    server.script("GET", "/v1/aggregators", Answer(body={"aggregators": nodes}))
    for word in ("site", "aggregator"):
        result = run(word, "list", "--server", server.url)
        rows = [line.split() for line in result.stdout.splitlines()[1:]]
        assert [row[:2] for row in rows] == [["a", "alive"], ["b", "silent"], ["c", "down"]]
        assert json.loads(run(word, "list", "--json", "--server", server.url).stdout)[word + "s"] == nodes


def test_health_says_who_leads(server: FakeServer) -> None:
    body = {"status": "ok", "project": "dev", "node": "server", "version": "1", "leader": "server", "leading": True}
    server.script("GET", "/health", Answer(body=body | {"control_offset": 12}))
    assert "leads" in run("health", "--server", server.url).stdout
    server.script("GET", "/health", Answer(body=body | {"leading": False}))
    assert "follows server" in run("health", "--server", server.url).stdout


def test_text_from_elsewhere_cannot_command_a_terminal(server: FakeServer) -> None:
    evil = "a\033[2Jb\rc\u009bd\te"
    server.script("GET", "/v1/jobs", Answer(body={"jobs": [summary(name=evil)]}))
    server.script(
        "GET", f"{JOB}/logs", Answer(body={"lines": [{"n": 0, "site": evil, "round": 1, "text": evil}], "next": 1})
    )
    for words in (["job", "list"], ["job", "logs", ID]):
        assert "a?[2Jb?c?d e" in run(*words, "--server", server.url).stdout


# -- ids -------------------------------------------------------------------------------------------------------------


def test_the_beginning_of_an_id_is_enough(server: FakeServer) -> None:
    server.script("GET", "/v1/jobs", Answer(body={"jobs": [summary(), summary(id="0fff456789abcdef")]}))
    server.script("GET", JOB, Answer(body={"job": summary(rounds=[])}))
    assert run("job", "show", "01", "--server", server.url).returncode == OK


def test_a_beginning_that_means_several_jobs_or_none_is_refused(server: FakeServer) -> None:
    server.script("GET", "/v1/jobs", Answer(body={"jobs": [summary(), summary(id="0fff456789abcdef")]}))
    several = run("job", "show", "0", "--server", server.url)
    assert several.returncode == BAD_INPUT
    assert ID in several.stderr and "0fff456789abcdef" in several.stderr
    assert run("job", "show", "9", "--server", server.url).returncode == BAD_INPUT


# -- wait ------------------------------------------------------------------------------------------------------------


def test_wait_prints_a_line_for_each_closed_round(server: FakeServer) -> None:
    rounds = [round_of(0, 0.1), round_of(1, 0.5), round_of(2, 0.75), round_of(3, 0.875, task="evaluate")]
    server.script(
        "GET",
        JOB,
        Answer(body={"job": summary(rounds=[round_of(0, 0.1, phase="open")])}),
        Answer(body={"job": summary(revision=8, rounds=[rounds[1]])}),
        Answer(body={"job": summary(revision=8, rounds=rounds[:2])}),
        Answer(body={"job": ended(rounds=rounds[3:])}),
        Answer(body={"job": ended(rounds=rounds)}),
    )
    result = run("job", "wait", ID, "--server", server.url)
    assert result.returncode == OK
    lines = result.stdout.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith(
        "round 0 of 3 closed: 2 of 2 sites in, 2.5 MiB, 1.5s; the model it began with: accuracy=0.1"
    )
    assert lines[3] == "final evaluation: 2 of 2 sites in, 1.5s; accuracy=0.875"
    assert "revision=7" in server.requests[1].query
    assert "rounds=last" in server.requests[0].query


@pytest.mark.parametrize("outcome", ["failed", "aborted"])
def test_wait_ends_with_1_when_the_job_did_not_complete(server: FakeServer, outcome: str) -> None:
    server.script("GET", JOB, Answer(body={"job": ended(outcome, reason="site-2 is missing")}))
    result = run("job", "wait", ID, "--server", server.url)
    assert result.returncode == JOB_FAILED
    assert outcome in result.stderr and "site-2 is missing" in result.stderr


def test_wait_ends_with_3_when_the_time_is_over(server: FakeServer) -> None:
    server.script("GET", JOB, Answer(body={"job": summary(rounds=[])}))
    result = run("job", "wait", ID, "--timeout", "1", "--server", server.url)
    assert result.returncode == TIMED_OUT
    assert "still running after 1 s" in result.stderr


def test_wait_outlives_a_server_that_is_away(server: FakeServer) -> None:
    server.script(
        "GET",
        JOB,
        Answer(body={"job": summary(rounds=[])}),
        Answer(drop=True),
        refusal(503, "unavailable", "no leader"),
        refusal(502, "x", "y"),
        Answer(body={"job": ended(rounds=[])}),
    )
    assert run("job", "wait", ID, "--server", server.url).returncode == OK


def test_wait_for_a_server_that_stays_away_ends_when_the_time_is_over(server: FakeServer) -> None:
    server.script("GET", JOB, Answer(body={"job": summary(rounds=[])}), Answer(drop=True))
    assert run("job", "wait", ID, "--timeout", "1", "--server", server.url).returncode == TIMED_OUT


def test_wait_as_json_prints_the_last_answer_only(server: FakeServer) -> None:
    body = {"job": ended(rounds=[round_of(0, 0.5)])}
    server.script("GET", JOB, Answer(body=body))
    assert json.loads(run("job", "wait", ID, "--json", "--server", server.url).stdout) == body


# -- show ------------------------------------------------------------------------------------------------------------


def test_show_puts_metrics_beside_the_round_that_made_the_model(server: FakeServer) -> None:
    excluded = [{"site": "site-2", "reason": "no update before the deadline"}]
    rounds = [
        round_of(0, 0.1),
        round_of(1, 0.5, counted=["site-1"], excluded=excluded),
        round_of(2, 0.75),
        round_of(3, 0.875, task="evaluate"),
    ]
    job = ended(submitter="server", answers=[], rounds=rounds, model={"sha256": "ab" * 32, "bytes": 1000, "round": 2})
    server.script("GET", JOB, Answer(body={"job": job}))
    result = run("job", "show", ID, "--server", server.url)
    assert result.returncode == OK
    lines = result.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if "global model after the round" in line)
    assert lines[at + 1].split() == ["ROUND", "SITES", "IN", "ACCURACY", "BYTES", "SECONDS", "EXCLUDED"]
    rows = [line.split() for line in lines[at + 2 : at + 5]]
    assert [row[:3] for row in rows] == [["0", "2/2", "0.5"], ["1", "1/2", "0.75"], ["2", "2/2", "0.875"]]
    assert rows[0][3:] == ["2.5", "MiB", "1.50"]
    assert lines[at + 3].endswith("site-2: no update before the deadline")
    assert lines[at + 5] == "final evaluation: 2 of 2 sites in"
    assert json.loads(run("job", "show", ID, "--json", "--server", server.url).stdout) == {"job": job}


def test_show_of_a_running_job_leaves_unknown_metrics_open(server: FakeServer) -> None:
    rounds = [round_of(0, 0.1), round_of(1, 0.5), round_of(2, 0, phase="open", metrics={}, counted=[])]
    answers = [{"site": "site-9", "accepted": False, "reason": "no such trainer here"}]
    server.script("GET", JOB, Answer(body={"job": summary(answers=answers, rounds=rounds)}))
    lines = run("job", "show", ID, "--server", server.url).stdout.splitlines()
    assert [line.split()[:3] for line in lines[-3:]] == [["0", "2/2", "0.5"], ["1", "2/2", "-"], ["2", "2/2", "-"]]
    assert any("site-9: no such trainer here" in line for line in lines)


def test_show_of_an_ended_job_stops_the_clock_of_a_round_that_never_closed(server: FakeServer) -> None:
    job = ended("failed", reason="no quorum", answers=[], rounds=[round_of(0, 0, phase="open", metrics={}, counted=[])])
    server.script("GET", JOB, Answer(body={"job": job}))
    last = run("job", "show", ID, "--server", server.url).stdout.splitlines()[-1]
    assert last.split() == ["0", "2/2", "2.5", "MiB", "12.30+"]


# -- logs, abort, delete ---------------------------------------------------------------------------------------------


def log_lines(first: int, count: int, ended: bool) -> Answer:
    lines = [
        {"n": n, "time_ms": 1, "site": "site-1", "round": 0, "source": "out", "text": f"line {n}"}
        for n in range(first, first + count)
    ]
    return Answer(body={"lines": lines, "next": first + count, "ended": ended})


def test_logs_are_read_to_their_end(server: FakeServer) -> None:
    server.script("GET", f"{JOB}/logs", log_lines(0, 2, False), log_lines(2, 1, False), log_lines(3, 0, False))
    result = run("job", "logs", ID, "--server", server.url)
    assert result.stdout.splitlines() == [f"site-1  round 0  line {n}" for n in range(3)]
    assert [r.query.split("&")[0] for r in server.requests] == ["from=0", "from=2", "from=3"]


def test_logs_are_followed_until_the_job_has_ended(server: FakeServer) -> None:
    server.script(
        "GET",
        f"{JOB}/logs",
        log_lines(0, 1, False),
        log_lines(1, 0, False),
        Answer(drop=True),
        log_lines(1, 1, True),
        log_lines(2, 0, True),
    )
    result = run("job", "logs", ID, "--follow", "--json", "--server", server.url)
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == ["line 0", "line 1"]
    assert all("wait_s=20" in request.query for request in server.requests)


def test_abort_and_delete(server: FakeServer) -> None:
    server.script("POST", f"{JOB}/abort", Answer(drop=True), Answer(body={"job": ended("aborted")}))
    result = run("job", "abort", ID, "--server", server.url)
    assert (result.returncode, result.stdout) == (OK, f"job {ID} aborted\n")
    server.script("POST", f"{JOB}/abort", refusal(409, "exists", "it has completed"))
    assert run("job", "abort", ID, "--server", server.url).returncode == BAD_INPUT
    server.script("DELETE", JOB, Answer(204))
    assert run("job", "delete", ID, "--server", server.url).returncode == BAD_INPUT
    assert server.asked("DELETE", JOB) == []
    assert run("job", "delete", ID, "--yes", "--server", server.url).returncode == OK


def test_a_delete_whose_answer_was_lost_has_deleted(server: FakeServer) -> None:
    gone = refusal(404, "not-found", "no such job")
    server.script("DELETE", JOB, Answer(drop=True), gone)
    assert run("job", "delete", ID, "--yes", "--server", server.url).returncode == OK
    assert run("job", "delete", ID, "--yes", "--server", server.url).returncode == BAD_INPUT
