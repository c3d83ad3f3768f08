/*
 * The walk along a balance's records, over a stand-in for the journal.
 */
#include "history.h"
#include "words.h"
#include <core/rows.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS 400

/* Places are 100, 200, …; `first` is the oldest that is still there. */
struct journal {
    size_t count;
    uint16_t types[RECORDS];
    uint64_t first;
    int failure;
    bool loops;
    unsigned reads;
    unsigned cancel_at; /* after so many reads; 0: not */
    atomic_bool cancelled;
};

static uint64_t place_of(size_t index)
{
    return (index + 1) * 100;
}

static int read_record(void *userdata, uint64_t place, uint8_t *buffer, struct record *ret_record)
{
    struct journal *journal = userdata;
    size_t index = place / 100 - 1;
    struct {
        struct record_consume consume;
        uint8_t metadata[8];
    } detail = {.consume = {.raw_amount = (int64_t)index * 10,
                            .credits = (int64_t)index,
                            .balance_after = 1000 - (int64_t)index,
                            .deducted_after = (int64_t)index,
                            .metadata_length = index % 2 == 0 ? 4 : 0},
                .metadata = {0x81, 0xa1, 'k', 7}};
    struct record_header header = {
        .sequence = index + 1,
        .time = 5000 + (int64_t)index,
        .previous = journal->loops ? place
                    : index > 0    ? place_of(index - 1)
                                   : 0,
        .balance = 1,
        .type = journal->types[index],
        .epoch = 3,
    };

    if (++journal->reads == journal->cancel_at)
        atomic_store(&journal->cancelled, true);
    cr_assert_eq(place % 100, 0);
    cr_assert_lt(index, journal->count);
    if (journal->failure != 0)
        return journal->failure;
    if (place < journal->first)
        return -ENOENT;
    record_encode(buffer, &header, NULL, 0, &detail, sizeof(detail));
    return record_decode(buffer, RECORD_SIZE_MAX, ret_record);
}

static void fill(struct journal *journal, size_t count)
{
    memset(journal, 0, sizeof(*journal));
    journal->count = count;
    for (size_t i = 0; i < count; i++)
        journal->types[i] = RECORD_CONSUME;
}

struct page {
    msgpack_zone zone;
    msgpack_object object;
    msgpack_sbuffer bytes;
    const msgpack_object *data;
    bool has_more, gap;
    int result;
};

static const msgpack_object *member(const msgpack_object *map, const char *key)
{
    for (uint32_t i = 0; i < map->via.map.size; i++)
        if (map->via.map.ptr[i].key.via.str.size == strlen(key) &&
            memcmp(map->via.map.ptr[i].key.via.str.ptr, key, strlen(key)) == 0)
            return &map->via.map.ptr[i].val;
    return NULL;
}

static void get(struct page *page, struct journal *journal, int64_t limit, int64_t offset)
{
    struct history_query query = {
        .place = journal->count > 0 ? place_of(journal->count - 1) : 0,
        .limit = limit,
        .offset = offset,
        .pushed = 5,
        .customer = {"cus_1", 5},
        .product = {"prod_1", 6},
        .cancelled = &journal->cancelled,
    };
    uint8_t *buffer = malloc(RECORD_SIZE_MAX);
    size_t offset_in = 0;

    memset(page, 0, sizeof(*page));
    msgpack_sbuffer_init(&page->bytes);
    msgpack_zone_init(&page->zone, 1024);
    page->result = history_pack(read_record, journal, &query, buffer, &page->bytes);
    free(buffer);
    if (page->result != 0)
        return;
    cr_assert_eq(
        msgpack_unpack(page->bytes.data, page->bytes.size, &offset_in, &page->zone, &page->object),
        MSGPACK_UNPACK_SUCCESS);
    cr_assert_eq(offset_in, page->bytes.size);
    page->data = member(&page->object, "data");
    page->has_more = member(&page->object, "has_more")->via.boolean;
    page->gap = member(&page->object, "gap") != NULL && member(&page->object, "gap")->via.boolean;
}

static void drop(struct page *page)
{
    msgpack_zone_destroy(&page->zone);
    msgpack_sbuffer_destroy(&page->bytes);
}

static int64_t amount(const struct page *page, uint32_t row)
{
    return (int64_t)member(&page->data->via.array.ptr[row], "amount")->via.u64;
}

