#!/usr/bin/python3
"""The process: start and stop, exit codes, HTTP as any client may send it, hostile bytes and many connections."""
import http.client
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import weir


def weir_run(*args, timeout=20):
    done = subprocess.run([weir.WEIR] + list(args), capture_output=True, text=True, timeout=timeout)
    return done.returncode, done.stdout, done.stderr


def talk(port, data, seconds=5.0, shut=False):
    """Sends bytes and reads until the server closes or falls silent."""
    s = socket.create_connection(("127.0.0.1", port))
    s.settimeout(seconds)
    got = b""
    try:
        s.sendall(data)
        if shut:
            s.shutdown(socket.SHUT_WR)
        while True:
            part = s.recv(65536)
            if not part:
                break
            got += part
    except (socket.timeout, ConnectionResetError, BrokenPipeError):
        pass
    s.close()
    return got


def test_a_wrong_command_line_says_what_was_meant():
    assert weir_run("serv") == (2, "", "weir: 'serv' is no command of this program\nDid you mean 'weir serve'?\n")
    code, _, err = weir_run("serve", "--htpp", "x")
    assert code == 2 and "unknown option '--htpp'" in err and "Did you mean '--http'?" in err
    code, _, err = weir_run("serve", "--http", "nowhere")
    assert code == 2 and "'nowhere' is not an address" in err
    code, _, err = weir_run("serve", "--set", "kafka.listner=x")
    assert code == 2 and "Did you mean 'kafka.listeners'?" in err
    code, _, err = weir_run("serve", "--data")
    assert code == 2 and "'--data' needs a value" in err
    assert weir_run("--version")[0] == 0 and weir_run("--help")[0] == 0 and weir_run("serve", "--help")[0] == 0


def test_what_stands_in_the_way_of_a_start_is_named():
    with weir.Server() as server:
        code, _, err = weir_run("serve", "--data", server.data, "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0")
        assert code == 1 and "in use by another Weir server" in err, err
        with tempfile.TemporaryDirectory() as other:
            code, _, err = weir_run("serve", "--data", other, "--http", "127.0.0.1:%d" % server.http, "--kafka", "127.0.0.1:0")
            assert code == 1 and "port %d on 127.0.0.1 is in use" % server.http in err, err
            code, _, err = weir_run("serve", "--data", other, "--http", "127.0.0.1:0", "--kafka", server.bootstrap)
            assert code == 1 and "port %d on 127.0.0.1 is in use" % server.kafka in err, err
    code, _, err = weir_run("serve", "--data", "/proc/nothing/here")
    assert code == 1 and "cannot use '/proc/nothing/here' as data folder" in err, err


def test_it_starts_within_a_tenth_of_a_second_and_stops_with_0():
    best = 1.0
    for _ in range(5):
        with tempfile.TemporaryDirectory() as data:
            port = weir.free_port()
            began = time.time()
            process = subprocess.Popen([weir.WEIR, "serve", "--data", data, "--http", "127.0.0.1:%d" % port, "--kafka",
                                        "127.0.0.1:0"], stdout=subprocess.DEVNULL)
            while True:
                try:
                    if talk(port, b"GET /info HTTP/1.0\r\n\r\n"):
                        break
                except OSError:
                    time.sleep(0.001)
            best = min(best, time.time() - began)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
    print("      start to first answer: %.1f ms" % (best * 1000))
    assert best < 0.1 or "asan" in weir.WEIR or "tsan" in weir.WEIR, best


