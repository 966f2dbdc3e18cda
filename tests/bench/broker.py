#!/usr/bin/env python3
"""Measures the broker side by side with Apache Kafka, in one run: the same machine, client, topics and records.

    broker.py --weir build/weir --programs build/release/bench [--page docs/benchmarks-broker.md] [section ...]

Sections: produce, fetch, both, latency, start; all of them when none is named. The two brokers take turns, and so does who
goes first; figures are medians with the smallest and the largest beside them. CPU times are those of the broker's process
(its CPU clock), waiting by spinning included, until it is idle again. The floor is what a bare loop of the same system
calls takes, measured in each round. Before the floor and before each broker twice the pages that the run will take are
written and given back: on a virtual machine the first touch of a page costs several times what the later ones do.
Environment: BENCH_RUNS (5), BENCH_MIB (256; of each run), BENCH_SHORT=1 (one run of 64 MiB, a short warm-up), BENCH_DIR
(where the data goes, default the build folder), BENCH_WARM (60 seconds). Needs Maven and a JVM of 17 or newer.
"""
import argparse
import glob
import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "clients")]
import frame  # noqa: E402 - found by the line above
import run  # noqa: E402

SHORT = os.environ.get("BENCH_SHORT", "") not in ("", "0")
RUNS = int(os.environ.get("BENCH_RUNS", "1" if SHORT else "5"))
MIB = int(os.environ.get("BENCH_MIB", "64" if SHORT else "256"))
WARM_S = int(os.environ.get("BENCH_WARM", "15" if SHORT else "60"))
SIZES = ((1024, "1 KiB"), (100, "100 B"))
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
# What Kafka's own start script gives the JVM, with its default heap.
JVM = ["-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
       "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]


def kafka_jars():
    with open(os.path.join(HERE, "kafka.xml")) as f:
        pom = f.read()

    def make(folder):
        frame.run(["mvn", "-B", "-q", "-f", os.path.join(HERE, "kafka.xml"), COPY, "-DincludeScope=runtime",
                   "-DoutputDirectory=" + folder])
    return frame.installed(os.path.join(frame.CACHE, "java", "bench"), pom, make)


def answers(port):
    """Whether a Metadata request (version 4, of no topic) is answered with a broker that lives."""
    request = struct.pack(">hhih4si?", 3, 4, 1, 4, b"wait", 0, False)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
            s.sendall(struct.pack(">i", len(request)) + request)
            answer = b""
            while len(answer) < 16:
                some = s.recv(4096)
                if not some:
                    return False
                answer += some
            return struct.unpack(">i", answer[12:16])[0] > 0  # after the length, the correlation id and the throttle time
    except OSError:
        return False


class Broker(run.Server):
    """A broker process; name is what the table calls it."""

    def wait_ready(self):
        while not answers(self.kafka):
            if self.process.poll() is not None:
                raise RuntimeError("%s did not start; see %s.log" % (self.name, self.data))
            time.sleep(0.002)

    def cpu(self):
        """Seconds, finer than the ticks of /proc: the CPU clock of the process (clock_getcpuclockid)."""
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def settled_cpu(self):
        """A JVM has always something to do: below 4 % of a core it counts as idle, after 6 s in any case."""
        before = self.cpu()
        for i in range(12):
            time.sleep(0.5)
            now = self.cpu()
            if now - before <= 0.02:
                break
            before = now
        return now

    def peak(self):
        with open("/proc/%d/status" % self.process.pid) as f:
            return int(re.search(r"^VmHWM:\s+(\d+)", f.read(), re.M).group(1)) / 1024

    def read_bytes(self):
        with open("/proc/%d/io" % self.process.pid) as f:
            return int(re.search(r"^read_bytes: (\d+)", f.read(), re.M).group(1))

    def drop_cache(self, topic):
        """Takes the topic's log out of the page cache."""
        for path in glob.glob(os.path.join(self.logs(), topic + "-*", "*.log")):
            with open(path, "rb") as f:
                os.fsync(f.fileno())
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Weir(Broker):
    name = "Weir"

    def logs(self):
        return os.path.join(self.data, "topics")


class Kafka(Broker):
    name = "Kafka"

    def __init__(self, data):
        super().__init__(None, data)
        controller = run.free_port()
        self.settings = data + ".properties"
        with open(self.settings, "w") as f:
            f.write("process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:%d\n"
                    "listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d\ncontroller.listener.names=CONTROLLER\n"
                    "advertised.listeners=PLAINTEXT://127.0.0.1:%d\nlog.dirs=%s\noffsets.topic.replication.factor=1\n"
                    "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n"
                    % (controller, self.kafka, controller, self.kafka, self.data))
        self.java("kafka.tools.StorageTool", "format", "-t", "ahB7CqJpQgGvKVzDqm0hPw", "-c", self.settings).wait()

    def java(self, main, *args):
        with open(self.data + ".log", "a") as log:
            return subprocess.Popen(["java"] + JVM + ["-cp", kafka_jars() + "/*", main] + list(args), stdout=log, stderr=log)

    def start(self):
        self.process = self.java("kafka.Kafka", self.settings)

    def logs(self):
        return self.data


def spread(values, form):
    """The median, and the smallest and largest when there are several."""
    text = form % statistics.median(values)
    return text if len(values) == 1 else "%s (%s to %s)" % (text, form % min(values), form % max(values))


class Table:
    """A table of the page; rows are printed as they come."""

    def __init__(self, title, columns):
        self.lines = ["", "### " + title, "", "| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
        self.title = title
        print("\n".join(self.lines), flush=True)

    def row(self, *cells):
        self.lines.append("| " + " | ".join(cells) + " |")
        print(self.lines[-1], flush=True)


class Bench:
    def __init__(self, weir, tools, folder):
        self.weir, self.tools, self.folder = weir, tools, folder
        self.count, self.topics = 0, 0
        self.servers = []
        self.tables = []

    # ---- brokers -----------------------------------------------------------------------------------------------

    def made(self, kind, *more):
        """A broker that was not started, in a folder of its own."""
        self.count += 1
        data = os.path.join(self.folder, "data-%d" % self.count)
        server = Kafka(data) if kind is Kafka else Weir(self.weir, data)
        server.more = list(more)
        self.servers.append(server)
        return server

    def open(self):
        """The brokers of the loads: ours, ours with acks.all.sync=false, Kafka; all warm."""
        self.ours, self.lazy, self.kafka = self.made(Weir), self.made(Weir, "--set", "acks.all.sync=false"), self.made(Kafka)
        for server in self.servers:
            server.start()
            server.wait_ready()
        print("# warming up for %d s" % WARM_S, file=sys.stderr)
        self.warm((self.ours, self.lazy, self.kafka), WARM_S)

    def warm(self, servers, seconds):
        """The kinds of work that follow, by turns; one broker does not get more time than another."""
        for server in servers:
            end = time.monotonic() + (seconds if server is self.kafka else 5)
            turn = 0
            while time.monotonic() < end:
                size, partitions, acks = (1024, 100)[turn % 2], (1, 16)[turn // 2 % 2], ("1", "all")[turn // 4 % 2]
                topic = self.topic(server, partitions)
                count = (32 << 20) // size
                self.tools.run("bench_kafka", "produce", server.address(), topic, count, size, acks, partitions)
                self.tools.run("bench_kafka", "fetch", server.address(), topic, count, partitions)
                self.delete(server, topic)
                if turn % 2 == 0:
                    self.pace(server, 20000, 20000)
                turn += 1

    def close(self):
        for server in self.servers:
            if server.process and server.process.poll() is None:
                server.kill()
        self.servers = []

    def topic(self, server, partitions, config=None):
        self.topics += 1
        name = "bench%d" % self.topics
        self.tools.run("bench_kafka", "create", server.address(), name, partitions, *([config] if config else []))
        return name

    def delete(self, server, topic):
        self.tools.run("bench_kafka", "delete", server.address(), topic)

    # ---- turns -------------------------------------------------------------------------------------------------

    def turns(self, ours, measure, floor=None):
        """[(Weir's result, Kafka's, the floor)] of RUNS rounds; who goes first changes."""
        rounds = []
        for i in range(RUNS):
            self.touch_pages()
            bare = self.tools.run("bench_floor", *floor) if floor else None
            results = {}
            for server in (ours, self.kafka) if i % 2 == 0 else (self.kafka, ours):
                self.touch_pages()
                results[server.name] = measure(server)
            rounds.append((results["Weir"], results["Kafka"], bare))
        return rounds

    def touch_pages(self):
        self.tools.run("bench_floor", "receive", self.folder, MIB * 2)

    def measured(self, server, *args):
        """One run of the client with the broker's CPU seconds per GiB."""
        before = server.settled_cpu()
        result = self.tools.run("bench_kafka", *args)
        result["cpu"] = (server.settled_cpu() - before) / result["gib"]
        return result

    def pace(self, server, count, rate):
        """A producer of records that carry their time, and a consumer that prints how old they were when it got them."""
        topic = self.topic(server, 1)
        before = server.settled_cpu()
        follower = self.tools.start("bench_kafka", "follow", server.address(), topic, count)
        time.sleep(0.5)
        paced = self.tools.run("bench_kafka", "pace", server.address(), topic, count, rate, 100)
        result = dict(self.tools.finish(follower), rate=paced["records_s"])
        result["cpu"] = (server.settled_cpu() - before) / (count / paced["records_s"])
        self.delete(server, topic)
        return result

    def load_row(self, table, work, rounds):
        """Throughput, and CPU above the floor, of what turns() gave."""
        rates = [[r[i]["mib_s"] for r in rounds] for i in (0, 1)]
        floor = statistics.median(r[2]["cpu_s_gib"] for r in rounds)
        above = [[r[i]["cpu"] - floor for r in rounds] for i in (0, 1)]
        ours, theirs = (statistics.median(a) for a in above)
        share = "%.2f" % (max(ours, 0) / theirs) if theirs > 0 else "-"
        table.row(work, spread(rates[0], "%.0f"), spread(rates[1], "%.0f"),
                  "%.2f" % (statistics.median(rates[0]) / statistics.median(rates[1])),
                  spread(above[0], "%.2f"), spread(above[1], "%.2f"), share, "%.2f" % floor,
                  "%.2f / %.2f" % tuple(statistics.median(r[i]["client_cpu_s_gib"] for r in rounds) for i in (0, 1)))

    def load_table(self, title):
        self.tables.append(Table(title, ("work", "Weir MiB/s", "Kafka MiB/s", "ratio", "Weir CPU s/GiB above the floor",
                                         "Kafka", "Weir / Kafka", "floor", "client CPU s/GiB, to Weir / to Kafka")))
        return self.tables[-1]

    # ---- sections ----------------------------------------------------------------------------------------------

    def produce(self):
        table = self.load_table("Produce")
        for size, size_name in SIZES:
            count = (MIB << 20) // (size if size == 1024 else 200)
            for acks, ours, config, note in (("1", self.ours, None, ""), ("all", self.ours, "flush.messages=1", ", on disk"),
                                             ("all", self.lazy, None, ", in the page cache")):
                for partitions in (1, 16):
                    def measure(server):
                        topic = self.topic(server, partitions, config if server is self.kafka else None)
                        result = self.measured(server, "produce", server.address(), topic, count, size, acks, partitions)
                        self.delete(server, topic)
                        return result
                    floor = ("receive", self.folder, MIB) + ((1024,) if "disk" in note else ())
                    self.load_row(table, "%s, acks=%s%s, %d partition%s" % (size_name, acks, note, partitions, "s"[:partitions - 1]),
                                  self.turns(ours, measure, floor))

    def fetch(self):
        table = self.load_table("Fetch")
        for size, size_name in SIZES:
            for partitions in (1, 16):
                count = (MIB << 20) // (size if size == 1024 else 200)
                topics = {}
                for server in (self.ours, self.kafka):
                    topics[server] = self.topic(server, partitions)
                    self.tools.run("bench_kafka", "produce", server.address(), topics[server], count, size, "1", partitions)
                for heat in ("hot", "cold"):
                    def measure(server):
                        if heat == "cold":
                            server.drop_cache(topics[server])
                        before = server.read_bytes()
                        result = self.measured(server, "fetch", server.address(), topics[server], count, partitions)
                        if heat == "cold" and server.read_bytes() - before < count * size * 0.9:
                            raise RuntimeError("the cold fetch of %s was not cold" % server.name)
                        return result
                    self.load_row(table, "%s, %s, %d partition%s" % (size_name, heat, partitions, "s"[:partitions - 1]),
                                  self.turns(self.ours, measure, ("send", self.folder, MIB)))
                for server, topic in topics.items():
                    self.delete(server, topic)

    def both(self):
        """Produce while a consumer follows; the floor is that of both directions."""
        table = self.load_table("Produce and fetch at once")
        for size, size_name in SIZES:
            count = (MIB << 20) // (size if size == 1024 else 200)

            def measure(server):
                topic = self.topic(server, 1)
                before = server.settled_cpu()
                follower = self.tools.start("bench_kafka", "fetch", server.address(), topic, count)
                result = self.tools.run("bench_kafka", "produce", server.address(), topic, count, size, "1")
                fetched = self.tools.finish(follower)
                result["mib_s"] = fetched["mib_s"]  # the consumer is there from the beginning, and ends last
                result["client_cpu_s_gib"] += fetched["client_cpu_s_gib"]
                result["cpu"] = (server.settled_cpu() - before) / result["gib"]
                self.delete(server, topic)
                return result
            rounds = self.turns(self.ours, measure, ("receive", self.folder, MIB))
            for r in rounds:
                r[2]["cpu_s_gib"] += self.tools.run("bench_floor", "send", self.folder, MIB)["cpu_s_gib"]
            self.load_row(table, "%s, acks=1, 1 partition" % size_name, rounds)

    def latency(self):
        """From before the client's produce call to the consumer's callback, without linger."""
        rounds = self.turns(self.ours, lambda server: self.pace(server, 200000 if SHORT else 1000000, 0))
        most = [statistics.median(r[i]["rate"] for r in rounds) for i in (0, 1)]
        table = Table("End-to-end latency, 100 B, acks=1, 1 partition", ("records/s", "Weir p50 ms", "Kafka p50 ms", "ratio", "Weir p99 ms",
                      "Kafka p99 ms", "ratio", "Weir % of a core", "Kafka % of a core"))
        self.tables.append(table)
        for part in (10, 70):
            rate = int(min(most) * part / 100)
            rounds = self.turns(self.ours, lambda server: self.pace(server, rate * (2 if SHORT else 4), rate))
            cells = []
            for p in ("p50_ms", "p99_ms"):
                ours, theirs = ([r[i][p] for r in rounds] for i in (0, 1))
                cells += [spread(ours, "%.2f"), spread(theirs, "%.2f"), "%.2f" % (statistics.median(ours) / statistics.median(theirs))]
            cells += ["%.0f" % (100 * statistics.median(r[i]["cpu"] for r in rounds)) for i in (0, 1)]
            table.row("%d (%d %% of the slower's most: Weir %.0f, Kafka %.0f)" % ((rate, part) + tuple(most)), *cells)

    def start(self):
        """Start-up of fresh and of loaded brokers, and memory; brokers of its own."""
        table = Table("Start and memory", ("what", "Weir", "Kafka", "Weir / Kafka"))
        self.tables.append(table)

        def began(server):
            start = time.perf_counter()
            server.start()
            server.wait_ready()
            return (time.perf_counter() - start) * 1000, server.cpu() * 1000

        def row(what, form, results):
            ours, theirs = results["Weir"], results["Kafka"]
            ratio = statistics.median(ours) / statistics.median(theirs)
            table.row(what, spread(ours, form), spread(theirs, form), ("%.2f" if ratio >= 0.1 else "%.4f") % ratio)
        first, first_cpu, idle, again, again_cpu = ({"Weir": [], "Kafka": []} for _ in range(5))
        for i in range(RUNS):
            for kind in ((Weir, Kafka), (Kafka, Weir))[i % 2]:
                server = self.made(kind)
                ms, cpu = began(server)
                first[kind.name].append(ms)
                first_cpu[kind.name].append(cpu)
                time.sleep(2)
                idle[kind.name].append(server.memory()[0])
                topic = self.topic(server, 16)
                self.tools.run("bench_kafka", "produce", server.address(), topic, 100 << 10, 1024, "1", 16)
                server.kill()
                ms, cpu = began(server)
                again[kind.name].append(ms)
                again_cpu[kind.name].append(cpu)
                server.kill()
                self.servers.remove(server)
                shutil.rmtree(server.data)
        row("start in an empty folder to the first answer, ms", "%.0f", first)
        row("CPU of it, ms", "%.0f", first_cpu)
        row("start after kill -9 with 100 MiB in 16 partitions, ms", "%.0f", again)
        row("CPU of it, ms", "%.0f", again_cpu)
        row("resident when idle, MB", "%.0f", idle)
        if self.ours and self.topics > 4 * RUNS:
            row("resident after the loads above, MB", "%.0f", {s.name: [s.memory()[0]] for s in (self.ours, self.kafka)})
            row("most resident during them, MB", "%.0f", {s.name: [s.peak()] for s in (self.ours, self.kafka)})


MARK = "<!-- The rest is written by make bench-broker. -->"


def write_page(path, head, tables):
    with open(path) as f:
        text = f.read().split(MARK)[0]
    with open(path, "w") as f:
        f.write(text + MARK + "\n\n" + head + "\n" + "\n".join(line for t in tables for line in t.lines) + "\n")


def main():
    sections = ("produce", "fetch", "both", "latency", "start")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", default="build/weir")
    parser.add_argument("--programs", default="build/release/bench")
    parser.add_argument("--page", help="the Markdown file that keeps the tables")
    parser.add_argument("section", nargs="*")
    options = parser.parse_args()
    unknown = [s for s in options.section if s not in sections]
    if unknown:
        parser.error("no section '%s'; there are %s" % (unknown[0], ", ".join(sections)))
    version = re.search(r"kafka_2.13</artifactId>\s*<version>(.*?)<", open(os.path.join(HERE, "kafka.xml")).read()).group(1)
    head = ("%s; %s; Apache Kafka %s, one KRaft node, 1 GB heap, warmed for %d s; medians of %d (smallest to largest), %d MiB a run of "
            "1 KiB; load average %.0f before it began; %s."
            % (run.MACHINE, " ".join(os.uname()[0:3:2]), version, WARM_S, RUNS, MIB, os.getloadavg()[0], time.strftime("%Y-%m-%d")))
    folder = tempfile.mkdtemp(prefix="broker-", dir=os.environ.get("BENCH_DIR", options.programs))
    signal.signal(signal.SIGTERM, lambda *ignored: sys.exit(1))  # the brokers end with us
    bench = Bench(os.path.abspath(options.weir), run.Tools(os.path.abspath(options.programs)), folder)
    print(head)
    try:
        bench.open()
        for section in options.section or sections:
            getattr(bench, section)()
        if options.page:
            write_page(options.page, head, bench.tables)
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
