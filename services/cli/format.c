#include "cli/format.h"

#include <stdio.h>
#include <string.h>

const char *format_bytes(int64_t bytes, char text[FORMAT_BYTES])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1023.95 && unit < 5) value /= 1024, unit++;
    bool whole = unit == 0 || value >= 99.95;
    snprintf(text, FORMAT_BYTES, "%.*f %s", whole ? 0 : 1, value, units[unit]);
    return text;
}

const char *format_duration(int64_t ms, char text[FORMAT_BYTES])
{
    long long seconds = ms / 1000;
    if (ms < 0)
        snprintf(text, FORMAT_BYTES, "-");
    else if (ms < 10000)
        snprintf(text, FORMAT_BYTES, "%.1fs", (double)ms / 1000);
    else if (seconds < 120)
        snprintf(text, FORMAT_BYTES, "%llds", seconds);
    else if (seconds < 7200)
        snprintf(text, FORMAT_BYTES, "%lldm%llds", seconds / 60, seconds % 60);
    else if (seconds < 172800)
        snprintf(text, FORMAT_BYTES, "%lldh%lldm", seconds / 3600, seconds / 60 % 60);
    else
        snprintf(text, FORMAT_BYTES, "%lldd%lldh", seconds / 86400, seconds / 3600 % 24);
    return text;
}

const char *format_metric(double value, char text[FORMAT_BYTES])
{
    snprintf(text, FORMAT_BYTES, "%.4g", value);
    return text;
}

/* Bytes of the control character at `c`; 0: none stands there. U+0080 to U+009F are two bytes in UTF-8. */
static size_t control_bytes(const unsigned char *c)
{
    if (c[0] < 0x20 || c[0] == 0x7f) return 1;
    return c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f ? 2 : 0;
}

enum anb_status format_foreign(const char *text, struct buf *out, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    const unsigned char *c = (const unsigned char *)text;
    while (*c && status == ANB_OK) {
        size_t run = 0, bad;
        while (c[run] && control_bytes(c + run) == 0) run++;
        status = buf_append(out, slice_of(c, run), err);
        c += run;
        if (!*c || status != ANB_OK) break;
        bad = control_bytes(c);
        status = buf_append_text(out, *c == '\t' ? " " : "?", err);
        c += bad;
    }
    return status;
}

size_t format_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++) width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}
