/*
 * engine/format/kafka.c - KAFKA: one column as Kafka's own serializers write it (reference F1, V6).
 */
#include "base/bytes.h"
#include "base/utf8.h"
#include "engine/format/codec.h"

/* Bytes that a value of this type has; 0: any. */
static size_t width(type_kind k)
{
    return k == TYPE_INT ? 4 : k == TYPE_BIGINT || k == TYPE_DOUBLE ? 8 : 0;
}

void kafka_format_read(format_codec *f, const io_record *records, uint32_t count, vec *cols, uint32_t first, arena *mem,
                       const format_events *events)
{
    int c = f->cols[0];
    if (!codec_needs(f, c)) return;
    vec *v = &cols[c];
    size_t w = width(v->type->kind);
    bool key = f->side == FORMAT_KEY;
    for (uint32_t k = 0; k < count; k++) {
        if (key ? records[k].key_null : records[k].value_null) continue;
        str s = key ? records[k].key : records[k].value;
        uint32_t row = first + k;
        if (w != 0 && s.n != w) {
            vec_set_null(v, row);
            events->failed(events->ctx, k, codec_message(f, "Size of data received is not %zu", w));
            continue;
        }
        vec_set_valid(v, row);
        uint64_t bits;
        switch (v->type->kind) {
        case TYPE_INT: v->i[row] = (int32_t)load_be32(s.p); break;
        case TYPE_BIGINT: v->l[row] = (int64_t)load_be64(s.p); break;
        case TYPE_DOUBLE:
            bits = load_be64(s.p);
            memcpy(&v->d[row], &bits, 8);
            break;
        case TYPE_STRING: v->s[row] = utf8_repair(mem, s); break;
        default: v->s[row] = s; break;
        }
    }
}

bool kafka_format_write(format_codec *f, const vec *cols, uint32_t row, buf *out, str *message)
{
    const vec *v = &cols[f->cols[0]];
    uint64_t bits;
    switch (v->type->kind) {
    case TYPE_INT: write_i32(out, v->i[row]); break;
    case TYPE_BIGINT: write_i64(out, v->l[row]); break;
    case TYPE_DOUBLE:
        memcpy(&bits, &v->d[row], 8);
        write_i64(out, (int64_t)bits);
        break;
    default: buf_add_str(out, v->s[row]); break;
    }
    return true;
}
