#!/usr/bin/python3
"""What goes wrong below: a full disk, folders without permission, corrupt logs and databases, two servers on one folder."""
import json
import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import confluent_kafka

import weir

EARLIEST = {"auto.offset.reset": "earliest"}


class Full:
    """A file system of a few MiB that a test fills and empties. Needs root, as mounting does."""

    def __init__(self, mib):
        self.mib = mib

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="weir-full-")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % self.mib, "weir-test", self.folder], check=True)
        return self

    def __exit__(self, *what):
        subprocess.run(["umount", self.folder], check=True)
        os.rmdir(self.folder)
        os.unlink(self.folder + ".log")

    def fill(self, leave=0):
        with open(os.path.join(self.folder, "filler"), "wb") as f:
            free = os.statvfs(self.folder)
            left = free.f_bavail * free.f_frsize - leave
            try:
                while left > 0:
                    left -= f.write(b"x" * min(left, 65536))
                    f.flush()
            except OSError:
                pass

    def empty(self):
        os.unlink(os.path.join(self.folder, "filler"))


def server_on(disk):
    server = weir.Server(data=os.path.join(disk.folder, "data"))
    server.log_path = disk.folder + ".log"  # not on the disk that fills up
    return server


def is_root():
    if os.geteuid() == 0:
        return True
    print("      left out: only root may mount a file system and change users")
    return False


def send(server, topic, values, acks="all", seconds=3, **settings):
    """Produces; the values that were acknowledged and the errors of the others."""
    done, failed = [], []
    p = confluent_kafka.Producer({"bootstrap.servers": server.bootstrap, "acks": acks, "message.timeout.ms": int(seconds * 1000),
                                  "retries": 0, "linger.ms": 0, "log_level": 0, **settings})
    for v in values:
        p.produce(topic, v, partition=0, on_delivery=lambda e, m, v=v: failed.append(e) if e else done.append(v))
        p.poll(0)
    p.flush(seconds + 5)
    return done, failed


def read(server, topic, *options):
    return server.kcat("-C", "-t", topic, "-e", "-q", *options).splitlines()


def states(server):
    return {q["sinks"][0]: q["state"] for q in server.sql("SHOW QUERIES;")[0]["queries"]}


def query_id(server, sink):
    return [q["id"] for q in server.sql("SHOW QUERIES;")[0]["queries"] if q["sinks"] == [sink]][0]


def errors_of(server, sink):
    description = server.sql("EXPLAIN %s;" % query_id(server, sink))[0]["queryDescription"]
    return [e["errorMessage"] for e in description["queryErrors"]]


def flip(path, at, n=4):
    with open(path, "r+b") as f:
        f.seek(at)
        data = f.read(n)
        f.seek(at)
        f.write(bytes(b ^ 0x5a for b in data))


def test_a_full_disk_refuses_and_loses_nothing():
    if not is_root():
        return
    with Full(24) as disk, server_on(disk) as server:
        server.sql("CREATE STREAM s (a BIGINT) WITH (kafka_topic='s', partitions=1, value_format='JSON');"
                   "CREATE TABLE sums AS SELECT a % 10 AS g, COUNT(*) AS n FROM s GROUP BY a % 10;", EARLIEST)
        first, failed = send(server, "s", [b'{"A":%d}' % i for i in range(1000)])
        assert len(first) == 1000 and not failed

        def total():
            return sum(r[1] for r in server.query("SELECT g, n FROM sums;"))
        weir.wait_for("the sums", lambda: total() == 1000)
        disk.fill()
        kept, failed = send(server, "s", [b'{"A":%d,"PAD":"%s"}' % (i, b"x" * 5000) for i in range(1000, 1100)])
        assert failed, "a full disk took 500 KB"
        codes = {e.code() for e in failed}
        assert codes <= {confluent_kafka.KafkaError.KAFKA_STORAGE_ERROR, confluent_kafka.KafkaError._MSG_TIMED_OUT} and \
            confluent_kafka.KafkaError.KAFKA_STORAGE_ERROR in codes, failed[:3]
        status, body = server.request("POST", "/ksql", {"ksql": "CREATE STREAM t (a INT) WITH (kafka_topic='t', partitions=1, "
                                                                "value_format='JSON');"})
        assert status == 500 and re.search("full|[Nn]o space", json.loads(body)["message"]), (status, body)
        # Reading goes on, and so does the server.
        assert len(read(server, "s")) >= 1000 and total() >= 1000
        assert server.request("GET", "/info")[0] == 200
        disk.empty()
        server.process.terminate()
        server.process.wait(20)
        server.start()
        # What was acknowledged is there; what was refused may be, as ever with an error, but not twice.
        values = [json.loads(v)["A"] for v in read(server, "s")]
        assert len(values) == len(set(values)) and set(range(1000)) <= set(values), len(values)
        assert {json.loads(v)["A"] for v in kept} <= set(values)
        more, failed = send(server, "s", [b'{"A":%d}' % i for i in range(2000, 2100)])
        assert len(more) == 100, failed[:3]
        weir.wait_for("the sums after space came back", lambda: total() == len(values) + 100)
        server.sql("CREATE STREAM t (a INT) WITH (kafka_topic='t', partitions=1, value_format='JSON');")


