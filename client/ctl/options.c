/* The command line: see ctl.h. */
#include "ctl.h"
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word, *takes, *help;
} options[OPTION_COUNT_] = {
#define X(name, word, takes, help) [OPTION_##name] = {word, takes, help},
    CTL_OPTIONS(X)
#undef X
};

#define VALUE_BASE 256 /* above what is a short option's character */

static unsigned allowed(const struct command *command)
{
    return COMMON_OPTIONS | (command ? command->options : 0);
}

void ctl_help_options(const struct command *command, FILE *file)
{
    for (int i = 0; i < OPTION_COUNT_; i++) {
        char name[40];

        if (!(allowed(command) & 1u << i))
            continue;
        snprintf(name, sizeof name, "--%s%s%s", options[i].word, options[i].takes ? " " : "",
                 options[i].takes ? options[i].takes : "");
        fprintf(file, "  %-31s%s\n", name, options[i].help);
    }
}

void ctl_help(const struct command *command, FILE *file)
{
    /* Most commands are for somebody's credits, and refuse to guess whose. */
    fprintf(file, "usage: creditctl %s%s%s%s [OPTION]...\n\n%s\n\n", command->name,
            (command->options & WHO_OPTIONS) == WHO_OPTIONS ? " " WHO_USAGE : "",
            command->arguments[0] ? " " : "", command->arguments, command->help);
    ctl_help_options(command, file);
}

int ctl_usage(const struct ctl *ctl, const char *format, ...)
{
    va_list arguments;

    fputs("creditctl: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "; creditctl %s%s--help says more\n", ctl->command ? ctl->command->name : "",
            ctl->command ? " " : "");
    return EXIT_USAGE;
}

/* getopt takes the 3 of -3 for an option. */
static const char *find_negative(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (argv[i][0] == '-' && argv[i][1] >= '0' && argv[i][1] <= '9')
            return argv[i];
    return NULL;
}

static int refuse_option(const struct ctl *ctl, int argc, char **argv)
{
    const char *negative = optopt >= '0' && optopt <= '9' ? find_negative(argc, argv) : NULL;

    if (negative)
        return ctl_usage(ctl, "amounts are whole numbers from 1 on, not %s", negative);
    return ctl_usage(ctl, "%s is not an option here", argv[optind - 1]);
}

static void list_options(const struct command *command, struct option *list)
{
    for (int i = 0; i < OPTION_COUNT_; i++)
        if (allowed(command) & 1u << i)
            *list++ =
                (struct option){options[i].word, options[i].takes != NULL, NULL, VALUE_BASE + i};
    *list = (struct option){0};
}

static int take_arguments(struct ctl *ctl, int argc, char **argv)
{
    if (argc < ctl->command->least || argc > ctl->command->most)
        return ctl_usage(ctl, "%s takes %s", ctl->command->name,
                         ctl->command->arguments[0] ? ctl->command->arguments : "no arguments");
    for (int i = 0; i < argc; i++)
        ctl->arguments[i] = argv[i];
    ctl->argument_count = argc;
    return 0;
}

int ctl_parse(struct ctl *ctl, int argc, char **argv)
{
    struct option list[OPTION_COUNT_ + 1];
    int found;

    list_options(ctl->command, list);
    optind = 0; /* the second time: for the command's own options */
    opterr = 0;
    /* '+': what follows the command is not looked at before it is known. */
    while ((found = getopt_long(argc, argv, ctl->command ? ":h" : "+:h", list, NULL)) != -1) {
        if (found == 'h')
            ctl->options[OPTION_HELP] = "";
        else if (found >= VALUE_BASE)
            ctl->options[found - VALUE_BASE] = optarg ? optarg : "";
        else if (found == ':')
            return ctl_usage(ctl, "%s needs a value", argv[optind - 1]);
        else
            return refuse_option(ctl, argc, argv);
    }
    if (!ctl->command || ctl->options[OPTION_HELP])
        return 0;
    return take_arguments(ctl, argc - optind, argv + optind);
}

