/* The joint between targets and libFuzzer: inputs go to fuzz_one; `--seeds=FOLDER` writes seeds and FOLDER.dict. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "broker/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

struct fuzz_out {
    const char *folder;
    FILE *words;
    int seeds;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_one(data, n);
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char option[] = "--seeds=";
    /* What hostile input makes the code log would drown the report; when a finding is looked at, it helps. */
    if (!getenv("FUZZ_LOG")) log_set_level((log_level)(LOG_ERROR + 1));
    if (*argc < 2 || strncmp((*argv)[1], option, sizeof option - 1) != 0) return 0;
    fuzz_out out = {.folder = (*argv)[1] + sizeof option - 1};
    char path[4096];
    snprintf(path, sizeof path, "%s.dict", out.folder);
    out.words = fopen(path, "w");
    check(out.words != NULL);
    fuzz_make(&out);
    check(fclose(out.words) == 0);
    exit(0);
}

void fuzz_seed(fuzz_out *out, const void *p, size_t n)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/seed-%04d", out->folder, out->seeds++);
    FILE *f = fopen(path, "w");
    check(f != NULL);
    check(fwrite(p, 1, n, f) == n && fclose(f) == 0);
    uint8_t *copy = fuzz_copy(p, n);
    fuzz_one(copy, n);
    free(copy);
}

void fuzz_word(fuzz_out *out, str word)
{
    fputc('"', out->words);
    for (size_t i = 0; i < word.n; i++) fprintf(out->words, "\\x%02x", (unsigned char)word.p[i]);
    fputs("\"\n", out->words);
}

void fuzz_seed_texts(fuzz_out *out, const void *prefix, size_t n, const char *const *texts)
{
    buf b = {0};
    for (; *texts; texts++) {
        buf_clear(&b);
        buf_add(&b, prefix, n);
        buf_add_z(&b, *texts);
        fuzz_seed(out, b.data, b.len);
    }
    buf_free(&b);
}

void fuzz_words(fuzz_out *out, const char *const *words)
{
    for (; *words; words++) fuzz_word(out, str_z(*words));
}

uint32_t fuzz_pick(reader *r, uint32_t bound)
{
    check(bound > 0);
    uint32_t v = 0;
    if (reader_left(r) > 0) v = read_u8(r);
    if (bound > 256 && reader_left(r) > 0) v = v << 8 | read_u8(r);
    return v % bound;
}

str fuzz_bytes(reader *r, size_t most)
{
    size_t n = reader_left(r) >= 2 ? (uint16_t)read_i16(r) : 0;
    if (n > reader_left(r)) n = reader_left(r);
    if (n > most) n = most;
    return str_of((const char *)read_bytes(r, n), n);
}

void fuzz_put_bytes(buf *b, const void *p, size_t n)
{
    check(n <= UINT16_MAX);
    write_i16(b, (int16_t)(uint16_t)n);
    buf_add(b, p, n);
}

uint8_t *fuzz_copy(const void *p, size_t n)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);
    check(copy != NULL);
    if (n > 0) memcpy(copy, p, n);
    return copy;
}

uint8_t *fuzz_copy_padded(const void *p, size_t n, size_t padding, int fill)
{
    uint8_t *copy = malloc(n + padding);
    check(copy != NULL);
    if (n > 0) memcpy(copy, p, n);
    memset(copy + n, fill, padding);
    return copy;
}

void fuzz_mend_batches(uint8_t *p, size_t n)
{
    for (size_t at = 0; at + BATCH_HEADER <= n;) {
        uint32_t length = load_be32(p + at + 8);
        if (p[at + 16] != 2 || length < BATCH_HEADER - BATCH_PREFIX || length > n - at - BATCH_PREFIX) {
            at++;
            continue;
        }
        size_t size = BATCH_PREFIX + (size_t)length;
        store_be32(p + at + 17, hash_crc32c(p + at + BATCH_CRC_START, size - BATCH_CRC_START));
        at += size;
    }
}
