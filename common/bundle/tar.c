#include "bundle/tar.h"

#include <errno.h>
#include <pthread.h>

static locale_t utf8; /* made once, for all threads, kept for ever */
static pthread_once_t utf8_once = PTHREAD_ONCE_INIT;

static void make_utf8(void)
{
    utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

locale_t tar_locale_enter(void)
{
    pthread_once(&utf8_once, make_utf8);
    return utf8 ? uselocale(utf8) : (locale_t)0;
}

void tar_locale_leave(locale_t before)
{
    if (before) uselocale(before);
}

enum anb_status tar_fail(struct anb_error *err, enum anb_status status, struct archive *archive, const char *what)
{
    int number = archive_errno(archive);
    const char *words = archive_error_string(archive);
    if (number == ENOSPC || number == EIO || number == ENOMEM || number == EFBIG)
        return anb_fail_errno(err, number, "%s", what);
    return anb_fail(err, status, "%s: %s", what, words ? words : "cannot be read");
}
