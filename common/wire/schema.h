/* What the generated tables say about a record: its fields, where they lie in the struct, and its Avro schema.
 * Only wire/ and its tests look here. Constant data: any thread. */
#ifndef ANB_WIRE_SCHEMA_H
#define ANB_WIRE_SCHEMA_H

#include "wire/records.h"

enum wire_kind {
    WIRE_STRING,
    WIRE_BYTES,
    WIRE_LONG,
    WIRE_INT,
    WIRE_DOUBLE,
    WIRE_BOOLEAN,
    WIRE_ENUM,
    WIRE_FIXED,
    WIRE_RECORD,
    WIRE_ARRAY
};

struct wire_field;

struct wire_type {
    enum wire_kind kind;
    const char *name;
    size_t size;                     /* of the C value; of a fixed, its bytes */
    const struct wire_field *fields; /* of a record */
    size_t n_parts;                  /* fields of a record, symbols of an enum */
    const struct wire_type *items;   /* of an array */
};

struct wire_field {
    const char *name;
    const struct wire_type *type;
    size_t offset;       /* in the struct; of an array: of the pointer to its first item */
    size_t count_offset; /* of an array: of its size_t count */
};

struct wire_schema {
    const char *name;
    uint64_t fingerprint;
    const struct wire_type *type;
    const char *json; /* Parsing Canonical Form */
};

extern const struct wire_schema wire_schemas[N_RECORD_KINDS];

/* What a kind of record says in its field `said`: which bytes of its struct go where in a struct said. */
enum { WIRE_MAX_MOVES = 8 };

struct wire_move {
    size_t in_record, in_said, size;
};

struct wire_saying {
    size_t said_offset; /* of the slice */
    size_t n_moves;     /* 0: records of this kind say nothing */
    struct wire_move moves[WIRE_MAX_MOVES];
};

extern const struct wire_saying wire_sayings[N_RECORD_KINDS];

#endif
