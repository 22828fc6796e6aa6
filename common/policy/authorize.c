#include "policy/authorize.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { QUESTION_MAX_BYTES = MANIFEST_MAX_BYTES + (1 << 20), ANSWER_MAX_BYTES = 65536 };

struct asked { /* the program while it runs */
    pid_t pid;
    int end, answer; /* a pidfd, and its standard output */
    struct buf text;
    bool is_long; /* more than the text can hold */
};

static enum anb_status write_question(const struct policy_request *request, const char *site, const char *job,
                                      struct buf *out, struct anb_error *err)
{
    const char *quote = job ? "\"" : "";
    enum anb_status status = buf_printf(
        out, err, "{\"site\":\"%s\",\"job\":%s%s%s,\"submitter\":{\"name\":\"%s\",\"role\":\"%s\"},\"spec\":", site,
        quote, job ? job : "null", quote, request->user, roster_role_word(request->role));
    if (status == ANB_OK) status = job_spec_write_json(request->spec, out, err);
    if (status == ANB_OK) status = buf_append_text(out, ",\"manifest\":", err);
    if (status == ANB_OK) status = manifest_write(request->manifest, out, err);
    return status == ANB_OK ? buf_append_text(out, "}\n", err) : status;
}

/* -- the process */

static int spawn(const char *program, int in, int out, pid_t *pid)
{
    char *const words[] = {(char *)program, NULL};
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", lang[] = "LANG=C.UTF-8";
    char *const variables[] = {path, lang, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int rc = posix_spawn_file_actions_init(&files);
    if (rc != 0) return rc;
    if ((rc = posix_spawnattr_init(&how)) == 0) {
        posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        posix_spawnattr_setsigmask(&how, &none);
        posix_spawnattr_setsigdefault(&how, &all);
        rc = posix_spawn_file_actions_adddup2(&files, in, 0);
        if (rc == 0) rc = posix_spawn_file_actions_adddup2(&files, out, 1);
        if (rc == 0) rc = posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
        if (rc == 0) rc = posix_spawn_file_actions_addclosefrom_np(&files, 3);
        if (rc == 0) rc = posix_spawn_file_actions_addchdir_np(&files, "/");
        if (rc == 0) rc = posix_spawn(pid, program, &files, &how, words, variables);
        posix_spawnattr_destroy(&how);
    }
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* The question lies in memory that the program reads as a file: nobody waits for it to read. */
static enum anb_status open_question(struct slice question, int *fd, struct anb_error *err)
{
    *fd = memfd_create("anabranch-question", MFD_CLOEXEC);
    if (*fd < 0) return anb_fail_errno(err, errno, "no memory for the question");
    return file_write_all(*fd, question.data, question.size, 0, err);
}

static enum anb_status start(const char *program, struct slice question, struct asked *asked, struct anb_error *err)
{
    int pipe_fds[2], in = -1, rc = 0;
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) return anb_fail_errno(err, errno, "no pipe for the answer");
    enum anb_status status = open_question(question, &in, err);
    if (status == ANB_OK) rc = spawn(program, in, pipe_fds[1], &asked->pid);
    if (rc != 0) status = anb_fail_errno(err, rc, "cannot start %s", program);
    if (status == ANB_OK) {
        asked->end = pidfd_open(asked->pid, 0);
        fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
    }
    asked->answer = pipe_fds[0];
    close(pipe_fds[1]);
    if (in >= 0) close(in);
    return status;
}

/* What is there; false: its end, or too much. */
static bool drain(struct asked *asked)
{
    char part[4096];
    for (;;) {
        ssize_t got = read(asked->answer, part, sizeof part);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno == EAGAIN;
        if (got > 0) asked->is_long = buf_append(&asked->text, slice_of(part, (size_t)got), NULL) != ANB_OK;
        if (got == 0 || asked->is_long) return false;
    }
}

/* Until the program has ended; false: not by the deadline, or its answer has no end. */
static bool await(struct asked *asked, int64_t deadline_ms)
{
    struct pollfd fds[2] = {{.fd = asked->end, .events = POLLIN}, {.fd = asked->answer, .events = POLLIN}};
    for (;;) {
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        if (left_ms <= 0) return false;
        if (poll(fds, 2, (int)left_ms) < 0 && errno != EINTR) return false;
        bool more = drain(asked);
        if (asked->is_long) return false;
        if (fds[0].revents) return true;
        if (!more) fds[1].fd = -1; /* it closed its output, and runs on */
    }
}

/* Ends whatever of it still runs; the status as of waitpid. */
static int finish(struct asked *asked)
{
    int status = -1;
    kill(-asked->pid, SIGKILL); /* not reaped yet, so the number is still its own */
    while (waitpid(asked->pid, &status, 0) < 0 && errno == EINTR) {}
    if (asked->end >= 0) close(asked->end);
    return status;
}

/* -- the answer */

static void read_answer(struct slice text, struct policy_decision *decision)
{
    struct doc *answer = NULL;
    doc_parse_json(text, "answer", &answer, NULL);
    const char *word = doc_text(doc_get(answer, "decision"), ""), *reason = doc_text(doc_get(answer, "reason"), NULL);
    bool form = doc_kind(answer) == DOC_MAP && doc_size(answer) == (doc_get(answer, "reason") ? 2u : 1u) &&
                (reason || !doc_get(answer, "reason"));
    if (form && strcmp(word, "allow") == 0)
        policy_find(decision, POLICY_RULE_AUTHORIZATION, true, "the site's program allows it");
    else if (form && strcmp(word, "deny") == 0)
        policy_find(decision, POLICY_RULE_AUTHORIZATION, false, "%s",
                    reason && *reason ? reason : "the site's program denies it");
    else
        policy_find(decision, POLICY_RULE_AUTHORIZATION, false,
                    "the site's program gave no answer that could be understood");
    doc_free(answer);
}

static void judge(const struct policy *policy, bool in_time, int status, struct asked *asked,
                  struct policy_decision *decision)
{
    if (asked->is_long)
        policy_find(decision, POLICY_RULE_AUTHORIZATION, false, "the site's program said too much");
    else if (!in_time)
        policy_find(decision, POLICY_RULE_AUTHORIZATION, false, "the site's program gave no answer within %lld s",
                    (long long)policy->timeout_s);
    else if (WIFSIGNALED(status))
        policy_find(decision, POLICY_RULE_AUTHORIZATION, false, "the site's program was ended by signal %d",
                    WTERMSIG(status));
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        policy_find(decision, POLICY_RULE_AUTHORIZATION, false, "the site's program ended with exit status %d",
                    WEXITSTATUS(status));
    else
        read_answer(buf_slice(&asked->text), decision);
}

static void ask(const struct policy *policy, struct slice question, struct policy_decision *decision)
{
    struct asked asked = {.end = -1, .answer = -1};
    struct anb_error err;
    buf_init(&asked.text, ANSWER_MAX_BYTES);
    if (start(policy->program, question, &asked, &err) == ANB_OK) {
        bool in_time = await(&asked, clock_monotonic_ms() + policy->timeout_s * 1000);
        judge(policy, in_time, finish(&asked), &asked, decision);
    } else {
        policy_find(decision, POLICY_RULE_AUTHORIZATION, false, "the site's program cannot be asked: %s", err.text);
    }
    if (asked.answer >= 0) close(asked.answer);
    buf_fini(&asked.text);
}

void policy_authorize(const struct policy *policy, const struct policy_request *request, const char *site,
                      const char *job, struct policy_decision *decision)
{
    struct buf question;
    struct anb_error err;
    if (!policy->program) return;
    buf_init(&question, QUESTION_MAX_BYTES);
    if (write_question(request, site, job, &question, &err) == ANB_OK)
        ask(policy, buf_slice(&question), decision);
    else
        policy_find(decision, POLICY_RULE_AUTHORIZATION, false, "the site's program cannot be asked: %s", err.text);
    buf_fini(&question);
}
