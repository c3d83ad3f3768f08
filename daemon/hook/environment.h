/*
 * The environment of a hook's program: who it is, where programs and languages are, and which event
 * it is run for. Of our own it sees PATH, LANG and TZ.
 */
#pragma once

#include "identity.h"
#include "request.h"

/* "NAME=value", the last one NULL. 0 or -ENOMEM. */
int environment_make(const struct request *request, const struct identity *identity,
                     char ***ret_environment);
char **environment_free(char **environment);
void environment_cleanup(char ***environment);
