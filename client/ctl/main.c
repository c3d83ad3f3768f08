/* The table of commands: see ctl.h. */
#include "ctl.h"
#include <getopt.h>
#include <locale.h>
#include <string.h>

static const struct command commands[] = {
    {"status", "", 0, 0, 0, "health, StellarTools, what is pending, the ledger", run_status},
    {"ping", "", 0, 0, 0, "whether the daemon answers", run_ping},
    {"balance", "PRODUCT", 0, 1, WHO_OPTIONS | BIT(PRODUCT) | BIT(FRESH), "a balance", run_balance},
    {"check", "PRODUCT AMOUNT", 0, 2, WHO_OPTIONS | BIT(PRODUCT) | BIT(AMOUNT) | BIT(FRESH),
     "whether an amount could be spent now", run_check},
    {"consume", "PRODUCT AMOUNT", 0, 2,
     WHO_OPTIONS | BIT(PRODUCT) | BIT(AMOUNT) | BIT(KEY) | BIT(STAMP) | BIT(METADATA),
     "spends: deducts ceil(AMOUNT / units per credit) credits", run_consume},
    {"transactions", "PRODUCT", 0, 1,
     WHO_OPTIONS | BIT(PRODUCT) | BIT(LIMIT) | BIT(OFFSET) | BIT(SOURCE),
     "what was deducted here, newest first", run_transactions},
    {"call", "METHOD [JSON]", 1, 2, BIT(STAMP),
     "any method, with its parameters as a JSON object (- for input)", run_call},
    {"push list", "", 0, 0, BIT(STATE) | BIT(LIMIT), "open and parked pushes", run_push_list},
    {"push retry", "PUSH", 1, 1, 0, "sends a parked push again, if it cannot have run",
     run_push_retry},
    {"push drop", "PUSH", 1, 1, BIT(REASON),
     "writes a parked push off: its credits are never taken upstream", run_push_drop},
    {"decode", "[FILE]", 0, 1, BIT(SECRETS), "captured messages as lines of JSON", run_decode},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void help(FILE *file)
{
    fprintf(file, "usage: creditctl [--socket PATH] [--json] COMMAND ...\n\n"
                  "Asks creditd, the credits daemon of this machine.\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(file, "  %-14s%s\n", commands[i].name, commands[i].help);
    fputs("\nOptions, before the command or after it:\n", file);
    ctl_help_options(NULL, file);
    fprintf(file, "\ncreditctl COMMAND --help says more.\n"
                  "Exit codes: 0 done, 1 the daemon said no, 2 usage, 3 no daemon.\n");
}

static int version(void)
{
    printf("creditctl %s\n", creditd_version());
    return EXIT_DONE;
}

/* Whether the words at argv are the command's; how many there are. */
static int matches(const struct command *command, int argc, char **argv)
{
    size_t first = strcspn(command->name, " ");

    if (argc < 1 || strlen(argv[0]) != first || strncmp(command->name, argv[0], first) != 0)
        return 0;
    if (command->name[first] == '\0')
        return 1;
    return argc >= 2 && strcmp(command->name + first + 1, argv[1]) == 0 ? 2 : 0;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        int words = matches(&commands[i], argc, argv), r;

        if (words == 0)
            continue;
        ctl->command = &commands[i];
        r = ctl_parse(ctl, argc - words + 1, argv + words - 1);
        if (r == 0 && ctl->options[OPTION_HELP])
            ctl_help(ctl->command, stdout);
        else if (r == 0 && ctl->options[OPTION_VERSION])
            r = version();
        else if (r == 0)
            r = commands[i].run(ctl);
        creditd_close(ctl->connection);
        return r;
    }
    fprintf(stderr, "creditctl: there is no command %s%s%s; creditctl --help lists them\n", argv[0],
            strcmp(argv[0], "push") == 0 && argc > 1 ? " " : "",
            strcmp(argv[0], "push") == 0 && argc > 1 ? argv[1] : "");
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    static struct ctl ctl;
    int r;

    setlocale(LC_TIME, "");
    /* The options before the command; those of the command itself come after it. */
    r = ctl_parse(&ctl, argc, argv);
    if (r != 0)
        return r;
    if (ctl.options[OPTION_HELP]) {
        help(stdout);
        return EXIT_DONE;
    }
    if (ctl.options[OPTION_VERSION])
        return version();
    if (optind == argc) {
        help(stderr);
        return EXIT_USAGE;
    }
    r = run(&ctl, argc - optind, argv + optind);
    if (fflush(stdout) != 0 || ferror(stdout))
        return r != 0 ? r : EXIT_REFUSED;
    return r;
}
