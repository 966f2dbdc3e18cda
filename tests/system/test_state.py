#!/usr/bin/env python3
"""What a query keeps can be read by sqlite3 while it runs, survives a kill, and its offsets show as a group."""
import json
import os
import subprocess
import sys

import confluent_kafka

import weir

STATEMENTS = (
    "SET 'auto.offset.reset'='earliest';"
    "CREATE STREAM S (K STRING KEY, G STRING, V INT, D DECIMAL(10,2)) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON',"
    " PARTITIONS=2);")
TABLES = (
    "CREATE TABLE T AS SELECT G, COUNT(*) AS N, SUM(V) AS TOTAL, AVG(V) AS MEAN, MAX(D) AS TOP, COUNT(*) * 2 AS TWICE,"
    " LATEST_BY_OFFSET(V) AS LAST FROM S GROUP BY G HAVING COUNT(*) > 1 EMIT CHANGES;",
    "CREATE TABLE W AS SELECT G, COUNT(*) AS N FROM S WINDOW TUMBLING (SIZE 1 HOURS) GROUP BY G EMIT CHANGES;",
    "CREATE TABLE SS AS SELECT G, COUNT(*) AS N FROM S WINDOW SESSION (1 HOURS) GROUP BY G EMIT CHANGES;")


def database(server, prefix):
    folder = os.path.join(server.data, "state")
    names = [n for n in os.listdir(folder) if n.startswith(prefix) and n.endswith(".db")]
    assert len(names) == 1, names
    return os.path.join(folder, names[0])


def ask(path, sql):
    done = subprocess.run(["sqlite3", "-readonly", "-json", path, sql], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "[]")


def fill(server, first, last):
    for i in range(first, last):
        server.sql("INSERT INTO S (ROWTIME, K, G, V, D) VALUES (%d, 'k%d', 'g%d', %d, %d.5);" %
                   (1700000000000 + i, i, i % 3, i, i))


def total(server, prefix, view):
    try:
        rows = ask(database(server, prefix), 'SELECT sum(N) AS N FROM "%s"' % view)
    except AssertionError:
        return None  # the view is not there yet
    return rows[0]["N"] if rows else None


def test_views_show_the_result_of_running_queries():
    with weir.Server() as server:
        server.sql(STATEMENTS)
        for statement in TABLES:
            server.sql(statement)
        fill(server, 0, 9)
        for prefix, view in (("CTAS_T", "T"), ("CTAS_W", "W"), ("CTAS_SS", "SS")):
            weir.wait_for("the commit of " + view, lambda: total(server, prefix, view) == 9)
        rows = ask(database(server, "CTAS_T"), "SELECT * FROM T ORDER BY G")
        assert rows[1] == {"G": "g1", "N": 3, "TOTAL": 12, "MEAN": 4.0, "TOP": "7.50", "TWICE": 6}, rows
        rows = ask(database(server, "CTAS_W"), "SELECT * FROM W ORDER BY G")
        assert rows[0]["windowend"] - rows[0]["windowstart"] == 3600000 and rows[0]["N"] == 3, rows
        rows = ask(database(server, "CTAS_SS"), "SELECT * FROM SS ORDER BY G")
        assert rows[2] == {"G": "g2", "windowstart": 1700000000002, "windowend": 1700000000008, "N": 3}, rows


def test_a_killed_server_goes_on_where_it_was():
    with weir.Server() as server:
        server.sql(STATEMENTS)
        for statement in TABLES:
            server.sql(statement)
        fill(server, 0, 12)
        weir.wait_for("the commit", lambda: total(server, "CTAS_W", "W") == 12)
        server.kill()
        server.start()
        fill(server, 12, 24)
        for prefix, view in (("CTAS_T", "T"), ("CTAS_W", "W"), ("CTAS_SS", "SS")):
            weir.wait_for("all rows in " + view, lambda: total(server, prefix, view) == 24)


def test_committed_offsets_show_as_a_group():
    with weir.Server() as server:
        server.sql(STATEMENTS)
        server.sql(TABLES[1])
        fill(server, 0, 10)
        query = os.path.basename(database(server, "CTAS_W"))[:-3]
        reader = confluent_kafka.Consumer({"bootstrap.servers": server.bootstrap,
                                           "group.id": "_confluent-ksql-default_query_" + query})
        partitions = [confluent_kafka.TopicPartition("s", p) for p in range(2)]

        def shown():
            return sum(max(p.offset, 0) for p in reader.committed(partitions, timeout=10)) == 10

        weir.wait_for("the offsets", shown)
        reader.close()


if __name__ == "__main__":
    weir.main(sys.modules[__name__])
