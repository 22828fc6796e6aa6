/* Cursors over outboxes, shared by the readers of one thread. */
#ifndef ANB_STREAM_INBOX_H
#define ANB_STREAM_INBOX_H

#include "stream/reader.h"

enum bus_profile inbox_profile(const struct stream_inbox *inbox, int64_t object_bytes);

/* A cursor that stands at or shortly before `offset`. It belongs to the caller until inbox_return. */
enum anb_status inbox_take(struct stream_inbox *inbox, enum bus_profile profile, const char *topic, int32_t partition,
                           int64_t offset, struct bus_cursor **cursor, struct anb_error *err);
struct stream_refusals *inbox_refusals(struct stream_inbox *inbox);
void inbox_return(struct stream_inbox *inbox, struct bus_cursor *cursor);

#endif
