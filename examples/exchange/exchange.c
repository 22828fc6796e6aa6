/* Moves models without training: every F32 number comes back larger by the site's number, the rest as it came.
 *
 * One pass over the model, from the received memory into the update's. So what a round costs is the exchange itself,
 * and what the model must be after r rounds is known: with equal weights, the first value plus r times the mean of the
 * sites' numbers. */
#include <anabranch/anabranch.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(float *restrict out, const float *restrict x, size_t n, float number)
{
    for (size_t i = 0; i < n; i++) out[i] = x[i] + number;
}

static int fill(struct anb_client *client, struct anb_update *update, float number)
{
    if (anb_update_like(update) != 0) return -1;
    for (size_t t = 0; t < anb_n_tensors(client); t++) {
        const struct anb_tensor *tensor = anb_tensor_at(client, t);
        void *out = anb_update_data(update, t);
        if (!out) return -1;
        if (tensor->dtype == ANB_F32)
            add(out, tensor->data, tensor->n_elements, number);
        else
            memcpy(out, tensor->data, tensor->bytes);
    }
    return 0;
}

static int answer(struct anb_client *client)
{
    const char *site = anb_site(client);
    float number = (float)atoi(site + strcspn(site, "0123456789"));
    struct anb_update *update = anb_update_new(client);
    if (!update || (anb_is_train(client) && fill(client, update, number) != 0)) {
        anb_update_free(update);
        return anb_give_up(client, anb_error(client));
    }
    return anb_send(client, update);
}

int main(void)
{
    char why[256];
    struct anb_client *client = anb_open(NULL, why, sizeof why);
    if (!client) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    enum anb_answer next;
    while ((next = anb_receive(client, -1)) == ANB_TASK)
        if (answer(client) != 0) fprintf(stderr, "%s\n", anb_error(client));
    if (next == ANB_FAILED) fprintf(stderr, "%s\n", anb_error(client));
    anb_close(client);
    return next == ANB_FAILED;
}
