/* See figures.h. */
#include "figures.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void figures_answered(struct figures *figures, unsigned status)
{
    figures->answers[status / 100 < 6 ? status / 100 : 0]++;
}

static void put_gauge(FILE *file, const char *name, const char *help, unsigned value)
{
    fprintf(file, "# HELP %s %s\n# TYPE %s gauge\n%s %u\n", name, help, name, name, value);
}

char *figures_text(const struct figures *figures, int is_up, size_t *ret_length)
{
    char *text = NULL;
    FILE *file = open_memstream(&text, ret_length);

    if (!file)
        return NULL;
    put_gauge(file, "creditd_http_up", "Whether creditd-serve has answered.", is_up != 0);
    put_gauge(file, "creditd_http_connections", "Open HTTP connections.", figures->connections);
    put_gauge(file, "creditd_http_waiting", "Requests that wait for creditd-serve.",
              figures->waiting);
    put_gauge(file, "creditd_http_streams", "Open streams of events.", figures->streams);
    fprintf(file,
            "# HELP creditd_http_connections_total HTTP connections so far.\n"
            "# TYPE creditd_http_connections_total counter\n"
            "creditd_http_connections_total %" PRIu64 "\n"
            "# HELP creditd_http_answers_total Answers so far, by class of status.\n"
            "# TYPE creditd_http_answers_total counter\n",
            figures->connections_total);
    for (unsigned class = 1; class < 6; class ++)
        fprintf(file, "creditd_http_answers_total{status=\"%uxx\"} %" PRIu64 "\n", class,
                figures->answers[class]);
    if (fclose(file) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
