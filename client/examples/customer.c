/*
 * A signup: the daemon is told of the user, and then asked for the user's customer, which it finds
 * or makes. The customer comes as StellarTools has it; the value functions walk it.
 *
 *     customer USER EMAIL
 */
#include <creditd.h>
#include <stdio.h>

static void print_member(const struct creditd_object *object, const char *key)
{
    char text[256];

    if (creditd_value_copy_text(creditd_value_get(object->value, key), text, sizeof text))
        printf("%s: %s\n", key, text);
}

static void print_wallets(const struct creditd_object *object)
{
    const struct creditd_value *wallets = creditd_value_get(object->value, "wallets");
    char text[256];

    for (size_t i = 0; i < creditd_value_count(wallets); i++)
        if (creditd_value_copy_text(creditd_value_get(creditd_value_at(wallets, i), "address"),
                                    text, sizeof text))
            printf("wallet: %s\n", text);
}

static int sign_up(struct creditd *connection, const char *user, const char *email)
{
    struct creditd_user_created_request created = {.user_id = user, .email = email};
    struct creditd_customer_create_request create = {.who = {.user_id = user}, .email = email};
    struct creditd_object object;
    int r = creditd_user_created(connection, &created, &object);

    if (r != 0)
        return r;
    creditd_object_clear(&object);
    r = creditd_customer_create(connection, &create, &object);
    if (r != 0)
        return r;
    printf("customer %s%s\n", object.id, object.stale ? ", as last heard" : "");
    print_member(&object, "email");
    print_member(&object, "name");
    print_wallets(&object);
    creditd_object_clear(&object);
    return 0;
}

int main(int argc, char **argv)
{
    struct creditd *connection;
    int r;

    if (argc != 3) {
        fprintf(stderr, "usage: %s USER EMAIL\n", argv[0]);
        return 2;
    }
    if (creditd_open(&connection, NULL, 0) < 0)
        return 1;
    r = sign_up(connection, argv[1], argv[2]);
    if (r != 0)
        fprintf(stderr, "%s\n", creditd_reply_message(creditd_last(connection)));
    creditd_close(connection);
    return r == 0 ? 0 : 1;
}
