#!/usr/bin/env python3
"""Make the C side of the record schemas: generate.py SCHEMA_FOLDER OUT_FOLDER

Reads every *.avsc and writes records.h (structs and enums) and records.c (field tables, the schemas' texts and their
fingerprints) into OUT_FOLDER/wire. The fingerprint is CRC-64-AVRO of the Parsing Canonical Form, as in the section
"Schema Fingerprints" of the Apache Avro 1.12 specification.

A field `said` (bytes, the last one) carries a Said record; its attribute `says` names what is used of that. The struct
has those fields, too, and wire_sayings tells how they go into a Said and out of it.
"""

import json
import re
import sys
from pathlib import Path

PRIMITIVES = {
    "string": "const char *",
    "bytes": "struct slice",
    "long": "int64_t",
    "int": "int32_t",
    "double": "double",
    "boolean": "bool",
}
FIXED = {
    "Id": "struct id",
    "Digest": "struct digest",
    "Tag": "struct tag",
    "Wrap": "struct wrap",
    "Signature": "struct signature",
}


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def fingerprint(text: str) -> int:
    empty = 0xC15D213AA4D7A795
    table = []
    for i in range(256):
        value = i
        for _ in range(8):
            value = (value >> 1) ^ (empty & -(value & 1))
        table.append(value)
    result = empty
    for byte in text.encode():
        result = (result >> 8) ^ table[(result ^ byte) & 0xFF]
    return result


def canonical(schema, namespace: str = "") -> str:
    """The Parsing Canonical Form."""
    if isinstance(schema, str):
        return json.dumps(schema if schema in PRIMITIVES or "." in schema else f"{namespace}.{schema}")
    kind = schema["type"]
    if kind == "array":
        return '{"type":"array","items":%s}' % canonical(schema["items"], namespace)
    namespace = schema.get("namespace", namespace)
    start = '{"name":"%s.%s","type":"%s"' % (namespace, schema["name"], kind)
    if kind == "record":
        fields = ",".join(
            '{"name":"%s","type":%s}' % (f["name"], canonical(f["type"], namespace)) for f in schema["fields"]
        )
        return start + ',"fields":[' + fields + "]}"
    if kind == "enum":
        return start + ',"symbols":[' + ",".join(json.dumps(s) for s in schema["symbols"]) + "]}"
    return start + ',"size":%d}' % schema["size"]


class Types:
    """The named types of all schemas: each defined once, the same everywhere."""

    def __init__(self) -> None:
        self.known: dict[str, dict] = {}
        self.header: list[str] = []
        self.tables: list[str] = []
        self.sayings: list[str] = []
        self.said: dict = {}

    def c_type(self, avro) -> str:
        if isinstance(avro, str) and avro in PRIMITIVES:
            return PRIMITIVES[avro]
        name = avro if isinstance(avro, str) else avro["name"]
        if not isinstance(avro, str):
            self.define(avro)
        kind = self.known[name]["type"]
        if kind == "fixed":
            return FIXED[name]
        return f"enum {snake(name)}" if kind == "enum" else f"struct {snake(name)}"

    def table_name(self, avro) -> str:
        if isinstance(avro, dict) and avro["type"] == "array":
            return "array_of_" + self.table_name(avro["items"])
        return "type_" + snake(avro if isinstance(avro, str) else avro["name"])

    def define(self, schema: dict) -> None:
        name = schema["name"]
        bare = json.loads(json.dumps(schema))
        if name in self.known:
            if self.known[name] != bare:
                sys.exit(f"generate.py: {name} is defined in two ways")
            return
        self.known[name] = bare
        {"record": self.define_record, "enum": self.define_enum, "fixed": self.define_fixed}[schema["type"]](schema)

    def define_fixed(self, schema: dict) -> None:
        self.tables.append(f'_Static_assert(sizeof({FIXED[schema["name"]]}) == {schema["size"]}, "size of a fixed");')
        self.tables.append(
            f"static const struct wire_type type_{snake(schema['name'])} = {{WIRE_FIXED, "
            f'"{schema["name"]}", {schema["size"]}, NULL, 0, NULL}};'
        )

    def define_enum(self, schema: dict) -> None:
        name = snake(schema["name"])
        symbols = ", ".join(f"{name.upper()}_{s.upper()}" for s in schema["symbols"])
        words = ", ".join(f'"{s}"' for s in schema["symbols"])
        count = len(schema["symbols"])
        self.header.append(f"enum {name} {{ {symbols} }};\nextern const char *const {name}_words[{count}];\n")
        self.tables.append(f"const char *const {name}_words[{count}] = {{{words}}};")
        self.tables.append(
            f'static const struct wire_type type_{name} = {{WIRE_ENUM, "{schema["name"]}", '
            f"sizeof(enum {name}), NULL, {count}, NULL}};"
        )

    def define_record(self, schema: dict) -> None:
        name = snake(schema["name"])
        members, entries = [], []
        for field in schema["fields"]:
            members.append(self.member(field))
            entries.append(self.entry(name, field))
        members += self.define_saying(name, schema["fields"][-1])
        doc = f"/* {schema['doc']} */\n" if schema.get("doc") else ""
        self.header.append(f"{doc}struct {name} {{\n" + "".join(members) + "};\n")
        self.tables.append(f"static const struct wire_field fields_of_{name}[] = {{\n" + "".join(entries) + "};")
        self.tables.append(
            f'static const struct wire_type type_{name} = {{WIRE_RECORD, "{schema["name"]}", '
            f"sizeof(struct {name}), fields_of_{name}, {len(schema['fields'])}, NULL}};"
        )

    def define_saying(self, name: str, last: dict) -> list[str]:
        """The members that a record has only in its Said, and where they go."""
        members, moves = [], []
        for said in last.get("says", []):
            field = next(f for f in self.said["fields"] if f["name"] == said)
            members.append(self.member(field))
            is_array = isinstance(field["type"], dict) and field["type"]["type"] == "array"
            for part in [said, f"n_{said}"] if is_array else [said]:
                moves.append(
                    f"{{offsetof(struct {name}, {part}), offsetof(struct said, {part}), "
                    f"sizeof(((struct said *)0)->{part})}}"
                )
        if moves:
            self.sayings.append(
                f"    [RECORD_{name.upper()}] = {{offsetof(struct {name}, said), {len(moves)}, {{\n"
                + "".join(f"        {move},\n" for move in moves)
                + "    }},\n"
            )
        return members

    def member(self, field: dict) -> str:
        avro = field["type"]
        comment = f" /* {field['doc']} */" if field.get("doc") else ""
        if isinstance(avro, dict) and avro["type"] == "array":
            item = self.c_type(avro["items"])
            star = "" if item.endswith("*") else " "
            return f"    {item}{star}*{field['name']};{comment}\n    size_t n_{field['name']};\n"
        item = self.c_type(avro)
        return f"    {item}{'' if item.endswith('*') else ' '}{field['name']};{comment}\n"

    def entry(self, name: str, field: dict) -> str:
        avro = field["type"]
        count = "0"
        if isinstance(avro, dict) and avro["type"] == "array":
            count = f"offsetof(struct {name}, n_{field['name']})"
            table = self.table_name(avro)
            line = (
                f'static const struct wire_type {table} = {{WIRE_ARRAY, "array", 0, NULL, 0, '
                f"&{self.table_name(avro['items'])}}};"
            )
            if line not in self.tables:
                self.tables.append(line)
        return (
            f'    {{"{field["name"]}", &{self.table_name(avro)}, offsetof(struct {name}, {field["name"]}), {count}}},\n'
        )


