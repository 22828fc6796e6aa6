"""Rules of the repository that no compiler checks. Prints each breach as path:line: sentence; exit status 1 for any.

- Files stay small: 600 lines, headers 200, functions 60.
- A header opens with a comment: what it is for, who owns what, which thread.
- The headers of an external library are included in one place only (tests and benchmarks apart).
- Dependencies go one way: common/ knows no service, a service no other service, and the folders of common/ only those
  that stand before them.
- No notes about work that was left undone.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_LINES = {".c": 600, ".py": 600, ".sh": 600, ".h": 200}
MAX_FUNCTION_LINES = 60

# Library (beginning of the included name) -> folders that may include it.
LIBRARIES = {
    "jansson.h": {"common/base"},
    "yaml.h": {"common/base"},
    "openssl/": {"common/crypto"},
    "avro": {"common/wire"},
    "librdkafka/": {"common/bus", "services/broker"},
    "archive": {"common/bundle"},
    "uv.h": {"services/client"},
    "microhttpd.h": {"services/server"},
    "gnutls/": {"services/server"},
    "curl/": {"services/cli"},
    "CUnit/": {"tests/support"},
}

# Folder of common/ -> folders of common/ that it may include.
COMMON = {
    "base": set[str](),
    "crypto": {"base"},
    "trust": {"base", "crypto"},
    "audit": {"base", "crypto"},
    "wire": {"base", "crypto"},
    "bus": {"base"},
    "tensor": {"base", "crypto"},
    "privacy": {"base", "crypto", "tensor"},
    "bundle": {"base", "crypto"},
    "job": {"base", "wire", "crypto"},
    "policy": {"base", "crypto", "tensor", "trust", "job", "bundle", "privacy"},
    "stream": {"base", "wire", "bus", "tensor", "crypto"},
    "fold": {"base", "wire", "bus", "tensor", "crypto", "stream"},
    "node": {"audit", "base", "wire", "bus", "tensor", "crypto", "stream", "job", "trust"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')
UNDONE = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")

Breach = tuple[int, str]


def folder_of(path: Path) -> str:
    return "/".join(path.parts[:2])


def check_size(path: Path, lines: list[str]) -> Iterator[Breach]:
    most = MAX_LINES.get(path.suffix)
    if most and len(lines) > most:
        yield most, f"{len(lines)} lines, at most {most} are wanted: split it by what its parts do"


def check_functions(path: Path, lines: list[str]) -> Iterator[Breach]:
    if path.suffix != ".c":
        return
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{" and "(" in (lines[number - 2] if number > 1 else ""):
            start = number
        elif line == "}" and start is not None:
            if number - start - 1 > MAX_FUNCTION_LINES:
                yield start, f"a function of {number - start - 1} lines, at most {MAX_FUNCTION_LINES} are wanted"
            start = None


def check_opening(path: Path, lines: list[str]) -> Iterator[Breach]:
    if path.suffix == ".h" and not (lines and lines[0].startswith("/*")):
        yield 1, "a header opens with a comment: what it is for, who owns what, which thread"


def check_undone(path: Path, lines: list[str]) -> Iterator[Breach]:
    if path.suffix not in {".c", ".h", ".py", ".sh", ".cmake"}:
        return
    for number, line in enumerate(lines, 1):
        if UNDONE.search(line):
            yield number, "work that was left undone belongs in an issue"


def check_includes(path: Path, lines: list[str]) -> Iterator[Breach]:
    if path.suffix not in {".c", ".h"} or path.parts[0] not in {"common", "services"}:
        return
    here = folder_of(path)
    for number, line in enumerate(lines, 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        included = found.group(1)
        for library, allowed in LIBRARIES.items():
            if included.startswith(library) and here not in allowed:
                yield number, f"<{included}> is included only in {', '.join(sorted(allowed))}"
        if path.parts[0] != "common":
            continue
        other = included.split("/")[0]
        if "/" in included and other in COMMON and other not in {path.parts[1], *COMMON.get(path.parts[1], set())}:
            yield number, f"common/{path.parts[1]} must not depend on common/{other}"


CHECKS = (check_size, check_functions, check_opening, check_undone, check_includes)


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    n_breaches = 0
    for name in filter(None, listed.split("\0")):
        path = Path(name)
        if path.suffix not in {*MAX_LINES, ".cmake"} or not path.is_file():
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for check in CHECKS:
            for number, sentence in check(path, lines):
                print(f"{path}:{number}: {sentence}")
                n_breaches += 1
    return 1 if n_breaches else 0


if __name__ == "__main__":
    sys.exit(main())
