#include "config_table.h"
#include "scratch.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util/config.h>
#include <util/macros.h>

static char *directory;

static void setup(void)
{
    directory = scratch_make();
}

static void teardown(void)
{
    scratch_remove(directory);
}

TestSuite(config, .init = setup, .fini = teardown);

static int load_bytes(const char *text, size_t length, struct config **ret_config, char **ret_error)
{
    CLEANUP(cleanup_free) char *path = scratch_write(directory, "creditd.conf", text, length);

    return config_load(path, ret_config, ret_error);
}

static struct config *load_good(const char *text)
{
    CLEANUP(cleanup_free) char *error = NULL;
    struct config *config = NULL;
    int r = load_bytes(text, strlen(text), &config, &error);

    cr_assert_eq(r, 0, "%s", error ? error : "no text");
    cr_assert_null(error);
    return config;
}

/* Without the directory's name, which is another one each time. */
static void check_error(const char *text, size_t length, int result, const char *expected)
{
    CLEANUP(cleanup_free) char *error = NULL;
    struct config *config = NULL;

    cr_assert_eq(load_bytes(text, length, &config, &error), result, "%s", text);
    cr_assert_null(config, "nothing is half loaded");
    cr_assert(error);
    cr_assert_eq(strncmp(error, directory, strlen(directory)), 0);
    cr_assert_str_eq(error + strlen(directory) + 1, expected);
}

Test(config, defaults)
{
    CLEANUP(config_cleanup) struct config *c = NULL;

    cr_assert_eq(config_load(NULL, &c, NULL), 0);
    cr_assert_str_eq(c->stellartools.base_url, "https://api.stellartools.dev");
    cr_assert_null(c->stellartools.api_key_file);
    cr_assert_eq(c->stellartools.connect_timeout, 5000);
    cr_assert_eq(c->stellartools.request_timeout, 30000);
    cr_assert_str_eq(c->better_auth.cookie_prefix, "better-auth");
    cr_assert_eq(c->better_auth.session_ttl, 60000);
    cr_assert_not(c->better_auth.trust_customer_id);
    cr_assert_not(c->billing.create_customer_on_signup);
    cr_assert_eq(c->billing.credit_low_threshold.count, 1);
    cr_assert_eq(c->billing.credit_low_threshold.items[0], 10);
    cr_assert_eq(c->credits.push_interval, 1000);
    cr_assert_eq(c->credits.refresh_interval, 60000);
    cr_assert_eq(c->credits.in_doubt_delay, 120000);
    cr_assert_eq(c->credits.max_offline_spend, -1);
    cr_assert_eq(c->credits.max_offline_time, -1);
    cr_assert_eq(c->credits.requests_per_minute, 0);
    cr_assert_eq(c->credits.cold_timeout, 5000);
    cr_assert_eq(c->ledger.durability, CONFIG_DURABILITY_ALWAYS);
    cr_assert_eq(c->ledger.retention, INT64_C(7776000000));
    cr_assert_eq(c->ledger.retention_size, INT64_C(17179869184));
    cr_assert_eq(c->ledger.segment_size, 67108864);
    cr_assert_eq(c->ledger.interval, 1000);
    cr_assert_eq(c->ledger.checkpoint_interval, 30000);
    cr_assert_eq(c->ledger.map_size, INT64_C(68719476736));
    cr_assert_eq(c->products.count, 0);
    cr_assert_eq(c->access.admin.count, 0);
    cr_assert_str_eq(c->http.prefix, "/api/auth/stellar");
    cr_assert_eq(c->limits.message_size, 131072);
    cr_assert_eq(c->limits.in_flight, 1024);
    cr_assert_eq(c->limits.connections, 10000);
    cr_assert_eq(c->limits.connections_per_user, 1000);
    cr_assert_eq(c->limits.idle_time, -1);
    cr_assert_eq(c->limits.write_queue, 1048576);
    cr_assert_eq(c->limits.dedupe_keys_per_user, 1000000);
    cr_assert_eq(c->limits.dedupe_clients_per_user, 1000000);
    cr_assert_eq(c->limits.dedupe_stamps_per_user, 4000000);
    cr_assert_eq(c->limits.upstream_turns_per_user, 60);
    cr_assert_eq(c->limits.upstream_turns_per_customer, 20);
}