def c_string(text: str) -> str:
    pieces = [text[i : i + 100] for i in range(0, len(text), 100)]
    return "\n        ".join(json.dumps(p) for p in pieces)


NOTICE = "/* Made by common/wire/generate.py from schemas/: change the schemas, not this file. */\n"


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2]) / "wire"
    target.mkdir(parents=True, exist_ok=True)
    types = Types()
    for avro, c_name in PRIMITIVES.items():
        types.tables.append(
            f'static const struct wire_type type_{avro} = {{WIRE_{avro.upper()}, "{avro}", '
            f"sizeof({c_name.strip()}), NULL, 0, NULL}};"
        )
    names, rows = [], []
    schemas = [json.loads(path.read_text()) for path in sorted(source.glob("*.avsc"))]
    types.said = next(schema for schema in schemas if schema["name"] == "Said")
    for schema in schemas:
        types.define(schema)
        name, text = schema["name"], canonical(schema)
        names.append(name)
        rows.append(
            f'    [RECORD_{snake(name).upper()}] = {{"{name}", 0x{fingerprint(text):016x}u, '
            f"&type_{snake(name)},\n        {c_string(text)}}},\n"
        )
    kinds = "".join(f"    RECORD_{snake(n).upper()},\n" for n in names)
    union = "".join(f"        struct {snake(n)} {snake(n)};\n" for n in names)
    (target / "records.h").write_text(
        NOTICE + '#ifndef ANB_WIRE_RECORDS_H\n#define ANB_WIRE_RECORDS_H\n\n#include "base/id.h"\n'
        '#include "crypto/digest.h"\n#include "crypto/sign.h"\n\nstruct tag {\n    unsigned char bytes[16];\n};\n\n'
        "struct wrap { /* a key, sealed for one node */\n    unsigned char bytes[113];\n};\n\n"
        + "\n".join(types.header)
        + "\nenum record_kind {\n"
        + kinds
        + "    N_RECORD_KINDS\n};\n\n"
        "/* Any record. Texts, slices and arrays live in the arena it was decoded into, or where its maker put it. */\n"
        "struct record {\n    enum record_kind kind;\n"
        "    bool unheard; /* it says something that is not known here: those fields are empty */\n"
        "    union {\n" + union + "    } is;\n};\n\n#endif\n"
    )
    (target / "records.c").write_text(
        NOTICE
        + '#include "wire/schema.h"\n\n'
        + "\n".join(types.tables)
        + "\n\nconst struct wire_schema wire_schemas[N_RECORD_KINDS] = {\n"
        + "".join(rows)
        + "};\n\nconst struct wire_saying wire_sayings[N_RECORD_KINDS] = {\n"
        + "".join(types.sayings)
        + "};\n"
    )


main()
