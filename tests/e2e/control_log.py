"""The control log as any Avro reader sees it, and a hand to write into topics what no honest node would.

Nothing of Anabranch is used to read it: fastavro and the files of schemas/.
"""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Consumer, Producer, TopicPartition
from fastavro.schema import fingerprint, to_parsing_canonical_form

from federation import PATIENCE_S, ROOT, wait_until

Record = dict[str, Any]

SCHEMAS: dict[bytes, Any] = {}
NAMES: dict[bytes, str] = {}
for path in sorted((ROOT / "schemas").glob("*.avsc")):
    schema = fastavro.parse_schema(json.loads(path.read_text()))
    mark = bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))
    SCHEMAS[mark], NAMES[mark] = schema, path.stem


def decode(value: bytes) -> Record:
    """A record of single-object encoding, its kind under "kind"."""
    assert value[:2] == b"\xc3\x01", f"not an Avro single object: {value[:10].hex()}"
    mark = value[2:10]
    found = fastavro.schemaless_reader(io.BytesIO(value[10:]), SCHEMAS[mark], None)
    assert isinstance(found, dict)
    return {"kind": NAMES[mark], **found}


class ControlLog:
    """Reads P.control from its beginning, record by record."""

    def __init__(self, bootstrap_servers: str, project: str) -> None:
        self.project = project
        self.position = 0
        self.consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "e2e",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 10,
            }
        )
        self.consumer.assign([TopicPartition(f"{project}.control", 0, 0)])

    def close(self) -> None:
        self.consumer.close()

    def end(self) -> int:
        return self.bounds(f"{self.project}.control", 0)[1]

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset there, and the offset of the next record."""
        low, high = self.consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        return low, high

    def _next(self, timeout_s: float) -> tuple[int, Record] | None:
        message = self.consumer.poll(timeout_s)
        if message is None:
            return None
        value, offset = message.value(), message.offset()
        assert not message.error() and value is not None and offset is not None, message.error()
        self.position = offset + 1
        return offset, decode(value)

    def records(self) -> Iterator[tuple[int, Record]]:
        """What has come since the last call, with offsets."""
        end = self.end()
        while self.position < end:
            found = self._next(1.0)
            if found:
                yield found

    def wait(self, what: str, kind: str, **fields: Any) -> tuple[int, Record]:
        """The next record of this kind with these fields; those before it are passed over."""

        def is_wanted(record: Record) -> bool:
            seen = {**record, "node": record.get("head", {}).get("node")}
            return record["kind"] == kind and all(seen.get(name) == value for name, value in fields.items())

        def ask() -> tuple[int, Record] | None:
            found = self._next(0.05)
            return found if found and is_wanted(found[1]) else None

        return wait_until(what, ask, PATIENCE_S)


SIGNATURE_BYTES = 64


def sign(value: bytes, key: Path) -> bytes:
    """The record with a signature behind it, made by OpenSSL's own program with a private key of a kit."""
    command = ["openssl", "dgst", "-sha256", "-sign", str(key)]
    der = subprocess.run(command, input=b"anabranch record\0" + value, capture_output=True, check=True).stdout
    numbers, rest = [], der[2:]
    for _ in range(2):  # SEQUENCE of two INTEGERs
        size = rest[1]
        numbers.append(rest[2 : 2 + size].lstrip(b"\0").rjust(SIGNATURE_BYTES // 2, b"\0"))
        rest = rest[2 + size :]
    return value + b"".join(numbers)


def put(bootstrap_servers: str, topic: str, value: bytes, partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    producer.produce(topic, value=value, partition=partition)
    assert producer.flush(20) == 0


def encode(kind: str, record: Record) -> bytes:
    mark = next(mark for mark, name in NAMES.items() if name == kind)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMAS[mark], record)
    return b"\xc3\x01" + mark + out.getvalue()
