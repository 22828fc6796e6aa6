/* What a privacy scope has spent, on disk: a text file of one JSON line for each update that was allowed to leave.
 *
 *     {"update":4,"time_ms":1764000000000,"job":"0011223344556677","round":3,"rho":0.5,"pure":0,"numbers":650,
 *      "total_rho":2,"total_pure":0,"total_numbers":2600,"epsilon":10.9,"budget":20,"delta":1e-05}
 *
 * ledger_spend writes the line and waits until the disk has it, before it says that an update may leave: a process that
 * dies in between has spent without sending, never the other way round. A last line without its end was never
 * acknowledged and is cut off. The file is locked (flock) while it is read and written: any thread, any process. */
#ifndef ANB_PRIVACY_LEDGER_H
#define ANB_PRIVACY_LEDGER_H

#include "base/status.h"
#include "privacy/accountant.h"
#include "privacy/chain.h"

struct ledger_entry {
    int64_t number, time_ms; /* from 1 */
    char job[40];
    int32_t round;
    struct privacy_loss loss, total; /* of this update; of all up to it */
    struct filter_budget budget;     /* as it was then */
};

/* Write `entry` (its number, total and budget are filled in) if the scope can afford it. DENIED, with what is spent: it
 * cannot, and nothing is written. Any other failure: the update must not leave either. The folder must be there. */
enum anb_status ledger_spend(const char *path, const struct filter_budget *budget, struct ledger_entry *entry,
                             struct anb_error *err);
/* Could it afford `loss` on top of `total`? DENIED, with what is spent: no. */
enum anb_status ledger_check(const char *path, const struct filter_budget *budget, const struct privacy_loss *total,
                             const struct privacy_loss *loss, struct anb_error *err);
/* The last entry; zeros with job "" when there is none. NOT_FOUND: no such file. CORRUPT: it is no ledger. */
enum anb_status ledger_last(const char *path, struct ledger_entry *entry, struct anb_error *err);

#endif
