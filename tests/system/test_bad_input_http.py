#!/usr/bin/python3
"""Hostile HTTP requests: ksqlDB's errors with their status for bodies that are wrong, and nobody else is held up."""
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time

import weir
from test_server import talk


def post(server, path, body, extra=""):
    """Status and parsed JSON of the answer to a POST with the bytes as they are."""
    head = "POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n" % (
        path, len(body), extra)
    got = talk(server.http, head.encode() + body)
    assert got.startswith(b"HTTP/1.1 "), got
    head, _, rest = got.partition(b"\r\n\r\n")
    if b"chunked" in head.lower():
        out = b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            n = int(size, 16)
            out, rest = out + rest[:n], rest[n + 2:]
        rest = out
    try:
        return int(got[9:12]), json.loads(rest) if rest else None
    except ValueError:
        return int(got[9:12]), rest


def test_bodies_that_are_no_request_are_told_so():
    with weir.Server() as server:
        bodies = [b"", b"{", b"nonsense", b"[]", b"null", b"1", b'"SHOW STREAMS;"', b'{"ksql":}', b'{"ksql":"SHOW STREAMS;"',
                  b'{"ksql":["SHOW STREAMS;"]}', b'{"ksql":{}}', b'{"ksql":"SHOW STREAMS;","streamsProperties":[]}',
                  b'{"ksql":"SHOW STREAMS;","streamsProperties":"x"}', b'{"ksql":"SHOW STREAMS;"} x', b"\xff\xfe{}",
                  b'{"ksql":"\xff"}', b'{"ksql":"a\x01b"}', b"[" * 100000, b'{"ksql":' * 50000, b'{"a":' + b"[" * 100000]
        for path in ("/ksql", "/query", "/query-stream", "/close-query", "/ksql/terminate"):
            for body in bodies:
                if path == "/query-stream":
                    body = body.replace(b'"ksql"', b'"sql"').replace(b"streamsProperties", b"properties")
                if path == "/ksql/terminate" and (not body or body.startswith(b'{"ksql":"SH') or body in (
                        b'{"ksql":["SHOW STREAMS;"]}', b'{"ksql":{}}')):
                    continue  # an object; fields that nobody knows are passed over
                status, got = post(server, path, body)
                assert 400 <= status < 500, (path, body[:60], status, got)
                if path != "/close-query" or status != 400 or got:
                    assert got["@type"] in ("generic_error", "statement_error") and got["error_code"] // 100 == status and \
                        got["message"], (path, body[:60], status, got)
        assert server.sql("SHOW STREAMS;")


def test_statements_that_are_wrong_get_their_place_and_code():
    with weir.Server() as server:
        cases = [(";", 40001), ("SELEC 1;", 40001), ("CREATE STREAM", 40001), ("CREATE STREAM s (a INT);", 40001),
                 ("SHOW STREAMS", 40001), ("SELECT * FROM nothing;", 40002), ("DROP STREAM nothing;", 40001),
                 ("TERMINATE nothing;", 40001), ("'", 40001), ("`", 40001), ("/* open", 40001), ("\u0000", 40001),
                 ("CREATE STREAM s (a INT) WITH (kafka_topic='missing', value_format='JSON');", 40001),
                 ("CREATE STREAM s (a INT) WITH (kafka_topic='a/b', partitions=1, value_format='JSON');", 40001),
                 ("CREATE STREAM s (a INT) WITH (kafka_topic='x', partitions=-1, value_format='JSON');", 40001),
                 ("CREATE STREAM s (a INT) WITH (kafka_topic='x', partitions=2000000000, value_format='JSON');", 40001),
                 ("CREATE STREAM s (a DECIMAL(99,3)) WITH (kafka_topic='x', partitions=1, value_format='JSON');", 40001),
                 ("CREATE STREAM s (" + ",".join("c%d INT" % i for i in range(3)) + ",c1 INT) WITH (kafka_topic='x', partitions=1, "
                  "value_format='JSON');", 40001),
                 ("SET 'no.such.property'='1';", 40001), ("INSERT INTO nothing VALUES (1);", 40001),
                 ("SELECT " + "(" * 20000 + "1" + ")" * 20000 + ";", 400), ("- " * 100000, 40001), ("SHOW STREAMS; " * 3 + "BAD;", 40001)]
        assert post(server, "/ksql", b'{"ksql":""}') == (200, [])
        for text, code in cases:
            status, got = post(server, "/ksql", json.dumps({"ksql": text}).encode())
            assert status == 400 and got["error_code"] // (1 if code > 1000 else 100) == code and got["message"], \
                (text[:60], status, str(got)[:300])
        # None of them has left a stream or a topic behind.
        assert [s["name"] for s in server.sql("SHOW STREAMS;")[0]["streams"]] == ["KSQL_PROCESSING_LOG"]
        assert [t["name"] for t in server.sql("SHOW TOPICS;")[0]["topics"]] == ["default_ksql_processing_log"]
        for text in ("SELECT 1 FROM nothing;", "SHOW STREAMS;", "CREATE", "SELECT * FROM KSQL_PROCESSING_LOG WHERE;"):
            for path, name in (("/query", "ksql"), ("/query-stream", "sql")):
                status, got = post(server, path, json.dumps({name: text}).encode())
                assert status == 400 and got["error_code"] // 100 == 400 and got["message"], (path, text, status, got)


