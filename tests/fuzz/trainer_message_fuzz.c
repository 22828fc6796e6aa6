/* What a trainer sends to its agent: any packet is refused or read, and what was read has its promised bounds. */
#include "message.h"

#include <stdlib.h>
#include <string.h>

static void check(const struct message *message)
{
    if (message->kind == MESSAGE_RESULT) {
        if (!message->task || message->n_metrics > PART_MAX_METRICS) abort();
        if (!(message->weight >= WEIGHT_LEAST && message->weight <= WEIGHT_MOST)) abort();
        for (size_t i = 0; i < message->n_metrics; i++)
            if (strlen(message->metrics[i].name) > METRIC_NAME_MAX_BYTES) abort();
    }
    if (message->kind == MESSAGE_LOG && (!message->key || strlen(message->key) > 256 || message->step < -1)) abort();
    if (message->kind == MESSAGE_HELLO && message->protocol != PROTOCOL_VERSION) abort();
    if (message->kind == MESSAGE_FAILED && !message->reason) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message message;
    struct anb_error err = {.text = ""};
    enum anb_status status = message_parse(slice_of(data, size), &message, &err);
    if (status == ANB_OK) {
        check(&message);
        message_fini(&message);
    } else if ((status != ANB_CORRUPT && status != ANB_INVALID) || !*err.text) {
        abort();
    }
    return 0;
}