Test(config, values_of_every_type)
{
    CLEANUP(config_cleanup)
    struct config *c = load_good("# a remark\n"
                                 "; another\n"
                                 "\n"
                                 "[stellartools]\n"
                                 "base_url = http://127.0.0.1:8080\n"
                                 "api_key_file=/etc/key ; a remark behind a value\n"
                                 "api_version: 2026-08-18\n"
                                 "[ledger]\n"
                                 "durability = interval\n"
                                 "retention = no limit\n"
                                 "segment_size = 512KiB\n"
                                 "[credits]\n"
                                 "max_offline_spend = 500\n"
                                 "max_offline_time = 24h\n"
                                 "requests_per_minute = 20\n"
                                 "in_doubt_delay = 0s\n"
                                 "[billing]\n"
                                 "create_customer_on_signup = true\n"
                                 "[hooks]\n"
                                 "on_event = /usr/bin/hook --flag\n"
                                 "[http]\n"
                                 "listen = 127.0.0.1:8080\n"
                                 "local = /run/local.sock\n"
                                 "group = 12\n"
                                 "prefix = /\n"
                                 "[products]\n"
                                 "prod_1 = 1000\n"
                                 "[ledger]\n"
                                 "interval = 100ms\n"
                                 "[products]\n"
                                 "prod_2 = 9007199254740991\n");

    cr_assert_str_eq(c->stellartools.base_url, "http://127.0.0.1:8080");
    cr_assert_str_eq(c->stellartools.api_key_file, "/etc/key");
    cr_assert_str_eq(c->stellartools.api_version, "2026-08-18");
    cr_assert_eq(c->ledger.durability, CONFIG_DURABILITY_INTERVAL);
    cr_assert_eq(c->ledger.retention, -1);
    cr_assert_eq(c->ledger.segment_size, 524288);
    cr_assert_eq(c->ledger.interval, 100);
    cr_assert_eq(c->credits.max_offline_spend, 500);
    cr_assert_eq(c->credits.max_offline_time, 86400000);
    cr_assert_eq(c->credits.requests_per_minute, 20);
    cr_assert_eq(c->credits.in_doubt_delay, 0);
    cr_assert(c->billing.create_customer_on_signup);
    cr_assert_str_eq(c->hooks.on_event, "/usr/bin/hook --flag");
    cr_assert_str_eq(c->http.listen, "127.0.0.1:8080");
    cr_assert_str_eq(c->http.local, "/run/local.sock");
    cr_assert_str_eq(c->http.group, "12");
    cr_assert_str_eq(c->http.prefix, "/");
    cr_assert_eq(c->products.count, 2);
    cr_assert_str_eq(c->products.items[0].product_id, "prod_1");
    cr_assert_eq(c->products.items[0].units_per_credit, 1000);
    cr_assert_eq(c->products.items[1].units_per_credit, INT64_C(9007199254740991));
}

Test(config, access_lists)
{
    CLEANUP(config_cleanup)
    struct config *c = load_good("[access]\n"
                                 "read = root, @root 1234\t@4321,,daemon\n"
                                 "  0 @0\n"
                                 "consume =\n"
                                 "admin = 4294967294\n");
    static const struct config_principal expected[] = {
        {false, 0}, {true, 0}, {false, 1234}, {true, 4321}, {false, 1}, {false, 0}, {true, 0},
    };

    cr_assert_eq(c->access.read.count, ARRAY_SIZE(expected));
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        cr_assert_eq(c->access.read.principals[i].is_group, expected[i].is_group, "word %zu", i);
        cr_assert_eq(c->access.read.principals[i].id, expected[i].id, "word %zu", i);
    }
    cr_assert_eq(c->access.consume.count, 0);
    cr_assert_eq(c->access.admin.principals[0].id, UINT32_MAX - 1);
}

