/* The commands for customers, and for which user is which customer. */
#include "ctl.h"

int run_customer_create(struct ctl *ctl)
{
    struct creditd_customer_create_request request = {.email = ctl->options[OPTION_EMAIL],
                                                      .name = ctl->options[OPTION_NAME],
                                                      .image = ctl->options[OPTION_IMAGE]};
    struct creditd_object customer;
    int r = ctl_begin(ctl, &request.who);

    if (r != 0)
        return r;
    r = creditd_customer_create(ctl->connection, &request, &customer);
    return ctl_finish_object(ctl, r, &customer);
}

int run_customer_retrieve(struct ctl *ctl)
{
    struct creditd_customer_retrieve_request request = {.fresh =
                                                            ctl->options[OPTION_FRESH] != NULL};
    struct creditd_object customer;
    int r = ctl_begin(ctl, &request.who);

    if (r != 0)
        return r;
    r = creditd_customer_retrieve(ctl->connection, &request, &customer);
    return ctl_finish_object(ctl, r, &customer);
}

int run_customer_update(struct ctl *ctl)
{
    struct creditd_customer_update_request request = {.email = ctl->options[OPTION_EMAIL],
                                                      .name = ctl->options[OPTION_NAME],
                                                      .phone = ctl->options[OPTION_PHONE],
                                                      .image = ctl->options[OPTION_IMAGE]};
    struct creditd_map *metadata;
    struct creditd_object customer;
    int r = ctl_metadata(ctl, &metadata);

    request.metadata = metadata;
    if (r == 0 && !request.email && !request.name && !request.phone && !request.image && !metadata)
        r = ctl_usage(ctl, "nothing is to be changed");
    if (r == 0)
        r = ctl_begin(ctl, &request.who);
    if (r == 0)
        r = ctl_finish_object(ctl, creditd_customer_update(ctl->connection, &request, &customer),
                              &customer);
    creditd_map_free(metadata);
    return r;
}

int run_customer_link(struct ctl *ctl)
{
    struct creditd_customer_link_request request = {.user_id = ctl->arguments[0],
                                                    .customer_id = ctl->arguments[1]};
    struct creditd_object link;
    int r = ctl_open(ctl);

    if (r != 0)
        return r;
    r = creditd_customer_link(ctl->connection, &request, &link);
    return ctl_finish_object(ctl, r, &link);
}

int run_customer_unlink(struct ctl *ctl)
{
    struct creditd_customer_unlink_request request = {.user_id = ctl->arguments[0]};
    struct creditd_object link;
    int r = ctl_open(ctl);

    if (r != 0)
        return r;
    r = creditd_customer_unlink(ctl->connection, &request, &link);
    return ctl_finish_object(ctl, r, &link);
}

int run_user_created(struct ctl *ctl)
{
    struct creditd_user_created_request request = {.user_id = ctl->arguments[0],
                                                   .email = ctl->arguments[1],
                                                   .name = ctl->options[OPTION_NAME],
                                                   .image = ctl->options[OPTION_IMAGE]};
    struct creditd_object answer;
    int r = ctl_open(ctl);

    if (r != 0)
        return r;
    r = creditd_user_created(ctl->connection, &request, &answer);
    return ctl_finish_object(ctl, r, &answer);
}
