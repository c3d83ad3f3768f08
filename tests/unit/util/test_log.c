#include "scratch.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util/log.h>
#include <util/macros.h>

static char *directory, *path;

/* Each test is a process of its own (Criterion forks): its standard error is ours to replace. */
static void setup(void)
{
    int fd;

    directory = scratch_make();
    path = scratch_write(directory, "log", "", 0);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    cr_assert(fd >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
    close(fd);
    unsetenv("JOURNAL_STREAM");
    unsetenv("CREDITD_LOG_LEVEL");
}

static void teardown(void)
{
    free(path);
    scratch_remove(directory);
}

TestSuite(log, .init = setup, .fini = teardown);

static const char *logged(void)
{
    static char text[8192];
    FILE *file = fopen(path, "re");

    cr_assert(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void name_journal(unsigned long inode_off)
{
    char stream[64];
    struct stat status;

    cr_assert_eq(fstat(STDERR_FILENO, &status), 0);
    snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)status.st_dev,
             (unsigned long)status.st_ino + inode_off);
    setenv("JOURNAL_STREAM", stream, 1);
}

Test(log, under_systemd_lines_carry_their_priority)
{
    name_journal(0);
    log_init("test", LOG_LEVEL_INFO);
    log_error("a %d", 1);
    log_notice("b");
    log_debug("c");
    cr_assert_str_eq(logged(), "<3>a 1\n<5>b\n");
}

Test(log, elsewhere_a_time_and_a_name)
{
    name_journal(1); /* JOURNAL_STREAM of some other file */
    log_init("test", LOG_LEVEL_INFO);
    log_info("hello");
    cr_assert_eq(strlen(logged()), strlen("2026-01-01T00:00:00.000Z test: hello\n"));
    cr_assert_str_eq(strchr(logged(), ' '), " test: hello\n");
}

Test(log, the_environment_sets_the_level)
{
    name_journal(0);
    setenv("CREDITD_LOG_LEVEL", "warning", 1);
    log_init("test", LOG_LEVEL_DEBUG);
    log_notice("no");
    log_warning("yes");
    cr_assert_str_eq(logged(), "<4>yes\n");
}

Test(log, one_call_is_one_line)
{
    name_journal(0);
    log_init("test", LOG_LEVEL_INFO);
    log_info("two\n<3>lines\t\x7f");
    cr_assert_str_eq(logged(), "<6>two?<3>lines??\n");
}

Test(log, a_long_line_is_cut_and_says_so)
{
    char text[4096];
    const char *line;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    name_journal(0);
    log_init("test", LOG_LEVEL_INFO);
    log_info("%s", text);
    line = logged();
    cr_assert_lt(strlen(line), 2100);
    cr_assert_str_eq(line + strlen(line) - 5, "x...\n");
}
