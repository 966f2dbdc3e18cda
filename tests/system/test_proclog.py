#!/usr/bin/python3
"""The processing log: records that cannot be read or computed are dropped or become null, and are told about."""
import base64
import json
import sys
import tempfile

import weir

TOPIC = "default_ksql_processing_log"


def events(server, at_least=1, type=None, topic=TOPIC):
    """The events of the log's topic, once there are as many of the type as asked for."""
    def look():
        out = server.kcat("-C", "-t", topic, "-e", "-q", check=False)
        found = [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]
        found = [e for e in found if type is None or e["message"]["type"] == type]
        return found if len(found) >= at_least else None
    return weir.wait_for("%d events of type %s" % (at_least, type), look, 20, 0.2)


def consumed(server, topic, count):
    def look():
        lines = server.kcat("-C", "-t", topic, "-e", "-q", "-X", "isolation.level=read_committed", check=False).splitlines()
        return lines if len(lines) >= count else None
    return weir.wait_for("%d records of %s" % (count, topic), look, 20, 0.2)


def test_records_that_are_not_of_the_schema_are_dropped_and_reported():
    with weir.Server() as server:
        server.sql("CREATE STREAM s (a INT, b BIGINT, c BOOLEAN, d ARRAY<INT>) WITH (kafka_topic='s', partitions=2, value_format='JSON');"
                   "CREATE STREAM good AS SELECT * FROM s EMIT CHANGES;", {"auto.offset.reset": "earliest"})
        bad = [b'{"A":1,', b'{"A":"x"}', b'{"C":[]}', b'{"D":{}}', b'[1]', b'"text"', b'\xff\xfe\x00garbage', b'{"D":[1,"x"]}',
               b'nul', b'{"A":1e2e3}', b'[' * 5000, b'{"D":' + b'[' * 5000, b'\x00', b'{"A":1,"A"', b'{"B":"1"x}', b'{"A\x01":1']
        for record in bad:
            server.kcat("-P", "-t", "s", "-p", "1", "-D", "\x1e", stdin=record)
        server.kcat("-P", "-t", "s", "-p", "1", stdin=b'{"A":7,"B":8,"UNKNOWN":{"deep":[1,{"x":null}]}}\n')
        rows = [json.loads(r) for r in consumed(server, "GOOD", 1)]
        assert rows == [{"A": 7, "B": 8, "C": None, "D": None}], rows
        found = events(server, len(bad))
        assert len(found) == len(bad), [e["message"] for e in found]
        for i, e in enumerate(found):
            assert e["level"] == "ERROR" and e["logger"].startswith("processing.CSAS_GOOD_2."), e
            assert e["logger"].endswith(".deserializer") and e["time"] > 1e12, e
            assert e["message"]["type"] == 0, e
            body = e["message"]["deserializationError"]
            assert (body["topic"], body["partition"], body["offset"], body["target"]) == ("s", 1, i, "value"), (i, body)
            assert body["errorMessage"] and body["recordB64"] is None, body
            assert all(e["message"][k] is None for k in ("recordProcessingError", "productionError", "serializationError",
                                                         "kafkaStreamsThreadError")), e


def test_the_log_is_a_stream_from_the_start():
    with weir.Server(options=["--set", "ksql.logging.processing.rows.include=true"]) as server:
        streams = server.sql("SHOW STREAMS;")[0]["streams"]
        assert [(s["name"], s["topic"]) for s in streams if s["name"] == "KSQL_PROCESSING_LOG"] == \
            [("KSQL_PROCESSING_LOG", TOPIC)], streams
        server.sql("CREATE STREAM s (id INT KEY, a INT) WITH (kafka_topic='s', partitions=1, value_format='JSON');"
                   "CREATE STREAM t AS SELECT * FROM s;", {"auto.offset.reset": "earliest"})
        server.kcat("-P", "-t", "s", stdin=b"not json\n")
        events(server)
        rows = server.query("SELECT logger, level, message->type, message->deserializationError->`topic` AS t, "
                            "message->deserializationError->`offset` AS o, "
                            "message->deserializationError->recordB64 AS r FROM KSQL_PROCESSING_LOG EMIT CHANGES LIMIT 1;",
                            {"auto.offset.reset": "earliest"})
        assert len(rows) == 1 and rows[0][1:5] == ["ERROR", 0, "s", 0], rows
        assert rows[0][0].startswith("processing.CSAS_T_") and base64.b64decode(rows[0][5]) == b"not json", rows
        # Nothing of it stands in the way of a restart, and it goes on.
        server.restart()
        server.kcat("-P", "-t", "s", stdin=b"{{\n")
        events(server, 2)
        rows = server.query("SELECT message->deserializationError->`offset` FROM KSQL_PROCESSING_LOG;")
        assert sorted(r[0] for r in rows) == [0, 1], rows


