#!/usr/bin/python3
"""Queries that fail: what is shown, when they are tried again, and that they can be ended; nothing else is touched."""
import json
import struct
import sys
import time

import confluent_kafka
import confluent_kafka.admin

import weir
from test_bad_input_disk import EARLIEST, errors_of, one_by_one, query_id, read, send, states
from test_bad_input_kafka import Wire, header, string

LIST_OFFSETS = 2
FAST = dict(EARLIEST, **{"ksql.query.retry.backoff.initial.ms": "300", "ksql.query.retry.backoff.max.ms": "1000"})
SLOW = dict(EARLIEST, **{"ksql.query.retry.backoff.initial.ms": "600000", "ksql.query.retry.backoff.max.ms": "600000"})
SCHEMA = "CREATE STREAM s (a INT) WITH (kafka_topic='s', partitions=1, value_format='JSON');"


def end_of(server, topic, isolation):
    with Wire(server) as wire:
        got = wire.ask(header(LIST_OFFSETS, 2) + struct.pack(">ib", -1, isolation) + struct.pack(">i", 1) + string(topic) +
                       struct.pack(">i", 1) + struct.pack(">iq", 0, -1))
    return struct.unpack(">q", got[-8:])[0]


def delete_topic(server, topic):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.bootstrap})
    admin.delete_topics([topic])[topic].result(10)


def make_topic(server, topic, partitions=1):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.bootstrap})
    new = confluent_kafka.admin.NewTopic(topic, num_partitions=partitions, replication_factor=1)
    admin.create_topics([new])[topic].result(10)


def committed(server, topic):
    return [json.loads(v)["A"] for v in read(server, topic, "-X", "isolation.level=read_committed")]


def test_a_failed_query_shows_its_error_and_ends_its_transaction():
    with weir.Server() as server:
        server.sql(SCHEMA + "CREATE STREAM o AS SELECT a FROM s;", dict(SLOW, **{"ksql.fail.on.deserialization.error": "true"}))
        server.kcat("-P", "-t", "s", stdin=b'{"A":1}\n')
        weir.wait_for("the first row", lambda: committed(server, "O") == [1])
        server.kcat("-P", "-t", "s", stdin=b'{"A":2}\n{"A":3}\nnonsense\n')
        weir.wait_for("the failure", lambda: states(server)["O"] == "ERROR")
        assert any("malformed JSON" in e for e in errors_of(server, "O")), errors_of(server, "O")
        assert server.sql("SHOW QUERIES;")[0]["queries"][0]["statusCount"] == {"ERROR": 1}
        # It waits ten minutes for its retry; nobody who reads its topic waits with it.
        weir.wait_for("the end of its transaction", lambda: end_of(server, "O", 0) == end_of(server, "O", 1), 5)
        assert committed(server, "O")[:1] == [1]
        assert any("malformed JSON" in e for e in errors_of(server, "O")), "the reason is gone"
        server.sql("TERMINATE %s;" % query_id(server, "O"))
        assert states(server) == {}
        server.sql("DROP STREAM o DELETE TOPIC;")
        server.restart()
        assert states(server) == {} and [s["name"] for s in server.sql("SHOW STREAMS;")[0]["streams"] if s["name"] in "SO"] == ["S"]


def test_the_pause_between_retries_grows():
    with weir.Server() as server:
        server.sql(SCHEMA + "CREATE STREAM o AS SELECT a FROM s;",
                   dict(EARLIEST, **{"ksql.fail.on.deserialization.error": "true", "ksql.query.retry.backoff.initial.ms": "200",
                                     "ksql.query.retry.backoff.max.ms": "100000"}))
        server.kcat("-P", "-t", "s", stdin=b"nonsense\n")
        time.sleep(5)
        n = server.log().count("was started again")
        assert 2 <= n <= 5, n  # after 0.2, 0.6, 1.4, 3.0 s, each up to 0.2 s later
        assert states(server) == {"O": "ERROR"}
        errors = server.sql("EXPLAIN %s;" % query_id(server, "O"))[0]["queryDescription"]["queryErrors"]
        times = [e["timestamp"] for e in errors]
        assert len(errors) == n + 1 and times == sorted(set(times)), errors


def test_the_newest_ten_errors_are_kept_and_outlive_a_recovery():
    with weir.Server() as server:
        server.sql(SCHEMA + "CREATE STREAM o AS SELECT a FROM s;",
                   dict(EARLIEST, **{"ksql.query.retry.backoff.initial.ms": "1", "ksql.query.retry.backoff.max.ms": "1"}))
        server.kcat("-P", "-t", "s", stdin=b'{"A":1}\n')
        weir.wait_for("the row", lambda: committed(server, "O") == [1])
        delete_topic(server, "s")
        weir.wait_for("ten failures", lambda: len(errors_of(server, "O")) == 10)
        assert states(server) == {"O": "ERROR"}
        time.sleep(1)
        assert len(errors_of(server, "O")) == 10


