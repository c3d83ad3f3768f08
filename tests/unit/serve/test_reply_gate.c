/*
 * Rule J3, in the module that keeps it: nothing leaves the gate before its sequence has passed,
 * everything leaves once, in order, and with as few pieces as there are connections.
 */
#include "reply_gate.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define QUEUES 8

struct sent {
    uint8_t data[1 << 20];
    size_t length;
    uint32_t answers, pieces;
};

static struct reply_gate gate;
static struct reply_queue queues[QUEUES];
static struct sent sent[QUEUES];

static void release(void *userdata, struct reply_queue *queue, const uint8_t *data, size_t length,
                    uint32_t answers)
{
    struct sent *to = &sent[queue - queues];

    cr_assert_null(userdata);
    cr_assert_leq(to->length + length, sizeof(to->data));
    memcpy(to->data + to->length, data, length);
    to->length += length;
    to->answers += answers;
    to->pieces++;
}

static void setup(void)
{
    memset(sent, 0, sizeof(sent));
    reply_gate_init(&gate, 0);
    for (size_t i = 0; i < QUEUES; i++)
        reply_queue_init(&queues[i]);
}

static void teardown(void)
{
    for (size_t i = 0; i < QUEUES; i++)
        reply_queue_deinit(&queues[i]);
    cr_assert(reply_gate_is_empty(&gate));
}

TestSuite(reply_gate, .init = setup, .fini = teardown);

static void hold(unsigned queue, uint64_t sequence, const char *text)
{
    cr_assert_eq(reply_queue_hold(&gate, &queues[queue], sequence, text, strlen(text)), 0);
}

static void pass(uint64_t sequence)
{
    reply_gate_pass(&gate, sequence, release, NULL);
}

#define assert_sent(queue, text)                                                                   \
    cr_assert_arr_eq(sent[queue].data, text, sizeof(text));                                        \
    cr_assert_eq(sent[queue].length, strlen(text))

Test(reply_gate, J3_an_answer_waits_for_its_sequence)
{
    hold(0, 5, "a");
    pass(4);
    cr_assert_eq(sent[0].length, 0);
    cr_assert_not(reply_gate_is_empty(&gate));
    pass(5);
    assert_sent(0, "a");
    cr_assert(reply_gate_is_empty(&gate));
    cr_assert_eq(gate.passed, 5);
}

Test(reply_gate, J3_a_turn_waits_for_its_last_sequence)
{
    hold(0, 1, "a");
    hold(0, 2, "b");
    pass(1);
    cr_assert_eq(sent[0].length, 0);
    pass(2);
    assert_sent(0, "ab");
    cr_assert_eq(sent[0].pieces, 1);
    cr_assert_eq(sent[0].answers, 2);
}

Test(reply_gate, J3_an_answer_about_the_past_does_not_overtake_what_it_shares_a_turn_with)
{
    hold(0, 9, "a");
    hold(0, 3, "b");
    pass(3);
    cr_assert_eq(sent[0].length, 0);
    pass(9);
    assert_sent(0, "ab");
}

Test(reply_gate, turns_leave_one_by_one)
{
    hold(0, 1, "a");
    reply_gate_next_turn(&gate);
    hold(0, 2, "b");
    hold(1, 2, "c");
    reply_gate_next_turn(&gate);
    hold(0, 3, "d");
    pass(1);
    assert_sent(0, "a");
    cr_assert_eq(sent[1].length, 0);
    pass(2);
    assert_sent(0, "ab");
    assert_sent(1, "c");
    cr_assert_eq(reply_queue_size(&queues[0]), 1);
    pass(3);
    assert_sent(0, "abd");
    cr_assert_eq(reply_queue_size(&queues[0]), 0);
}

Test(reply_gate, J3_more_turns_than_segments_wait_longer_never_shorter)
{
    char text[2] = "a";

    for (uint64_t i = 1; i <= 3 * REPLY_SEGMENTS; i++) {
        hold(0, i, text);
        text[0]++;
        reply_gate_next_turn(&gate);
    }
    for (uint64_t i = 1; i < 3 * REPLY_SEGMENTS; i++) {
        pass(i);
        cr_assert_leq(sent[0].length, i);
    }
    pass(3 * REPLY_SEGMENTS);
    assert_sent(0, "abcdefghijklmnopqrstuvwx");
}

Test(reply_gate, a_queue_may_end_while_it_waits)
{
    hold(0, 1, "a");
    hold(1, 1, "b");
    reply_queue_deinit(&queues[0]);
    pass(1);
    cr_assert_eq(sent[0].length, 0);
    assert_sent(1, "b");
}

static void end_all(void *userdata, struct reply_queue *queue, const uint8_t *data, size_t length,
                    uint32_t answers)
{
    (void)queue;
    (void)data;
    (void)length;
    (void)answers;
    ++*(int *)userdata;
    for (size_t i = 0; i < QUEUES; i++)
        reply_queue_deinit(&queues[i]);
}

Test(reply_gate, queues_may_end_while_the_gate_is_passed)
{
    int calls = 0;

    for (unsigned i = 0; i < QUEUES; i++)
        hold(i, 1, "x");
    reply_gate_pass(&gate, 1, end_all, &calls);
    cr_assert_eq(calls, 1);
}

Test(reply_gate, large_answers_give_their_memory_back)
{
    static char large[1 << 19];

    memset(large, 'l', sizeof(large));
    cr_assert_eq(reply_queue_hold(&gate, &queues[0], 1, large, sizeof(large)), 0);
    pass(1);
    cr_assert_eq(sent[0].length, sizeof(large));
    hold(0, 2, "s");
    cr_assert_lt(queues[0].capacity, sizeof(large));
    pass(2);
}

/* Random traffic against the rule itself: every byte tells its sequence, and the model what has
 * been held. */
Test(reply_gate, J3_random_traffic)
{
    static uint64_t wanted[QUEUES][200000], waits[QUEUES][200000];
    size_t held[QUEUES] = {0};
    uint64_t sequence = 0, passed = 0;

    srand(7);
    for (int step = 0; step < 20000; step++) {
        unsigned queue = (unsigned)rand() % QUEUES;

        switch (rand() % 4) {
        case 0:
            reply_gate_next_turn(&gate);
            break;
        case 1:
            passed += sequence > passed ? (uint64_t)rand() % (sequence - passed + 1) : 0;
            pass(passed);
            break;
        default:
            sequence++;
            wanted[queue][held[queue]] = sequence;
            waits[queue][held[queue]++] = sequence;
            cr_assert_eq(
                reply_queue_hold(&gate, &queues[queue], sequence, &sequence, sizeof(sequence)), 0);
            break;
        }
        for (unsigned i = 0; i < QUEUES; i++) {
            size_t count = sent[i].length / sizeof(uint64_t);

            cr_assert_eq(count, sent[i].answers);
            if (count > 0) {
                cr_assert_leq(waits[i][count - 1], passed, "an answer left too early");
                cr_assert_arr_eq(sent[i].data, wanted[i], count);
            }
        }
    }
    pass(sequence);
    for (unsigned i = 0; i < QUEUES; i++)
        cr_assert_eq(sent[i].answers, held[i]);
}
