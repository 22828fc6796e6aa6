/* The rules there are, one file each. */
#ifndef ANB_FOLD_RULES_H
#define ANB_FOLD_RULES_H

#include "fold/fold.h"

extern const struct fold_rule fold_fedavg;

#endif
