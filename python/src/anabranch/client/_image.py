"""Models as safetensors images in memory: arrays over a received one, and one copy into a new one.

An image is a sealed memfd. Arrays of a received image are read-only views of it; the memory lives until the last view
is gone.
bfloat16 has no numpy type of its own: with the package ``ml_dtypes`` such tensors are ``ml_dtypes.bfloat16`` arrays,
without it they are ``uint16`` arrays with the same bits. An array of ``uint16`` is therefore sent as BF16.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

try:
    import ml_dtypes

    _BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
except ImportError:
    _BFLOAT16 = np.dtype(np.uint16)

__all__ = ["SEALS", "array_of", "read_image", "write_image"]

SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_HEAD_ALIGNMENT = 64
_WRITE_BYTES = 1 << 30

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": _BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_WORDS: dict[np.dtype[Any], str] = {dtype: word for word, dtype in _DTYPES.items()}
_WORDS[np.dtype(np.uint16)] = "BF16"


def read_image(fd: int) -> dict[str, np.ndarray[Any, Any]]:
    """Read-only arrays over the image at ``fd``, in the order of their bytes; ``fd`` may be closed afterwards.

    Raises:
        ValueError: The bytes are not a safetensors file.
        OSError: The memory cannot be mapped.

    """
    size = os.fstat(fd).st_size
    if size < 8:
        raise ValueError(f"the model has {size} bytes, a safetensors file has at least 8")
    memory = mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    head_bytes = int.from_bytes(memory[:8], "little")
    data_at = 8 + head_bytes
    if data_at > size:
        raise ValueError(f"the model's header says {head_bytes} bytes, the file has {size}")
    entries = json.loads(memory[8:data_at])
    entries.pop("__metadata__", None)
    arrays = {}
    for name, entry in sorted(entries.items(), key=lambda item: tuple(item[1]["data_offsets"])):
        dtype = _DTYPES.get(entry["dtype"])
        if dtype is None:
            raise ValueError(f"tensor {name!r} has the unknown data type {entry['dtype']!r}")
        begin, end = entry["data_offsets"]
        count = (end - begin) // dtype.itemsize
        if begin == end:
            array = np.empty(0, dtype)
            array.flags.writeable = False
        else:
            array = np.frombuffer(memory, dtype, count, data_at + begin)
        arrays[name] = array.reshape(entry["shape"])
    return arrays


def array_of(name: str, value: Any) -> np.ndarray[Any, Any]:
    """``value`` as a little-endian array whose elements lie one behind the other; no copy when it is one already.

    Raises:
        TypeError: It is not an array, or its numbers have a type that models cannot have.

    """
    if not isinstance(value, (np.ndarray, np.generic)) and not hasattr(value, "__array__"):
        raise TypeError(f"params[{name!r}] is of type {type(value).__name__}; a tensor must be a numpy array")
    array = np.asarray(value)
    dtype = array.dtype.newbyteorder("<") if array.dtype.kind in "fiu" else array.dtype
    if dtype not in _WORDS:
        kinds = "float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, bool"
        raise TypeError(f"params[{name!r}] has the data type {array.dtype}; a tensor has one of {kinds}")
    # ascontiguousarray would make a 0-d array 1-d
    return np.asarray(array, dtype=dtype, order="C")


def _in_order(arrays: Mapping[str, np.ndarray[Any, Any]], order: Iterable[str] | None) -> list[str]:
    """Names in the order of the received model, if there are the same; else wide types first, then by name."""
    names = list(order or ())
    if set(names) == set(arrays):
        return names
    return sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))


def _head(arrays: Mapping[str, np.ndarray[Any, Any]], names: Iterable[str]) -> bytes:
    entries: dict[str, Any] = {}
    at = 0
    for name in names:
        array = arrays[name]
        entries[name] = {
            "dtype": _WORDS[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _HEAD_ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        written = os.write(fd, data[:_WRITE_BYTES])
        data = data[written:]


def write_image(params: Mapping[str, Any], order: Iterable[str] | None = None) -> int:
    """A new sealed memfd with the image of ``params``; the caller closes it. Each array is copied once.

    Args:
        params: Name and array of each tensor.
        order: Names of the model that is answered: if ``params`` has the same, they keep their places.

    Raises:
        TypeError: A name is not a text, or a value not an array that a model can have.
        MemoryError, OSError: There is no room.

    """
    for name in params:
        if not isinstance(name, str):
            raise TypeError(f"names of tensors are texts, got {name!r} of type {type(name).__name__}")
        if not name or name == "__metadata__" or "\0" in name:
            raise TypeError(f"{name!r} cannot be the name of a tensor")
    arrays = {name: array_of(name, value) for name, value in params.items()}
    names = _in_order(arrays, order)
    fd = os.memfd_create("anabranch-update", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        _write_all(fd, memoryview(_head(arrays, names)))
        for name in names:
            if arrays[name].nbytes:
                _write_all(fd, arrays[name].reshape(-1).view(np.uint8).data)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd
