/* A multipart/form-data body, read piece by piece by libmicrohttpd's parser and put into an upload. HTTP thread. */
#ifndef ANB_SERVER_MULTIPART_H
#define ANB_SERVER_MULTIPART_H

#include "server/upload.h"

struct MHD_Connection;
struct multipart;

/* `upload`, `folder` and `limits` must outlive it. INVALID when the connection's Content-Type has no usable boundary.
 */
enum anb_status multipart_new(struct MHD_Connection *connection, struct upload *upload, const char *folder,
                              const struct upload_limits *limits, struct multipart **multipart, struct anb_error *err);
/* After a failure every later call gives the same failure and the bytes are let go. */
enum anb_status multipart_feed(struct multipart *multipart, const char *data, size_t size, struct anb_error *err);
/* The body has ended: was it whole? Frees; NULL is fine and gives OK. */
enum anb_status multipart_finish(struct multipart *multipart, struct anb_error *err);

#endif
