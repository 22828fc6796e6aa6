#include "base/status.h"

#include "support/test.h"

#include <errno.h>
#include <string.h>

static void long_sentences_are_cut_not_overrun(void)
{
    struct anb_error err;
    char words[2000];
    memset(words, 'w', sizeof words - 1);
    words[sizeof words - 1] = 0;
    CHECK_EQUAL(anb_fail(&err, ANB_IO, "%s", words), ANB_IO);
    CHECK_EQUAL(strlen(err.text), sizeof err.text - 1);
    anb_error_prefix(&err, "%s: ", words);
    CHECK_EQUAL(strlen(err.text), sizeof err.text - 1);
    CHECK_EQUAL(anb_fail_errno(&err, EIO, "%s", words), ANB_IO);
    CHECK_EQUAL(strlen(err.text), sizeof err.text - 1);
}

static void sentences_may_have_nowhere_to_go(void)
{
    CHECK_EQUAL(anb_fail(NULL, ANB_INVALID, "x"), ANB_INVALID);
    CHECK_EQUAL(anb_fail_errno(NULL, ENOSPC, "x"), ANB_NO_SPACE);
    anb_error_prefix(NULL, "x");
}

static void system_errors_become_statuses_with_the_system_s_words(void)
{
    struct anb_error err;
    CHECK_EQUAL(anb_fail_errno(&err, ENOENT, "cannot open %s", "a"), ANB_NOT_FOUND);
    CHECK_TEXT(err.text, "cannot open a: No such file or directory");
    CHECK_EQUAL(err.status, ANB_NOT_FOUND);
    CHECK_EQUAL(anb_fail_errno(&err, EDQUOT, "x"), ANB_NO_SPACE);
    CHECK_EQUAL(anb_fail_errno(&err, ENOMEM, "x"), ANB_NO_MEMORY);
    CHECK_EQUAL(anb_fail_errno(&err, EEXIST, "x"), ANB_EXISTS);
    CHECK_EQUAL(anb_fail_errno(&err, EACCES, "x"), ANB_DENIED);
    CHECK_EQUAL(anb_fail_errno(&err, EPIPE, "x"), ANB_IO);
}

static void prefix_stands_before_the_sentence(void)
{
    struct anb_error err;
    anb_fail(&err, ANB_TIMEOUT, "no answer in %d ms", 50);
    anb_error_prefix(&err, "site %s: ", "a");
    CHECK_TEXT(err.text, "site a: no answer in 50 ms");
    CHECK_EQUAL(err.status, ANB_TIMEOUT);
}

static void every_status_has_a_word_and_a_class(void)
{
    CHECK_TEXT(anb_status_word(ANB_OK), "ok");
    CHECK_TEXT(anb_status_word(ANB_FATAL), "fatal");
    CHECK_EQUAL(anb_status_class(ANB_OK), ANB_CLASS_NONE);
    CHECK_EQUAL(anb_status_class(ANB_UNAVAILABLE), ANB_CLASS_RETRY);
    CHECK_EQUAL(anb_status_class(ANB_CORRUPT), ANB_CLASS_CALLER);
    CHECK_EQUAL(anb_status_class(ANB_NO_SPACE), ANB_CLASS_FATAL);
}

TEST_MAIN("status", TEST(long_sentences_are_cut_not_overrun), TEST(sentences_may_have_nowhere_to_go),
          TEST(system_errors_become_statuses_with_the_system_s_words), TEST(prefix_stands_before_the_sentence),
          TEST(every_status_has_a_word_and_a_class))