Test(history, pages_newest_first)
{
    static const struct {
        size_t count;
        int64_t limit, offset;
        uint32_t rows;
        int64_t first;
        bool more;
    } cases[] = {
        {0, 50, 0, 0, 0, false},   {1, 50, 0, 1, 0, false},  {10, 3, 0, 3, 9, true},
        {10, 3, 3, 3, 6, true},    {10, 3, 7, 3, 2, false},  {10, 3, 8, 2, 1, false},
        {10, 10, 0, 10, 9, false}, {10, 3, 10, 0, 0, false}, {200, 100, 50, 100, 149, true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct journal journal;
        struct page page;

        fill(&journal, cases[i].count);
        get(&page, &journal, cases[i].limit, cases[i].offset);
        cr_assert_eq(page.result, 0);
        cr_assert_eq(page.data->via.array.size, cases[i].rows, "case %zu", i);
        cr_assert_eq(page.has_more, cases[i].more, "case %zu", i);
        cr_assert_not(page.gap);
        if (cases[i].rows > 0)
            cr_assert_eq(amount(&page, 0), cases[i].first, "case %zu", i);
        drop(&page);
    }
}

Test(history, only_deductions_are_rows)
{
    struct journal journal;
    struct page page;

    fill(&journal, 30);
    for (size_t i = 0; i < 30; i++)
        journal.types[i] = i % 3 == 0 ? RECORD_CONSUME : RECORD_READING;
    get(&page, &journal, 4, 1);
    cr_assert_eq(page.data->via.array.size, 4);
    cr_assert_eq(amount(&page, 0), 24);
    cr_assert_eq(amount(&page, 3), 15);
    drop(&page);
}

Test(history, a_row_says_what_was_recorded)
{
    const msgpack_object *row, *value;
    struct journal journal;
    struct page page;

    fill(&journal, 7);
    get(&page, &journal, 2, 0);
    row = &page.data->via.array.ptr[0];
    value = member(row, "id");
    cr_assert_arr_eq(value->via.str.ptr, "tx_3_7", 6);
    value = member(row, "push_state");
    cr_assert_arr_eq(value->via.str.ptr, "pending", 7);
    cr_assert_eq(member(row, "created_at")->via.u64, 5006);
    cr_assert_eq(member(row, "raw_amount")->via.u64, 60);
    cr_assert_eq(member(row, "balance_after")->via.u64, 994);
    cr_assert_eq(member(member(row, "metadata"), "k")->via.u64, 7);
    row = &page.data->via.array.ptr[1];
    cr_assert_eq(member(row, "metadata")->type, MSGPACK_OBJECT_NIL);
    cr_assert_arr_eq(member(row, "push_state")->via.str.ptr, "pushed", 6);
    drop(&page);
}

Test(history, what_is_gone_is_a_gap)
{
    struct journal journal;
    struct page page;

    fill(&journal, 10);
    journal.first = place_of(6);
    get(&page, &journal, 50, 0);
    cr_assert_eq(page.data->via.array.size, 4);
    cr_assert(page.gap);
    cr_assert_not(page.has_more);
    drop(&page);
    get(&page, &journal, 4, 0); /* the page is full: whether there is more cannot be said */
    cr_assert_eq(page.data->via.array.size, 4);
    cr_assert(page.gap);
    cr_assert_not(page.has_more);
    drop(&page);
    get(&page, &journal, 3, 0);
    cr_assert(page.has_more);
    cr_assert_not(page.gap);
    drop(&page);
}

Test(history, damage_is_an_error_and_loops_end)
{
    struct journal journal;
    struct page page;

    fill(&journal, 3);
    journal.failure = -EUCLEAN;
    get(&page, &journal, 50, 0);
    cr_assert_eq(page.result, -EUCLEAN);
    drop(&page);
    fill(&journal, 3);
    journal.loops = true;
    get(&page, &journal, 50, 0);
    cr_assert_eq(page.result, -EBADMSG);
    cr_assert_leq(journal.reads, 2);
    drop(&page);
}

Test(history, a_deduction_is_found_by_its_sequence_and_epoch)
{
    static const struct {
        uint64_t sequence;
        uint32_t epoch;
        int result;
    } cases[] = {
        {10, 3, 0},
        {1, 3, 0},
        {7, 3, 0},
        {7, 2, -ESRCH},
        {11, 3, -ESRCH},
        {0, 3, -ESRCH},
        {5, 3, -ESRCH} /* a reading */,
        {UINT64_MAX, 3, -ESRCH},
    };
    uint8_t *buffer = malloc(RECORD_SIZE_MAX);
    const struct history_query query = {.place = place_of(9)};
    struct history_deduction found;
    struct journal journal;

    fill(&journal, 10);
    journal.types[4] = RECORD_READING;
    journal.types[6] = RECORD_SETTLE;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct core_transaction of = {.sequence = cases[i].sequence, .epoch = cases[i].epoch};

        cr_assert_eq(history_find(read_record, &journal, &query, &of, buffer, &found),
                     cases[i].result, "case %zu", i);
        if (cases[i].result != 0)
            continue;
        cr_assert_eq(found.of.sequence, cases[i].sequence);
        cr_assert_eq(found.credits, (int64_t)cases[i].sequence - 1);
        cr_assert_eq(found.raw_amount, 10 * found.credits);
    }
    journal.first = place_of(6);
    cr_assert_eq(history_find(read_record, &journal, &query,
                              &(struct core_transaction){.sequence = 3, .epoch = 3}, buffer,
                              &found),
                 -ENOENT);
    free(buffer);
}

Test(words, transaction_ids_have_one_spelling)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"tx_3_7", true},
        {"tx_4294967295_18446744073709551615", true},
        {"tx_03_7", false},
        {"tx_3_07", false},
        {"tx_3_7 ", false},
        {"tx_3", false},
        {"tx_3_", false},
        {"rf_3_7", false},
        {"", false},
        {"tx_-3_7", false},
        {"tx_4294967296_1", false},
        {"tx_1_18446744073709551616", false},
        {"tx_00000000000000000000000000000000000000003_7", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct core_transaction of;

        cr_assert_eq(words_read_transaction_id(
                         (struct core_text){cases[i].text, strlen(cases[i].text)}, &of),
                     cases[i].good, "%s", cases[i].text);
    }
}

Test(history, a_walk_that_nobody_wants_any_more_ends)
{
    struct journal journal;
    struct page page;

    fill(&journal, 300);
    journal.cancel_at = 7;
    get(&page, &journal, 1, 250);
    cr_assert_eq(page.result, -ECANCELED);
    cr_assert_eq(journal.reads, 7);
    drop(&page);
}
