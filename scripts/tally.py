"""Add up what the test runners left in a folder, and end with one line: "N passed, N failed, N skipped".

*.xml are JUnit files. In those of ctest a test case is a program of many tests: the lines "suite: 12 passed, 0 failed"
of its output count, and a program that failed without naming a failed test counts as one failed. *.list are lines of
"passed|failed|skipped NAME". Exit status 0 only when something ran and nothing failed.
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

SUITE_LINE = re.compile(r"^[\w.-]+: (\d+) passed, (\d+) failed$", re.MULTILINE)

Counts = dict[str, int]


def counts_of_program(case: ElementTree.Element) -> Counts:
    output = case.findtext("system-out") or ""
    lines = [(int(passed), int(failed)) for passed, failed in SUITE_LINE.findall(output)]
    counts = {"passed": sum(p for p, _ in lines), "failed": sum(f for _, f in lines), "skipped": 0}
    if case.get("status") in ("notrun", "disabled"):
        counts["skipped"] += 1
    elif case.get("status") == "fail" or case.find("failure") is not None:
        counts["failed"] = max(counts["failed"], 1)
    elif not lines:
        counts["passed"] = 1
    return counts


def counts_of_case(case: ElementTree.Element) -> Counts:
    is_failed = case.find("failure") is not None or case.find("error") is not None
    is_skipped = not is_failed and case.find("skipped") is not None
    return {"passed": not is_failed and not is_skipped, "failed": is_failed, "skipped": is_skipped}


def results(folder: Path) -> Iterator[tuple[str, str, Counts]]:
    """Runner, name of the case, counts."""
    for path in sorted(folder.glob("*.xml")):
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            is_program = case.get("status") is not None  # pytest's cases have none
            name = f"{case.get('classname', '')}.{case.get('name')}"
            yield path.stem, name, counts_of_program(case) if is_program else counts_of_case(case)
    for path in sorted(folder.glob("*.list")):
        for line in path.read_text().splitlines():
            outcome, _, name = line.partition(" ")
            yield path.stem, name, {word: word == outcome for word in ("passed", "failed", "skipped")}


def main(folder: Path) -> int:
    total: Counts = {"passed": 0, "failed": 0, "skipped": 0}
    by_runner: dict[str, Counts] = {}
    failures = []
    for runner, name, counts in results(folder):
        runner_counts = by_runner.setdefault(runner, dict.fromkeys(total, 0))
        for word, count in counts.items():
            total[word] += count
            runner_counts[word] += count
        if counts["failed"]:
            failures.append(f"{runner}: {name}")
    print()
    for runner, counts in by_runner.items():
        print(f"{runner:<20} {counts['passed']:5} passed {counts['failed']:5} failed {counts['skipped']:5} skipped")
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 0 if total["passed"] and not total["failed"] else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
