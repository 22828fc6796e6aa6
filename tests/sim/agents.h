/* A federation whose sites are real agents with real trainer processes, over the in-memory bus: one server that
 * decides, one aggregator that folds, N agents. One thread owns it. */
#ifndef ANB_SIM_AGENTS_H
#define ANB_SIM_AGENTS_H

#include "node/node.h"

enum { AGENTS_MAX_SITES = 4 };

struct agents;

struct agents *agents_open(int n_sites);
/* With more lines for the policy file of each site, which lets all code of leads in; NULL: none. */
struct agents *agents_open_with(int n_sites, const char *const *policies);
void agents_close(struct agents *agents);

/* As kill -9 would: no word to the log, trainers killed; and the start after it. */
void agents_kill(struct agents *agents, int site);
void agents_start(struct agents *agents, int site);

/* The work folder of a site, 1 .. n. */
const char *agents_folder(const struct agents *agents, int site);

/* Submit a job whose trainer is the script ("#!/bin/sh" text); the program `hello` lies beside it. `spec` is JSON: the
 * members behind the name; without a trainer in it, the script is the command. Gives the job's id. */
const char *agents_submit(struct agents *agents, const char *script, const char *spec);
/* The same, but `change` plays a server that is not honest: it may change what was signed before it is sent. */
struct agents_submission {
    struct job_submitted *submitted;
    int archive_fd, model_fd; /* the manifest stands behind the archive */
    int64_t archive_bytes;
};
const char *agents_submit_changed(struct agents *agents, const char *script, const char *spec,
                                  void (*change)(struct agents_submission *submission));
/* A whole policy file for all sites. User "rosa", who submits, is a lead; "jan" is a member. */
void agents_write_policy(struct agents *agents, const char *text);
void agents_revoke(struct agents *agents, const char *user);
/* Wait until the first site has answered the job; its reason, "" when it accepts. False: not within 60 s. */
bool agents_await_answer(struct agents *agents, const char *job, char reason[512]);
void agents_abort(struct agents *agents, const char *job);

struct ending {
    enum outcome outcome;
    char reason[256];
    struct digest model;     /* of the last train round that closed */
    double loss;             /* of the last round; NaN: none */
    int n_counted, n_rounds; /* sites in the first round, rounds closed */
    char excluded[512];      /* why the first excluded site of the first round was */
    bool gone;               /* all traces of the job have left the sites' folders */
};
/* Wait until the job has ended and its trainers are gone. False: not within 60 s. */
bool agents_await(struct agents *agents, const char *job, struct ending *ending);
/* Wait until `round` of the job is open. */
bool agents_await_round(struct agents *agents, const char *job, int round);
/* Wait until a file is there. */
bool agents_await_file(const char *path);

#endif