def test_a_query_on_a_full_disk_fails_and_goes_on_by_itself():
    if not is_root():
        return
    with Full(24) as disk, server_on(disk) as server:
        server.sql("CREATE STREAM s (a BIGINT) WITH (kafka_topic='s', partitions=1, value_format='JSON');")
        done, failed = send(server, "s", [b'{"A":%d}' % i for i in range(20000)])
        assert len(done) == 20000, failed[:3]
        server.sql("CREATE STREAM big AS SELECT a, LPAD('x', 2000, 'y') AS pad FROM s EMIT CHANGES;",
                   dict(EARLIEST, **{"ksql.query.retry.backoff.initial.ms": "500", "ksql.query.retry.backoff.max.ms": "500"}))
        weir.wait_for("the disk to fill up", lambda: states(server)["BIG"] == "ERROR", 30)
        assert any(re.search("[Nn]o space", e) for e in errors_of(server, "BIG")), errors_of(server, "BIG")
        # Room comes back, and so does the query: nobody has to tell it.
        subprocess.run(["mount", "-o", "remount,size=200m", disk.folder], check=True)
        weir.wait_for("the whole output", lambda: len(read(server, "BIG", "-X", "isolation.level=read_committed")) == 20000, 40, 0.5)
        values = [json.loads(v)["A"] for v in read(server, "BIG", "-X", "isolation.level=read_committed")]
        assert values == list(range(20000))
        assert states(server) == {"BIG": "RUNNING"}