Test(config, mistakes_are_one_line_that_says_where_what_and_what_is_allowed)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"[credits]\n\npush_interval = 1 sec\n",
         "creditd.conf:3: [credits] push_interval: \"1 sec\" is not a duration; write 500ms, 60s, "
         "2m, 24h or 90d"},
        {"[credits]\npush_interval = no limit\n",
         "creditd.conf:2: [credits] push_interval: \"no limit\" is not a duration; write 500ms, "
         "60s, 2m, 24h or 90d"},
        {"[credits]\nmax_offline_time = never\n",
         "creditd.conf:2: [credits] max_offline_time: \"never\" is not a duration; write 500ms, "
         "60s, 2m, 24h or 90d, or \"no limit\""},
        {"[credits]\nrequests_per_minute = 0\n",
         "creditd.conf:2: [credits] requests_per_minute: \"0\" is out of range; allowed is 1 to "
         "1000000, or \"learned\""},
        {"[credits]\nrefresh_interval = 99999999999999999999d\n",
         "creditd.conf:2: [credits] refresh_interval: \"99999999999999999999d\" is out of range; "
         "allowed is 100ms to 1d"},
        {"[ledger]\nsegment_size = 511KiB\n",
         "creditd.conf:2: [ledger] segment_size: \"511KiB\" is out of range; allowed is 512KiB to "
         "4GiB"},
        {"[ledger]\nsegment_size = 64k\n",
         "creditd.conf:2: [ledger] segment_size: \"64k\" is not a size; write 4096, 64KiB, 1MiB or "
         "2GiB"},
        {"[ledger]\ndurability = sometimes\n",
         "creditd.conf:2: [ledger] durability: \"sometimes\" is not a durability; write always or "
         "interval"},
        {"[billing]\ncredit_low_threshold = many\n",
         "creditd.conf:2: [billing] credit_low_threshold: \"many\" is not a number of credits, or "
         "up to 8; write 10, or 500, 100, 10"},
        {"[billing]\ncredit_low_threshold = 10, 5, 10\n",
         "creditd.conf:2: [billing] credit_low_threshold: \"10, 5, 10\" is not a number of "
         "credits, "
         "or up to 8; write 10, or 500, 100, 10"},
        {"[low_thresholds]\nprod_1 = few\n",
         "creditd.conf:2: [low_thresholds] prod_1: \"few\" is not a number of credits, or up to 8; "
         "write 10, or 500, 100, 10"},
        {"[low_thresholds]\nprod 1 = 5\n", "creditd.conf:2: [low_thresholds] \"prod 1\" is not an "
                                           "id; allowed are 1 to 128 of A-Z a-z "
                                           "0-9 _ - ."},
        {"[low_thresholds]\nprod_1 = 5\nprod_1 = 6\n",
         "creditd.conf:3: [low_thresholds] prod_1: is given twice"},
        {"[billing]\ncreate_customer_on_signup = yes\n",
         "creditd.conf:2: [billing] create_customer_on_signup: \"yes\" is not a truth value; write "
         "true or false"},
        {"[stellartools]\nbase_url = api.stellartools.dev\n",
         "creditd.conf:2: [stellartools] base_url: \"api.stellartools.dev\" is not a URL; write "
         "https://host or http://host:port"},
        {"[stellartools]\napi_version =\n", "creditd.conf:2: [stellartools] api_version: \"\" is "
                                            "not a text of printable ASCII without blanks; write "
                                            "2026-08-18, or leave it out"},
        {"[paths]\nsocket = creditd.sock\n", "creditd.conf:2: [paths] socket: \"creditd.sock\" is "
                                             "not an absolute path of at most 107 bytes; "
                                             "write /a/path"},
        {"[hooks]\non_event = https://example.com/x y\n",
         "creditd.conf:2: [hooks] on_event: the value is not a URL; write "
         "https://HOST[:PORT][/PATH]"},
        {"[hooks]\non_event = http://example.com/token\n",
         "creditd.conf:2: [hooks] on_event: the value is plain http to another machine, which "
         "would "
         "show the secrets in it to everybody between; write https (http is taken for localhost, "
         "127.0.0.0/8 and [::1])"},
        {"[hooks]\nuser = no-such-user-here\n",
         "creditd.conf:2: [hooks] user: \"no-such-user-here\" is not the name of a user of this "
         "machine; write one that there is, or leave it out"},
        {"[stellartools]\nbase_url = https://me:secret@example.com\n",
         "creditd.conf:2: [stellartools] base_url: the value has a user, a query, a fragment or a "
         "zone; write https://HOST[:PORT][/PATH]"},
        {"[stellartools]\napi_version = 2026 08\n",
         "creditd.conf:2: [stellartools] api_version: \"2026 08\" is not a text of printable ASCII "
         "without blanks; write 2026-08-18, or leave it out"},
        {"[better_auth]\nurl = http://app.example\n",
         "creditd.conf:2: [better_auth] url: the value is plain http to another machine, which "
         "would show the secrets in it to everybody between; write https (http is taken for "
         "localhost, 127.0.0.0/8 and [::1])"},
        {"[better_auth]\ncookie_prefix = a=b\n",
         "creditd.conf:2: [better_auth] cookie_prefix: \"a=b\" is not the beginning of a cookie's "
         "name; write better-auth"},
        {"[http]\ntrusted_origins = https://app.example *.example\n",
         "creditd.conf:2: [http] trusted_origins: \"https://app.example *.example\" is not an "
         "origin, or several; write https://app.example http://localhost:3000"},
        {"[hooks]\non_event = hook\n",
         "creditd.conf:2: [hooks] on_event: \"hook\" is not a program or a URL; write "
         "/path/of/program or https://host/path"},
        {"[http]\nlisten = 0.0.0.0:80\n",
         "creditd.conf:2: [http] listen: \"0.0.0.0:80\" is not an address to listen on, or "
         "several; write /path/of/socket 127.0.0.1:PORT"},
        {"[http]\nprefix = /api/\n",
         "creditd.conf:2: [http] prefix: \"/api/\" is not a path without a slash at its end; write "
         "/api/auth/stellar"},
        {"[access]\nread = root nosuchuser\n",
         "creditd.conf:2: [access] read: there is no user \"nosuchuser\" on this machine; write "
         "user names, uids, @groups or @gids"},
        {"[access]\nread = root,\n  @nosuchgroup\n",
         "creditd.conf:3: [access] read: there is no group \"nosuchgroup\" on this machine; write "
         "user names, uids, @groups or @gids"},
        {"[access]\nread = 4294967295\n",
         "creditd.conf:2: [access] read: there is no user \"4294967295\" on this machine; write "
         "user names, uids, @groups or @gids"},
        {"[access]\nread = @\n",
         "creditd.conf:2: [access] read: there is no group \"\" on this machine; write user names, "
         "uids, @groups or @gids"},
        {"[products]\nprod_1 = 0\n",
         "creditd.conf:2: [products] prod_1: \"0\" is not a number of units per credit; allowed is "
         "1 to 9007199254740991"},
        {"[products]\nprod_1 = 9007199254740992\n",
         "creditd.conf:2: [products] prod_1: \"9007199254740992\" is not a number of units per "
         "credit; allowed is 1 to 9007199254740991"},
        {"[products]\nprod/1 = 1\n", "creditd.conf:2: [products] \"prod/1\" is not an id; allowed "
                                     "are 1 to 128 of A-Z a-z 0-9 _ "
                                     "- ."},
        {"[products]\np = 1\nq = 1\np = 2\n", "creditd.conf:4: [products] p: is given twice"},
        {"[ledger]\ninterval = 1s\n[credits]\n[ledger]\ninterval = 2s\n",
         "creditd.conf:5: [ledger] interval: is given twice; line 2 has set it already"},
        {"[ledger]\ninterval = 1s\n  retention = 1d\n",
         "creditd.conf:3: [ledger] interval: only [access] lists go on in a line that begins with "
         "a "
         "space; line 2 has set it already"},
        {"[access]\nread = root\nread = daemon\n",
         "creditd.conf:3: [access] read: is given twice; line 2 has set it already"},
        {"[limits]\nin_flght = 5\n", "creditd.conf:2: [limits] in_flght: there is no such option; "
                                     "creditd.conf(5) lists them"},
        {"\n[limts]\n",
         "creditd.conf:2: there is no section [limts]; creditd.conf(5) lists sections and options"},
        {"interval = 1s\n", "creditd.conf:1: interval: stands before any [section]"},
        {"[ledger]\nnonsense\n",
         "creditd.conf:2: is neither a [section] nor an option; write key = "
         "value, and # before remarks"},
        {"[ledger\n",
         "creditd.conf:1: is neither a [section] nor an option; write key = value, and "
         "# before remarks"},
        {"[ledger]\nnonsense\ninterval = x\n",
         "creditd.conf:2: is neither a [section] nor an option; write key = value, and # before "
         "remarks"},
        {"[ledger]\ninterval = x\nnonsense\n",
         "creditd.conf:2: [ledger] interval: \"x\" is not a duration; write 500ms, 60s, 2m, 24h or "
         "90d"},
        {"[ledger]\ninterval = 1s # quick\n",
         "creditd.conf:2: [ledger] interval: \"1s # quick\" is not a duration; write 500ms, 60s, "
         "2m, 24h or 90d"},
        {"[ledger]\ninterval = 1\001s\n",
         "creditd.conf:2: [ledger] interval: \"1?s\" is not a duration; write 500ms, 60s, 2m, 24h "
         "or 90d"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        check_error(cases[i].text, strlen(cases[i].text), -EINVAL, cases[i].error);
}

