#!/usr/bin/python3
"""Real data through kcat, HTTP and the prompt: what comes out is computed again here, by other means.

The data sets (Wikipedia edits, an access log, GitHub events, earthquakes) are looked for beside the checkout, in
../shared/data or $WEIR_TEST_DATA; without them everything here is skipped.
"""
import calendar
import collections
import csv
import datetime
import decimal
import io
import json
import math
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time

import weir

DATA = os.environ.get("WEIR_TEST_DATA", os.path.join(weir.ROOT, "..", "shared", "data"))
HOUR = 3600 * 1000


def data(name):
    return os.path.join(DATA, name)


def millis(text, form):
    return calendar.timegm(datetime.datetime.strptime(text, form).timetuple()) * 1000


def prompt(server, *statements, form="json", code=0):
    """Runs statements at the prompt against the server; standard output."""
    args = [weir.WEIR, "--server", "http://127.0.0.1:%d" % server.http, "--output", form]
    done = subprocess.run(args, input="\n".join(statements).encode(), capture_output=True, timeout=60)
    assert done.returncode == code, (statements, done.stdout[-500:], done.stderr[-1000:])
    return done.stdout.decode() if code == 0 else done.stderr.decode()


def rows(server, statement):
    """The rows of a query that ends, as objects with lower-case names."""
    lines = prompt(server, "SET 'auto.offset.reset'='earliest';", statement).strip().split("\n")
    return [{k.lower(): v for k, v in json.loads(line, parse_float=decimal.Decimal).items()} for line in lines if line.startswith("{")]


def until(server, statement, wanted, seconds=20.0):
    """Repeats a query until it gives what is wanted; a failure shows both."""
    deadline = time.time() + seconds
    while True:
        got = rows(server, statement)
        if wanted(got):
            return got
        if time.time() > deadline:
            raise AssertionError("%s still gives %d rows: %s" % (statement, len(got), got[:3]))
        time.sleep(0.05)


def produce(server, topic, path, skip=0, *options):
    with open(path, "rb") as f:
        text = f.read().split(b"\n", skip)[skip]
    server.kcat("-P", "-t", topic, *options, stdin=text)


# ---- Wikipedia edits -------------------------------------------------------------------------------------------------

WIKI = """CREATE STREAM wiki (time STRING, channel STRING, `user` STRING, page STRING, delta BIGINT, added BIGINT, isRobot BOOLEAN)
  WITH (kafka_topic='wiki', partitions=4, value_format='JSON', timestamp='time', timestamp_format='yyyy-MM-dd''T''HH:mm:ss.SSSX');"""
BY_CHANNEL = """CREATE TABLE by_channel AS SELECT channel, COUNT(*) AS n, SUM(added) AS added, MIN(delta) AS lo, MAX(delta) AS hi
  FROM wiki WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY channel EMIT CHANGES;"""


def wiki_truth():
    """(channel, hour) -> [n, added, lo, hi], from the file alone."""
    truth = {}
    with open(data("wikipedia-edits.ndjson"), encoding="utf-8") as f:
        for line in f:
            edit = json.loads(line)
            at = millis(edit["time"][:19], "%Y-%m-%dT%H:%M:%S")
            group = truth.setdefault((edit["channel"], at - at % HOUR), [0, 0, None, None])
            group[0] += 1
            group[1] += edit["added"] or 0
            group[2] = edit["delta"] if group[2] is None else min(group[2], edit["delta"])
            group[3] = edit["delta"] if group[3] is None else max(group[3], edit["delta"])
    return truth


