/*
 * The ledger's files: backup, which the daemon makes, and verify, which needs the files and no
 * daemon. Reading them is creditd-serve's business, so that one is run; PATH is not asked for it,
 * as creditd does not either.
 */
#include "ctl.h"
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The daemon's working directory is another one. To be freed. */
static char *absolute(const char *path)
{
    char own[PATH_MAX], *whole;

    if (path[0] == '/')
        return strdup(path);
    if (!getcwd(own, sizeof own) || asprintf(&whole, "%s/%s", own, path) < 0)
        return NULL;
    return whole;
}

static int print_backup(const struct ctl *ctl)
{
    const struct creditd_value *result = creditd_reply_result(creditd_last(ctl->connection));
    char directory[PATH_MAX] = "?";

    if (ctl_print_json(ctl))
        return EXIT_DONE;
    creditd_value_copy_text(creditd_value_get(result, "directory"), directory, sizeof directory);
    printf("%s has the ledger through sequence %s\n", directory,
           human_count(creditd_value_int(creditd_value_get(result, "sequence"), -1)).bytes);
    return EXIT_DONE;
}

int run_backup(struct ctl *ctl)
{
    struct creditd_call_options options = {.repeat = CREDITD_REPEAT_NEVER};
    struct creditd_map *map;
    char *directory;
    int r = ctl_open(ctl);

    if (r != 0)
        return r;
    if (!ctl->options[OPTION_TIMEOUT])
        options.timeout = CREDITD_FOREVER; /* it takes as long as there is to copy */
    directory = absolute(ctl->arguments[0]);
    map = creditd_map_new();
    if (!map || !directory) {
        creditd_map_free(map);
        free(directory);
        return ctl_usage(ctl, "%s: %s", ctl->arguments[0], strerror(errno));
    }
    creditd_map_text(map, "directory", directory);
    r = creditd_call(ctl->connection, "ledger.backup", map, &options);
    creditd_map_free(map);
    free(directory);
    return r != 0 ? ctl_fail(ctl) : print_backup(ctl);
}

/* --- verify --- */

#define SERVE "creditd-serve"

/* Whether it is there. */
static bool try_path(char path[PATH_MAX], const char *directory, const char *below)
{
    int length = snprintf(path, PATH_MAX, "%s%s/" SERVE, directory, below);

    return length > 0 && length < PATH_MAX && access(path, X_OK) == 0;
}

/* Beside this program where it was built, else where it was installed. */
static bool find_serve(char path[PATH_MAX])
{
    const char *wanted = getenv("CREDITD_ROLE_DIR");
    char own[PATH_MAX], *slash;
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);

    if (wanted)
        return try_path(path, wanted, "");
    own[length > 0 ? length : 0] = '\0';
    slash = strrchr(own, '/');
    if (slash)
        *slash = '\0';
    return (slash && try_path(path, own, "/../daemon/serve")) ||
           try_path(path, CREDITD_LIBEXECDIR, "");
}

/* Runs it with these for its standard output and error: its exit code, or a negative errno. */
static int run_serve(const char *path, char *const *arguments, FILE *output, FILE *error)
{
    posix_spawn_file_actions_t actions;
    int status, r = posix_spawn_file_actions_init(&actions);
    pid_t pid;

    if (r != 0)
        return -r;
    r = posix_spawn_file_actions_adddup2(&actions, fileno(output), STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, fileno(error), STDERR_FILENO);
    if (r == 0)
        r = posix_spawn(&pid, path, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (r != 0)
        return -r;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_REFUSED;
}

/* What it saw, lines of a name and a number. */
static json_t *read_figures(FILE *file)
{
    json_t *figures = json_object();
    char name[32];
    long long number;

    rewind(file);
    while (fscanf(file, "%31s %lld", name, &number) == 2)
        json_object_set_new(figures, name, json_integer(number));
    return figures;
}

static int print_damage(FILE *file)
{
    char line[1024] = "", *text = line;
    json_t *error;

    rewind(file);
    if (fgets(line, sizeof line, file))
        line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, SERVE ": ", sizeof SERVE + 1) == 0)
        text += sizeof SERVE + 1;
    error = json_pack("{s:s, s:s}", "code", "not_verified", "message", text);
    if (error)
        json_dumpf(error, stderr, JSON_COMPACT);
    fputc('\n', stderr);
    json_decref(error);
    return EXIT_REFUSED;
}

static int verify_for_programs(const char *path, char *const *arguments)
{
    FILE *output = tmpfile(), *error = tmpfile();
    json_t *figures;
    int r = output && error ? run_serve(path, arguments, output, error) : -errno;

    if (r == 0) {
        figures = read_figures(output);
        r = ctl_print_document(figures, true);
        json_decref(figures);
    } else if (r > 0) {
        r = print_damage(error);
    }
    if (output)
        fclose(output);
    if (error)
        fclose(error);
    return r;
}

int run_verify(struct ctl *ctl)
{
    char path[PATH_MAX], serve[] = SERVE, option[] = "--verify";
    char *arguments[] = {serve, option, NULL, NULL};
    int r;

    if (!find_serve(path))
        return ctl_usage(ctl, SERVE " is not there, which reads ledgers; CREDITD_ROLE_DIR says "
                                    "where it is");
    arguments[2] = strdup(ctl->arguments[0]);
    if (!arguments[2])
        return ctl_usage(ctl, "no memory");
    r = ctl->options[OPTION_JSON] ? verify_for_programs(path, arguments)
                                  : run_serve(path, arguments, stdout, stderr);
    if (r == 0 && !ctl->options[OPTION_JSON])
        puts("the ledger is whole");
    free(arguments[2]);
    if (r >= 0)
        return r;
    fprintf(stderr, "creditctl: %s: %s\n", path, strerror(-r));
    return EXIT_REFUSED;
}
