#!/usr/bin/env python3
"""Write fedavg.json: weighted means of small tensors in every dtype, computed by numpy and by exact fractions.

It shares nothing with the C kernels: half floats are rounded by numpy, brain floats by comparing exact fractions with
every value the format has. Elements are hexadecimal, little-endian. Run it with numpy installed:

    python3 tests/vectors/fedavg.py > tests/vectors/fedavg.json
"""

from __future__ import annotations

import bisect
import json
import sys
from fractions import Fraction

import numpy as np

WEIGHTS = [3.0, 1.0, 5.5]
N_RANDOM = 24
INTEGERS = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}
FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}


def bf16_value(pattern: int) -> float:
    return float(np.uint32(pattern << 16).view(np.float32))


BF16_FINITE = [Fraction(bf16_value(pattern)) for pattern in range(0x7F80)]
BF16_OVERFLOW = BF16_FINITE[-1] + (BF16_FINITE[-1] - BF16_FINITE[-2]) / 2


def bf16_nearest(value: float) -> int:
    """The pattern nearest to `value`, the even one in the middle of two."""
    if np.isnan(value):
        return 0x7FC0
    sign = 0x8000 if np.signbit(value) else 0
    if np.isinf(value) or Fraction(abs(value)) >= BF16_OVERFLOW:
        return sign | 0x7F80
    exact = Fraction(abs(value))
    upper = min(bisect.bisect_left(BF16_FINITE, exact), len(BF16_FINITE) - 1)
    lower = max(upper - 1, 0)
    to_upper, to_lower = abs(BF16_FINITE[upper] - exact), abs(exact - BF16_FINITE[lower])
    if to_upper == to_lower:
        return sign | (upper if upper % 2 == 0 else lower)
    return sign | (upper if to_upper < to_lower else lower)


def as_double(dtype: str, raw: bytes) -> np.ndarray:
    if dtype == "BF16":
        return np.array([bf16_value(int(pattern)) for pattern in np.frombuffer(raw, "<u2")])
    if dtype == "BOOL":
        return np.array(np.frombuffer(raw, "u1") != 0, np.float64)
    return np.array(np.frombuffer(raw, {**INTEGERS, **FLOATS}[dtype]), np.float64)


def from_double(dtype: str, mean: np.ndarray) -> bytes:
    if dtype == "BF16":
        return np.array([bf16_nearest(float(value)) for value in mean], "<u2").tobytes()
    if dtype == "BOOL":
        return (mean > 0.5).astype("u1").tobytes()
    if dtype in INTEGERS:
        limits = np.iinfo(INTEGERS[dtype])
        whole = [int(value) for value in np.rint(mean)]
        return np.array([min(max(value, limits.min), limits.max) for value in whole], INTEGERS[dtype]).tobytes()
    return np.where(np.isnan(mean), np.nan, mean).astype(FLOATS[dtype]).tobytes()


def edges(dtype: str) -> list[bytes]:
    """For each site the same number of chosen elements: ties, the ends of the range, what is not a number."""
    if dtype in INTEGERS:
        limits = np.iinfo(INTEGERS[dtype])
        rows = [
            [limits.min, limits.max, 0, 1, 19],
            [limits.min, limits.max, 19, 2, 0],
            [limits.min, limits.max, 0, 3, 0],
        ]
        return [np.array(row, INTEGERS[dtype]).tobytes() for row in rows]
    if dtype == "BOOL":
        return [bytes(row) for row in ([1, 1, 0, 255, 0], [1, 0, 1, 0, 2], [1, 0, 0, 0, 1])]
    if dtype == "BF16":
        rows = [
            [0x7F7F, 0x0001, 0x8000, 0x7F80, 0x3F80],
            [0x7F7F, 0x0003, 0x8000, 0xFF80, 0x3F81],
            [0x7F7F, 0, 0x8000, 0, 0x7FC1],
        ]
        return [np.array(row, "<u2").tobytes() for row in rows]
    reach = np.finfo(FLOATS[dtype])
    tiny = float(reach.smallest_subnormal)
    largest = float(reach.max) / (16 if dtype == "F64" else 1)
    floats: list[list[float]] = [
        [largest, tiny, -0.0, np.inf, 1],
        [largest, 3 * tiny, -0.0, -np.inf, 2],
        [largest, 0, -0.0, 0, np.nan],
    ]
    return [np.array(row, FLOATS[dtype]).tobytes() for row in floats]


def random_elements(dtype: str, rng: np.random.Generator) -> bytes:
    if dtype in INTEGERS:
        limits = np.iinfo(INTEGERS[dtype])
        return rng.integers(limits.min, limits.max, N_RANDOM, INTEGERS[dtype], endpoint=True).tobytes()
    if dtype == "BOOL":
        return rng.integers(0, 2, N_RANDOM, "u1").tobytes()
    values = rng.normal(0, 1, N_RANDOM) * 10.0 ** rng.integers(-4, 4, N_RANDOM)
    if dtype == "BF16":
        return np.array([bf16_nearest(float(value)) for value in values], "<u2").tobytes()
    return values.astype(FLOATS[dtype]).tobytes()


def case(dtype: str, rng: np.random.Generator) -> dict[str, object]:
    inputs = [edge + random_elements(dtype, rng) for edge in edges(dtype)]
    sums = np.zeros(len(as_double(dtype, inputs[0])))
    for weight, raw in zip(WEIGHTS, inputs, strict=True):
        sums = sums + weight * as_double(dtype, raw)
    output = from_double(dtype, sums / sum(WEIGHTS))
    return {
        "dtype": dtype,
        "elements": len(sums),
        "inputs": [raw.hex() for raw in inputs],
        "output": output.hex(),
        "nonfinite": int(np.count_nonzero(~np.isfinite(sums))),
    }


def main() -> None:
    rng = np.random.default_rng(20261124)
    dtypes = [*FLOATS, "BF16", *INTEGERS, "BOOL"]
    with np.errstate(all="ignore"):
        vectors = {"weights": WEIGHTS, "cases": [case(dtype, rng) for dtype in dtypes]}
    json.dump(vectors, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
