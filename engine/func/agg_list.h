/*
 * engine/func/agg_list.h - growing lists of owned values, state of collecting aggregates. Private to engine/func/.
 */
#ifndef ENGINE_FUNC_AGG_LIST_H
#define ENGINE_FUNC_AGG_LIST_H

#include "engine/func/agg.h"

/* Zeroes are the empty list. Items are made by value_own with the type that the caller passes each time. */
typedef struct agg_list {
    value *items;
    uint32_t n, cap;
    size_t held; /* heap bytes of the items */
} agg_list;

/* Inserts an owned copy at a position. */
void agg_list_insert(agg_list *l, const type *t, uint32_t at, value v);
/* Appends an owned copy. */
void agg_list_add(agg_list *l, const type *t, value v);
/* Frees and removes an item. */
void agg_list_remove(agg_list *l, const type *t, uint32_t at);
/* Frees everything. */
void agg_list_drop(agg_list *l, const type *t);
/* First position of an equal item, or -1. */
int64_t agg_list_find(const agg_list *l, const type *t, value v);
/* As an ARRAY value that borrows the items. */
value agg_list_value(const agg_list *l, arena *mem);
/* Heap bytes of list and items. */
size_t agg_list_held(const agg_list *l);

#endif