Test(config, the_sockets_for_local_programs)
{
    static const char local[] = "[http]\nlocal = 127.0.0.1:80\n";
    static const char group[] = "[http]\ngroup = nosuchgroup\n";

    check_error(local, strlen(local), -EINVAL,
                "creditd.conf:2: [http] local: \"127.0.0.1:80\" is not an absolute path of at most "
                "107 bytes; write /a/path");
    check_error(group, strlen(group), -EINVAL,
                "creditd.conf:2: [http] group: \"nosuchgroup\" is not a group of this machine; "
                "write its name or gid");
}

Test(config, an_error_does_not_repeat_a_misplaced_secret)
{
    check_error("[stellartools]\napi_key_file = sk_live_1\n", 41, -EINVAL,
                "creditd.conf:2: [stellartools] api_key_file: the value is not an absolute path; "
                "write the path of a file that holds it");
    check_error("[stellartools]\napi_key = sk_live_1\n", 36, -EINVAL,
                "creditd.conf:2: [stellartools] api_key: there is no such option; creditd.conf(5) "
                "lists them");
}

Test(config, lines_that_cannot_be_taken_whole)
{
    char text[400] = "[access]\nread = root";

    check_error("[ledger]\nint\0erval = 1s\n", 24, -EINVAL,
                "creditd.conf:2: the line holds a NUL byte");
    memset(text + strlen(text), ' ', 300);
    check_error(text, strlen(text), -EINVAL, "creditd.conf:2: the line is longer than 199 bytes");
}

