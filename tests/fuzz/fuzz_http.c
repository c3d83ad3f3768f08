/*
 * What creditd-http reads of a stranger's request beside HTTP itself: the path, the query, the
 * origin, the body. The first byte says which.
 */
#include "fuzz.h"
#include <errno.h>
#include <json_value.h>
#include <parameters.h>
#include <route.h>
#include <stdlib.h>
#include <string.h>
#include <util/origin.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static void try_query(const char *text)
{
    for (unsigned m = 0; m < PROTO_METHOD_COUNT_; m += 5) {
        struct parameters_problem problem;
        json_t *object = NULL;
        int r = parameters_from_query(text, m, &object, &problem);

        REQUIRE(r == 0 || r == -EINVAL || r == -ENOMEM);
        REQUIRE(r == 0 || problem.text[0] != '\0');
        if (r == 0)
            REQUIRE((parameters_present(object) & ~proto_method_spec(m)->known) == 0);
        json_decref(object);
    }
}

/* What is taken goes into a message, and is no larger there than was said. */
static void try_body(const char *body, size_t length)
{
    struct parameters_problem problem;
    struct creditd_map *map;
    json_t *object = NULL;

    if (parameters_from_body(body, length, &object, &problem) < 0) {
        REQUIRE(problem.text[0] != '\0');
        return;
    }
    map = creditd_map_new();
    REQUIRE(map != NULL);
    json_into_map(map, object);
    (void)creditd_map_check(map);
    creditd_map_free(map);
    REQUIRE(json_encoded_bound(object) > 0);
    parameters_restrict(object, ~PROTO_IDENTITY);
    REQUIRE((parameters_present(object) & PROTO_IDENTITY) == 0);
    json_decref(object);
}

static void try_origin(const char *text)
{
    char origin[ORIGIN_MAX], again[ORIGIN_MAX];

    if (origin_of(text, strlen(text), origin) < 0) {
        REQUIRE(!origin_is_trusted("https://app.example", text, text));
        return;
    }
    REQUIRE(origin_of(origin, strlen(origin), again) == 0 && strcmp(origin, again) == 0);
    REQUIRE(origin_is_trusted(NULL, text, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct route route;
    char *text;

    if (size == 0)
        return 0;
    text = malloc(size);
    REQUIRE(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 4) {
    case 0:
        try_query(text);
        break;
    case 1:
        try_body(text, size - 1);
        break;
    case 2:
        try_origin(text);
        break;
    default:
        (void)route_find("/api/auth/stellar", text, size - 1, &route);
    }
    free(text);
    return 0;
}
