/* Archives as an attacker would write them: tar headers by hand, whatever they say. One thread at a time. */
#ifndef ANB_TEST_SUPPORT_TAR_H
#define ANB_TEST_SUPPORT_TAR_H

#include "base/buf.h"

enum { TAR_BLOCK_BYTES = 512 };

/* Append a ustar header with a right checksum. `type`: '0' file, '1' hard link, '2' link, '3' device, '5' folder ... */
void tar_header(struct buf *tar, const char *name, char type, uint64_t size_bytes, const char *link);
/* A regular file with its content, padded. */
void tar_file(struct buf *tar, const char *name, const char *content);
/* GNU's entry for a name longer than a header has room for; the next header is the member's. */
void tar_long_name(struct buf *tar, const char *name);
/* The two empty blocks. */
void tar_end(struct buf *tar);

#endif
