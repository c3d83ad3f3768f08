/* See sandbox_client.h. */
#include "sandbox_client.h"
#include "harness.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/macros.h>

#define ARGUMENTS_MAX 32

static pid_t program_run(char *program, char **arguments, int output)
{
    pid_t pid = fork();

    cr_assert(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves nothing behind */
    if (dup2(output, STDOUT_FILENO) >= 0)
        execv(program, arguments);
    _exit(127);
}

static void line_read(int fd, char *line, size_t size)
{
    FILE *stream = fdopen(fd, "r");

    cr_assert(stream != NULL);
    cr_assert(fgets(line, (int)size, stream) != NULL, "creditd-sandbox did not start");
    fclose(stream);
}

void sandbox_process_start(struct sandbox_process *process, const char *const *arguments)
{
    static const char greeting[] = "listening on ";
    CLEANUP(cleanup_free) char *program = harness_program_path("creditd-sandbox");
    char *all[ARGUMENTS_MAX] = {program, (char *)"--listen", (char *)"127.0.0.1:0"};
    char line[128];
    int ends[2];

    for (size_t i = 0; arguments && arguments[i]; i++) {
        cr_assert(i + 4 < ARGUMENTS_MAX);
        all[i + 3] = (char *)arguments[i];
    }
    cr_assert(pipe2(ends, O_CLOEXEC) == 0);
    process->pid = program_run(program, all, ends[1]);
    close(ends[1]);
    line_read(ends[0], line, sizeof(line));
    line[strcspn(line, "\n")] = '\0';
    cr_assert(strncmp(line, greeting, strlen(greeting)) == 0, "%s", line);
    snprintf(process->url, sizeof(process->url), "%.60s", line + strlen(greeting));
}

int sandbox_process_stop(struct sandbox_process *process)
{
    int status;

    cr_assert(kill(process->pid, SIGTERM) == 0);
    cr_assert(waitpid(process->pid, &status, 0) == process->pid);
    process->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void sandbox_process_deinit(struct sandbox_process *process)
{
    if (process->pid <= 0)
        return;
    kill(process->pid, SIGKILL);
    waitpid(process->pid, NULL, 0);
    process->pid = 0;
}

static void curl_begin(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static struct curl_slist *header_add(struct curl_slist *list, const char *name, const char *value)
{
    char line[512];

    if (!value || value[0] == '\0')
        return list;
    snprintf(line, sizeof(line), "%s: %s", name, value);
    return curl_slist_append(list, line);
}

static struct curl_slist *headers_of(const struct sandbox_call *call)
{
    struct curl_slist *list = NULL;

    list = header_add(list, "x-api-key", call->api_key ? call->api_key : "sk_test_1");
    list = header_add(list, "Idempotency-Key", call->key);
    list = header_add(list, "StellarTools-Version", call->version);
    list = header_add(list, "Content-Type", call->body ? "application/json" : NULL);
    return list;
}

static void call_set(CURL *curl, const struct sandbox_process *process,
                     const struct sandbox_call *call)
{
    char url[1024];

    snprintf(url, sizeof(url), "%s%s", process->url, call->path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, call->timeout_ms ? call->timeout_ms : 60000L);
    if (call->body)
        curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, call->body);
    if (call->method)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
}

void sandbox_call(const struct sandbox_process *process, const struct sandbox_call *call,
                  struct sandbox_answer *ret_answer)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct curl_slist *headers = headers_of(call);
    struct sandbox_answer answer = {0};
    size_t headers_length;
    FILE *body, *head;
    CURL *curl;

    pthread_once(&once, curl_begin);
    curl = curl_easy_init();
    body = open_memstream(&answer.body, &answer.length);
    head = open_memstream(&answer.headers, &headers_length);
    cr_assert(curl && body && head);
    call_set(curl, process, call);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, head);
    answer.code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    fclose(body);
    fclose(head);
    answer.json = json_loadb(answer.body, answer.length, JSON_DECODE_ANY, NULL);
    *ret_answer = answer;
}

