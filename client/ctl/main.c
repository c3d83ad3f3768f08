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
     "what was deducted, given back and granted, newest first", run_transactions},
    {"reserve", "PRODUCT AMOUNT", 0, 2,
     WHO_OPTIONS | BIT(PRODUCT) | BIT(AMOUNT) | BIT(TTL) | BIT(KEY) | BIT(STAMP) | BIT(METADATA),
     "holds credits until they are settled, released, or the time is over", run_reserve},
    {"extend", "RESERVATION", 1, 1, WHO_OPTIONS | BIT(TTL),
     "gives a reservation more time, from now", run_extend},
    {"settle", "RESERVATION AMOUNT", 2, 2, WHO_OPTIONS | BIT(METADATA),
     "spends what was really used, and ends the reservation", run_settle},
    {"release", "RESERVATION", 1, 1, WHO_OPTIONS, "ends a reservation; nothing is spent",
     run_release},
    {"grant", "PRODUCT AMOUNT", 0, 2,
     WHO_OPTIONS | BIT(PRODUCT) | BIT(AMOUNT) | BIT(REASON) | BIT(KEY) | BIT(STAMP),
     "adds credits, once StellarTools has them", run_grant},
    {"refund credits", "PRODUCT TRANSACTION", 2, 2, WHO_OPTIONS | BIT(AMOUNT) | BIT(REASON),
     "gives a deduction back, whole or --amount of it, once", run_refund_credits},
    {"refund payment", "PAYMENT", 1, 1, WHO_OPTIONS | BIT(REASON) | BIT(METADATA) | BIT(KEY),
     "gives a payment back", run_refund_payment},
    {"access", "PRODUCT", 1, 1, WHO_OPTIONS | BIT(FRESH),
     "whether a product may be used, and by what", run_access},
    {"customer create", "", 0, 0, WHO_OPTIONS | BIT(EMAIL) | BIT(NAME) | BIT(IMAGE),
     "creates or links the user's customer", run_customer_create},
    {"customer retrieve", "", 0, 0, WHO_OPTIONS | BIT(FRESH),
     "the customer, as StellarTools has it", run_customer_retrieve},
    {"customer update", "", 0, 0,
     WHO_OPTIONS | BIT(EMAIL) | BIT(NAME) | BIT(PHONE) | BIT(IMAGE) | BIT(METADATA),
     "changes the customer at StellarTools", run_customer_update},
    {"customer link", "USER CUSTOMER", 2, 2, 0,
     "links a user to a customer, in place of an old link", run_customer_link},
    {"customer unlink", "USER", 1, 1, 0, "forgets a user's link", run_customer_unlink},
    {"user created", "USER EMAIL", 2, 2, BIT(NAME) | BIT(IMAGE), "tells of a signup",
     run_user_created},
    {"subscription create", "PRODUCT", 1, 1,
     WHO_OPTIONS | BIT(METADATA) | BIT(CANCEL) | BIT(TRIAL_DAYS) | BIT(KEY),
     "subscribes the customer to a product", run_subscription_create},
    {"subscription list", "", 0, 0, WHO_OPTIONS | BIT(FRESH), "the customer's subscriptions",
     run_subscription_list},
    {"subscription retrieve", "SUBSCRIPTION", 1, 1, WHO_OPTIONS | BIT(FRESH), "one of them",
     run_subscription_retrieve},
    {"subscription update", "SUBSCRIPTION", 1, 1,
     WHO_OPTIONS | BIT(METADATA) | BIT(CANCEL) | BIT(PRODUCT), "changes it",
     run_subscription_update},
    {"subscription cancel", "SUBSCRIPTION", 1, 1, WHO_OPTIONS, "cancels it, at its period's end",
     run_subscription_cancel},
    {"subscription pause", "SUBSCRIPTION", 1, 1, WHO_OPTIONS, "pauses it", run_subscription_pause},
    {"subscription resume", "SUBSCRIPTION", 1, 1, WHO_OPTIONS, "resumes it",
     run_subscription_resume},
    {"call", "METHOD [JSON]", 1, 2, BIT(STAMP),
     "any method, with its parameters as a JSON object (- for input)", run_call},
    {"push list", "", 0, 0, BIT(STATE) | BIT(LIMIT), "open and parked pushes", run_push_list},
    {"push retry", "PUSH", 1, 1, 0, "sends a parked push again, if it cannot have run",
     run_push_retry},
    {"push drop", "PUSH", 1, 1, BIT(REASON),
     "writes a parked push off: its credits are never taken upstream", run_push_drop},
    {"push settle", "PUSH REFUND", 2, 2, 0,
     "a parked refund of a payment was made after all: as that one", run_push_settle},
    {"upstream accept", "UPSTREAM", 1, 1, 0,
     "this ledger belongs to that upstream, which status shows, from now on", run_upstream_accept},
    {"backup", "DIRECTORY", 1, 1, 0, "copies the ledger there, while it is in use", run_backup},
    {"verify", "DIRECTORY", 1, 1, 0, "reads a ledger that nobody has open, and checks all of it",
     run_verify},
    {"monitor", "", 0, 0, BIT(TYPES) | BIT(AFTER) | BIT(SUBSCRIBER),
     "events as they come, a line each, until it is interrupted", run_monitor},
    {"events forget", "NAME", 1, 1, 0, "forgets a subscriber of this user's and its place",
     run_events_forget},
    {"events", "", 0, 0, BIT(TYPES) | BIT(AFTER) | BIT(LIMIT),
     "the events that are kept, oldest first", run_events},
    /* Before the one of one word, which would be taken for it. */
    {"hooks retry", "HOOK [EVENT]", 1, 2, 0,
     "delivers what has failed or is parked now, all of it or one event", run_hooks_retry},
    {"hooks drop", "HOOK [EVENT]", 1, 2, 0,
     "gives up an event that could not be delivered, or all that is parked", run_hooks_drop},
    {"hooks", "[HOOK]", 0, 1, BIT(STATE) | BIT(LIMIT),
     "how far the hooks are, and what they could not deliver", run_hooks},
    {"refresh", "[PRODUCT]", 0, 1, BIT(CUSTOMER) | BIT(PRODUCT),
     "has balances read from StellarTools soon: one, a customer's, or all", run_refresh},
    {"metrics", "", 0, 0, 0, "figures, as Prometheus reads them", run_metrics},
    {"decode", "[FILE]", 0, 1, BIT(SECRETS), "captured messages as lines of JSON", run_decode},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void help(FILE *file)
{
    fprintf(file, "usage: creditctl [--socket PATH] [--json] COMMAND ...\n\n"
                  "Asks creditd, the credits daemon of this machine.\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(file, "  %-23s%s\n", commands[i].name, commands[i].help);
    fputs("\nCommands for somebody's credits or objects need one of --customer ID, --user ID and\n"
          "--session-file FILE: creditctl consume --customer cus_123 prod_tokens 1500\n"
          "\nOptions, before the command or after it:\n",
          file);
    ctl_help_options(NULL, file);
    fprintf(file,
            "\ncreditctl COMMAND --help says more.\n"
            "Exit codes: 0 done, 1 the daemon said no or nothing in time, 2 usage, 3 no daemon.\n");
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

/* Whether the word begins commands of two words. */
static bool is_group(const char *word)
{
    size_t length = strlen(word);

    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strncmp(commands[i].name, word, length) == 0 && commands[i].name[length] == ' ')
            return true;
    return false;
}

static int unknown(int argc, char **argv)
{
    bool has_second = argc > 1 && is_group(argv[0]);

    fprintf(stderr, "creditctl: there is no command %s%s%s; creditctl --help lists them\n", argv[0],
            has_second ? " " : "", has_second ? argv[1] : "");
    return EXIT_USAGE;
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
    return unknown(argc, argv);
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
