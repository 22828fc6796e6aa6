#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    enum anb_status_class class;
} status_table[] = {
#define X(code, word, class) [ANB_##code] = {word, ANB_CLASS_##class},
    ANB_STATUS_LIST(X)
#undef X
};

const char *anb_status_word(enum anb_status status)
{
    return status_table[status].word;
}

enum anb_status_class anb_status_class(enum anb_status status)
{
    return status_table[status].class;
}

enum anb_status anb_fail(struct anb_error *err, enum anb_status status, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        err->status = status;
    }
    return status;
}

static enum anb_status status_of_errno(int error_number)
{
    switch (error_number) {
    case ENOSPC:
    case EDQUOT: return ANB_NO_SPACE;
    case ENOMEM: return ANB_NO_MEMORY;
    case ENOENT: return ANB_NOT_FOUND;
    case EEXIST: return ANB_EXISTS;
    case EACCES:
    case EPERM: return ANB_DENIED;
    default: return ANB_IO;
    }
}

enum anb_status anb_fail_errno(struct anb_error *err, int error_number, const char *format, ...)
{
    enum anb_status status = status_of_errno(error_number);
    if (err) {
        char words[96];
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        size_t used = strlen(err->text);
        snprintf(err->text + used, sizeof err->text - used, ": %s", strerror_r(error_number, words, sizeof words));
        err->status = status;
    }
    return status;
}

void anb_error_prefix(struct anb_error *err, const char *format, ...)
{
    if (!err) return;
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, "%s", old);
}
