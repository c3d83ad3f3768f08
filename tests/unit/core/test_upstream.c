/*
 * Which upstream the ledger belongs to, and who said so.
 */
#include "stage.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct stage stage;

static void setup(void)
{
    const struct core_policy policy = stage_policy();

    stage_init(&stage, &policy);
}

static void teardown(void)
{
    stage_deinit(&stage);
}

TestSuite(upstream, .init = setup, .fini = teardown, .timeout = 500);

static void expect_upstream(const char *text)
{
    struct core_text upstream = core_upstream(stage.core);

    cr_expect_eq(upstream.length, strlen(text));
    cr_expect_eq(memcmp(upstream.data, text, strlen(text)), 0);
}

static struct record last_record(void)
{
    struct record record;
    size_t last = stage.count - 1;

    cr_assert_eq(record_decode(stage.records[last].bytes, stage.records[last].size, &record), 0);
    return record;
}

Test(upstream, is_remembered_by_the_ledger)
{
    uint64_t sequence = 0;

    expect_upstream("");
    stage_restart(&stage); /* a ledger from before there was such a row */
    expect_upstream("");
    cr_assert_eq(
        core_set_upstream(stage.core, stage_text("sandbox"), UINT32_MAX, stage.now, &sequence),
        CORE_OK);
    expect_upstream("sandbox");
    stage_restart(&stage);
    expect_upstream("sandbox");
}

Test(upstream, is_changed_by_somebody)
{
    uint64_t first = 0, second = 0;
    struct record record;

    cr_assert_eq(core_set_upstream(stage.core, stage_text("https://old live"), UINT32_MAX,
                                   stage.now, &first),
                 CORE_OK);
    cr_assert_eq(core_set_upstream(stage.core, stage_text("https://new.example live"), STAGE_UID,
                                   stage.now, &second),
                 CORE_OK);
    cr_expect_gt(second, first);
    record = last_record();
    cr_expect_eq(record.header.sequence, second);
    cr_expect_eq(record.header.type, RECORD_SETTING);
    cr_expect_eq(record.header.uid, STAGE_UID);
    cr_expect_eq(record.header.detail_length, strlen("https://old live"));
    cr_expect_eq(memcmp(record.detail, "https://old live", strlen("https://old live")), 0);
    stage_restart(&stage);
    expect_upstream("https://new.example live");
}

Test(upstream, is_not_anything)
{
    static char large[CORE_UPSTREAM_MAX + 1];
    uint64_t sequence;

    memset(large, 'x', sizeof(large));
    cr_expect_eq(core_set_upstream(stage.core, stage_text(""), 0, stage.now, &sequence), -EINVAL);
    cr_expect_eq(core_set_upstream(stage.core, (struct core_text){large, sizeof(large)}, 0,
                                   stage.now, &sequence),
                 -EINVAL);
    cr_expect_eq(stage.count, 0);
    cr_expect_eq(core_set_upstream(stage.core, (struct core_text){large, CORE_UPSTREAM_MAX}, 0,
                                   stage.now, &sequence),
                 CORE_OK);
    stage.full = true;
    cr_expect_eq(core_set_upstream(stage.core, stage_text("other"), 0, stage.now, &sequence),
                 -ENOSPC);
    cr_expect_eq(core_upstream(stage.core).length, CORE_UPSTREAM_MAX);
    cr_expect_eq(core_load_row(stage.core, TABLE_META, CORE_META_UPSTREAM,
                               strlen(CORE_META_UPSTREAM), large, sizeof(large)),
                 -EBADMSG);
}
