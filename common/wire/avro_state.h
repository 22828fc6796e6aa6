/* Avro C's side of the codec: for each record kind a class of generic values, made once from the schema's text, behind
 * one process-wide lock (Avro C keeps its error text in one buffer for the whole process).
 *
 * Between avro_state_lock and avro_state_unlock the caller owns the state. Values live for one call, so that no large
 * record leaves its memory behind. Only encode.c and decode.c look here. */
#ifndef ANB_WIRE_AVRO_STATE_H
#define ANB_WIRE_AVRO_STATE_H

#include "wire/schema.h"

#include <avro.h>

struct avro_state {
    avro_value_iface_t *classes[N_RECORD_KINDS];
    avro_reader_t reader;
    avro_writer_t writer;
};

/* On OK the lock is held; on failure it is not. */
enum anb_status avro_state_lock(struct avro_state **state, struct anb_error *err);
void avro_state_unlock(void);

/* An empty value of that kind; the caller gives it back with avro_value_decref. */
enum anb_status avro_state_value(struct avro_state *state, enum record_kind kind, avro_value_t *value,
                                 struct anb_error *err);

/* Avro C's words for what just failed, while the lock is held. NO_MEMORY when `error_number` says so, else `status`. */
enum anb_status avro_state_fail(struct anb_error *err, enum anb_status status, enum record_kind kind, int error_number);

#endif
