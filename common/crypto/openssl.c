#include "crypto/openssl.h"

#include <openssl/err.h>
#include <stdio.h>

enum anb_status crypto_fail(struct anb_error *err, enum anb_status status, const char *format, ...)
{
    char sentence[400];
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) status = ANB_NO_MEMORY;
    ERR_clear_error();
    return anb_fail(err, status, "%s%s%s", sentence, reason ? ": " : "", reason ? reason : "");
}
