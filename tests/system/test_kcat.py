#!/usr/bin/python3
"""kcat (librdkafka) against the broker: listing, producing with keys, headers and every codec, consuming, groups."""
import json
import subprocess
import sys

import weir


def test_an_empty_server_lists_one_broker_and_the_processing_log():
    with weir.Server() as server:
        listing = json.loads(server.kcat("-L", "-J"))
        assert [b["name"] for b in listing["brokers"]] == [server.bootstrap], listing
        assert [t["topic"] for t in listing["topics"]] == ["default_ksql_processing_log"], listing


def test_records_come_back_with_keys_headers_and_order_in_every_codec():
    with weir.Server() as server:
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            lines = "".join("key-%d:value %d \u00fc\n" % (i % 7, i) for i in range(3000)).encode()
            server.kcat("-P", "-t", "t-" + codec, "-K:", "-z", codec, "-H", "origin=test", "-H", "empty=", stdin=lines)
            out = server.kcat("-C", "-t", "t-" + codec, "-e", "-q", "-f", "%k:%s|%h\n").decode()
            got = out.strip().split("\n")
            assert len(got) == 3000, (codec, len(got))
            assert got[17] == "key-3:value 17 \u00fc|origin=test,empty=", (codec, got[17])
            assert [line.split("|")[0] for line in got] == lines.decode().strip().split("\n"), codec


def test_null_keys_and_values_stay_null():
    with weir.Server() as server:
        server.kcat("-P", "-t", "t", "-K:", "-Z", stdin=b"a:\n:b\n")
        got = server.kcat("-C", "-t", "t", "-e", "-q", "-f", "%K %S\n").decode().split("\n")[:2]
        assert got == ["1 -1", "-1 1"], got


def test_offsets_by_time_and_from_the_end():
    with weir.Server() as server:
        server.kcat("-P", "-t", "t", stdin=b"".join(b"%d\n" % i for i in range(100)))
        assert server.kcat("-C", "-t", "t", "-o", "-3", "-e", "-q") == b"97\n98\n99\n"
        assert server.kcat("-C", "-t", "t", "-o", "50", "-c", "1", "-q") == b"50\n"
        assert server.kcat("-C", "-t", "t", "-o", "s@1", "-c", "1", "-q") == b"0\n"


def test_acks_all_and_idempotence():
    with weir.Server() as server:
        server.kcat("-P", "-t", "t", "-X", "acks=all", "-X", "enable.idempotence=true", stdin=b"a\nb\nc\n")
        assert server.kcat("-C", "-t", "t", "-e", "-q") == b"a\nb\nc\n"


def test_records_survive_a_restart_and_a_kill():
    with weir.Server() as server:
        server.kcat("-P", "-t", "t", "-X", "acks=all", stdin=b"one\n")
        server.restart()
        server.kcat("-P", "-t", "t", "-X", "acks=all", stdin=b"two\n")
        server.kill()
        server.start()
        assert server.kcat("-C", "-t", "t", "-e", "-q") == b"one\ntwo\n"


def test_a_group_resumes_where_it_committed():
    with weir.Server() as server:
        server.kcat("-P", "-t", "t", stdin=b"".join(b"%d\n" % i for i in range(20)))
        options = ["-X", "auto.offset.reset=earliest", "-q", "-e"]
        first = server.kcat("-G", "g", "-c", "10", *options, "t").decode().split()
        server.restart()
        second = server.kcat("-G", "g", *options, "t").decode().split()
        assert first + second == [str(i) for i in range(20)], (first, second)


def test_garbage_on_the_port_harms_nobody():
    import os
    import socket
    with weir.Server() as server:
        for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\x00\x00\x00\x04abcd", b"\x7f\xff\xff\xff", os.urandom(4096)):
            s = socket.create_connection(("127.0.0.1", server.kafka))
            s.sendall(junk)
            s.shutdown(socket.SHUT_WR)
            s.settimeout(5)
            while s.recv(4096):
                pass
            s.close()
        server.kcat("-P", "-t", "t", stdin=b"fine\n")
        assert server.kcat("-C", "-t", "t", "-e", "-q") == b"fine\n"


if __name__ == "__main__":
    weir.main(sys.modules[__name__])
