/* Each error has a status, and a fitting one. */
#include "status.h"
#include <criterion/criterion.h>
#include <string.h>

Test(status, each_error_has_one)
{
    for (unsigned i = PROTO_ERROR_NONE + 1; i < PROTO_ERROR_COUNT_; i++) {
        unsigned status = status_of_error(i);

        cr_assert(status >= 400 && status < 600, "%s", proto_error_code(i));
        cr_assert_eq(status == 500, i == PROTO_ERROR_INTERNAL, "%s", proto_error_code(i));
        /* What may succeed later is told so: by 429 and 503. */
        cr_assert_eq(status == 429 || status == 503, proto_error_is_retryable(i) != 0, "%s",
                     proto_error_code(i));
    }
    cr_assert_eq(status_of_error(PROTO_ERROR_COUNT_), 500);
    cr_assert_eq(status_of_error(PROTO_ERROR_NONE), 500);
}

Test(status, those_that_clients_look_for)
{
    cr_assert_eq(status_of_error(PROTO_ERROR_INVALID_PARAMETER), 400);
    cr_assert_eq(status_of_error(PROTO_ERROR_UNAUTHENTICATED), 401);
    cr_assert_eq(status_of_error(PROTO_ERROR_INSUFFICIENT_CREDITS), 402);
    cr_assert_eq(status_of_error(PROTO_ERROR_PERMISSION_DENIED), 403);
    cr_assert_eq(status_of_error(PROTO_ERROR_NOT_FOUND), 404);
    cr_assert_eq(status_of_error(PROTO_ERROR_KEY_REUSED), 409);
    cr_assert_eq(status_of_error(PROTO_ERROR_GAP), 410);
    cr_assert_eq(status_of_error(PROTO_ERROR_BUSY), 429);
    cr_assert_eq(status_of_error(PROTO_ERROR_UPSTREAM_UNAVAILABLE), 503);
}
