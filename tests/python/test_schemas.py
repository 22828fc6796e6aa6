"""The records' contract, judged by fastavro: an implementation that shares no code with ours.

``tests/vectors/records.json`` holds, for each record kind, a value and its bytes in Avro single-object encoding. Here
fastavro makes the same bytes from the value and reads the value back; ``tests/unit/wire/golden_test.c`` asks the
same of the C codec. Fixed and bytes fields stand there as hexadecimal digits.
"""

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import fastavro
import fastavro.schema
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = {s["name"]: s for s in (json.loads(p.read_text()) for p in sorted((ROOT / "schemas").glob("*.avsc")))}
VECTORS = json.loads((ROOT / "tests/vectors/records.json").read_text())


def named_types(schema: Any) -> dict[str, Any]:
    """The named types that are defined anywhere in a schema."""
    if isinstance(schema, list):
        return {k: v for part in schema for k, v in named_types(part).items()}
    if not isinstance(schema, dict):
        return {}
    found = {schema["name"]: schema} if "name" in schema and "type" in schema and "namespace" not in schema else {}
    for part in schema.values():
        found |= named_types(part)
    return found


def plain(value: Any, schema: Any, types: dict[str, Any]) -> Any:
    """The value with its hexadecimal texts turned into bytes, as the schema says."""
    if isinstance(schema, str):
        schema = types.get(schema, {"type": schema})
    if isinstance(schema["type"], dict):
        return plain(value, schema["type"], types)
    if schema["type"] == "record":
        return {f["name"]: plain(value[f["name"]], f["type"], types) for f in schema["fields"]}
    if schema["type"] == "array":
        return [plain(item, schema["items"], types) for item in value]
    return bytes.fromhex(value) if schema["type"] in ("fixed", "bytes") else value


def fingerprint(name: str) -> bytes:
    """CRC-64-AVRO of the schema, low byte first, as fastavro computes it."""
    canonical = fastavro.schema.to_parsing_canonical_form(SCHEMAS[name])
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


def header(name: str) -> bytes:
    return b"\xc3\x01" + fingerprint(name)


def test_every_record_kind_has_a_vector() -> None:
    assert sorted(VECTORS) == sorted(SCHEMAS)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_fastavro_writes_the_same_bytes(name: str) -> None:
    out = io.BytesIO()
    schema = SCHEMAS[name]
    value = plain(VECTORS[name]["value"], schema, named_types(schema))
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value, strict=True)
    assert (header(name) + out.getvalue()).hex() == VECTORS[name]["hex"]


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_fastavro_reads_the_value_back(name: str) -> None:
    schema = SCHEMAS[name]
    encoded = bytes.fromhex(VECTORS[name]["hex"])
    assert encoded[:10] == header(name)
    datum = io.BytesIO(encoded[10:])
    value = fastavro.schemaless_reader(datum, fastavro.parse_schema(schema), None)
    assert datum.read() == b""
    assert value == plain(VECTORS[name]["value"], schema, named_types(schema))


def test_generated_fingerprints_are_those_of_fastavro(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "common/wire/generate.py", ROOT / "schemas", tmp_path], check=True)
    generated = (tmp_path / "wire/records.c").read_text()
    found = dict(re.findall(r'\{"(\w+)", 0x([0-9a-f]{16})u, ', generated))
    assert found == {name: fingerprint(name)[::-1].hex() for name in SCHEMAS}
