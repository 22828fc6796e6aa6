#!/usr/bin/env python3
"""The envelope of a stream, made by a second implementation: what docs/protocol.md says, in Python.

    build/venv/bin/python tests/vectors/envelope.py > tests/vectors/envelope.json

``tests/unit/stream/envelope_vector_test.c`` asks the same bytes of the C code. Bytes stand as hexadecimal digits, the
receiver's key as PEM.
"""

import hashlib
import hmac
import io
import json
import sys
from pathlib import Path
from typing import Any

import fastavro
import fastavro.schema
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROOT = Path(__file__).resolve().parents[2]
STREAM = bytes(range(0x40, 0x50))
KEY = bytes(range(0x80, 0xA0))
RECEIVER = int.from_bytes(hashlib.sha256(b"receiver").digest(), "big") >> 1
EPHEMERAL = int.from_bytes(hashlib.sha256(b"ephemeral").digest(), "big") >> 1
CHUNKS = [b"a layout, not a real one", b"\x00" * 16, b"the last chunk"]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def extract(salt: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), secret, "sha256")


def expand(key: bytes, info: bytes, size: int) -> bytes:
    out = block = b""
    for i in range(1, size // 32 + 2):
        block = hmac.digest(key, block + info + bytes([i]), "sha256")
        out += block
    return out[:size]


def encode(name: str, value: dict[str, Any]) -> bytes:
    path = next(p for p in (ROOT / "schemas").glob("*.avsc") if json.loads(p.read_text())["name"] == name)
    schema = json.loads(path.read_text())
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    mark = b"\xc3\x01" + bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value, strict=True)
    return mark + out.getvalue()


def point(private: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PublicFormat.UncompressedPoint
    return private.public_key().public_bytes(serialization.Encoding.X962, form)


def pem(number: int) -> str:
    key = ec.derive_private_key(number, ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def hpke_seal(ephemeral: int, receiver: int, info: bytes, plain: bytes) -> bytes:
    """RFC 9180, base mode, one message: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM."""
    ours, theirs = (ec.derive_private_key(n, ec.SECP256R1()) for n in (ephemeral, receiver))
    kem, suite = b"KEM\x00\x10", b"HPKE\x00\x10\x00\x01\x00\x02"
    shared = ours.exchange(ec.ECDH(), theirs.public_key())
    prk = extract(b"", b"HPKE-v1" + kem + b"eae_prk" + shared)
    context = point(ours) + point(theirs)
    secret = expand(prk, b"\x00\x20HPKE-v1" + kem + b"shared_secret" + context, 32)
    id_hash = extract(b"", b"HPKE-v1" + suite + b"psk_id_hash")
    info_hash = extract(b"", b"HPKE-v1" + suite + b"info_hash" + info)
    schedule = b"\x00" + id_hash + info_hash
    prk = extract(secret, b"HPKE-v1" + suite + b"secret")
    key = expand(prk, b"\x00\x20HPKE-v1" + suite + b"key" + schedule, 32)
    nonce = expand(prk, b"\x00\x0cHPKE-v1" + suite + b"base_nonce" + schedule, 12)
    return point(ours) + AESGCM(key).encrypt(nonce, plain, None)


def head(**fields: Any) -> dict[str, Any]:
    return {"project": "p", "node": "site-a", "incarnation": 0, "sequence": 0, "epoch": 0, "time_ms": 0} | fields


def opened(purpose: str, round_: int, **fields: Any) -> dict[str, Any]:
    value = {
        "head": head(),
        "stream": STREAM,
        "job": "00000000000000a1",
        "round": round_,
        "attempt": 2,
        "purpose": purpose,
        "params_type": "DIFF",
        "encoding": "f16",
        "layout_digest": sha256(b"layout"),
        "layout_bytes": 24,
        "data_bytes": 30,
        "chunk_bytes": 24,
        "chunk_count": len(CHUNKS),
        "partitions": [0, 1],
        "start_offsets": [7, 9],
        "base": [bytes(range(16))],
        "roster_version": 5,
        "key_commitment": bytes(32),
        "receivers": [],
        "said": b"",
    }
    return value | fields


def case(purpose: str, round_: int) -> dict[str, Any]:
    core = sha256(encode("StreamOpened", opened(purpose, round_)))
    secret = extract(STREAM, KEY)
    commitment = expand(secret, b"commit" + core, 32)
    chunk_key, prefix = expand(secret, b"chunk" + core, 32), expand(secret, b"nonce" + core, 7)
    closing = hashlib.sha256(expand(secret, b"closing" + core, 32))
    content = hashlib.sha256()
    chunks = []
    for index, plain in enumerate(CHUNKS):
        final = bytes([index == len(CHUNKS) - 1])
        nonce = prefix + index.to_bytes(4, "big") + final
        sizes = index.to_bytes(4, "big") + len(CHUNKS).to_bytes(8, "big") + final + len(plain).to_bytes(4, "big")
        sealed = AESGCM(chunk_key).encrypt(nonce, plain, core + sizes)
        data, tag = sealed[:-16], sealed[-16:]
        closing.update(core + sizes + tag + (b"" if purpose == "update" else sha256(plain)))
        content.update(sha256(plain))
        fields = {"stream": STREAM, "index": index, "codec": 1, "plain_bytes": len(plain), "tag": tag, "data": data}
        chunks.append({"plain": plain.hex(), "record": encode("Chunk", fields).hex()})
    wrap = hpke_seal(EPHEMERAL, RECEIVER, core, KEY)
    said = opened(
        purpose,
        round_,
        head=head(incarnation=3, sequence=77, time_ms=1795520480123),
        key_commitment=commitment,
        receivers=[{"node": "aggregator-1", "wrap": wrap}],
        said=b"said in confidence",
    )
    return {
        "opened": encode("StreamOpened", said).hex(),
        "core": core.hex(),
        "commitment": commitment.hex(),
        "wrap": wrap.hex(),
        "chunks": chunks,
        "digest": closing.hexdigest(),
        "content": content.hexdigest() if purpose == "model" and round_ >= 0 else bytes(32).hex(),
    }


def main() -> None:
    vectors = {
        "key": KEY.hex(),
        "receiver": pem(RECEIVER),
        "cases": [case("update", 3), case("model", 3), case("model", -1), case("bundle", -1)],
    }
    json.dump(vectors, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
