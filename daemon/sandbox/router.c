#include "router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void match_deinit(struct match *match)
{
    for (size_t i = 0; i < MATCH_PARAMETERS; i++)
        free(match->parameters[i]);
    *match = (struct match){0};
}

/* 1 where the path fits the pattern, 0 where it does not, -ENOMEM. */
static int path_fit(const char *pattern, const char *path, struct match *match)
{
    size_t parameter = 0;

    while (*pattern == '/' && *path == '/') {
        size_t wanted = strcspn(++pattern, "/"), length = strcspn(++path, "/");

        if (wanted == 2 && strncmp(pattern, "{}", 2) == 0) {
            if (length == 0 || parameter == MATCH_PARAMETERS)
                return 0;
            match->parameters[parameter] = url_decode(path, length, false);
            if (!match->parameters[parameter++])
                return -ENOMEM;
        } else if (wanted != length || strncmp(pattern, path, length) != 0) {
            return 0;
        }
        pattern += wanted;
        path += length;
    }
    return *pattern == '\0' && *path == '\0';
}

static int rows_match(const struct route *routes, size_t count, const char *method,
                      const char *path, unsigned servers, struct match *match)
{
    int result = MATCH_UNKNOWN;

    for (size_t i = 0; i < count; i++) {
        int r;

        if (!(routes[i].servers & servers))
            continue;
        r = path_fit(routes[i].path, path, match);
        if (r > 0 && strcmp(routes[i].method, method) == 0) {
            match->route = &routes[i];
            return MATCH_FOUND;
        }
        match_deinit(match);
        if (r < 0)
            return r;
        if (r > 0)
            result = MATCH_METHOD;
    }
    return result;
}

int route_match(const struct route *routes, size_t count, const char *method, const char *path,
                struct match *ret_match)
{
    static const char control[] = "/_sandbox/", old[] = "/api/";
    struct match match = {0};
    size_t length = strlen(path);
    int r;

    if (length > 1 && path[length - 1] == '/')
        return MATCH_SLASH;
    if (strncmp(path, control, sizeof(control) - 1) == 0)
        r = rows_match(routes, count, method, path, ROUTE_CONTROL, &match);
    else if (strncmp(path, old, sizeof(old) - 1) == 0)
        r = rows_match(routes, count, method, path + sizeof(old) - 2, ROUTE_OLD, &match);
    else
        r = rows_match(routes, count, method, path, ROUTE_NEW, &match);
    if (r != MATCH_FOUND)
        return r;
    match.old = match.route->servers != ROUTE_CONTROL && strncmp(path, old, sizeof(old) - 1) == 0;
    *ret_match = match;
    return MATCH_FOUND;
}
