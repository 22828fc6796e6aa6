/* The site's own program: whatever it does but say allow, denies. */
#include "policy/authorize.h"

#include "base/file.h"
#include "support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOB "name: digits\nrounds: 2\ntrainer: {command: [python3, train.py]}\n"

static struct policy_decision decision;

static const char *in_folder(const char *name)
{
    static char path[2][512];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", test_folder(), name);
    return path[turn];
}

static void ask(const char *program, int timeout_s)
{
    char text[512];
    struct policy *policy = NULL;
    struct job_spec *spec = NULL;
    struct manifest *manifest = NULL;
    snprintf(text, sizeof text, "authorization: {program: '%s', timeout_s: %d}\n", program, timeout_s);
    REQUIRE(policy_parse(slice_of_text(text), "site.yaml", &policy, &test_error) == ANB_OK);
    REQUIRE(job_spec_parse(slice_of_text(JOB), "job.yaml", &spec, &test_error) == ANB_OK);
    REQUIRE(manifest_new("demo", "rosa", "r-1", &manifest, &test_error) == ANB_OK);
    const struct policy_request request = {"rosa", ROSTER_LEAD, spec, manifest};
    decision = (struct policy_decision){.n_findings = 0};
    policy_authorize(policy, &request, "site-2", "00112233445566aa", &decision);
    manifest_free(manifest);
    job_spec_free(spec);
    policy_free(policy);
}

/* A shell script that is the program. */
static const char *script(const char *lines)
{
    char text[1024];
    const char *path = in_folder("ask.sh");
    snprintf(text, sizeof text, "#!/bin/sh\n%s\n", lines);
    REQUIRE(file_write(path, slice_of_text(text), &test_error) == ANB_OK);
    REQUIRE(chmod(path, 0755) == 0);
    return path;
}

static void denied(const char *words)
{
    const struct policy_finding *denial = policy_denial(&decision);
    REQUIRE(denial != NULL);
    CHECK_EQUAL(denial->rule, POLICY_RULE_AUTHORIZATION);
    CHECK(strstr(denial->text, words) != NULL);
    if (!strstr(denial->text, words)) printf("got: %s\n", denial->text);
}

static void a_program_that_cannot_be_started_denies(void)
{
    ask("/nowhere/ask", 60);
    denied("cannot be asked: cannot start /nowhere/ask");
}

static void a_program_that_fails_denies_whatever_it_said(void)
{
    ask(script("echo '{\"decision\":\"allow\"}'; exit 3"), 60);
    denied("ended with exit status 3");
    ask(script("echo '{\"decision\":\"allow\"}'; kill -SEGV $$"), 60);
    denied("was ended by signal 11");
}

static void a_program_that_hangs_denies_and_is_killed(void)
{
    ask(script("echo '{\"decision\":\"allow\"}'; exec sleep 600"), 1);
    denied("gave no answer within 1 s");
    ask(script("exec >&-; exec sleep 600"), 1); /* a closed output is no end */
    denied("gave no answer within 1 s");
}

static void rubbish_denies(void)
{
    static const char *const answers[] = {
        "",
        "allow",
        "{}",
        "[\"allow\"]",
        "{\"decision\":\"Allow\"}",
        "{\"decision\":true}",
        "{\"decision\":\"allow\",\"decision\":\"deny\"}",
        "{\"decision\":\"allow\",\"more\":1}",
        "{\"decision\":\"allow\",\"reason\":7}",
        "{\"decision\":\"allow\"} {\"decision\":\"allow\"}",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        char lines[256];
        snprintf(lines, sizeof lines, "echo '%s'", answers[i]);
        ask(script(lines), 60);
        denied("gave no answer that could be understood");
    }
}

static void an_answer_without_end_denies(void)
{
    ask(script("exec yes allow"), 60);
    denied("said too much");
}

static void its_denial_is_told_with_the_reason_on_one_line(void)
{
    ask(script("cat <<'END'\n{\"decision\":\"deny\",\"reason\":\"not on\\nSundays\"}\nEND"), 60);
    denied("not on Sundays");
    ask(script("echo '{\"decision\":\"deny\"}'"), 60);
    denied("the site's program denies it");
}

static void a_long_reason_is_cut_between_characters(void)
{
    char lines[1024] = "echo '{\"decision\":\"deny\",\"reason\":\"a";
    for (int i = 0; i < 200; i++) strcat(lines, "\xc3\xa9");
    strcat(lines, "\"}'");
    ask(script(lines), 60);
    const struct policy_finding *denial = policy_denial(&decision);
    REQUIRE(denial != NULL);
    CHECK(strlen(denial->text) == sizeof denial->text - 1);
    CHECK(denial->text[sizeof denial->text - 2] == '?' || denial->text[sizeof denial->text - 2] == '\xa9');
}

/* What it is told, and that it gets nothing else of this process. */
static void it_reads_the_job_and_sees_nothing_of_the_agent(void)
{
    char lines[1024], text[8192] = "";
    struct buf seen;
    setenv("SECRET", "canary", 1);
    /* not close-on-exec: it must not come along all the same */
    int open_file = open(in_folder("keys-of-the-agent"), O_RDWR | O_CREAT, 0600);
    snprintf(lines, sizeof lines,
             "f=%s; cat > $f; echo >> $f; env >> $f; ls -l /proc/$$/fd >> $f; pwd >> $f; "
             "echo '{\"decision\":\"allow\",\"reason\":\"it is fine\"}'",
             in_folder("seen"));
    ask(script(lines), 60);
    close(open_file);
    CHECK(!policy_denial(&decision));
    buf_init(&seen, 1 << 20);
    REQUIRE(file_read(in_folder("seen"), &seen, &test_error) == ANB_OK);
    snprintf(text, sizeof text, "%s", buf_text(&seen));
    buf_fini(&seen);
    CHECK(strstr(text, "{\"site\":\"site-2\",\"job\":\"00112233445566aa\",\"submitter\":{\"name\":\"rosa\",\"role\":"
                       "\"lead\"},\"spec\":{\"name\":\"digits\"") == text);
    CHECK(strstr(text, "\"manifest\":{\"manifest\":\"anabranch-1\"") != NULL);
    CHECK(!strstr(text, "canary"));
    CHECK(!strstr(text, "keys-of-the-agent"));
    CHECK(strstr(text, "/dev/null\n") != NULL); /* its standard error, so the list is there */
    CHECK(strstr(text, "\n/\n") != NULL);
}

static void nobody_is_asked_when_the_policy_names_no_program(void)
{
    struct policy *policy = NULL;
    REQUIRE(policy_parse(slice_of_text("{}"), "site.yaml", &policy, &test_error) == ANB_OK);
    decision = (struct policy_decision){.n_findings = 0};
    policy_authorize(policy, NULL, "site-2", NULL, &decision);
    CHECK_EQUAL(decision.n_findings, 0);
    policy_free(policy);
}

TEST_MAIN("policy authorize", TEST(a_program_that_cannot_be_started_denies),
          TEST(a_program_that_fails_denies_whatever_it_said), TEST(a_program_that_hangs_denies_and_is_killed),
          TEST(rubbish_denies), TEST(an_answer_without_end_denies),
          TEST(its_denial_is_told_with_the_reason_on_one_line), TEST(a_long_reason_is_cut_between_characters),
          TEST(it_reads_the_job_and_sees_nothing_of_the_agent), TEST(nobody_is_asked_when_the_policy_names_no_program))