def test_a_failed_query_can_be_replaced_dropped_and_paused():
    strict = dict(SLOW, **{"ksql.fail.on.deserialization.error": "true"})
    with weir.Server() as server:
        server.sql(SCHEMA + "CREATE STREAM o AS SELECT a FROM s; CREATE STREAM p AS SELECT a FROM s;", strict)
        server.kcat("-P", "-t", "s", stdin=b'nonsense\n{"A":5}\n')
        weir.wait_for("both failures", lambda: states(server) == {"O": "ERROR", "P": "ERROR"})
        server.sql("PAUSE %s;" % query_id(server, "P"))
        server.sql("CREATE OR REPLACE STREAM o AS SELECT a FROM s WHERE a > 0;", EARLIEST)
        weir.wait_for("the replacement", lambda: states(server)["O"] == "RUNNING")
        weir.wait_for("its row", lambda: committed(server, "O") == [5])
        server.sql("DROP STREAM p DELETE TOPIC;")
        assert list(states(server)) == ["O"]


def test_a_pause_leaves_no_transaction_open():
    with weir.Server() as server:
        server.sql(SCHEMA + "CREATE STREAM o AS SELECT a FROM s;", dict(EARLIEST, **{"commit.interval.ms": "60000"}))
        one_by_one(server, "s", 200)
        server.sql("PAUSE ALL;")
        assert states(server) == {"O": "PAUSED"}
        weir.wait_for("the end of its transaction", lambda: end_of(server, "O", 0) == end_of(server, "O", 1), 5)
        held = committed(server, "O")
        one_by_one(server, "s", 50)
        time.sleep(0.5)
        assert committed(server, "O") == held
        server.restart()
        assert states(server) == {"O": "PAUSED"} and committed(server, "O") == held
        server.sql("RESUME ALL;")
        weir.wait_for("the rest", lambda: committed(server, "O") == list(range(200)) + list(range(50)))


def test_a_topic_deleted_under_a_query():
    with weir.Server() as server:
        server.sql(SCHEMA + "CREATE STREAM other (a INT) WITH (kafka_topic='other', partitions=1, value_format='JSON');"
                   "CREATE STREAM o AS SELECT a FROM s; CREATE STREAM q AS SELECT a FROM other;", FAST)
        one_by_one(server, "s", 10)
        weir.wait_for("the rows", lambda: committed(server, "O") == list(range(10)))
        delete_topic(server, "s")
        weir.wait_for("the query to notice", lambda: states(server) == {"O": "ERROR", "Q": "RUNNING"}, 10)
        found = errors_of(server, "O")
        assert any("s" in e and ("does not exist" in e or "deleted" in e) for e in found), found
        one_by_one(server, "other", 3)
        weir.wait_for("the other query", lambda: committed(server, "Q") == [0, 1, 2])
        # A topic of that name with another id is not the topic that was read: the offsets mean nothing there.
        make_topic(server, "s")
        one_by_one(server, "s", 20)
        weir.wait_for("the new topic to be refused", lambda: any("made again" in e for e in errors_of(server, "O")), 10)
        assert states(server)["O"] == "ERROR" and committed(server, "O") == list(range(10))
        server.restart()
        weir.wait_for("the same after a restart", lambda: states(server) == {"O": "ERROR", "Q": "RUNNING"}, 10)
        server.sql("TERMINATE %s;" % query_id(server, "O"))
        server.sql("DROP STREAM o;")
        server.sql("CREATE STREAM o2 WITH (kafka_topic='O') AS SELECT a FROM s;", EARLIEST)
        weir.wait_for("a new query over the new topic", lambda: committed(server, "O") == list(range(10)) + list(range(20)))


def test_a_sink_topic_deleted_under_a_query():
    with weir.Server() as server:
        server.sql(SCHEMA + "CREATE STREAM o AS SELECT a FROM s;", FAST)
        one_by_one(server, "s", 5)
        weir.wait_for("the rows", lambda: committed(server, "O") == list(range(5)))
        delete_topic(server, "O")
        send(server, "s", [b'{"A":77}'])
        weir.wait_for("the query to notice", lambda: states(server) == {"O": "ERROR"}, 10)
        assert any("O" in e for e in errors_of(server, "O")), errors_of(server, "O")
        assert server.request("GET", "/info")[0] == 200
        server.sql("TERMINATE %s;" % query_id(server, "O"))
        server.restart()
        assert states(server) == {}


def test_offsets_beyond_the_end_of_a_topic_are_refused():
    """A log that was put back from an older copy: the query must not wait for offsets that others will fill."""
    import os
    import shutil
    import tempfile
    with tempfile.TemporaryDirectory() as data, weir.Server(data=data) as server:
        server.sql(SCHEMA + "CREATE STREAM o AS SELECT a FROM s;", FAST)
        one_by_one(server, "s", 5)
        weir.wait_for("the rows", lambda: committed(server, "O") == list(range(5)))
        server.stop()
        folder = os.path.join(data, "topics", "s-0")
        shutil.copytree(folder, data + "-copy")
        server.start()
        one_by_one(server, "s", 5)
        weir.wait_for("more rows", lambda: len(committed(server, "O")) == 10)
        server.stop()
        shutil.rmtree(folder)
        shutil.move(data + "-copy", folder)
        server.start()
        weir.wait_for("the failure", lambda: states(server) == {"O": "ERROR"}, 10)
        assert any("ends at offset 5" in e for e in errors_of(server, "O")), errors_of(server, "O")


if __name__ == "__main__":
    weir.main(sys.modules[__name__])