def test_the_stream_can_be_left_out_and_made_by_hand_and_be_called_otherwise():
    create = ("CREATE STREAM MY_LOG (logger VARCHAR, level VARCHAR, time BIGINT, message STRUCT<type INT, recordProcessingError "
              "STRUCT<errorMessage VARCHAR, record VARCHAR, cause ARRAY<VARCHAR>>>) WITH (kafka_topic='%s', value_format='JSON');")
    with weir.Server(options=["--set", "ksql.logging.processing.stream.auto.create=false"]) as server:
        assert server.sql("SHOW STREAMS;")[0]["streams"] == []
        server.sql("CREATE STREAM s (a INT, b INT) WITH (kafka_topic='s', partitions=1, value_format='JSON');"
                   "CREATE STREAM t AS SELECT a / b AS q FROM s;", {"auto.offset.reset": "earliest"})
        server.kcat("-P", "-t", "s", stdin=b'{"A":1,"B":0}\n')
        events(server)
        server.sql(create % TOPIC)
        rows = server.query("SELECT message->type, message->recordProcessingError->errorMessage FROM my_log;")
        assert len(rows) == 1 and rows[0][0] == 1 and rows[0][1], rows
    options = ["--set", "ksql.logging.processing.stream.name=WHAT_FAILED", "--set", "ksql.logging.processing.topic.name=failures",
               "--set", "ksql.logging.processing.topic.partitions=3"]
    with weir.Server(options=options) as server:
        assert [(s["name"], s["topic"]) for s in server.sql("SHOW STREAMS;")[0]["streams"]] == [("WHAT_FAILED", "failures")]
        assert [len(t["replicaInfo"]) for t in server.sql("SHOW TOPICS;")[0]["topics"] if t["name"] == "failures"] == [3]


def test_a_stream_of_that_name_that_was_dropped_or_is_there_already_stands_in_nobodys_way():
    with tempfile.TemporaryDirectory() as data:
        with weir.Server(data=data) as server:
            server.sql("DROP STREAM KSQL_PROCESSING_LOG;")
            server.sql("CREATE STREAM KSQL_PROCESSING_LOG (x INT) WITH (kafka_topic='x', partitions=1, value_format='JSON');")
            server.restart()
            assert [s["topic"] for s in server.sql("SHOW STREAMS;")[0]["streams"]] == ["x"]


def test_what_cannot_be_computed_becomes_null_and_is_reported():
    with weir.Server() as server:
        server.sql("CREATE STREAM s (a INT, b INT, t STRING, d DECIMAL(4,2)) WITH (kafka_topic='s', partitions=1, value_format='JSON');"
                   "CREATE STREAM o AS SELECT a, a / b AS q, a % b AS m, CAST(t AS INT) AS i, CAST(t AS BOOLEAN) AS l, "
                   "CAST(d * 10 AS DECIMAL(3,2)) AS e FROM s EMIT CHANGES;", {"auto.offset.reset": "earliest"})
        server.kcat("-P", "-t", "s", stdin=b'{"A":1,"B":0,"T":"x","D":99.99}\n{"A":8,"B":3,"T":"12","D":0.5}\n')
        rows = [json.loads(r) for r in consumed(server, "O", 2)]
        assert rows[0] == {"A": 1, "Q": None, "M": None, "I": None, "L": False, "E": None}, rows[0]
        assert rows[1] == {"A": 8, "Q": 2, "M": 2, "I": 12, "L": False, "E": 5.00}, rows[1]
        found = events(server, 4, 1)
        assert len(found) == 4, [e["message"]["recordProcessingError"] for e in found]
        for e in found:
            body = e["message"]["recordProcessingError"]
            assert e["logger"].startswith("processing.CSAS_O_2.Project"), e
            assert (body["topic"], body["partition"], body["offset"]) == ("s", 0, 0), body
            assert body["errorMessage"] and body["record"] is None, body
        text = " ".join(e["message"]["recordProcessingError"]["errorMessage"] for e in found)
        for column in ("Q", "M", "I", "E"):
            assert "Error computing column %s: " % column in text, (column, text)


