/* A trainer in C: each site pulls every number of the model towards its own.
 *
 * Site n wants all numbers to be n (a site's number is what its name ends with). In each round it moves the received
 * model half the way; the federation's model, the mean of what the sites send, comes to rest at the mean of their
 * numbers. */
#include <anabranch/anabranch.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float number_of(const char *site)
{
    return (float)atoi(site + strcspn(site, "0123456789"));
}

/* Mean distance from what this site wants. */
static double loss_of(const struct anb_tensor *tensor, float target)
{
    const float *x = tensor->data;
    double sum = 0;
    for (size_t i = 0; i < tensor->n_elements; i++) sum += fabsf(x[i] - target);
    return tensor->n_elements ? sum / (double)tensor->n_elements : 0;
}

static int train(struct anb_client *client, struct anb_update *update, float target)
{
    if (anb_update_like(update) != 0) return -1;
    for (size_t t = 0; t < anb_n_tensors(client); t++) {
        const struct anb_tensor *tensor = anb_tensor_at(client, t);
        float *out = anb_update_data(update, t);
        if (!out || tensor->dtype != ANB_F32) return -1;
        const float *x = tensor->data;
        for (size_t i = 0; i < tensor->n_elements; i++) out[i] = x[i] + (target - x[i]) / 2;
    }
    return 0;
}

static int answer(struct anb_client *client)
{
    float target = number_of(anb_site(client));
    double loss = anb_n_tensors(client) ? loss_of(anb_tensor_at(client, 0), target) : 0;
    struct anb_update *update = anb_update_new(client);
    if (!update || anb_update_metric(update, "loss", loss) != 0 ||
        (anb_is_train(client) && train(client, update, target) != 0)) {
        anb_update_free(update);
        return anb_give_up(client, "this trainer wants a model of F32 tensors");
    }
    printf("%s of round %d: loss %.4f\n", anb_task_name(client), anb_round(client), loss);
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
