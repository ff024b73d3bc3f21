/* SPDX-License-Identifier: BSD-2-Clause */
/* Circular doubly linked lists, with the links inside the members. */
#ifndef MM_LIST_H
#define MM_LIST_H

#include "mm/types.h"

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

struct list_node {
    struct list_node *next, *previous;
};

/* A list is a node that is not a member. */
#define LIST_EMPTY(list) \
    {                    \
        &(list), &(list) \
    }

static inline void list_init(struct list_node *list)
{
    list->next = list->previous = list;
}

static inline bool list_is_empty(const struct list_node *list)
{
    return list->next == list;
}

static inline void list_add(struct list_node *list, struct list_node *node)
{
    node->next = list->next;
    node->previous = list;
    list->next->previous = node;
    list->next = node;
}

static inline void list_remove(struct list_node *node)
{
    node->next->previous = node->previous;
    node->previous->next = node->next;
    node->next = node->previous = NULL;
}

#endif
