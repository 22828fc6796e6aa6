"""A whole federation of real programs on a real broker, for one test.

`Federation` starts the programs of build/release/bin (ANABRANCH_BIN names another folder) under a project name of its
own, ends or kills single ones, and starts them again. Nothing here sleeps blindly: `wait_until` asks until a state is
seen, and says which state never came.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("ANABRANCH_BIN", ROOT / "build/release/bin"))
PATIENCE_S = 90.0
USERS = {"ann": "admin", "leo": "lead", "mia": "member", "max": "member"}

Json = dict[str, Any]
T = TypeVar("T")


def wait_until(what: str, ask: Callable[[], T | None], patience_s: float = PATIENCE_S) -> T:
    """Ask every few milliseconds until the answer is neither None nor False, and return it."""
    end = time.monotonic() + patience_s
    while True:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"never seen within {patience_s:.0f} s: {what}")
        time.sleep(0.005)


class Program:
    """One running program: its process, its log file, what it wrote when it was ready."""

    def __init__(self, folder: Path, name: str, command: list[str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.ready_file = folder / f"{name}.ready"
        self.command = [*command, "--ready-file", str(self.ready_file)]
        self.ready: Json = {}
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        self.ready_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def wait_ready(self) -> None:
        self.ready = wait_until(f"{self.name} is ready", self._read_ready)

    def start(self) -> Program:
        self.launch()
        self.wait_ready()
        return self

    def _read_ready(self) -> Json | None:
        assert self.process is not None
        status = self.process.poll()
        assert status is None, f"{self.name} ended with {status} before it was ready: {self.tail(5)}"
        try:
            ready: Json = json.loads(self.ready_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return ready

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def peak_mib(self) -> float:
        """Of what the process has mapped: the models that agent and trainer share lie in memory files it never maps."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """As a power cut would: kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def end(self) -> int:
        """In good order; the exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.process.terminate()
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def tail(self, n_lines: int = 40) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-n_lines:])


# A policy that lets all code of all users of the project in.
OPEN = "submitters: {roles: [admin, lead, member]}\njobs: {smallest_cohort: 1}\ncode: {allow: any}\n"


class Federation:
    """A server, aggregators and sites under one project name."""

    def __init__(
        self,
        folder: Path,
        bootstrap_servers: str,
        *,
        sites: int = 3,
        aggregators: int = 1,
        servers: int = 1,
        server: list[str] | None = None,
        gates: Path | None = None,
    ) -> None:
        self.folder = folder
        self.bootstrap_servers = bootstrap_servers
        self.project = f"e2e-{uuid.uuid4().hex[:8]}"
        self.gates = gates or folder / "gates"  # of the trainers, who can write there beside their own folders
        self.gates.mkdir(parents=True, exist_ok=True)
        self.programs: dict[str, Program] = {}
        aggregator_names = [f"aggregator-{number}" for number in range(1, aggregators + 1)]
        site_names = [f"site-{number}" for number in range(1, sites + 1)]
        self.templates: dict[str, str] = {}  # of the sites' policies, as their kits had them
        server_names = ["server", *(f"server-{number}" for number in range(2, servers + 1))]
        self.kits = self._provision(server_names, aggregator_names, site_names)
        for name in server_names:
            data = ["--data-folder", str(folder / name)]
            self._add(name, "anabranch-server", [*data, "--listen", "127.0.0.1:0", *(server or [])])
        for name in aggregator_names:
            self._add(name, "anabranch-aggregator", [])
        for name in site_names:
            words = ["--data-folder", str(folder / name), "--trainer-write", str(self.gates)]
            words += ["--trainer-hide", str(folder / "project")]  # of all nodes, which here share a machine
            self._add(name, "anabranch-client", words)
            self.templates[name] = (self.kits / name / "policy.yaml").read_text()
            self.write_policy(name, OPEN)

    def _provision(self, servers: list[str], aggregators: list[str], sites: list[str]) -> Path:
        """A project with these nodes and three users; the folder of the kits. Its broker is without TLS."""
        roles = {
            **dict.fromkeys(servers, "server"),
            **dict.fromkeys(aggregators, "aggregator"),
            **dict.fromkeys(sites, "site"),
        }
        lines = [f"project: {self.project}", f"brokers: {json.dumps(self.bootstrap_servers.split(','))}"]
        lines += ["broker_protocol: plaintext", "nodes:"]
        lines += [f"  - {{name: {name}, roles: [{role}]}}" for name, role in roles.items()]
        lines += ["users:", *(f"  - {{name: {name}, role: {role}}}" for name, role in USERS.items())]
        file = self.folder / "project.yaml"
        file.write_text("\n".join(lines) + "\n")
        command = [str(BIN / "anabranch"), "provision", "create", str(file), "--folder", str(self.folder / "project")]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return self.folder / "project" / "kits"

    def write_policy(self, site: str, text: str) -> None:
        """The site's policy from its next decision on."""
        (self.kits / site / "policy.yaml").write_text(text)

    def tls(self, user: str | None = "ann") -> ssl.SSLContext:
        """What a client of this federation's server needs; with the certificate of a user."""
        context = ssl.create_default_context(cafile=str(self.kits / "server" / "root.pem"))
        if user:
            context.load_cert_chain(self.kits / user / "certificate.pem", self.kits / user / "identity-key.pem")
        return context

    def _log_in(self) -> None:
        self.url = f"https://{self['server'].ready['listen']}"
        self.trust = self.tls()
        self._anabranch("login", self.url, "--kit", str(self.kits / "ann"))

    def _add(self, name: str, program: str, words: list[str]) -> None:
        common = ["--config", str(self.kits / name / "node.yaml")]
        self.programs[name] = Program(self.folder, name, [str(BIN / program), *common, *words])

    def start(self) -> Federation:
        self["server"].start()  # the others wait for the topics that it makes
        for program in self.programs.values():
            if not program.is_running():
                program.launch()
        for program in self.programs.values():
            program.wait_ready()
        self._log_in()
        return self

    def restart(self, name: str) -> None:
        """Start a program that was killed; a server gets another port."""
        self[name].start()
        if name == "server":
            self._log_in()

    def __getitem__(self, name: str) -> Program:
        return self.programs[name]

    def __enter__(self) -> Federation:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        for program in reversed(self.programs.values()):
            if program.is_running():
                program.signal(signal.SIGCONT)
                program.signal(signal.SIGTERM)
        for program in self.programs.values():
            program.end()

    # -- the command line and REST

    def cli(self, *words: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `anabranch` with these words; with `ok` it must succeed."""
        return self._anabranch(*words, "--server", self.url, ok=ok)

    def _anabranch(self, *words: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(BIN / "anabranch"), *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 2,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "XDG_CONFIG_HOME": str(self.folder / "config")},
        )
        if ok:
            assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def get(self, path: str) -> Json:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30, context=self.trust) as answer:
            document: Json = json.load(answer)
        return document

    def job(self, job: str) -> Json:
        found: Json = self.get(f"/v1/jobs/{job}")["job"]
        return found

    def submit(self, folder: Path, *words: str) -> str:
        """Submit a job folder; the job id."""
        out = json.loads(self.cli("job", "submit", str(folder), "--json", *words).stdout)
        return str(out.get("job", out)["id"])

    def wait_for(self, what: str, job: str, holds: Callable[[Json], Any], patience_s: float = PATIENCE_S) -> Json:
        """The job once `holds` says yes to it; fails early when the job ends otherwise."""

        def ask() -> Json | None:
            try:
                seen = self.job(job)
            except (urllib.error.URLError, ConnectionError):
                return None  # the server is being restarted
            if holds(seen):
                return seen
            assert seen["phase"] != "ended", f"the job ended as {seen['outcome']} ({seen['reason']}) before: {what}"
            return None

        return wait_until(what, ask, patience_s)

    def wait_ended(self, job: str, patience_s: float = PATIENCE_S) -> Json:
        return self.wait_for("the job has ended", job, lambda seen: seen["phase"] == "ended", patience_s)

    def wait_completed(self, job: str, patience_s: float = PATIENCE_S) -> Json:
        seen = self.wait_ended(job, patience_s)
        assert seen["outcome"] == "completed", f"{seen['outcome']}: {seen['reason']}"
        return seen

    # -- gates: how tests hold the trainers of tests/e2e/job (see train.py there)

    def hold(self, site: str, number: int) -> None:
        (self.gates / f"hold-{site}-{number}").touch()

    def release(self, site: str, number: int) -> None:
        (self.gates / f"hold-{site}-{number}").unlink()

    def trainer_at(self, site: str, number: int) -> int:
        """Wait until the site's trainer stands at its gate of this round; its process id."""
        at = self.gates / f"at-{site}-{number}"

        def ask() -> int | None:
            text = at.read_text() if at.exists() else ""
            return int(text) if text.endswith("\n") else None

        return wait_until(f"the trainer of {site} is at round {number}", ask)

    def tell(self, site: str, number: int, what: str) -> None:
        """What that site's trainer does in that round instead of its work: "exit", "nan", "zero", "layout"."""
        (self.gates / f"tell-{site}-{number}").write_text(what)

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{program.tail()}" for name, program in self.programs.items())