Test(config, a_file_that_cannot_be_read)
{
    CLEANUP(cleanup_free) char *path = scratch_path(directory, "missing.conf");
    CLEANUP(cleanup_free) char *error = NULL, *directory_error = NULL;
    struct config *config = NULL;

    cr_assert_eq(config_load(path, &config, &error), -ENOENT);
    cr_assert_str_eq(error + strlen(path), ": cannot be read: No such file or directory");
    cr_assert_lt(config_load(directory, &config, &directory_error), 0);
    cr_assert(directory_error);
    cr_assert_null(config);
}

Test(config, an_error_that_nobody_wants)
{
    struct config *config = NULL;

    cr_assert_eq(load_bytes("x\n", 2, &config, NULL), -EINVAL);
}

/* Each option accepts its own default from a file, and refuses what no type takes. */
Test(config, every_row_of_the_table)
{
    for (size_t i = 0; i < config_option_count; i++) {
        const struct config_option *option = &config_options[i];
        CLEANUP(cleanup_free) char *text = NULL;

        cr_assert_eq(config_option_find(option->section, option->key), option,
                     "[%s] %s is there twice", option->section, option->key);
        if (!option->initial)
            continue;
        cr_assert(
            asprintf(&text, "[%s]\n%s = %s\n", option->section, option->key, option->initial) > 0);
        config_free(load_good(text));
    }
}

