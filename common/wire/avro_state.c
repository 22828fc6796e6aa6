#include "wire/avro_state.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct avro_state state;
static bool is_ready;

enum anb_status avro_state_fail(struct anb_error *err, enum anb_status status, enum record_kind kind, int error_number)
{
    if (error_number == ENOMEM) status = ANB_NO_MEMORY;
    return anb_fail(err, status, "%s record: %s", wire_schemas[kind].name, avro_strerror());
}

static enum anb_status make_class(enum record_kind kind, struct anb_error *err)
{
    avro_schema_t schema;
    const char *text = wire_schemas[kind].json;
    int failed = avro_schema_from_json_length(text, strlen(text), &schema);
    if (failed) return avro_state_fail(err, ANB_FATAL, kind, failed);
    state.classes[kind] = avro_generic_class_from_schema(schema);
    avro_schema_decref(schema);
    return state.classes[kind] ? ANB_OK : avro_state_fail(err, ANB_FATAL, kind, 0);
}

static void forget(void)
{
    for (int i = 0; i < N_RECORD_KINDS; i++)
        if (state.classes[i]) avro_value_iface_decref(state.classes[i]);
    if (state.reader) avro_reader_free(state.reader);
    if (state.writer) avro_writer_free(state.writer);
    state = (struct avro_state){.reader = NULL};
}

static enum anb_status make_ready(struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    for (int i = 0; status == ANB_OK && i < N_RECORD_KINDS; i++) status = make_class((enum record_kind)i, err);
    if (status == ANB_OK) {
        state.reader = avro_reader_memory("", 0);
        state.writer = avro_writer_memory("", 0);
        if (!state.reader || !state.writer) status = anb_fail(err, ANB_NO_MEMORY, "no memory for the record codec");
    }
    if (status == ANB_OK)
        is_ready = true;
    else
        forget();
    return status;
}

enum anb_status avro_state_lock(struct avro_state **held, struct anb_error *err)
{
    pthread_mutex_lock(&lock);
    enum anb_status status = is_ready ? ANB_OK : make_ready(err);
    if (status == ANB_OK)
        *held = &state;
    else
        pthread_mutex_unlock(&lock);
    return status;
}

void avro_state_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

enum anb_status avro_state_value(struct avro_state *held, enum record_kind kind, avro_value_t *value,
                                 struct anb_error *err)
{
    int failed = avro_generic_value_new(held->classes[kind], value);
    return failed ? avro_state_fail(err, ANB_FATAL, kind, failed) : ANB_OK;
}
