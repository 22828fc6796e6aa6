"""The rounds of a job as a table, from the JSON of `anabranch job show ID --json` on stdin.

Row r is round r and the global model it made: its loss and accuracy are what the sites measured when they received it,
which is in the next round.
"""

from __future__ import annotations

import json
import sys
from typing import Any

Entry = dict[str, Any]

COLUMNS = ("round", "sites in", "loss", "accuracy", "MB in", "seconds")
TITLE = "The global model after each round, as all sites found it:"


def row(entry: Entry, following: Entry | None) -> tuple[str, ...]:
    metrics = following["metrics"] if following else {}
    numbers = [f"{metrics[name]:.4f}" if name in metrics else "-" for name in ("loss", "accuracy")]
    seconds = (entry["closed_ms"] - entry["opened_ms"]) / 1000
    return (
        str(entry["round"]),
        ", ".join(entry["counted"]),
        *numbers,
        f"{entry['bytes'] / 1e6:.3f}",
        f"{seconds:.2f}",
    )


def rows(entries: list[Entry]) -> list[tuple[str, ...]]:
    following = [*entries[1:], None]
    return [row(entry, after) for entry, after in zip(entries, following, strict=True) if entry["task"] == "train"]


def main() -> None:
    shown = json.load(sys.stdin)
    table = [COLUMNS, *rows(shown.get("job", shown)["rounds"])]
    widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
    print(TITLE)
    for line in table:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


if __name__ == "__main__":
    main()