def test_heads_that_are_wrong_get_their_status():
    with weir.Server() as server:
        assert post(server, "/ksql", b'{"ksql":"SHOW STREAMS;"}', extra="Accept: text/html\r\n")[0] == 406
        assert post(server, "/nowhere", b"{}")[0] == 404
        assert post(server, "/info", b"{}")[0] == 405
        for head in (b"GET\r\n\r\n", b"GET /info\r\n\r\n", b" GET /info HTTP/1.1\r\n\r\n", b"GET /info HTTP/1.1\r\nHost: a\r\nA b\r\n\r\n",
                     b"GET /info HTTP/1.1\r\nHost: a\r\nContent-Length: 5x\r\n\r\n", b"G\x00T /info HTTP/1.1\r\nHost: a\r\n\r\n",
                     b"GET /info HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                     b"GET /info HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"GET /info HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
                     b"GET /info HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n"):
            got = talk(server.http, head, seconds=2.0)
            assert got.startswith(b"HTTP/1.1 4"), (head, got[:80])


def test_slow_and_greedy_clients_hold_nobody_up():
    with weir.Server(options=["--set", "http.request.timeout.ms=3000"]) as server:
        conns = []
        for _ in range(50):
            s = socket.create_connection(("127.0.0.1", server.http))
            s.sendall(b"POST /ksql HTTP/1.1\r\nHost: a\r\nContent-Length: 16000000\r\n\r\n{")
            conns.append(s)
        giant = socket.create_connection(("127.0.0.1", server.http))
        giant.sendall(b"POST /ksql HTTP/1.1\r\nHost: a\r\nContent-Length: 2147483648\r\n\r\n")
        giant.settimeout(5)
        assert giant.recv(100).startswith(b"HTTP/1.1 413")
        for i in range(4):
            for s in conns[:5]:
                try:
                    s.sendall(b" ")  # one byte a second does not keep a request alive
                except OSError:
                    pass
            began = time.time()
            assert server.request("GET", "/info")[0] == 200 and time.time() - began < 1.0
            time.sleep(1)
        for s in conns:
            s.settimeout(5)
            try:
                got = s.recv(1000)
            except ConnectionResetError:
                got = b""
            assert got == b"" or got.startswith(b"HTTP/1.1 408"), got
            s.close()


def test_a_subscriber_that_does_not_read_is_bounded():
    with weir.Server() as server:
        server.sql("CREATE STREAM s (a INT, p STRING) WITH (kafka_topic='s', partitions=1, value_format='JSON');")
        s = socket.create_connection(("127.0.0.1", server.http))
        body = json.dumps({"sql": "SELECT * FROM s EMIT CHANGES;", "properties": {"auto.offset.reset": "earliest"}}).encode()
        s.sendall(b"POST /query-stream HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert s.recv(12) == b"HTTP/1.1 200"
        line = b'{"A":1,"P":"' + b"x" * 1000 + b'"}\n'
        server.kcat("-P", "-t", "s", stdin=line * 60000, timeout=60)
        time.sleep(1)
        with open("/proc/%d/status" % server.process.pid) as f:
            rss = int([row for row in f if row.startswith("VmRSS")][0].split()[1])
        assert rss < 150000 or "san" in weir.WEIR, rss
        # Another one sees everything meanwhile; and the slow one goes on when it reads.
        assert server.query("SELECT COUNT(*) FROM s EMIT CHANGES LIMIT 1;", {"auto.offset.reset": "earliest"})
        rows, s_file = 0, s.makefile("rb")
        s.settimeout(20)
        while rows < 60000:
            rows += s_file.readline().count(b"xxxxx\"")
            if rows % 10000 == 0 and rows:
                assert server.process.poll() is None
        s.close()


def test_garbage_is_answered_and_nothing_breaks():
    with weir.Server() as server:
        dice = random.Random(11)
        for _ in range(200):
            talk(server.http, dice.randbytes(dice.randrange(1, 600)), seconds=1.0, shut=True)
        for _ in range(100):  # HTTP/2 with garbage behind the preface
            talk(server.http, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + dice.randbytes(dice.randrange(1, 300)), seconds=1.0, shut=True)
        for _ in range(100):  # a Kafka request on the wrong port
            talk(server.http, struct.pack(">ihhi", 14, 18, 0, 1) + dice.randbytes(6), seconds=1.0, shut=True)
        good = b'POST /ksql HTTP/1.1\r\nHost: a\r\nContent-Length: 24\r\n\r\n{"ksql":"SHOW STREAMS;"}'
        for n in range(0, len(good), 3):
            talk(server.http, good[:n], seconds=1.0, shut=True)
        assert server.sql("SHOW STREAMS;")


if __name__ == "__main__":
    weir.main(sys.modules[__name__])