/* What the manual says of an option itself, and of its whole section. */
static bool manual_says(const char *manual, const struct config_option *option, const char *words)
{
    char title[64], item[64];
    const char *section, *begin, *end, *said;

    snprintf(title, sizeof(title), ".Ss [%s]\n", option->section);
    snprintf(item, sizeof(item), "\n.It Va %s", option->key);
    section = strstr(manual, title);
    cr_assert(section, "%s", title);
    said = strstr(section, words);
    if (said && said < strstr(section, ".Bl "))
        return true;
    for (begin = strstr(section, item); begin && !strchr(" \n", begin[strlen(item)]);)
        begin = strstr(begin + 1, item);
    cr_assert(begin, "[%s] %s", option->section, option->key);
    end = strstr(begin + 1, "\n.It ");
    if (!end || strstr(begin, "\n.El") < end)
        end = strstr(begin, "\n.El");
    said = strstr(begin, words);
    return said && said < end;
}

Test(config, the_manual_says_from_when_on_an_option_counts)
{
    static char manual[65536];
    FILE *stream = fopen(MANUAL, "re");

    cr_assert(stream);
    manual[fread(manual, 1, sizeof(manual) - 1, stream)] = '\0';
    fclose(stream);
    for (size_t i = 0; i < config_option_count; i++) {
        const struct config_option *option = &config_options[i];

        cr_expect_eq(manual_says(manual, option, "count from the next start.") ||
                         manual_says(manual, option, "counts from the next start."),
                     option->when == CONFIG_START, "[%s] %s", option->section, option->key);
        cr_expect_eq(manual_says(manual, option, "counts for new connections."),
                     option->when == CONFIG_CONNECT, "[%s] %s", option->section, option->key);
    }
}

static int set_number(const struct config_option *option, int64_t value)
{
    CLEANUP(config_cleanup) struct config *config = calloc(1, sizeof(*config));
    CLEANUP(cleanup_free) char *problem = NULL;
    char text[32];

    cr_assert(config);
    snprintf(text, sizeof(text), "%lld%s", (long long)value,
             option->type == CONFIG_DURATION ? "ms" : "");
    return config_option_set(config, option, text, &problem);
}

Test(config, every_range_is_open_at_neither_end)
{
    for (size_t i = 0; i < config_option_count; i++) {
        const struct config_option *option = &config_options[i];

        if (option->type != CONFIG_DURATION && option->type != CONFIG_SIZE &&
            option->type != CONFIG_INTEGER)
            continue;
        cr_assert_eq(set_number(option, option->minimum), 0, "%s", option->key);
        cr_assert_eq(set_number(option, option->maximum), 0, "%s", option->key);
        cr_assert_eq(set_number(option, option->minimum - 1), -EINVAL, "%s", option->key);
        cr_assert_eq(set_number(option, option->maximum + 1), -EINVAL, "%s", option->key);
    }
}

static const char *const kept_sections[] = {"ledger", "paths", NULL};

