#include "support/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append(struct buf *tar, const void *bytes, size_t size)
{
    if (buf_append(tar, slice_of(bytes, size), NULL) != ANB_OK) abort();
}

/* Offsets of the POSIX ustar header. */
enum { MODE = 100, SIZE = 124, TIME = 136, CHECKSUM = 148, TYPE = 156, LINK = 157, MAGIC = 257 };

static void put_size(char *field, uint64_t size)
{
    char digits[32];
    if (size < (1ull << 33)) {
        snprintf(digits, sizeof digits, "%011llo", (unsigned long long)size);
        memcpy(field, digits, 12);
        return;
    }
    field[0] = (char)0x80; /* GNU: a binary number follows */
    for (int i = 0; i < 8; i++) field[11 - i] = (char)(size >> (8 * i));
}

void tar_header(struct buf *tar, const char *name, char type, uint64_t size_bytes, const char *link)
{
    char block[TAR_BLOCK_BYTES] = {0}, sum_text[16];
    unsigned sum = 0;
    memcpy(block, name, strlen(name) < 100 ? strlen(name) : 100);
    memcpy(block + MODE, "0000644", 7);
    put_size(block + SIZE, size_bytes);
    memcpy(block + TIME, "00000000000", 11);
    memcpy(block + CHECKSUM, "        ", 8);
    block[TYPE] = type;
    memcpy(block + LINK, link, strlen(link));
    memcpy(block + MAGIC, "ustar\00000", 8);
    for (size_t i = 0; i < sizeof block; i++) sum += (unsigned char)block[i];
    snprintf(sum_text, sizeof sum_text, "%06o", sum & 0777777u);
    memcpy(block + CHECKSUM, sum_text, 7);
    append(tar, block, sizeof block);
}

static void append_content(struct buf *tar, const char *content)
{
    static const char zeros[TAR_BLOCK_BYTES];
    size_t size = strlen(content);
    append(tar, content, size);
    append(tar, zeros, (TAR_BLOCK_BYTES - size % TAR_BLOCK_BYTES) % TAR_BLOCK_BYTES);
}

void tar_file(struct buf *tar, const char *name, const char *content)
{
    tar_header(tar, name, '0', strlen(content), "");
    append_content(tar, content);
}

void tar_long_name(struct buf *tar, const char *name)
{
    tar_header(tar, "././@LongLink", 'L', strlen(name), "");
    append_content(tar, name);
}

void tar_end(struct buf *tar)
{
    static const char zeros[2 * TAR_BLOCK_BYTES];
    append(tar, zeros, sizeof zeros);
}