def test_a_limit_on_file_sizes_is_an_error_and_no_death():
    """RLIMIT_FSIZE: the kernel refuses with EFBIG, and with a signal to those who do not ignore it."""
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, 256 * 1024))
    with tempfile.TemporaryDirectory() as data:
        server = weir.Server(data=data)
        process = subprocess.Popen([weir.WEIR, "serve", "--data", data, "--http", "127.0.0.1:%d" % server.http, "--kafka",
                                    server.bootstrap], preexec_fn=limited, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server.process = process
        server.log = lambda: ""
        weir.wait_for("the server", server.answers)
        done, failed = send(server, "t", [b"%d:" % i + b"x" * 2000 for i in range(300)], **{"batch.num.messages": 1})
        assert done and failed and process.poll() is None, (len(done), len(failed), process.poll())
        assert confluent_kafka.KafkaError.KAFKA_STORAGE_ERROR in {e.code() for e in failed}, failed[:3]
        process.terminate()
        process.wait(20)
        server = weir.Server(data=data)
        with server:
            got = read(server, "t")
            assert set(done) <= set(got) and len(set(got)) == len(got), (len(done), len(got))


def test_folders_without_permission_are_named():
    if not is_root():
        return
    def refused(data):
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "serve", "--data", data,
                               "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 1, done
        assert "ermission denied" in done.stderr and data in done.stderr, done.stderr
        return done.stderr
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        program = os.path.join(folder, "weir")
        shutil.copy(weir.WEIR, program)
        closed = os.path.join(folder, "closed")
        os.mkdir(closed, 0o755)
        assert "--data" in refused(closed)
        assert "--data" in refused(os.path.join(closed, "below"))
        # A folder that root's server wrote: its files cannot be opened.
        data = os.path.join(folder, "data")
        with weir.Server(data=data) as server:
            server.kcat("-P", "-t", "t", stdin=b"x\n")
        os.chmod(data, 0o777)
        refused(data)
        os.chmod(os.path.join(data, "lock"), 0o666)
        refused(data)


def test_two_servers_on_one_folder_and_on_one_port():
    with weir.Server() as server:
        server.kcat("-P", "-t", "t", stdin=b"x\n")
        for _ in range(3):
            done = subprocess.run([weir.WEIR, "serve", "--data", server.data, "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0"],
                                  capture_output=True, text=True, timeout=20)
            assert done.returncode == 1 and "in use by another Weir server" in done.stderr, done
        assert read(server, "t") == [b"x"]
        # The folder is free as soon as its server is gone, however it went.
        server.kill()
        server.start()
        assert read(server, "t") == [b"x"]


def corrupt_segment(server, topic, at_record, of):
    """Flips bytes in the middle of the batch that holds the record; the file must be made of one batch a record."""
    folder = os.path.join(server.data, "topics", topic + "-0")
    path = os.path.join(folder, sorted(n for n in os.listdir(folder) if n.endswith(".log"))[0])
    with open(path, "rb") as f:
        data = f.read()
    at, n = 0, 0
    while at < len(data):
        base, length = struct.unpack(">qi", data[at:at + 12])
        if base == at_record:
            flip(path, at + of if of >= 0 else at + 12 + length + of)
            return path
        at += 12 + length
        n += 1
    raise AssertionError("no batch begins with record %d among %d" % (at_record, n))


def one_by_one(server, topic, count):
    """A batch for every record, as the linger is 0 and each waits for the one before it."""
    p = confluent_kafka.Producer({"bootstrap.servers": server.bootstrap, "acks": "all", "linger.ms": 0, "log_level": 0,
                                  "batch.num.messages": 1})
    for i in range(count):
        p.produce(topic, b'{"A":%d}' % i, partition=0)
    assert p.flush(20) == 0


def fetch_error(server, topic, offset):
    """The error code of a bare fetch from the offset, and the bytes that it returned."""
    import test_bad_input_kafka as k
    with k.Wire(server) as wire:
        got = wire.ask(k.header(k.FETCH, 4) + struct.pack(">iiiib", -1, 100, 1, 1 << 20, 0) + struct.pack(">i", 1) +
                       k.string(topic) + struct.pack(">i", 1) + struct.pack(">iqi", 0, offset, 1 << 20))
    at = 4 + 4 + 2 + len(topic) + 4 + 4
    code = struct.unpack(">h", got[at:at + 2])[0]
    size = struct.unpack(">i", got[at + 2 + 8 + 8 + 4:at + 2 + 8 + 8 + 8])[0]
    return code, size


def corruption(of):
    with tempfile.TemporaryDirectory() as data, weir.Server(data=data) as server:
        server.sql("CREATE STREAM bad (a INT) WITH (kafka_topic='bad', partitions=1, value_format='JSON');"
                   "CREATE STREAM good (a INT) WITH (kafka_topic='good', partitions=1, value_format='JSON');"
                   "CREATE STREAM o_good AS SELECT a FROM good EMIT CHANGES;", EARLIEST)
        one_by_one(server, "bad", 400)  # enough for index entries behind the batch that breaks
        one_by_one(server, "good", 40)
        server.stop()
        path = corrupt_segment(server, "bad", 20, of)
        server.start()
        server.sql("CREATE STREAM o_bad AS SELECT a FROM bad EMIT CHANGES;",
                   dict(EARLIEST, **{"ksql.query.retry.backoff.initial.ms": "300", "ksql.query.retry.backoff.max.ms": "60000"}))
        # Neighbours are untouched: other partitions, and what precedes the bad batch.
        assert len(read(server, "good")) == 40
        weir.wait_for("the other query", lambda: len(read(server, "O_GOOD", "-X", "isolation.level=read_committed")) == 40)
        code, size = fetch_error(server, "bad", 0)
        assert code == 0 and size > 0, (code, size)
        weir.wait_for("the query to meet the bad batch", lambda: states(server)["O_BAD"] == "ERROR", 15)
        assert states(server)["O_GOOD"] == "RUNNING"
        assert any(path in e or "bad-0" in e for e in errors_of(server, "O_BAD")), errors_of(server, "O_BAD")
        results = [json.loads(v)["A"] for v in read(server, "O_BAD", "-X", "isolation.level=read_committed")]
        assert results == list(range(len(results))) and len(results) <= 20, results
        # Writing goes on behind it, for the partition as well, and nothing of it was cut.
        assert len(send(server, "bad", [b'{"A":100}'])[0]) == 1
        assert fetch_error(server, "bad", 300) == (0, 101 * 77), fetch_error(server, "bad", 300)
        server.restart()
        assert fetch_error(server, "bad", 300)[0] == 0
        return server, fetch_error(server, "bad", 20)


def test_a_batch_with_a_broken_head_answers_corrupt_message():
    _, (code, _) = corruption(16)  # the magic and the CRC
    assert code == 2, code


def test_a_batch_with_broken_records_stops_the_query_that_reads_it_and_no_other():
    corruption(-6)  # in the value: a client finds it by the CRC


def corrupt_state(damage, expected):
    settings = dict(EARLIEST, **{"ksql.query.retry.backoff.initial.ms": "500", "ksql.query.retry.backoff.max.ms": "500"})
    with tempfile.TemporaryDirectory() as data, weir.Server(data=data) as server:
        server.sql("CREATE STREAM s (a INT) WITH (kafka_topic='s', partitions=1, value_format='JSON');"
                   "CREATE TABLE t1 AS SELECT a, COUNT(*) AS n FROM s GROUP BY a;"
                   "CREATE TABLE t2 AS SELECT a, COUNT(*) AS n FROM s GROUP BY a;", settings)
        one_by_one(server, "s", 30)

        def count(table):
            return len(server.query("SELECT * FROM %s;" % table))
        weir.wait_for("both tables", lambda: count("t1") == 30 and count("t2") == 30)
        t1 = query_id(server, "T1")
        server.stop()
        path = os.path.join(data, "state", t1 + ".db")
        backup = open(path, "rb").read()
        damage(path)
        server.start()
        one_by_one(server, "s", 31)
        weir.wait_for("the failure", lambda: states(server).get("T1") == "ERROR")
        assert states(server)["T2"] == "RUNNING"
        weir.wait_for("the other query to go on", lambda: [r for r in server.query("SELECT a, n FROM t2;") if r == [30, 1]])
        found = errors_of(server, "T1")
        assert any(path in e and re.search(expected, e) for e in found), found
        status, body = server.request("POST", "/query", {"ksql": "SELECT * FROM t1;", "streamsProperties": {}})
        assert status == 400 or status == 500, (status, body)
        # The file comes back, and so does the query, by itself; nothing is lost or counted twice.
        for suffix in ("-wal", "-shm"):
            if os.path.exists(path + suffix):
                os.unlink(path + suffix)
        with open(path + ".new", "wb") as f:
            f.write(backup)
        os.rename(path + ".new", path)
        weir.wait_for("the query to come back", lambda: states(server).get("T1") == "RUNNING", 20, 0.2)
        expected_rows = sorted([[i, 2] for i in range(30)] + [[30, 1]])
        weir.wait_for("all rows", lambda: sorted(server.query("SELECT a, n FROM t1;")) == expected_rows)


def test_a_state_file_that_is_no_database_fails_only_its_query():
    def damage(path):
        with open(path, "wb") as f:
            f.write(os.urandom(20000))
    corrupt_state(damage, "not a database|malformed")


def test_a_state_file_with_broken_pages_fails_only_its_query():
    def damage(path):
        size = os.path.getsize(path)
        for at in range(100, size - 100, 512):
            flip(path, at, 40)
    corrupt_state(damage, "malformed|not a database|schema")


def test_a_state_file_that_is_cut_fails_only_its_query():
    def damage(path):
        os.truncate(path, os.path.getsize(path) // 2)
    corrupt_state(damage, "malformed|not a database|short read|I/O error")


def test_a_corrupt_catalogue_is_named_and_nothing_is_touched():
    with tempfile.TemporaryDirectory() as data, weir.Server(data=data) as server:
        server.sql("CREATE STREAM s (a INT) WITH (kafka_topic='s', partitions=1, value_format='JSON');"
                   "CREATE TABLE t AS SELECT a, COUNT(*) AS n FROM s GROUP BY a;", EARLIEST)
        one_by_one(server, "s", 5)
        weir.wait_for("the table", lambda: len(server.query("SELECT * FROM t;")) == 5)
        server.stop()
        path = os.path.join(data, "catalog.db")
        backup = open(path, "rb").read()
        for junk in (os.urandom(8192), backup[:100] + b"\xff" * (len(backup) - 100), b"x"):
            with open(path, "wb") as f:
                f.write(junk)
            done = subprocess.run([weir.WEIR, "serve", "--data", data, "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0"],
                                  capture_output=True, text=True, timeout=20)
            assert done.returncode == 1 and path in done.stderr, done
            for suffix in ("-wal", "-shm"):
                if os.path.exists(path + suffix):
                    os.unlink(path + suffix)
        with open(path, "wb") as f:
            f.write(backup)
        server.start()
        weir.wait_for("the table to be back", lambda: len(server.query("SELECT * FROM t;")) == 5)


def test_corrupt_metadata_is_named():
    with tempfile.TemporaryDirectory() as data, weir.Server(data=data) as server:
        server.kcat("-P", "-t", "t", stdin=b"x\n")
        server.kcat("-P", "-t", "u", stdin=b"y\n")
        server.stop()
        folder = os.path.join(data, "broker")
        path = os.path.join(folder, os.listdir(folder)[0])
        backup = open(path, "rb").read()
        flip(path, len(backup) // 3)
        done = subprocess.run([weir.WEIR, "serve", "--data", data, "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0"],
                              capture_output=True, text=True, timeout=20)
        assert done.returncode == 1 and path in done.stderr and re.search("byte|position|corrupt", done.stderr), done
        with open(path, "wb") as f:
            f.write(backup)
        server.start()
        assert read(server, "t") == [b"x"] and read(server, "u") == [b"y"]


if __name__ == "__main__":
    weir.main(sys.modules[__name__])
