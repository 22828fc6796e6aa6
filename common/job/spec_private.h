/* The table of a job file's keys, shared by the parser and the writers. Constant data: any thread. */
#ifndef ANB_JOB_SPEC_PRIVATE_H
#define ANB_JOB_SPEC_PRIVATE_H

#include "job/spec.h"

enum key_kind {
    KEY_NAME,      /* const char *: one line for people */
    KEY_SCOPE,     /* const char *: a name, or NULL */
    KEY_PATH,      /* const char *: a file below the job folder */
    KEY_CHOICE,    /* const char *: one of `words` */
    KEY_LAUNCH,    /* enum trainer_launch, by its index in `words` */
    KEY_INT32,     /* int32_t in least..most */
    KEY_INT64,     /* int64_t in least..most */
    KEY_BOOL,      /* bool */
    KEY_SITES,     /* const char ** of node names, n behind it */
    KEY_CHOICES,   /* const char ** of some of `words`, each once, n behind it; by default all */
    KEY_COMMAND,   /* const char ** of texts, n behind it, not empty */
    KEY_VARIABLES, /* struct job_variable *, n behind it */
};

struct spec_key {
    const char *section; /* "" at the top */
    const char *name;
    enum key_kind kind;
    size_t offset; /* in struct job_spec; a list's count is at count_offset */
    size_t count_offset;
    int64_t least, most;
    const char *const *words;
    int64_t fallback;   /* of integers, true or false, and words by index */
    const char *absent; /* what holds when the key is not given; NULL: it must be given */
    const char *sentence;
};

extern const struct spec_key spec_keys[];
extern const size_t n_spec_keys;

static inline void *spec_place(const struct spec_key *key, struct job_spec *spec)
{
    return (char *)spec + key->offset;
}

static inline const void *spec_place_const(const struct spec_key *key, const struct job_spec *spec)
{
    return (const char *)spec + key->offset;
}

static inline size_t spec_count(const struct spec_key *key, const struct job_spec *spec)
{
    return *(const size_t *)(const void *)((const char *)spec + key->count_offset);
}

#endif