def load_wiki(server):
    """Stream, table and 39,244 edits over 4 partitions, in two codecs; the truth."""
    prompt(server, WIKI, "SET 'auto.offset.reset'='earliest';", BY_CHANNEL)
    with open(data("wikipedia-edits.ndjson"), "rb") as f:
        lines = f.readlines()
    server.kcat("-P", "-t", "wiki", "-z", "lz4", stdin=b"".join(lines[:20000]))
    server.kcat("-P", "-t", "wiki", "-z", "zstd", stdin=b"".join(lines[20000:]))
    truth = wiki_truth()
    total = sum(group[0] for group in truth.values())
    assert total == 39244
    until(server, "SELECT * FROM by_channel;", lambda got: sum(r["n"] for r in got) == total)
    return truth


def as_truth(got):
    return {(r["channel"], r["windowstart"]): [r["n"], r["added"], r["lo"], r["hi"]] for r in got}


def test_wikipedia_edits_by_channel_and_hour():
    with weir.Server() as server:
        truth = load_wiki(server)
        busiest = max(truth, key=lambda k: truth[k][0])
        assert busiest == ("#vi.wikipedia", millis("2015-09-12 06", "%Y-%m-%d %H")) and truth[busiest][:2] == [1253, 35179]

        assert as_truth(rows(server, "SELECT * FROM by_channel;")) == truth  # scan
        vi = {k: v for k, v in truth.items() if k[0] == "#vi.wikipedia"}
        assert as_truth(rows(server, "SELECT * FROM by_channel WHERE channel = '#vi.wikipedia';")) == vi
        one = rows(server, "SELECT n, added FROM by_channel WHERE channel = '#vi.wikipedia' AND windowstart = %d;" % busiest[1])
        assert one == [{"n": 1253, "added": 35179}]
        hours = rows(server, "SELECT * FROM by_channel WHERE channel = '#vi.wikipedia' "
                             "AND windowstart >= '2015-09-12T05:00:00' AND windowend <= '2015-09-12T08:00:00';")
        assert as_truth(hours) == {k: v for k, v in vi.items() if 5 <= k[1] // HOUR % 24 < 8} and len(hours) == 3
        some = rows(server, "SELECT * FROM by_channel WHERE channel IN ('#en.wikipedia', '#nl.wikipedia', '#none');")
        assert as_truth(some) == {k: v for k, v in truth.items() if k[0] in ("#en.wikipedia", "#nl.wikipedia")}
        ranged = rows(server, "SELECT * FROM by_channel WHERE channel >= '#e' AND channel < '#f';")
        assert as_truth(ranged) == {k: v for k, v in truth.items() if "#e" <= k[0] < "#f"} and len(ranged) > 20
        large = rows(server, "SELECT * FROM by_channel WHERE n > 800 AND added < 100000;")
        assert as_truth(large) == {k: v for k, v in truth.items() if v[0] > 800 and v[1] < 100000} and large
        assert len(rows(server, "SELECT * FROM by_channel LIMIT 7;")) == 7

        # The same by HTTP, and by SQLite beside the running server.
        http = server.query("SELECT channel, windowstart, n, added, lo, hi FROM by_channel;")
        assert {(r[0], r[1]): r[2:] for r in http} == truth
        folder = os.path.join(server.data, "state")
        names = [n for n in os.listdir(folder) if n.startswith("CTAS_BY_CHANNEL_") and n.endswith(".db")]
        assert len(names) == 1, names

        def stored():
            db = sqlite3.connect("file:%s?mode=ro" % os.path.join(folder, names[0]), uri=True)
            try:
                return {(r[0], r[1]): list(r[2:]) for r in db.execute("SELECT channel, windowstart, n, added, lo, hi FROM BY_CHANNEL")}
            finally:
                db.close()
        weir.wait_for("the commit", lambda: stored() == truth)

        # The sink's topic, as a consumer of committed records sees it: the last value of each key is the table.
        last = {}
        for line in server.kcat("-C", "-t", "BY_CHANNEL", "-e", "-q", "-X", "isolation.level=read_committed", "-f", "%S %K %k%s\n").split(b"\n"):
            if line:
                sizes = line.split(b" ", 2)
                key, value = sizes[2][:int(sizes[1])], json.loads(sizes[2][int(sizes[1]):])
                start = int.from_bytes(key[-8:], "big")
                last[key[:-8].decode(), start] = [value["N"], value["ADDED"], value["LO"], value["HI"]]
        assert last == truth


def test_push_queries_show_history_and_what_comes():
    with weir.Server() as server:
        load_wiki(server)
        counted = rows(server, "SELECT channel, added FROM wiki WHERE added > 10000 EMIT CHANGES LIMIT 20;")
        with open(data("wikipedia-edits.ndjson"), encoding="utf-8") as f:
            large = [(e["channel"], e["added"]) for e in map(json.loads, f) if (e["added"] or 0) > 10000]
        assert len(counted) == 20 and not collections.Counter((r["channel"], r["added"]) for r in counted) - collections.Counter(large)
        # A subscriber that begins at the end sees only what comes after it.
        command = [weir.WEIR, "--server", "http://127.0.0.1:%d" % server.http, "--output", "json",
                   "-e", "SELECT page, added FROM wiki EMIT CHANGES LIMIT 1;"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as subscriber:
            weir.wait_for("the push query", lambda: "PUSH" in prompt(server, "SHOW QUERIES;"))
            edit = {"time": "2015-09-12T23:59:59.999Z", "channel": "#en.wikipedia", "page": "Weir", "added": 7}
            server.kcat("-P", "-t", "wiki", stdin=json.dumps(edit).encode())
            assert json.loads(subscriber.communicate(timeout=20)[0]) == {"PAGE": "Weir", "ADDED": 7}


def test_print_describe_and_explain_of_what_runs():
    with weir.Server() as server:
        load_wiki(server)
        printed = prompt(server, "PRINT wiki FROM BEGINNING LIMIT 3;", form="table")
        assert "Value format: JSON" in printed and len(re.findall(r"^rowtime: .*, key: <null>, value: \{", printed, re.M)) == 3, printed
        windowed = prompt(server, "PRINT BY_CHANNEL FROM BEGINNING LIMIT 1;", form="table")
        assert re.search(r"key: \[#\w+\.wikipedia@\d{13}/", windowed), windowed
        described = prompt(server, "DESCRIBE wiki;", form="table")
        assert re.search(r"\|user *\|STRING", described) and re.search(r"\|ISROBOT *\|BOOLEAN", described), described
        extended = prompt(server, "DESCRIBE by_channel EXTENDED;", form="table")
        assert "(Window type: TUMBLING)" in extended and re.search(r"CTAS_BY_CHANNEL_\d+ \(RUNNING\)", extended), extended
        query = re.search(r"CTAS_BY_CHANNEL_\d+", extended).group(0)
        explained = prompt(server, "EXPLAIN %s;" % query, form="table")
        assert re.search(r"in 39244, .*lag 0", explained), explained
        assert "TUMBLING" in explained and "AGGREGATE" in explained and "SOURCE" in explained, explained
        planned = prompt(server, "EXPLAIN SELECT channel, COUNT(*) FROM wiki GROUP BY channel EMIT CHANGES;", form="table")
        assert "AGGREGATE" in planned, planned
        queries = server.sql("SHOW QUERIES;")[0]["queries"]
        assert [q["id"] for q in queries] == [query], queries
        groups = server.sql("DESCRIBE BY_CHANNEL EXTENDED;")[0]["sourceDescription"]
        assert groups["partitions"] == 4 and groups["writeQueries"][0]["id"] == query, groups


def test_a_query_is_ended_by_its_id_and_only_by_its_own():
    with weir.Server() as server:
        prompt(server, WIKI)
        for verb in ("TERMINATE", "PAUSE", "RESUME"):
            message = json.loads(server.request("POST", "/ksql", {"ksql": "%s CTAS_X_9;" % verb})[1])
            assert message["error_code"] == 40001 and "Unknown queryId: CTAS_X_9" in message["message"], message
        command = [weir.WEIR, "--server", "http://127.0.0.1:%d" % server.http, "-e", "SELECT * FROM wiki EMIT CHANGES;"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as subscriber:
            weir.wait_for("the push query", lambda: server.sql("SHOW QUERIES;")[0]["queries"])
            server.sql("TERMINATE %s;" % server.sql("SHOW QUERIES;")[0]["queries"][0]["id"])
            assert subscriber.wait(20) == 0


def test_results_outlive_a_restart():
    with weir.Server() as server:
        truth = load_wiki(server)
        server.kill()
        server.start()
        until(server, "SELECT * FROM by_channel;", lambda got: as_truth(got) == truth)
        edit = {"time": "2015-09-12T23:30:00.000Z", "channel": "#vi.wikipedia", "page": "x", "delta": 0, "added": 1}
        server.kcat("-P", "-t", "wiki", stdin=json.dumps(edit).encode())
        key = ("#vi.wikipedia", millis("2015-09-12 23", "%Y-%m-%d %H"))
        truth[key][0] += 1
        truth[key][1] += 1
        truth[key][2] = min(truth[key][2], 0)
        truth[key][3] = max(truth[key][3], 0)
        until(server, "SELECT * FROM by_channel;", lambda got: as_truth(got) == truth)


# ---- access log ------------------------------------------------------------------------------------------------------

ACCESS = [
    "SET 'auto.offset.reset'='earliest';",
    "CREATE STREAM lines (line STRING) WITH (kafka_topic='access', partitions=1, value_format='KAFKA');",
    r"""CREATE STREAM hits WITH (value_format='JSON', timestamp='at_') AS SELECT REGEXP_EXTRACT('^(\S+)', line, 1) AS ip,
      PARSE_TIMESTAMP(REGEXP_EXTRACT('\[([^\]]+)\]', line, 1), 'dd/MMM/yyyy:HH:mm:ss Z') AS at_,
      SPLIT(REGEXP_EXTRACT('"([^"]*)"', line, 1), ' ')[1] AS verb, SPLIT(REGEXP_EXTRACT('"([^"]*)"', line, 1), ' ')[2] AS path,
      CAST(REGEXP_EXTRACT('" (\d{3}) ', line, 1) AS INT) AS status, CAST(REGEXP_EXTRACT('" \d{3} (\d+) ', line, 1) AS BIGINT) AS bytes
      FROM lines EMIT CHANGES;""",
    """CREATE TABLE lenient AS SELECT status, COUNT(*) AS n, SUM(bytes) AS bytes FROM hits
      WINDOW TUMBLING (SIZE 10 SECONDS, RETENTION 30 DAYS, GRACE PERIOD 1 MINUTE) GROUP BY status EMIT CHANGES;""",
    """CREATE TABLE strict AS SELECT status, COUNT(*) AS n, SUM(bytes) AS bytes FROM hits
      WINDOW TUMBLING (SIZE 10 SECONDS, RETENTION 30 DAYS, GRACE PERIOD 0 SECONDS) GROUP BY status EMIT CHANGES;""",
    "CREATE TABLE addresses AS SELECT ip, COUNT(*) AS n, COLLECT_SET(verb) AS verbs FROM hits GROUP BY ip HAVING COUNT(*) > 100 EMIT CHANGES;",
]


def hits():
    """(ip, event time, verb, path, status, bytes) of every line, in the file's order."""
    pattern = re.compile(r'^(\S+) \S+ \S+ \[([^\]]+)\] "([^"]*)" (\d{3}) (\d+|-) ')
    with open(data("access.log"), encoding="utf-8") as f:
        for line in f:
            ip, at, request, status, size = pattern.match(line).groups()
            words = request.split(" ")
            yield ip, millis(at[:20], "%d/%b/%Y:%H:%M:%S"), words[0], words[1], int(status), None if size == "-" else int(size)


def windows_of(grace):
    """Windows of ten seconds by status, over rows in their order: what a grace period lets in."""
    truth, stream_time, late = {}, 0, 0
    for _, at, _, _, status, size in hits():
        stream_time = max(stream_time, at)
        start = at - at % 10000
        if start + 10000 + grace <= stream_time:
            late += 1
            continue
        group = truth.setdefault((status, start), [0, 0])
        group[0] += 1
        group[1] += size or 0
    return truth, late


def test_access_log_out_of_order():
    with weir.Server() as server:
        prompt(server, *ACCESS)
        produce(server, "access", data("access.log"), 0, "-z", "snappy")
        lenient, none = windows_of(60000)
        strict, late = windows_of(0)
        assert none == 0 and late > 50 and sum(v[0] for v in lenient.values()) == 10000
        for table, truth in (("lenient", lenient), ("strict", strict)):
            until(server, "SELECT * FROM %s;" % table,
                  lambda got: {(r["status"], r["windowstart"]): [r["n"], r["bytes"]] for r in got} == truth)
        by_ip = collections.Counter(h[0] for h in hits())
        got = rows(server, "SELECT * FROM addresses;")
        assert {r["ip"]: r["n"] for r in got} == {ip: n for ip, n in by_ip.items() if n > 100}
        verbs = {ip: {h[2] for h in hits() if h[0] == ip} for ip in (r["ip"] for r in got)}
        assert {r["ip"]: set(r["verbs"]) for r in got} == verbs
        paths = rows(server, "SELECT path, status FROM hits WHERE status >= 400 AND path LIKE '/files/%' EMIT CHANGES LIMIT 5;")
        wanted = [(h[3], h[4]) for h in hits() if h[4] >= 400 and h[3].startswith("/files/")][:5]
        assert [(r["path"], r["status"]) for r in paths] == wanted and len(wanted) == 5


# ---- GitHub events ---------------------------------------------------------------------------------------------------

GITHUB = [
    "SET 'auto.offset.reset'='earliest';",
    """CREATE STREAM gh (id STRING, type STRING, actor STRUCT<id BIGINT, login STRING>, repo STRUCT<id BIGINT, name STRING>,
      payload STRUCT<action STRING, `size` INT, commits ARRAY<STRUCT<sha STRING, author STRUCT<email STRING, name STRING>, message STRING>>,
        pull_request STRUCT<number INT, title STRING, head STRUCT<repo STRUCT<`language` STRING>>>>,
      public BOOLEAN, created_at STRING, org MAP<STRING, STRING>)
      WITH (kafka_topic='gh', partitions=1, value_format='JSON', timestamp='created_at', timestamp_format='yyyy-MM-dd''T''HH:mm:ssX');""",
    "CREATE TABLE types AS SELECT type, COUNT(*) AS n, COLLECT_SET(actor->login) AS people FROM gh GROUP BY type EMIT CHANGES;",
    "CREATE STREAM commits AS SELECT id, repo->name AS repo, EXPLODE(payload->commits) AS c FROM gh WHERE type = 'PushEvent' EMIT CHANGES;",
    "CREATE TABLE authors AS SELECT c->author->name AS author, COUNT(*) AS n, MAX(LEN(c->message)) AS longest FROM commits GROUP BY c->author->name EMIT CHANGES;",
    """CREATE STREAM pulls AS SELECT id, payload->action AS action, payload->pull_request->title AS title,
      payload->pull_request->head->repo->`language` AS lang, org['login'] AS org, payload->commits[1] AS no_commit
      FROM gh WHERE type = 'PullRequestEvent' EMIT CHANGES;""",
    """CREATE STREAM pushed AS SELECT id, ARRAY_LENGTH(payload->commits) AS n, payload->commits[-1]->sha AS last_,
      TRANSFORM(payload->commits, c => SUBSTRING(c->sha, 1, 7)) AS shas FROM gh WHERE type = 'PushEvent' EMIT CHANGES;""",
]


def test_github_events_are_read_through_structs_arrays_and_maps():
    with open(data("github-events.ndjson"), encoding="utf-8") as f:
        events = [json.loads(line) for line in f]
    assert len(events) == 796
    with weir.Server() as server:
        prompt(server, *GITHUB)
        produce(server, "gh", data("github-events.ndjson"), 0, "-z", "gzip")
        truth = {t: [n, {e["actor"]["login"] for e in events if e["type"] == t}] for t, n in collections.Counter(e["type"] for e in events).items()}
        until(server, "SELECT * FROM types;", lambda got: {r["type"]: [r["n"], set(r["people"])] for r in got} == truth)
        commits = [c for e in events if e["type"] == "PushEvent" for c in e["payload"]["commits"]]
        authors = {}
        for c in commits:
            n, longest = authors.get(c["author"]["name"], (0, 0))
            # KSQL counts UTF-16 units.
            authors[c["author"]["name"]] = n + 1, max(longest, len(c["message"].encode("utf-16-le")) // 2)
        until(server, "SELECT * FROM authors;", lambda got: {r["author"]: (r["n"], r["longest"]) for r in got} == authors)
        pulls = [e for e in events if e["type"] == "PullRequestEvent"]
        got = rows(server, "SELECT * FROM pulls EMIT CHANGES LIMIT %d;" % len(pulls))
        assert [(r["id"], r["action"], r["title"], r["lang"], r["org"], r["no_commit"]) for r in got] == [
            (e["id"], e["payload"]["action"], e["payload"]["pull_request"]["title"],
             (e["payload"]["pull_request"]["head"]["repo"] or {}).get("language"), e.get("org", {}).get("login"), None) for e in pulls]
        pushes = [e for e in events if e["type"] == "PushEvent"]
        got = rows(server, "SELECT * FROM pushed EMIT CHANGES LIMIT %d;" % len(pushes))
        assert [(r["id"], r["n"], r["last_"], r["shas"]) for r in got] == [
            (e["id"], len(e["payload"]["commits"]), e["payload"]["commits"][-1]["sha"] if e["payload"]["commits"] else None,
             [c["sha"][:7] for c in e["payload"]["commits"]]) for e in pushes]


# ---- earthquakes -----------------------------------------------------------------------------------------------------

QUAKES = """SET 'auto.offset.reset'='earliest';
CREATE STREAM quakes (at_ STRING, lat DOUBLE, lon DOUBLE, depth DOUBLE, mag DECIMAL(4, 2), magtype STRING, stations INT, gap DOUBLE,
    dist DOUBLE, rms DOUBLE, src STRING, id STRING)
  WITH (kafka_topic='quakes', partitions=1, value_format='DELIMITED', timestamp='at_', timestamp_format='yyyy/MM/dd HH:mm:ss.SS');
-- AVG needs a format that can hold its sum and count: not DELIMITED
CREATE STREAM measured WITH (value_format='JSON') AS SELECT * FROM quakes EMIT CHANGES;
CREATE TABLE by_source AS
  SELECT src, COUNT(*) AS n, MAX(mag) AS strongest, SUM(CAST(mag AS DECIMAL(12, 2))) AS total, AVG(depth) AS depth, MIN(lat) AS south
  FROM measured WINDOW TUMBLING (SIZE 1 DAY, RETENTION 400 DAYS) GROUP BY src EMIT CHANGES;
CREATE STREAM strong WITH (kafka_topic='strong', value_delimiter=';') AS
  SELECT id, mag, at_, CAST(GEO_DISTANCE(lat, lon, 37.77, -122.42, 'KM') AS INT) AS km FROM quakes WHERE mag >= 5.0 PARTITION BY id EMIT CHANGES;
"""


def quakes():
    with open(data("earthquakes.csv"), encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


def close(a, b):
    return abs(float(a) - float(b)) <= 1e-9 * max(1.0, abs(float(b)))


def test_earthquakes_by_run_of_a_file():
    """`weir run FILE.sql`: a server that runs a script, here with the data already in its topic."""
    truth, strong = {}, {}
    for q in quakes():
        at = millis(q["DateTime"][:19], "%Y/%m/%d %H:%M:%S")
        group = truth.setdefault((q["Source"], at - at % (24 * HOUR)), [0, decimal.Decimal(-99), decimal.Decimal(0), 0.0, 90.0])
        mag = decimal.Decimal(q["Magnitude"])
        group[0] += 1
        group[1] = max(group[1], mag)
        group[2] += mag
        group[3] += float(q["Depth"])
        group[4] = min(group[4], float(q["Latitude"]))
        if mag >= 5:
            strong[q["EventID"]] = q
    with tempfile.TemporaryDirectory() as folder:
        script, store = os.path.join(folder, "quakes.sql"), os.path.join(folder, "data")
        with open(script, "w") as f:
            f.write(QUAKES)
        server = weir.Server(data=store)
        server.own = False
        with open(server.log_path, "wb") as log:
            server.process = subprocess.Popen([weir.WEIR, "run", script, "--data", store, "--http", "127.0.0.1:%d" % server.http,
                                               "--kafka", server.bootstrap], stdout=log, stderr=log)
            weir.wait_for("the script", lambda: server.process.poll() is not None or b"CSAS_STRONG" in open(server.log_path, "rb").read())
            produce(server, "quakes", data("earthquakes.csv"), 1)

            def right(got):
                if {(r["src"], r["windowstart"]): (r["n"], r["strongest"], r["total"]) for r in got} != {k: tuple(v[:3]) for k, v in truth.items()}:
                    return False
                return all(close(r["depth"], truth[r["src"], r["windowstart"]][3] / r["n"]) and
                           close(r["south"], truth[r["src"], r["windowstart"]][4]) for r in got)
            until(server, "SELECT * FROM by_source;", right)
            out = server.kcat("-C", "-t", "strong", "-e", "-q", "-X", "isolation.level=read_committed", "-f", "%k;%s\n").decode()
            got = {line[0]: line[1:] for line in csv.reader(io.StringIO(out), delimiter=";")}
            assert set(got) == set(strong) and len(got) > 100
            for key, (mag, at, km) in got.items():
                q = strong[key]
                assert decimal.Decimal(mag) == decimal.Decimal(q["Magnitude"]) and at == q["DateTime"]
                assert abs(int(km) - great_circle(float(q["Latitude"]), float(q["Longitude"]), 37.77, -122.42)) <= 1 + int(km) * 0.002
            server.process.terminate()
            assert server.process.wait(20) == 0
        # The same folder serves the same results.
        with server:
            assert right(rows(server, "SELECT * FROM by_source;"))


def great_circle(lat1, lon1, lat2, lon2):
    a, b, c = map(math.radians, (lat1, lat2, lon2 - lon1))
    h = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(c / 2) ** 2
    return 2 * 6371 * math.asin(math.sqrt(h))


def test_a_script_that_fails_says_where_and_ends_the_program():
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "bad.sql")
        with open(script, "w") as f:
            f.write("CREATE STREAM a (v INT) WITH (kafka_topic='a', partitions=1, value_format='JSON');\nCREATE STREAM b AS\n  SELECT w FROM a;\n")
        done = subprocess.run([weir.WEIR, "run", script, "--data", os.path.join(folder, "data"), "--http", "127.0.0.1:%d" % weir.free_port(),
                               "--kafka", "127.0.0.1:%d" % weir.free_port()], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1, done
        assert "'W' cannot be resolved" in done.stderr and "  SELECT w FROM a" in done.stderr and "         ^" in done.stderr, done.stderr


if __name__ == "__main__":
    if not os.path.exists(data("wikipedia-edits.ndjson")):
        print("skipped: no data sets in %s" % DATA)
        sys.exit(0)
    weir.main(sys.modules[__name__])
