/* What creditd-http tells of itself. */
#include "figures.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(figures, as_prometheus_reads_them)
{
    struct figures figures = {.connections = 2, .connections_total = 7};
    size_t length;
    char *text;

    figures_answered(&figures, 200);
    figures_answered(&figures, 204);
    figures_answered(&figures, 404);
    figures_answered(&figures, 503);
    text = figures_text(&figures, 1, &length);
    cr_assert_not_null(text);
    cr_assert_eq(strlen(text), length);
    cr_assert_not_null(strstr(text, "\ncreditd_http_up 1\n"));
    cr_assert_not_null(strstr(text, "\ncreditd_http_connections 2\n"));
    cr_assert_not_null(strstr(text, "\ncreditd_http_connections_total 7\n"));
    cr_assert_not_null(strstr(text, "\ncreditd_http_answers_total{status=\"2xx\"} 2\n"));
    cr_assert_not_null(strstr(text, "\ncreditd_http_answers_total{status=\"4xx\"} 1\n"));
    cr_assert_not_null(strstr(text, "\ncreditd_http_answers_total{status=\"5xx\"} 1\n"));
    cr_assert_eq(text[length - 1], '\n');
    free(text);
}
