/*
 * For whom a request is: the customer whom it names, or whose user it names or proves to be. What
 * it takes to know may have to be waited for: the session's verdict, and the user's customer.
 */
#pragma once

#include "request.h"
#include <stdbool.h>

/* True: request->identity is there. False: *ret_result is what request_function would answer. */
bool identify(struct request *request, int *ret_result);
