/* The data folder: DATA/jobs/ID/..., DATA/incoming (emptied at each start), DATA/project (whose it is).
 *
 * One process at a time has it; the data of one project never mix with those of another. Main thread. */
#ifndef ANB_SERVER_FOLDERS_H
#define ANB_SERVER_FOLDERS_H

#include "base/buf.h"

struct folders {
    char data[3072], jobs[3100], incoming[3100];
    int lock_fd;
};

/* DENIED: another process has it, or it is of another project. */
enum anb_status folders_open(const char *data, const char *project, struct folders *folders, struct anb_error *err);
void folders_close(struct folders *folders);

#endif