def test_a_where_that_fails_drops_its_record_and_no_other():
    with weir.Server() as server:
        server.sql("CREATE STREAM s (a INT, b INT) WITH (kafka_topic='s', partitions=1, value_format='JSON');"
                   "CREATE STREAM o AS SELECT a FROM s WHERE a / b > 1 EMIT CHANGES;", {"auto.offset.reset": "earliest"})
        server.kcat("-P", "-t", "s", stdin=b'{"A":9,"B":3}\n{"A":9,"B":0}\n{"A":8,"B":2}\n')
        assert [json.loads(r)["A"] for r in consumed(server, "O", 2)] == [9, 8]
        found = events(server, 1, 1)
        assert [e["message"]["recordProcessingError"]["offset"] for e in found] == [1], found


def test_a_key_that_is_not_of_its_type_is_reported_as_a_key():
    with weir.Server() as server:
        server.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT) WITH (kafka_topic='t', partitions=1, key_format='KAFKA', value_format='JSON');"
                   "CREATE TABLE u AS SELECT id, a FROM t EMIT CHANGES;", {"auto.offset.reset": "earliest"})
        server.kcat("-P", "-t", "t", "-K", "|", stdin=b'abcdef|{"A":1}\n')
        server.kcat("-P", "-t", "t", "-K", "|", stdin=b'abcd|{"A":2}\n')
        weir.wait_for("the row", lambda: server.query("SELECT a FROM u;") == [[2]])
        found = events(server, 1, 0)
        body = found[0]["message"]["deserializationError"]
        assert (body["target"], body["topic"], body["offset"]) == ("key", "t", 0), body


def test_on_request_a_bad_record_stops_its_query():
    with weir.Server() as server:
        server.sql("CREATE STREAM s (a INT) WITH (kafka_topic='s', partitions=1, value_format='JSON');"
                   "CREATE STREAM strict AS SELECT a FROM s;",
                   {"auto.offset.reset": "earliest", "ksql.fail.on.deserialization.error": "true"})
        server.sql("CREATE STREAM lenient AS SELECT a FROM s;", {"auto.offset.reset": "earliest"})
        server.kcat("-P", "-t", "s", stdin=b'{"A":1}\nnonsense\n{"A":2}\n')
        assert [json.loads(r)["A"] for r in consumed(server, "LENIENT", 2)] == [1, 2]

        def states():
            return {q["id"].split("_")[1]: q["state"] for q in server.sql("SHOW QUERIES;")[0]["queries"]}
        weir.wait_for("the strict query to fail", lambda: states() == {"STRICT": "ERROR", "LENIENT": "RUNNING"})


def test_a_flood_of_bad_records_is_bounded_and_passes():
    with weir.Server() as server:
        server.sql("CREATE STREAM s (a INT) WITH (kafka_topic='s', partitions=1, value_format='JSON');"
                   "CREATE STREAM o AS SELECT a FROM s;", {"auto.offset.reset": "earliest"})
        server.kcat("-P", "-t", "s", stdin=b"nonsense\n" * 50000 + b'{"A":1}\n', timeout=60)
        assert [json.loads(r)["A"] for r in consumed(server, "O", 1)] == [1]
        events(server, 1000)
        assert server.request("GET", "/info")[0] == 200


if __name__ == "__main__":
    weir.main(sys.modules[__name__])
