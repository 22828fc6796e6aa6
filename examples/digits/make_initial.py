"""Write initial.safetensors, the model that the job starts from. It lies here already; run this to make it again."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import network


def main() -> None:
    """Write the file beside this script."""
    model, head, at = network.initial(), {}, 0
    for name, array in model.items():
        head[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    data = b"".join(array.tobytes() for array in model.values())
    Path(__file__).with_name("initial.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    main()
