#!/usr/bin/env python3
"""Measures a running Weir and prints one line a figure: the workload, the figure, its reference from the same run, the
ratio of the two, and the machine.

    run.py --weir build/weir --programs build/release/bench [section ...]

Sections: kafka, tls, queries, pull, latency, start, recovery, idle, size; all of them when none is named. No figure passes or fails.
Environment: BENCH_ROWS (records of the query section, 2,000,000), BENCH_FULL=1 (10,000,000 records, larger volumes),
BENCH_RUNS (3; a figure is the median of so many), BENCH_DIR (where the data goes, default the build folder).
CPU times are those of the server process (/proc/PID/stat), so that other work on the machine disturbs them little.
"""
import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

FULL = os.environ.get("BENCH_FULL", "") not in ("", "0")
ROWS = int(os.environ.get("BENCH_ROWS", "10000000" if FULL else "2000000"))
RUNS = int(os.environ.get("BENCH_RUNS", "3"))
TICK = os.sysconf("SC_CLK_TCK")
COLUMNS = ("K VARCHAR KEY, ID BIGINT, PAGE VARCHAR, BYTES INT, SCORE DOUBLE, COUNTRY VARCHAR, BOT BOOLEAN, TS BIGINT, "
           "COMMENT VARCHAR")


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return "%d x %s" % (os.cpu_count(), re.sub(r"\s+(\d+-Core )?Processor.*", "", model))


MACHINE = machine()


def report(workload, figure, reference, ratio, note=""):
    print("%-46s | %-38s | %-44s | %-14s | %s%s" % (workload, figure, reference, ratio, MACHINE,
                                                     " | " + note if note else ""), flush=True)


def median_of(run, key=None):
    results = sorted((run() for _ in range(RUNS)), key=key)
    return results[len(results) // 2]


class Tools:
    """The C programs of the bench."""

    def __init__(self, folder):
        self.folder = folder

    def start(self, program, *args, **options):
        return subprocess.Popen([os.path.join(self.folder, program)] + [str(a) for a in args],
                                stdout=subprocess.PIPE, text=True, **options)

    def finish(self, process):
        out = process.communicate()[0]
        if process.returncode != 0:
            raise RuntimeError("%s ended with code %d" % (" ".join(process.args), process.returncode))
        return json.loads(out.strip().splitlines()[-1])

    def run(self, program, *args):
        return self.finish(self.start(program, *args))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, weir, data):
        self.weir, self.data = weir, data
        self.http, self.kafka = free_port(), free_port()
        self.process = None
        self.more = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *ignored):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def start(self):
        with open(self.data + ".log", "a") as log:
            self.process = subprocess.Popen(
                [self.weir, "serve", "--data", self.data, "--http", "127.0.0.1:%d" % self.http, "--kafka", self.address()]
                + self.more,
                stdout=subprocess.PIPE, stderr=log, text=True)

    def wait_ready(self):
        if "ready" not in self.process.stdout.readline():
            raise RuntimeError("the server did not start; see %s.log" % self.data)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def address(self):
        return "127.0.0.1:%d" % self.kafka

    def cpu(self):
        """User and system seconds of all threads so far."""
        with open("/proc/%d/stat" % self.process.pid) as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def settled_cpu(self):
        """The CPU time once the server has been idle for half a second: commits and syncs are part of the work."""
        before = self.cpu()
        while True:
            time.sleep(0.5)
            now = self.cpu()
            if now - before <= 0.01:
                return now
            before = now

    def memory(self):
        """Resident and proportional set sizes in MB."""
        with open("/proc/%d/smaps_rollup" % self.process.pid) as f:
            sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB", f.read(), re.M))
        return int(sizes["Rss"]) / 1024, int(sizes["Pss"]) / 1024

    def post(self, path, body):
        c = http.client.HTTPConnection("127.0.0.1", self.http)
        c.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = c.getresponse()
        text = answer.read().decode()
        c.close()
        if answer.status != 200:
            raise RuntimeError("%s: %s" % (body, text))
        return text

    def sql(self, text, **properties):
        return json.loads(self.post("/ksql", {"ksql": text, "streamsProperties": properties}))

    def pull(self, text):
        return self.post("/query", {"ksql": text, "streamsProperties": {}})

    def lag(self, query):
        plan = self.sql("EXPLAIN %s;" % query)[0]["queryDescription"]["executionPlan"]
        lags = re.findall(r"lag (\d+)", plan)
        return sum(map(int, lags)) if lags else None

    def run_query(self, statement, **properties):
        """Starts a persistent query from the beginning; CPU seconds until it has read all and the server is idle."""
        before, start = self.cpu(), time.monotonic()
        properties = dict({"auto.offset.reset": "earliest"}, **properties)
        command = self.sql(statement, **{"ksql.streams." + k if "." in k else k: v for k, v in properties.items()})[0]
        query = command["commandStatus"]["queryId"]
        while self.lag(query) != 0:
            time.sleep(0.1)
        wall = time.monotonic() - start
        return query, self.settled_cpu() - before, wall


