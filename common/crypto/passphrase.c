#include "crypto/passphrase.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum anb_status passphrase_read(const char *file, char **passphrase, struct anb_error *err)
{
    struct buf text;
    *passphrase = NULL;
    if (!file) return ANB_OK;
    buf_init(&text, PASSPHRASE_MAX_BYTES);
    enum anb_status status = buf_reserve(&text, PASSPHRASE_MAX_BYTES, err); /* no copy is left behind by growing */
    if (status == ANB_OK) status = file_read(file, &text, err);
    if (status == ANB_OK) {
        size_t length = strcspn(buf_text(&text), "\r\n");
        if (length == 0)
            status = anb_fail(err, ANB_INVALID, "%s: its first line is the passphrase, and must not be empty", file);
        else if (!(*passphrase = strndup(buf_text(&text), length)))
            status = anb_fail(err, ANB_NO_MEMORY, "no memory");
    }
    key_fini_buf(&text);
    return status;
}

void passphrase_free(char *passphrase)
{
    if (passphrase) key_wipe(passphrase, strlen(passphrase));
    free(passphrase);
}