void sandbox_answer_deinit(struct sandbox_answer *answer)
{
    free(answer->headers);
    free(answer->body);
    json_decref(answer->json);
    *answer = (struct sandbox_answer){0};
}

char *sandbox_answer_header(const struct sandbox_answer *answer, const char *name)
{
    size_t length = strlen(name);

    for (const char *line = answer->headers; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *value = line + length + 1 + strspn(line + length + 1, " ");

            return strndup(value, strcspn(value, "\r\n"));
        }
    }
    return NULL;
}

bool sandbox_answer_dropped(const struct sandbox_answer *answer)
{
    return answer->code == CURLE_GOT_NOTHING || answer->code == CURLE_RECV_ERROR ||
           answer->code == CURLE_SEND_ERROR;
}

json_t *sandbox_control(const struct sandbox_process *process, const char *path, const char *body)
{
    struct sandbox_call call = {.path = path, .body = body, .api_key = ""};
    struct sandbox_answer answer;
    json_t *json;

    sandbox_call(process, &call, &answer);
    cr_assert(answer.code == CURLE_OK && answer.status == 200, "%s: %s %s", path,
              curl_easy_strerror(answer.code), answer.body);
    cr_assert(answer.json != NULL, "%s: %s", path, answer.body);
    json = json_incref(answer.json);
    sandbox_answer_deinit(&answer);
    return json;
}

void sandbox_order(const struct sandbox_process *process, const char *faults)
{
    json_decref(sandbox_control(process, "/_sandbox/faults", faults));
}

void sandbox_grant(const struct sandbox_process *process, const char *customer_id,
                   const char *product_id, long long credits, bool record)
{
    CLEANUP(cleanup_free) char *body = NULL;

    cr_assert(asprintf(&body,
                       "{\"customer_id\": \"%s\", \"product_id\": \"%s\", \"amount\": %lld,"
                       " \"record\": %s}",
                       customer_id, product_id, credits, record ? "true" : "false") > 0);
    json_decref(sandbox_control(process, "/_sandbox/grant", body));
}

json_t *sandbox_dump(const struct sandbox_process *process, bool transactions)
{
    return sandbox_control(process,
                           transactions ? "/_sandbox/dump" : "/_sandbox/dump?transactions=0", NULL);
}

long long sandbox_balance(const struct sandbox_process *process, const char *customer_id,
                          const char *product_id)
{
    json_t *dump = sandbox_dump(process, false), *balance;
    long long credits = -1;
    size_t i;

    json_array_foreach(json_object_get(dump, "balances"), i, balance)
    {
        const char *customer = json_string_value(json_object_get(balance, "customer_id"));
        const char *product = json_string_value(json_object_get(balance, "product_id"));

        if (strcmp(customer, customer_id) == 0 && strcmp(product, product_id) == 0)
            credits = json_integer_value(json_object_get(balance, "balance"));
    }
    json_decref(dump);
    return credits;
}

long long sandbox_transaction_count(const struct sandbox_process *process)
{
    json_t *dump = sandbox_dump(process, false);
    long long count = json_integer_value(json_object_get(dump, "transaction_count"));

    json_decref(dump);
    return count;
}

long long sandbox_object_count(const struct sandbox_process *process, const char *list)
{
    json_t *dump = sandbox_dump(process, false);
    long long count = (long long)json_array_size(json_object_get(dump, list));

    json_decref(dump);
    return count;
}

long long sandbox_request_count(const struct sandbox_process *process, const char *group,
                                const char *name)
{
    json_t *dump = sandbox_dump(process, false), *counts = json_object_get(dump, "requests");
    long long count;

    if (group)
        counts = json_object_get(counts, group);
    count = json_integer_value(json_object_get(counts, name));
    json_decref(dump);
    return count;
}