int ctl_number(const struct ctl *ctl, const char *name, const char *text, int64_t least,
               int64_t *ret_number)
{
    char *end;
    long long number;

    if (!text) {
        *ret_number = 0;
        return 0;
    }
    errno = 0;
    number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end || number < least || number > INT64_C(9007199254740991))
        return ctl_usage(ctl, "%s must be an integer from %lld to 9007199254740991, not %s", name,
                         (long long)least, text);
    *ret_number = number;
    return 0;
}

int ctl_duration(const struct ctl *ctl, const char *name, const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *word;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end;
    long long number;

    *ret_ms = 0;
    if (!text)
        return 0;
    errno = 0;
    number = strtoll(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (errno != 0 || end == text || number < 1 || strcmp(end, units[i].word) != 0 ||
            number > INT64_C(9007199254740991) / units[i].ms)
            continue;
        *ret_ms = number * units[i].ms;
        return 0;
    }
    return ctl_usage(ctl, "%s must be a time like 500ms, 90s, 30m or 24h, not %s", name, text);
}

const char *ctl_argument(struct ctl *ctl, enum ctl_option option, const char *name)
{
    if (ctl->options[option])
        return ctl->options[option];
    if (ctl->used_arguments < ctl->argument_count)
        return ctl->arguments[ctl->used_arguments++];
    ctl_usage(ctl, "%s is missing", name);
    return NULL;
}

int ctl_no_more(const struct ctl *ctl)
{
    if (ctl->used_arguments == ctl->argument_count)
        return 0;
    return ctl_usage(ctl, "%s is one argument too many", ctl->arguments[ctl->used_arguments]);
}

static FILE *open_input(const struct ctl *ctl, const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");

    if (!file)
        ctl_usage(ctl, "%s: %s", path, strerror(errno));
    return file;
}

static int read_session(struct ctl *ctl, const char *path)
{
    FILE *file = open_input(ctl, path);
    size_t length;

    if (!file)
        return EXIT_USAGE;
    length = fread(ctl->session, 1, sizeof ctl->session - 1, file);
    if (file != stdin)
        fclose(file);
    while (length > 0 && strchr("\r\n", ctl->session[length - 1]))
        length--;
    ctl->session[length] = '\0';
    if (length > CREDITD_SESSION_MAX)
        return ctl_usage(ctl, "%s holds more than a session may have, %u bytes", path,
                         CREDITD_SESSION_MAX);
    return length > 0 ? 0 : ctl_usage(ctl, "%s holds no session", path);
}

int ctl_who(struct ctl *ctl, struct creditd_who *ret_who)
{
    struct creditd_who who = {
        .user_id = ctl->options[OPTION_USER],
        .customer_id = ctl->options[OPTION_CUSTOMER],
    };
    const char *session = ctl->options[OPTION_SESSION_FILE];
    int r = 0;

    if (!!who.user_id + !!who.customer_id + !!session != 1)
        return ctl_usage(ctl,
                         "whose? exactly one of --customer, --user and --session-file is needed");
    if (session) {
        r = read_session(ctl, session);
        who.session = ctl->session;
    }
    if (r == 0)
        *ret_who = who;
    return r;
}

json_t *ctl_object(const struct ctl *ctl, const char *name, const char *text)
{
    const size_t flags = JSON_REJECT_DUPLICATES;
    json_error_t error;
    json_t *object;

    if (strcmp(text, "-") == 0)
        object = json_loadf(stdin, flags, &error);
    else
        object = json_loads(text, flags, &error);
    if (!object) {
        ctl_usage(ctl, "%s is no JSON: %s", name, error.text);
        return NULL;
    }
    if (!json_is_object(object)) {
        ctl_usage(ctl, "%s must be a JSON object, like {\"key\": 1}", name);
        json_decref(object);
        return NULL;
    }
    return object;
}
