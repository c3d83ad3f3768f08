#include "sandbox.h"

#include <string.h>

void sandbox_init(struct sandbox *sandbox, uint64_t random_seed)
{
    memset(sandbox, 0, sizeof(*sandbox));
    pthread_mutex_init(&sandbox->lock, NULL);
    model_init(&sandbox->model);
    faults_init(&sandbox->faults);
    keys_init(&sandbox->keys);
    pauses_init(&sandbox->pauses);
    sandbox->prng.state = random_seed;
}

void sandbox_deinit(struct sandbox *sandbox)
{
    pauses_deinit(&sandbox->pauses);
    keys_deinit(&sandbox->keys);
    model_deinit(&sandbox->model);
    pthread_mutex_destroy(&sandbox->lock);
}

void sandbox_sleep(struct sandbox *sandbox, int64_t ms)
{
    if (ms <= 0)
        return;
    pthread_mutex_unlock(&sandbox->lock);
    pauses_sleep(&sandbox->pauses, ms);
    pthread_mutex_lock(&sandbox->lock);
}
