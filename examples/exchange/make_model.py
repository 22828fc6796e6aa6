"""Make a model of about M MiB: make_model.py MIB OUTPUT.safetensors [TENSORS]. Needs nothing but Python.

Element i of each F32 tensor is i modulo 251: small integers, so that sums are exact and any altered or misplaced byte
shows.
"""

from __future__ import annotations

import array
import json
import struct
import sys
from pathlib import Path

BLOCK = 251 * 1024  # elements written at a time


def make_model(mib: float, path: str, n_tensors: int) -> None:
    """Write the model; a fraction of a MiB makes a small one."""
    elements = max(1, int(mib * (1 << 20)) // 4 // n_tensors)
    head = {}
    for t in range(n_tensors):
        begin = t * elements * 4
        head[f"layer{t}.weight"] = {"dtype": "F32", "shape": [elements], "data_offsets": [begin, begin + elements * 4]}
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    block = array.array("f", [i % 251 for i in range(BLOCK)]).tobytes()
    with Path(path).open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _ in range(n_tensors):
            for at in range(0, elements, BLOCK):
                file.write(block[: 4 * min(BLOCK, elements - at)])


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    make_model(float(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) == 4 else 4)
