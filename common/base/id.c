#include "base/id.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static bool is_name_character(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool name_is_valid(struct slice name)
{
    const unsigned char *text = name.data;
    if (name.size == 0 || name.size > NAME_MAX_BYTES) return false;
    for (size_t i = 0; i < name.size; i++)
        if (!is_name_character(text[i])) return false;
    return text[0] != '-' && text[name.size - 1] != '-';
}

enum anb_status name_check(const char *what, const char *name, struct anb_error *err)
{
    if (name_is_valid(slice_of_text(name))) return ANB_OK;
    return anb_fail(err, ANB_INVALID,
                    "%s \"%.64s\" is not a name: use 1 to 48 of a-z, 0-9 and -, with no - at either end", what,
                    name ? name : "");
}

enum anb_status id_random(struct id *id, struct anb_error *err)
{
    ssize_t got;
    do got = getrandom(id->bytes, ID_BYTES, 0);
    while (got < 0 && errno == EINTR);
    if (got != ID_BYTES) return anb_fail_errno(err, got < 0 ? errno : EIO, "cannot draw random bytes");
    return ANB_OK;
}

bool id_equal(const struct id *a, const struct id *b)
{
    return memcmp(a->bytes, b->bytes, ID_BYTES) == 0;
}

bool id_is_zero(const struct id *id)
{
    static const struct id zero;
    return id_equal(id, &zero);
}

const char *id_text(const struct id *id, char text[ID_TEXT_BYTES])
{
    return hex_encode(id->bytes, ID_BYTES, text);
}

const char *hex_encode(const void *bytes, size_t size, char *text)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = bytes;
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[in[i] >> 4];
        text[2 * i + 1] = digits[in[i] & 15];
    }
    text[2 * size] = 0;
    return text;
}

/* Of a hexadecimal digit. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return (c | 0x20) - 'a' + 10;
}

bool hex_decode(const char *text, void *bytes, size_t size)
{
    unsigned char *out = bytes;
    if (strlen(text) != 2 * size || strspn(text, "0123456789abcdefABCDEF") != 2 * size) return false;
    for (size_t i = 0; i < size; i++)
        out[i] = (unsigned char)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
    return true;
}