/* What is in force stays, whatever the new file says, and is named. */
Test(config, what_counts_from_the_next_start_is_kept)
{
    CLEANUP(config_cleanup)
    struct config *running = load_good("[ledger]\nretention = 1d\ndurability = interval\n"
                                       "[paths]\nstate_directory = /a\nsync_socket = /s\n"
                                       "[http]\nlisten = /h\n[credits]\npush_interval = 1s\n");
    CLEANUP(config_cleanup)
    struct config *config = load_good("[ledger]\nretention = 2d\ndurability = always\n"
                                      "[paths]\nstate_directory = /b\nsync_socket = /s\n"
                                      "[http]\nlisten = /i\n[credits]\npush_interval = 2s\n");
    CLEANUP(cleanup_free) char *names = NULL, *again = NULL;

    cr_assert_eq(config_keep(config, running, kept_sections, &names), 0);
    cr_assert_str_eq(names, "[ledger] durability, [ledger] retention, [paths] state_directory");
    cr_assert_eq(config->ledger.retention, 86400000);
    cr_assert_eq(config->ledger.durability, CONFIG_DURABILITY_INTERVAL);
    cr_assert_str_eq(config->paths.state_directory, "/a");
    cr_assert_str_eq(config->paths.sync_socket, "/s");
    cr_assert_str_eq(config->http.listen, "/i", "another role's");
    cr_assert_eq(config->credits.push_interval, 2000);
    cr_assert_str_eq(running->paths.state_directory, "/b", "to be freed with the rest of it");
    cr_assert_eq(config_keep(config, config, kept_sections, &again), 0);
    cr_assert_null(again);
}

Test(config, what_is_set_or_taken_out_is_kept_as_well)
{
    static const char *const sections[] = {"http", NULL};
    CLEANUP(config_cleanup) struct config *set = load_good("[http]\nlisten = /h\n");
    CLEANUP(config_cleanup) struct config *unset = load_good("");
    CLEANUP(cleanup_free) char *names = NULL, *back = NULL;

    cr_assert_eq(config_keep(set, unset, sections, &names), 0);
    cr_assert_str_eq(names, "[http] listen");
    cr_assert_null(set->http.listen);
    cr_assert_eq(config_keep(set, unset, sections, &back), 0);
    cr_assert_str_eq(back, "[http] listen");
    cr_assert_str_eq(set->http.listen, "/h");
}

/* Every option that is used up by the start can be kept. */
Test(config, each_option_is_kept_that_counts_from_the_next_start)
{
    for (size_t i = 0; i < config_option_count; i++) {
        const char *const sections[] = {config_options[i].section, NULL};
        CLEANUP(config_cleanup) struct config *config = load_good(""), *running = load_good("");
        CLEANUP(cleanup_free) char *names = NULL;

        cr_assert_eq(config_keep(config, running, sections, &names), 0);
        cr_assert_null(names, "%s", names);
    }
}

Test(config, the_list_of_options)
{
    char *text = NULL;
    size_t size = 0, lines = 0;
    FILE *stream = open_memstream(&text, &size);

    cr_assert_eq(config_list_options(stream), 0);
    fclose(stream);
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        lines++;
    cr_assert_eq(lines, config_option_count + 2);
    cr_assert(strstr(text, "[credits] push_interval = 1s\n"));
    cr_assert(strstr(text, "[stellartools] api_key_file =\n"));
    cr_assert(strstr(text, "\n[products] PRODUCT_ID =\n[low_thresholds] PRODUCT_ID =\n[access]"));
    free(text);
}

static void check_paths(const char *state, const char *runtime)
{
    CLEANUP(config_cleanup) struct config *c = NULL;
    CLEANUP(cleanup_free) char *socket = scratch_path(runtime, "creditd.sock");
    CLEANUP(cleanup_free) char *sync = scratch_path(runtime, "sync.sock");
    CLEANUP(cleanup_free) char *hook = scratch_path(runtime, "hook.sock");

    cr_assert_eq(config_load(NULL, &c, NULL), 0);
    cr_assert_str_eq(c->paths.state_directory, state);
    cr_assert_str_eq(c->paths.runtime_directory, runtime);
    cr_assert_str_eq(c->paths.socket, socket);
    cr_assert_str_eq(c->paths.sync_socket, sync);
    cr_assert_str_eq(c->paths.hook_socket, hook);
}

static void clear_environment(void)
{
    unsetenv("STATE_DIRECTORY");
    unsetenv("RUNTIME_DIRECTORY");
    unsetenv("XDG_RUNTIME_DIR");
    unsetenv("XDG_STATE_HOME");
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("CREDITD_CONFIG");
}

