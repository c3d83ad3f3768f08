/*
 * A full disk (J6): deductions are refused, all else goes on, and when there is room again so do
 * they. The disk is a small tmpfs in a mount namespace of the test's own; skipped where that is not
 * allowed.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define BALLAST (16 << 20)
#define ROUNDS_MAX 20000

static struct fixture fixture;

static void teardown(void)
{
    umount2(fixture.state, MNT_DETACH);
    fixture_deinit(&fixture);
}

TestSuite(space, .fini = teardown, .timeout = 500);

static bool mount_small_disk(void)
{
    return mkdir(fixture.state, 0700) == 0 && unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", fixture.state, "tmpfs", 0, "size=32m,mode=0700") == 0;
}

static void write_ballast(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    cr_assert_geq(fd, 0);
    cr_assert_eq(posix_fallocate(fd, 0, BALLAST), 0);
    close(fd);
}

/* The error's code, or NULL. */
static const char *consume(json_t **ret_error)
{
    static char text[3001];
    struct harness_message message;

    memset(text, 'm', sizeof(text) - 1);
    harness_send(&fixture.client, "credits.consume", "{s:s, s:s, s:i, s:{s:s}}", "customer_id",
                 "cus_1", "product_id", "prod_1", "raw_amount", 1, "metadata", "k", text);
    cr_assert(harness_receive(&fixture.client, &message));
    *ret_error = json_incref(message.error);
    harness_message_deinit(&message);
    return *ret_error != NULL ? harness_text(*ret_error, "code") : NULL;
}

Test(space, J6_a_full_disk_refuses_deductions_alone)
{
    char ballast[HARNESS_PATH_MAX];
    json_t *error = NULL;
    int done = 0;

    fixture_init(&fixture, "[credits]\npush_interval = 10ms\n");
    if (!mount_small_disk())
        cr_skip_test("no mount namespaces here");
    harness_path(&fixture.directory, "state/ballast", ballast);
    write_ballast(ballast);
    fixture_start_serve(&fixture);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture.sync.grant = 1000000;
    fixture_connect(&fixture, &fixture.client);

    /* "busy" says that the next segment is still being made. */
    for (const char *code; done < ROUNDS_MAX; done++) {
        code = consume(&error);
        if (code != NULL && strcmp(code, "busy") != 0)
            break;
        if (code != NULL)
            json_decref(error);
        error = NULL;
    }
    cr_assert_not_null(error, "%d deductions went into 16 MiB", done);
    cr_assert_str_eq(harness_text(error, "code"), "no_space");
    json_decref(error);
    fixture_wait_status(&fixture, "pending.credits", 0);
    json_decref(harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id",
                             "cus_1", "product_id", "prod_1"));
    cr_assert_eq(unlink(ballast), 0);
    for (int tries = 0; consume(&error) != NULL; tries++) {
        json_decref(error);
        cr_assert_lt(tries, HARNESS_TIMEOUT_MS / 20, "there is room, and it is not used");
        poll(NULL, 0, 20); /* the store looks again when it thinks fit */
    }
    fixture_wait_status(&fixture, "pending.credits", 0);

    harness_connection_deinit(&fixture.client);
    cr_assert_eq(harness_process_stop(&fixture.serve, SIGTERM), 0);
    umount2(fixture.state, MNT_DETACH);
    fixture_deinit(&fixture);
}
