/* A line is read leniently, written again, and must be the same bytes: one comparison refuses every other spelling,
 * unknown and doubled keys. */
#include "audit/line.h"

#include "base/doc.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void copy_text(char *out, size_t room, const char *text)
{
    size_t most = room - 8; /* what is behind it is for the mark and the NUL */
    size_t size = strnlen(text, most + 1);
    bool is_cut = size > most;
    if (is_cut) {
        size = most;
        while (size > 0 && ((unsigned char)text[size] & 0xC0) == 0x80) size--; /* not within a character */
    }
    memcpy(out, text, size);
    strcpy(out + size, is_cut ? " ..." : "");
    utf8_repair(out);
}

void audit_line_fill(struct audit_line *line, const struct audit_event *event, const char *node)
{
    char self[AUDIT_WHO_BYTES];
    snprintf(self, sizeof self, "node %s", node);
    copy_text(line->who, sizeof line->who, event->who ? event->who : self);
    copy_text(line->what, sizeof line->what, audit_word(event->what));
    copy_text(line->on, sizeof line->on, event->on ? event->on : "");
    copy_text(line->outcome, sizeof line->outcome, event->outcome ? event->outcome : "ok");
    copy_text(line->detail, sizeof line->detail, event->detail ? event->detail : "");
}

/* The escapes are our own: the form of a line must not change with a library. */
static enum anb_status put_text(struct buf *out, const char *key, const char *text, struct anb_error *err)
{
    enum anb_status status = buf_printf(out, err, ",\"%s\":\"", key);
    for (const char *c = text; *c && status == ANB_OK;) {
        size_t plain = 0;
        while ((unsigned char)c[plain] >= ' ' && c[plain] != '"' && c[plain] != '\\' && c[plain] != 0x7f) plain++;
        status = buf_append(out, slice_of(c, plain), err);
        c += plain;
        if (!*c || status != ANB_OK) break;
        status = *c == '"' || *c == '\\' ? buf_printf(out, err, "\\%c", *c)
                                         : buf_printf(out, err, "\\u%04x", (unsigned char)*c);
        c++;
    }
    return status == ANB_OK ? buf_append_text(out, "\"", err) : status;
}

static enum anb_status put_line(const struct audit_line *line, struct buf *out, struct anb_error *err)
{
    char digest[DIGEST_TEXT_BYTES];
    const char *const texts[][2] = {{"time", line->time}, {"who", line->who},         {"what", line->what},
                                    {"on", line->on},     {"outcome", line->outcome}, {"detail", line->detail}};
    enum anb_status status = buf_printf(out, err, "{\"seq\":%" PRId64, line->sequence);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == ANB_OK; i++)
        status = put_text(out, texts[i][0], texts[i][1], err);
    if (status != ANB_OK) return status;
    return buf_printf(out, err, ",\"previous\":\"%s\"}", digest_text(&line->previous, digest));
}

enum anb_status audit_line_write(const struct audit_line *line, struct buf *out, struct digest *digest,
                                 struct anb_error *err)
{
    size_t before = out->size;
    enum anb_status status = put_line(line, out, err);
    if (status == ANB_OK) status = digest_of(slice_of(out->data + before, out->size - before), digest, err);
    if (status == ANB_OK) status = buf_append_text(out, "\n", err);
    if (status != ANB_OK) out->size = before;
    return status;
}

static bool take(const struct doc *doc, const char *key, char *out, size_t room)
{
    const char *text = doc_text(doc_get(doc, key), NULL);
    if (!text || strlen(text) >= room) return false;
    strcpy(out, text);
    return true;
}

static enum anb_status from_doc(const struct doc *doc, struct audit_line *line, struct anb_error *err)
{
    const char *previous = doc_text(doc_get(doc, "previous"), "");
    line->sequence = doc_int(doc_get(doc, "seq"), 0);
    if (line->sequence < 1) return anb_fail(err, ANB_CORRUPT, "it has no sequence number");
    if (!take(doc, "time", line->time, sizeof line->time) || !take(doc, "who", line->who, sizeof line->who) ||
        !take(doc, "what", line->what, sizeof line->what) || !take(doc, "on", line->on, sizeof line->on) ||
        !take(doc, "outcome", line->outcome, sizeof line->outcome) ||
        !take(doc, "detail", line->detail, sizeof line->detail))
        return anb_fail(err, ANB_CORRUPT, "one of time, who, what, on, outcome, detail is missing or too long");
    if (!hex_decode(previous, line->previous.bytes, DIGEST_BYTES))
        return anb_fail(err, ANB_CORRUPT, "it does not name the digest of the line before it");
    return ANB_OK;
}

static enum anb_status check_form(const struct audit_line *line, struct slice text, struct digest *digest,
                                  struct anb_error *err)
{
    struct buf again;
    buf_init(&again, AUDIT_LINE_MAX_BYTES);
    enum anb_status status = audit_line_write(line, &again, digest, err);
    if (status == ANB_OK && !slice_equal(slice_of(again.data, again.size - 1), text))
        status = anb_fail(err, ANB_CORRUPT, "it is not in the one form that lines have");
    buf_fini(&again);
    return status;
}

enum anb_status audit_line_read(struct slice text, struct audit_line *line, struct digest *digest,
                                struct anb_error *err)
{
    struct doc *doc = NULL;
    if (text.size >= AUDIT_LINE_MAX_BYTES)
        return anb_fail(err, ANB_CORRUPT, "a line has less than %d bytes", AUDIT_LINE_MAX_BYTES);
    enum anb_status status = doc_parse_json(text, "line", &doc, err);
    if (status == ANB_OK) status = from_doc(doc, line, err);
    doc_free(doc);
    if (status == ANB_OK) status = check_form(line, text, digest, err);
    if (status == ANB_OK || status == ANB_NO_MEMORY) return status;
    if (err) err->status = ANB_CORRUPT;
    return ANB_CORRUPT;
}
