/* Running programs: see program.h. */
#include "program.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct server program_server;
char out[16384], err[4096];

void program_start(void)
{
    server_start(&program_server, 100000);
    setenv("CREDITD_SOCKET", program_server.path, 1);
    setenv("TZ", "UTC", 1);
}

void program_stop(void)
{
    server_stop(&program_server);
}

static void slurp(const char *path, char *buffer, size_t size)
{
    FILE *file = fopen(path, "r");
    size_t n = fread(buffer, 1, size - 1, file);

    buffer[n] = '\0';
    fclose(file);
    unlink(path);
}

/* Runs a shell line with the program in $P; its exit code. */
int run(const char *program, const char *arguments)
{
    char line[2048], out_path[128], err_path[128];
    int status;

    snprintf(out_path, sizeof out_path, "%s/out", program_server.directory);
    snprintf(err_path, sizeof err_path, "%s/err", program_server.directory);
    snprintf(line, sizeof line, "{ P='%s'; %s; } >'%s' 2>'%s'", program, arguments, out_path,
             err_path);
    status = system(line);
    slurp(out_path, out, sizeof out);
    slurp(err_path, err, sizeof err);
    cr_assert(WIFEXITED(status), "%s: %s", arguments, err);
    return WEXITSTATUS(status);
}

int ctl(const char *arguments)
{
    return run(CREDITCTL, arguments);
}

void has(const char *text, const char *part)
{
    cr_assert_not_null(strstr(text, part), "\"%s\" is not in:\n%s", part, text);
}

json_t *parse(const char *text)
{
    json_error_t error;
    json_t *document = json_loads(text, 0, &error);

    cr_assert_not_null(document, "%s: %s", error.text, text);
    return document;
}