def test_the_small_routes_answer_as_ksqldb_does():
    with weir.Server() as server:
        assert talk(server.http, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 307 Temporary Redirect\r\n")
        status, body = server.request("GET", "/info")
        info = json.loads(body)["KsqlServerInfo"]
        assert info["ksqlServiceId"] == "default_" and info["serverStatus"] == "RUNNING" and info["kafkaClusterId"], info
        status, body = server.request("GET", "/v1/metadata/id")
        assert json.loads(body)["scope"]["clusters"]["ksql-cluster"] == "default_", body
        assert json.loads(server.request("GET", "/healthcheck")[1])["details"]["kafka"] == {"isHealthy": True}
        assert server.request("GET", "/chc/live") == (200, "{}") and server.request("GET", "/chc/ready") == (200, "{}")
        assert server.request("GET", "/status")[0] == 200
        status, body = server.request("GET", "/nope")
        assert status == 404 and json.loads(body)["error_code"] == 40400, body
        status, body = server.request("POST", "/info", {})
        assert status == 405 and json.loads(body)["@type"] == "generic_error", body
        status, body = server.request("POST", "/lag", {})
        assert status == 400 and json.loads(body)["error_code"] == 40005, body
        status, body = server.request("GET", "/status/stream/X/create")
        assert status == 404 and json.loads(body)["error_code"] == 40400, body


def test_http_is_served_as_clients_write_it():
    with weir.Server() as server:
        def request(head):
            return talk(server.http, head, seconds=1.0)

        answers = request(b"GET /info HTTP/1.1\r\nHost: a\r\n\r\nHEAD /info HTTP/1.1\r\nHost: a\r\n\r\n"
                          b"GET /chc/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert answers.count(b"HTTP/1.1 200 OK\r\n") == 3 and answers.endswith(b"\r\n\r\n{}"), answers
        assert b"406 Not Acceptable" in request(b"GET /info HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n")
        assert b"200 OK" in request(b"GET /info HTTP/1.1\r\nHost: a\r\nAccept: text/html;q=0.5, */*;q=0.1\r\n\r\n")
        for version in ("--http1.1", "--http2", "--http2-prior-knowledge"):
            done = subprocess.run(["curl", "-s", version, "http://127.0.0.1:%d/info" % server.http], capture_output=True)
            assert b"KsqlServerInfo" in done.stdout, (version, done)


def test_large_answers_of_push_queries_end():
    """More than is kept for a slow reader: the query waits for it, and is woken however early it had room again."""
    with weir.Server() as server:
        server.sql("CREATE STREAM s (k VARCHAR KEY, v VARCHAR) WITH (kafka_topic='s', value_format='JSON', partitions=1);")
        for i in range(30):
            server.sql("INSERT INTO s (k, v) VALUES ('%d', '%s');" % (i, "x" * 40000))
        c = http.client.HTTPConnection("127.0.0.1", server.http, timeout=20)
        body = json.dumps({"sql": "SELECT k, v FROM s EMIT CHANGES LIMIT 30;", "properties": {"auto.offset.reset": "earliest"}})
        for _ in range(100):
            c.request("POST", "/query-stream", body)
            assert len(c.getresponse().read().splitlines()) == 31
        c.close()


def test_malformed_requests_get_their_status_and_harm_nobody():
    with weir.Server(options=["--set", "http.max.body.bytes=1000", "--set", "http.request.timeout.ms=1000"]) as server:
        big = b"POST /ksql HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000
        cases = [(b"\x16\x03\x01\x02\x00", b"400"), (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n", b"414"),
                 (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40000, b"431"), (b"GET / HTTP/3.0\r\n\r\n", b"505"),
                 (b"POST /ksql HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"), (big, b"413")]
        for data, status in cases:
            got = talk(server.http, data)
            assert got.startswith(b"HTTP/1.1 " + status), (data[:60], got)
        began = time.time()
        assert talk(server.http, b"GET / HTT", seconds=10) == b"" and time.time() - began < 5
        for _ in range(50):
            talk(server.http, os.urandom(300), seconds=0.2, shut=True)
        assert server.request("GET", "/info")[0] == 200


def test_kafka_frames_are_bounded_and_charged_as_they_arrive():
    with weir.Server() as server:
        def rss():
            with open("/proc/%d/status" % server.process.pid) as f:
                return int([line for line in f if line.startswith("VmRSS")][0].split()[1])

        assert talk(server.kafka, struct.pack(">i", 200 << 20) + b"x" * 100) == b""
        assert talk(server.kafka, struct.pack(">i", -5)) == b""
        before = rss()
        conns = []
        for _ in range(200):  # 20 GB announced, 1 KB sent
            s = socket.create_connection(("127.0.0.1", server.kafka))
            s.sendall(struct.pack(">i", 100 << 20) + b"\x00" * 1000)
            conns.append(s)
        time.sleep(0.3)
        grown = rss() - before
        for s in conns:
            s.close()
        assert grown < 40000 or "san" in weir.WEIR, grown
        assert server.kcat("-L")


def test_large_requests_take_turns_when_memory_is_short():
    with weir.Server(options=["--set", "memory.requests.bytes=1000000"]) as server:
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, str(i)) for i in range(10)]
            for path in paths:
                with open(path, "wb") as f:
                    f.write(path[-1].encode() * 900000)
            clients = [subprocess.Popen(["kcat", "-b", server.bootstrap, "-P", "-t", "t%d" % i] + paths) for i in range(8)]
            assert [c.wait(60) for c in clients] == [0] * 8
            for i in range(8):
                got = server.kcat("-C", "-t", "t%d" % i, "-e", "-q", "-f", "%S ").split()
                assert got == [b"900000"] * 10, (i, got)


def test_run_serves_until_it_is_stopped_and_fails_with_its_script():
    with tempfile.TemporaryDirectory() as folder:
        script, http, kafka = os.path.join(folder, "a.sql"), weir.free_port(), weir.free_port()
        options = ["--data", os.path.join(folder, "data"), "--http", "127.0.0.1:%d" % http, "--kafka", "127.0.0.1:%d" % kafka]
        with open(script, "w") as f:
            f.write("CREATE STREAM s (a INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
        process = subprocess.Popen([weir.WEIR, "run", script] + options, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"Stream created\n"
        listing = subprocess.run(["kcat", "-b", "127.0.0.1:%d" % kafka, "-L", "-J"], capture_output=True, timeout=20)
        assert "s" in [t["topic"] for t in json.loads(listing.stdout)["topics"]]
        process.terminate()
        assert process.wait(20) == 0
        code, out, err = weir_run("run", script, *options)
        assert code == 1 and "already exists" in err, (code, out, err)
        code, _, err = weir_run("run", os.path.join(folder, "none.sql"))
        assert code == 1 and "No such file" in err


def test_many_idle_connections_are_cheap():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(4000, hard // 2 - 200)
    with weir.Server() as server:
        conns = [socket.create_connection(("127.0.0.1", server.kafka)) for _ in range(count)]
        conns += [socket.create_connection(("127.0.0.1", server.http)) for _ in range(count // 4)]
        assert server.request("GET", "/info")[0] == 200 and server.kcat("-L")
        with open("/proc/%d/status" % server.process.pid) as f:
            rss = int([line for line in f if line.startswith("VmRSS")][0].split()[1])
        print("      %d connections: %d KiB resident" % (len(conns), rss))
        assert rss < 60000 or "san" in weir.WEIR, rss
        for s in conns:
            s.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_stop_under_load_is_clean():
    with weir.Server() as server:
        producer = subprocess.Popen(["kcat", "-b", server.bootstrap, "-P", "-t", "t", "-X", "acks=all"], stdin=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL)
        try:
            for i in range(20000):
                producer.stdin.write(b"line %d\n" % i)
            producer.stdin.flush()
        except BrokenPipeError:
            pass
        time.sleep(0.2)
        server.stop()
        producer.kill()
        producer.wait()
        server.start()
        server.kcat("-C", "-t", "t", "-e", "-q", check=False)


if __name__ == "__main__":
    weir.main(sys.modules[__name__])
