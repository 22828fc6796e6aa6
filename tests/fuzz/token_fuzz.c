/* Any bytes as a token, as the file of tokens, and as a wish for one. A text that is a token has one form only. */
#include "server/routes.h"
#include "server/tokens.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void as_token(const char *text)
{
    char id[TOKEN_ID_BYTES];
    unsigned char secret[DIGEST_BYTES];
    if (token_parse(text, id, secret) && strlen(text) != TOKEN_TEXT_BYTES - 1) abort();
}

static void as_file(struct slice text)
{
    static struct token items[TOKENS_MAX];
    size_t count = 0;
    struct anb_error err;
    if (tokens_read(text, "tokens.json", items, &count, &err) != ANB_OK) return;
    for (size_t i = 0; i < count; i++)
        if (!name_is_valid(slice_of_text(items[i].name)) || items[i].role >= USER_N_ROLES) abort();
}

static void as_wish(struct slice text)
{
    struct token_wish wish;
    struct anb_error err;
    if (read_token_wish(text, &wish, &err) == ANB_OK && (wish.days < 1 || wish.days > TOKEN_MAX_DAYS)) abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text) return 0;
    memcpy(text, data, size);
    text[size] = 0;
    as_token(text);
    as_file(slice_of(data, size));
    as_wish(slice_of(data, size));
    free(text);
    return 0;
}