class Bench:
    def __init__(self, weir, tools, folder):
        self.weir, self.tools, self.folder = weir, tools, folder
        self.count = 0

    def server(self, more=(), secure=None):
        self.count += 1
        s = Server(self.weir, os.path.join(self.folder, "data-%d" % self.count))
        s.more = [word % (s.kafka, secure) if "://127.0.0.1:%d" in word else word for word in more]
        s.start()
        s.wait_ready()
        return s

    def stop(self, server):
        server.__exit__()
        shutil.rmtree(server.data)

    # ---- produce and fetch --------------------------------------------------------------------------------------

    def kafka(self):
        mib = 1024 if FULL else 256
        server = self.server()
        for size, name in ((1024, "1 KiB"), (100, "100 B")):
            count = (mib << 20) // (size if size == 1024 else 256)
            for acks, sync in (("1", ()), ("all", (1024,))):
                topic = "produce_%d_%s" % (size, acks)
                server.sql("CREATE STREAM %s (V VARCHAR) WITH (kafka_topic='%s', value_format='KAFKA', partitions=1);"
                           % (topic, topic))
                self.kafka_line("produce %s, acks=%s" % (name, acks), server, ("receive", self.folder, mib) + sync,
                                ("produce", server.address(), topic, count, size, acks))
            self.kafka_line("fetch %s, hot" % name, server, ("send", self.folder, mib),
                            ("fetch", server.address(), "produce_%d_1" % size, count))
        self.stop(server)

    def kafka_line(self, workload, server, floor_args, args):
        """The floor goes before each run: what a fresh page of memory costs changes by the minute on a virtual machine."""
        def run():
            floor = self.tools.run("bench_floor", *floor_args)
            before = server.settled_cpu()
            result = self.tools.run("bench_kafka", *args)
            result["cpu"] = (server.settled_cpu() - before) / result["gib"]
            return result, floor
        r, floor = median_of(run, lambda pair: pair[0]["cpu"] - pair[1]["cpu_s_gib"])
        report(workload, "%.0f MiB/s, %.0f k/s, broker %.2f s/GiB" % (r["mib_s"], r["records_s"] / 1e3, r["cpu"]),
               "bare %s %.0f MiB/s, %.2f s/GiB" % (floor["figure"], floor["mib_s"], floor["cpu_s_gib"]),
               "%+.2f s/GiB" % (r["cpu"] - floor["cpu_s_gib"]), "client %.2f s/GiB" % r["client_cpu_s_gib"])

    def tls(self):
        """The same over TLS; the reference is the plain listener of the same server."""
        mib = 1024 if FULL else 256
        count = mib << 10
        secure, key = free_port(), os.path.join(self.folder, "tls.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", key + ".crt", "-days", "2", "-subj", "/CN=localhost"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(key, "a") as both, open(key + ".crt") as certificate:
            both.write(certificate.read())
        server = self.server(["--set", "ssl.keystore.location=" + key, "--kafka", "PLAINTEXT://127.0.0.1:%d,SSL://127.0.0.1:%d"],
                             secure)
        for what, args in (("produce", (count, 1024, "1")), ("fetch", (count,))):
            def run(address):
                before = server.settled_cpu()
                result = self.tools.run("bench_kafka", what, address, "tls" if what == "fetch" else "tls_" + address[:3], *args)
                result["cpu"] = (server.settled_cpu() - before) / result["gib"]
                return result
            if what == "fetch":
                self.tools.run("bench_kafka", "produce", server.address(), "tls", count, 1024, "1")
            pairs = [(run(server.address()), run("ssl://127.0.0.1:%d" % secure)) for _ in range(RUNS)]
            plain, tls = (sorted((pair[i] for pair in pairs), key=lambda r: r["cpu"])[RUNS // 2] for i in (0, 1))
            report("%s 1 KiB over TLS" % what, "%.0f MiB/s, broker %.2f s/GiB" % (tls["mib_s"], tls["cpu"]),
                   "plain %.0f MiB/s, %.2f s/GiB" % (plain["mib_s"], plain["cpu"]), "%+.2f s/GiB" % (tls["cpu"] - plain["cpu"]),
                   "client %.2f s/GiB, plain %.2f" % (tls["client_cpu_s_gib"], plain["client_cpu_s_gib"]))
        self.stop(server)

    # ---- continuous queries -------------------------------------------------------------------------------------

    def load_events(self, server, rows):
        server.sql("CREATE STREAM EVENTS (%s) WITH (kafka_topic='events', value_format='JSON', timestamp='TS', "
                   "partitions=1);" % COLUMNS)
        return self.tools.run("bench_kafka", "load", server.address(), "events", rows)

    def queries(self):
        server = self.server()
        self.load_events(server, ROWS)
        server.settled_cpu()
        scan = median_of(lambda: self.tools.run("bench_floor", "scan", ROWS), lambda r: r["records_s"])["records_s"]
        work = (
            ("filter + project, JSON to JSON, half pass", "STREAM",
             "SELECT K, ID, PAGE, BYTES * 2 AS B2, UCASE(COUNTRY) AS COUNTRY, TS FROM EVENTS WHERE BYTES > 5000", {}),
            ("windowed COUNT by key", "TABLE",
             "SELECT K, COUNT(*) AS N FROM EVENTS WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY K", {}),
            ("windowed COUNT by key, every change", "TABLE",
             "SELECT K, COUNT(*) AS N FROM EVENTS WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY K",
             {"cache.max.bytes.buffering": "0"}),
            ("windowed COUNT and SUM, re-keyed", "TABLE",
             "SELECT PAGE, COUNT(*) AS N, SUM(BYTES) AS B FROM EVENTS WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY PAGE", {}),
        )
        for i, (name, kind, select, properties) in enumerate(work):
            def run():
                run.n += 1
                sink = "OUT_%d_%d" % (i, run.n)
                query, cpu, wall = server.run_query("CREATE %s %s AS %s;" % (kind, sink, select), **properties)
                server.sql("TERMINATE %s;" % query)
                server.sql("DROP %s %s DELETE TOPIC;" % (kind, sink))
                server.settled_cpu()
                return ROWS / cpu, wall
            run.n = 0
            rate, wall = median_of(run)
            report("%s, %d records" % (name, ROWS), "%.0f records/s per CPU second" % rate,
                   "bare JSON scan %.0f records/s" % scan, "%.2f" % (rate / scan),
                   "100,000 keys, 250 B, %.1f s in all" % wall)
        self.join(server, scan)
        self.stop(server)

    def join(self, server, scan):
        """The table is read before the stream has records; these come while the query pauses."""
        keys = min(ROWS, 1000000)
        server.run_query("CREATE TABLE LOOKUP AS SELECT ID, COUNT(*) AS N FROM EVENTS WHERE ID < %d GROUP BY ID;" % keys)
        server.sql("CREATE STREAM LATER (%s) WITH (kafka_topic='later', value_format='JSON', timestamp='TS', "
                   "partitions=1);" % COLUMNS)
        query, table_cpu, wall = server.run_query(
            "CREATE STREAM JOINED AS SELECT L.ID AS LID, E.PAGE, E.BYTES, L.N FROM LATER E JOIN LOOKUP L "
            "ON E.ID * 7919 %% %d = L.ID;" % keys)
        rates = []
        for i in range(RUNS):
            server.sql("PAUSE %s;" % query)
            self.tools.run("bench_kafka", "load", server.address(), "later", ROWS)
            before, start = server.settled_cpu(), time.monotonic()
            server.sql("RESUME %s;" % query)
            time.sleep(0.2)  # the lag that is shown is that of the last read
            while server.lag(query) != 0:
                time.sleep(0.1)
            wall = time.monotonic() - start
            rates.append((ROWS / (server.settled_cpu() - before), wall))
        rate, wall = sorted(rates)[RUNS // 2]
        report("stream-table join, re-keyed, %d records" % ROWS, "%.0f records/s per CPU second" % rate,
               "bare JSON scan %.0f records/s" % scan, "%.2f" % (rate / scan),
               "table of %d rows (read before at %.0f/s per CPU s); %.1f s in all" % (keys, keys / table_cpu, wall))

    # ---- recovery with much state ---------------------------------------------------------------------------------

    def recovery(self):
        server = self.server()
        self.load_events(server, ROWS)
        query, cpu, wall = server.run_query("CREATE TABLE LARGE AS SELECT ID, COUNT(*) AS N FROM EVENTS GROUP BY ID;")
        rss, pss = server.memory()
        results = []
        for i in range(max(RUNS, 3)):
            server.kill()
            results.append(self.first_answer(server, "SELECT * FROM LARGE WHERE ID = %d;" % (ROWS // 2 + i)))
        ms, cpu_ms = sorted(results)[len(results) // 2]
        state = sum(os.path.getsize(os.path.join(server.data, "state", f))
                    for f in os.listdir(os.path.join(server.data, "state")))
        report("kill -9 to first pull answer, %d keys" % ROWS, "%.0f ms" % ms, "CPU of it %.0f ms" % cpu_ms,
               "%.2f" % (ms / cpu_ms), "state %.0f MB on disk; built at %.0f keys per CPU s, RSS %.0f MB then"
               % (state / 1e6, ROWS / cpu, rss))
        self.stop(server)

    # ---- pull queries -------------------------------------------------------------------------------------------

    def pull(self):
        count, connections = (200000 if FULL else 50000), 4
        server = self.server()
        self.load_events(server, 500000)
        server.run_query("CREATE TABLE COUNTS AS SELECT K, COUNT(*) AS N, SUM(BYTES) AS B FROM EVENTS GROUP BY K;")

        def run():
            before = server.settled_cpu()
            result = self.tools.run("bench_http", "pull", server.http, "COUNTS", count, connections)
            result["cpu"] = server.settled_cpu() - before
            return result
        r = median_of(run, lambda r: r["cpu"])
        bare = self.tools.start("bench_floor", "answer", r["answer_bytes"], stdin=subprocess.PIPE)
        port = json.loads(bare.stdout.readline())["port"]
        b = self.tools.run("bench_http", "pull", port, "COUNTS", count, connections)
        bare.stdin.close()
        bare_cpu = json.loads(bare.stdout.readline())["cpu_s"]
        bare.wait()
        rate, bare_rate = count / r["cpu"], count / bare_cpu
        report("pull query by key over HTTP, %d connections" % connections,
               "%.0f/s per CPU second, p99 %.2f ms" % (rate, r["p99_ms"]),
               "canned answers %.0f/s, p99 %.2f ms" % (bare_rate, b["p99_ms"]), "%.2f" % (rate / bare_rate),
               "%.0f/s, p50 %.3f ms, %.2f hits" % (r["requests_s"], r["p50_ms"], r["hits"]))
        self.stop(server)

    # ---- produce -> task -> pushed ------------------------------------------------------------------------------

    def latency(self):
        rate, count = 10000, 10000 * (20 if FULL else 5)
        server = self.server()

        def run():
            run.n += 1
            topic = "paced_%d" % run.n
            server.sql("CREATE STREAM %s (K VARCHAR KEY, ID BIGINT, BYTES INT, TS BIGINT) WITH (kafka_topic='%s', "
                       "value_format='JSON', partitions=1);" % (topic, topic))
            follow = None
            results = {}
            for what in ("follow", "push"):
                # One after the other: the reference must not share the processor with what it is the reference of.
                if what == "follow":
                    follow = self.tools.start("bench_kafka", "follow", server.address(), topic, count)
                else:
                    topic += "_b"
                    server.sql("CREATE STREAM %s (K VARCHAR KEY, ID BIGINT, BYTES INT, TS BIGINT) WITH "
                               "(kafka_topic='%s', value_format='JSON', partitions=1);" % (topic, topic))
                    follow = self.tools.start("bench_http", "push", server.http, topic, count)
                time.sleep(0.5)
                before = server.cpu()
                self.tools.run("bench_kafka", "pace", server.address(), topic, count, rate)
                results[what] = self.tools.finish(follow)
                results[what]["cpu"] = (server.cpu() - before) / (count / rate)
            return results
        run.n = 0
        r = median_of(run, lambda r: r["push"]["p99_ms"])
        push, follow = r["push"], r["follow"]
        report("produce -> task -> pushed, %d records/s" % rate, "p99 %.2f ms, p50 %.2f ms" % (push["p99_ms"], push["p50_ms"]),
               "produce -> consumer p99 %.2f ms, p50 %.2f ms" % (follow["p99_ms"], follow["p50_ms"]),
               "%.2f" % (push["p99_ms"] / follow["p99_ms"]),
               "server busy %.0f %% of a core (consumer %.0f %%)" % (push["cpu"] * 100, follow["cpu"] * 100))
        self.stop(server)

    # ---- start, memory, size ------------------------------------------------------------------------------------

    def first_answer(self, server, query):
        """Milliseconds from starting the process to the first row, CPU milliseconds of the server until then."""
        start = time.perf_counter()
        server.start()
        while True:
            try:
                if '"row"' in server.pull(query) if query else server.sql("SHOW STREAMS;"):
                    break
            except (ConnectionError, http.client.HTTPException):
                time.sleep(0.0005)
        return (time.perf_counter() - start) * 1000, self.thread_cpu(server)

    @staticmethod
    def thread_cpu(server):
        """CPU milliseconds of the process, finer than its ticks."""
        total = 0
        for thread in os.listdir("/proc/%d/task" % server.process.pid):
            with open("/proc/%d/task/%s/schedstat" % (server.process.pid, thread)) as f:
                total += int(f.read().split()[0])
        return total / 1e6

    def start(self):
        def bare():
            start = time.perf_counter()
            subprocess.run([self.weir, "--version"], stdout=subprocess.DEVNULL, check=True)
            return (time.perf_counter() - start) * 1000

        def fresh():
            self.count += 1
            server = Server(self.weir, os.path.join(self.folder, "data-%d" % self.count))
            result = self.first_answer(server, None)
            self.stop(server)
            return result

        runs = max(RUNS, 5)
        reference = statistics.median(bare() for _ in range(runs))
        ms, cpu = sorted(fresh() for _ in range(runs))[runs // 2]
        report("start to first answer, empty folder", "%.0f ms" % ms, "weir --version %.0f ms" % reference,
               "%.1f" % (ms / reference), "CPU %.0f ms" % cpu)
        server = self.server()
        self.load_events(server, 400000)
        server.run_query("CREATE TABLE COUNTS AS SELECT K, COUNT(*) AS N FROM EVENTS GROUP BY K;")
        server.run_query("CREATE TABLE PAGES AS SELECT PAGE, COUNT(*) AS N FROM EVENTS GROUP BY PAGE;")
        server.run_query("CREATE STREAM LARGE AS SELECT K, ID, BYTES FROM EVENTS WHERE BYTES > 5000;")
        key = re.search(r"user_\d+", server.pull("SELECT * FROM COUNTS LIMIT 1;")).group()
        for how, stop in (("clean stop", server.__exit__), ("kill -9", server.kill)):
            def again():
                stop()
                return self.first_answer(server, "SELECT * FROM COUNTS WHERE K = '%s';" % key)
            ms, cpu = sorted(again() for _ in range(runs))[runs // 2]
            report("start to first pull answer, 100 MB log, %s" % how, "%.0f ms" % ms,
                   "weir --version %.0f ms" % reference, "%.1f" % (ms / reference),
                   "3 queries, 200,000 rows of state; CPU %.0f ms" % cpu)
        self.stop(server)

    def idle(self):
        server = self.server()
        bare = subprocess.Popen(["sleep", "60"])
        server.sql("SHOW STREAMS;")
        time.sleep(1)
        with open("/proc/%d/smaps_rollup" % bare.pid) as f:
            reference = int(re.search(r"^Rss:\s+(\d+)", f.read(), re.M).group(1)) / 1024
        bare.terminate()
        bare.wait()
        self.idle_line("idle, no query", server, reference)
        server.sql("CREATE STREAM EVENTS (%s) WITH (kafka_topic='events', value_format='JSON', partitions=1);" % COLUMNS)
        for i in range(50):
            server.sql("CREATE STREAM S%d AS SELECT K, ID FROM EVENTS WHERE BYTES > %d;" % (i, i))
            server.sql("CREATE TABLE T%d AS SELECT K, COUNT(*) AS N FROM EVENTS WHERE BYTES > %d GROUP BY K;" % (i, i))
        server.settled_cpu()
        self.idle_line("idle, 100 queries", server, reference)
        self.stop(server)

    @staticmethod
    def idle_line(workload, server, reference):
        before = Bench.thread_cpu(server)
        time.sleep(5)
        busy = (Bench.thread_cpu(server) - before) / 5000
        rss, pss = server.memory()
        threads = len(os.listdir("/proc/%d/task" % server.process.pid))
        descriptors = len(os.listdir("/proc/%d/fd" % server.process.pid))
        report(workload, "RSS %.1f MB, PSS %.1f MB" % (rss, pss), "RSS of sleep(1) %.1f MB" % reference,
               "%.1f" % (rss / reference), "CPU %.2f %% of a core, %d threads, %d descriptors"
               % (busy * 100, threads, descriptors))

    def size(self):
        stripped = os.path.join(self.folder, "weir-stripped")
        subprocess.run(["strip", "-o", stripped, self.weir], check=True)
        size, reference = os.path.getsize(stripped) / 1e6, os.path.getsize("/bin/bash") / 1e6
        report("size of the program, stripped", "%.2f MB" % size, "/bin/bash %.2f MB" % reference,
               "%.1f" % (size / reference))


def main():
    sections = ("kafka", "tls", "queries", "pull", "latency", "start", "recovery", "idle", "size")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", default="build/weir")
    parser.add_argument("--programs", default="build/release/bench")
    parser.add_argument("section", nargs="*")
    options = parser.parse_args()
    unknown = [s for s in options.section if s not in sections]
    if unknown:
        parser.error("no section '%s'; there are %s" % (unknown[0], ", ".join(sections)))
    folder = tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("BENCH_DIR", options.programs))
    print("# %s; %s; medians of %d; %s" % (MACHINE, " ".join(os.uname()[0:3:2]), RUNS, time.strftime("%Y-%m-%d")))
    bench = Bench(os.path.abspath(options.weir), Tools(os.path.abspath(options.programs)), folder)
    try:
        for section in options.section or sections:
            getattr(bench, section)()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