Test(config, paths_of_root_and_of_services)
{
    if (geteuid() != 0)
        cr_skip("needs root");
    clear_environment();
    check_paths("/var/lib/creditd", "/run/creditd");
    setenv("STATE_DIRECTORY", "/var/lib/a:/var/lib/b", 1);
    setenv("RUNTIME_DIRECTORY", "/run/a", 1);
    check_paths("/var/lib/a", "/run/a");
}

Test(config, paths_of_people)
{
    if (geteuid() == 0)
        cr_assert_eq(seteuid(12345), 0);
    clear_environment();
    setenv("HOME", "/home/p", 1);
    check_paths("/home/p/.local/state/creditd", "/home/p/.local/state/creditd/run");
    setenv("XDG_RUNTIME_DIR", "relative", 1);
    check_paths("/home/p/.local/state/creditd", "/home/p/.local/state/creditd/run");
    setenv("XDG_STATE_HOME", "/s", 1);
    setenv("XDG_RUNTIME_DIR", "/r", 1);
    check_paths("/s/creditd", "/r/creditd");
    if (getuid() == 0)
        cr_assert_eq(seteuid(0), 0);
}

Test(config, paths_that_are_set)
{
    CLEANUP(config_cleanup)
    struct config *c =
        load_good("[paths]\nruntime_directory = /r\nstate_directory = /s\nsync_socket = /x.sock\n");

    cr_assert_str_eq(c->paths.socket, "/r/creditd.sock");
    cr_assert_str_eq(c->paths.state_directory, "/s");
    cr_assert_str_eq(c->paths.sync_socket, "/x.sock");
}

Test(config, where_the_file_is_looked_for)
{
    CLEANUP(cleanup_free) char *named = NULL, *of_person = NULL, *missing = NULL;
    CLEANUP(cleanup_free) char *below = scratch_path(directory, "creditd");
    CLEANUP(cleanup_free) char *file = NULL;

    clear_environment();
    setenv("XDG_CONFIG_HOME", directory, 1);
    if (geteuid() == 0 && access("/etc/creditd/creditd.conf", F_OK) == 0)
        cr_skip("this machine has a system-wide configuration");
    missing = config_default_path();
    cr_assert_null(missing);
    cr_assert_eq(mkdir(below, 0755), 0);
    file = scratch_write(below, "creditd.conf", "", 0);
    of_person = config_default_path();
    cr_assert_str_eq(of_person, file);
    setenv("CREDITD_CONFIG", "/nonexistent.conf", 1);
    named = config_default_path();
    cr_assert_str_eq(named, "/nonexistent.conf");
}

/* Without a name it is looked for at each load; what was read is said, also where it is wrong. */
Test(config, the_first_file_is_found_when_it_is_there)
{
    CLEANUP(cleanup_free) char *below = scratch_path(directory, "creditd");
    CLEANUP(cleanup_free) char *named = scratch_write(directory, "named.conf", "[x]\n", 4);
    CLEANUP(config_cleanup) struct config *before = NULL, *after = NULL, *bad = NULL;
    CLEANUP(cleanup_free) char *none = NULL, *found = NULL, *read = NULL, *error = NULL;
    CLEANUP(cleanup_free) char *file = NULL;

    clear_environment();
    setenv("XDG_CONFIG_HOME", directory, 1);
    if (geteuid() == 0 && access("/etc/creditd/creditd.conf", F_OK) == 0)
        cr_skip("this machine has a system-wide configuration");
    cr_assert_eq(config_load_found(NULL, &none, &before, NULL), 0);
    cr_assert_null(none);
    cr_assert_eq(before->credits.push_interval, 1000);
    cr_assert_eq(mkdir(below, 0755), 0);
    file = scratch_write(below, "creditd.conf", "[credits]\npush_interval = 2s\n", 29);
    cr_assert_eq(config_load_found(NULL, &found, &after, NULL), 0);
    cr_assert_str_eq(found, file);
    cr_assert_eq(after->credits.push_interval, 2000);
    cr_assert_eq(config_load_found(named, &read, &bad, &error), -EINVAL);
    cr_assert_str_eq(read, named);
    cr_assert_not_null(strstr(error, named), "%s", error);
}
