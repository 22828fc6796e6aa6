/* What packing and unpacking need from libarchive alike. Only pack.c and unpack.c look here. */
#ifndef ANB_BUNDLE_TAR_H
#define ANB_BUNDLE_TAR_H

#include "base/status.h"

#include <archive.h>
#include <locale.h>

/* libarchive turns names into the thread's character set, and a service has none: names are UTF-8 between these two. */
locale_t tar_locale_enter(void);
void tar_locale_leave(locale_t before);

/* libarchive's words and errno for what just failed; `status` where there is no errno of the system. */
enum anb_status tar_fail(struct anb_error *err, enum anb_status status, struct archive *archive, const char *what);

#endif
