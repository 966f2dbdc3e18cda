/* Base64 and hexadecimal text: RFC 4648's vectors, and what Java's and Jackson's decoders take and refuse. */
#include "tests/unit/unit.h"

#include "base/base64.h"
#include "base/rng.h"

static bool decodes(const char *text, base64_rules rules, const char *expected)
{
    uint8_t out[64];
    size_t n;
    return base64_decode(str_z(text), rules, out, &n) && str_eqz(str_of((char *)out, n), expected);
}

static bool refuses(const char *text, base64_rules rules)
{
    uint8_t out[64];
    size_t n;
    return !base64_decode(str_z(text), rules, out, &n);
}

START_TEST(the_vectors_of_the_rfc_hold)
{
    static const char *vectors[][2] = {{"", ""},
                                       {"f", "Zg=="},
                                       {"fo", "Zm8="},
                                       {"foo", "Zm9v"},
                                       {"foob", "Zm9vYg=="},
                                       {"fooba", "Zm9vYmE="},
                                       {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < 7; i++) {
        buf b = {0};
        base64_put(&b, vectors[i][0], strlen(vectors[i][0]));
        ck_assert(str_eqz(buf_str(&b), vectors[i][1]));
        ck_assert(decodes(vectors[i][1], BASE64_JAVA, vectors[i][0]));
        ck_assert(decodes(vectors[i][1], BASE64_JACKSON, vectors[i][0]));
        buf_free(&b);
    }
}
END_TEST

START_TEST(java_takes_missing_padding_and_jackson_takes_blanks)
{
    ck_assert(decodes("Zg", BASE64_JAVA, "f") && decodes("Zm8", BASE64_JAVA, "fo"));
    ck_assert(refuses("Zg", BASE64_JACKSON) && refuses("Zg=", BASE64_JAVA) && refuses("Zg=", BASE64_JACKSON));
    ck_assert(refuses("Z", BASE64_JAVA) && refuses("Zm9v Zg==", BASE64_JAVA) && refuses("Zg==Zg==", BASE64_JAVA));
    ck_assert(decodes(" Zm9v\n Zg==\n", BASE64_JACKSON, "foof") && decodes("Zg==Zm8=", BASE64_JACKSON, "ffo"));
    ck_assert(refuses("Zm 9v", BASE64_JACKSON) && refuses("Z*9v", BASE64_JAVA) && refuses("=", BASE64_JAVA));
    ck_assert(decodes("-_-_", BASE64_URL, "\xfb\xff\xbf") && refuses("-_-_", BASE64_JAVA) &&
              refuses("+/+/", BASE64_URL));
}
END_TEST

START_TEST(random_bytes_round_trip)
{
    rng r;
    rng_seed(&r, 11);
    for (size_t n = 0; n < 300; n++) {
        uint8_t in[300], out[303];
        for (size_t i = 0; i < n; i++) in[i] = (uint8_t)rng_u64(&r);
        char text[400];
        size_t len = base64_encode(in, n, text), back;
        ck_assert_uint_eq(len, base64_encoded_size(n));
        ck_assert(base64_decode(str_of(text, len), BASE64_JACKSON, out, &back));
        ck_assert(back == n && memcmp(in, out, n) == 0);
        buf b = {0};
        hex_put(&b, in, n, n % 2);
        ck_assert(hex_decode(buf_str(&b), out) && memcmp(in, out, n) == 0);
        buf_free(&b);
    }
}
END_TEST

START_TEST(hexadecimal_text_must_be_whole_pairs)
{
    uint8_t out[4];
    ck_assert(hex_decode(STR("00ffAb"), out) && out[0] == 0 && out[1] == 0xff && out[2] == 0xab);
    ck_assert(!hex_decode(STR("0"), out) && !hex_decode(STR("0g"), out) && !hex_decode(STR("@1"), out));
    buf b = {0};
    hex_put(&b, "\x0a\xff", 2, true);
    hex_put(&b, "\x0a\xff", 2, false);
    ck_assert(str_eqz(buf_str(&b), "0AFF0aff"));
    buf_free(&b);
}
END_TEST

UNIT_MAIN("base/base64", the_vectors_of_the_rfc_hold, java_takes_missing_padding_and_jackson_takes_blanks,
          random_bytes_round_trip, hexadecimal_text_must_be_whole_pairs)
