#!/usr/bin/python3
"""Many Kafka clients against one server that is killed and stopped, as are they; every promise is checked.

    workload.py [--seconds 60] [--seed N] [--rate 1] [--check-every 600] [--folder DIR] [--keep] [--python PROGRAM]...

In the manner of Jepsen's Kafka workload: producers of every kind (plain, idempotent, transactional, such that read, process
and write) and readers of every kind (assigned ones that jump about, groups of both protocols, read_committed and not) are
processes of their own and write down what they do. Meanwhile the server is killed, restarted and stopped for a while
(longer than sessions and transactions last, too), and so are the clients; some come back after they have a successor.
workload_check.py judges the histories: every so often, and when all is quiet and was read to the end.

The seed makes the order of events, not their times: a run cannot be repeated exactly. With --python, clients run under
that Python (with several: in turn), so that other versions of their library take part; one group uses the consumer protocol
where the last one's library knows it. The folder with the server's data and the histories is kept after a failure.
"""
import argparse
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import confluent_kafka.admin

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
import weir
import workload_check
from workload_clients import REPLACED

SESSION, TRANSACTION = 3.0, 5.0
TOPICS = {"a": 3, "b": 2, "c": 3}  # a: everybody writes; b: what the processors make of a; c: idempotent and transactional
# Small segments, so that logs roll and the internal topics are cleaned in a short run too.
OPTIONS = ["group.initial.rebalance.delay.ms=0", "group.min.session.timeout.ms=1000", "log.segment.bytes=2097152",
           "group.consumer.min.session.timeout.ms=1000", "group.consumer.session.timeout.ms=3000",
           "group.consumer.min.heartbeat.interval.ms=500", "group.consumer.heartbeat.interval.ms=500",
           "offsets.topic.segment.bytes=1048576", "transaction.state.log.segment.bytes=1048576",
           "log.cleaner.backoff.ms=2000", "log.flush.interval.ms=1000"]


def partitions_of(*topics):
    return ["%s/%d" % (t, p) for t in topics for p in range(TOPICS[t])]


def client_kinds(rate):
    """Each client's name: its settings."""
    tx = {"kind": "tx", "timeout": TRANSACTION, "rate": 150 * rate}
    process = {"kind": "process", "timeout": TRANSACTION, "rate": 1, "group": "processors", "topics": ["a"], "isolation": "rc",
               "partitions": partitions_of("b")}
    return {
        "plain": {"kind": "plain", "partitions": partitions_of("a"), "rate": 120 * rate},
        "idem": {"kind": "idem", "partitions": partitions_of("a", "c"), "rate": 200 * rate},
        "tx1": {**tx, "txid": "tx1", "partitions": partitions_of("a", "c")},
        "tx2": {**tx, "txid": "tx2", "partitions": partitions_of("a", "c")},
        "process1": {**process, "txid": "process1"}, "process2": {**process, "txid": "process2"},
        "reader-rc": {"kind": "reader", "isolation": "rc", "partitions": partitions_of("a", "b", "c")},
        "reader-ru": {"kind": "reader", "isolation": "ru", "partitions": partitions_of("a", "b", "c")},
        "member1": {"kind": "group", "group": "committed", "isolation": "rc", "topics": ["a", "c"], "assignor": "range"},
        "member2": {"kind": "group", "group": "committed", "isolation": "rc", "topics": ["a", "c"], "assignor": "range"},
        "member3": {"kind": "group", "group": "all", "isolation": "ru", "topics": ["b", "c"], "protocol": "consumer",
                    "assignor": "cooperative-sticky"},
        "member4": {"kind": "group", "group": "all", "isolation": "ru", "topics": ["b", "c"], "protocol": "consumer",
                    "assignor": "cooperative-sticky"},
        "look": {"kind": "look", "groups": {"processors": partitions_of("a"), "committed": partitions_of("a", "c"),
                                            "all": partitions_of("b", "c")}},
    }


class HistoryFile:
    """A history as it is now: what is written later does not change what is read."""

    def __init__(self, path):
        self.path, self.size = path, os.path.getsize(path)

    def __iter__(self):
        with open(self.path, "rb") as f:
            read = 0
            for line in f:
                read += len(line)
                if read > self.size or not line.endswith(b"\n"):
                    return
                yield json.loads(line)


class Client:
    """The processes that one client has been, one after the other."""

    def __init__(self, run, name, settings):
        self.run, self.name, self.settings, self.process = run, name, settings, None
        self.start()

    def start(self):
        run, at = self.run, self.run.started
        run.started += 1
        settings = {**self.settings, "name": "%s#%d" % (self.name, at), "seed": run.dice.randrange(1 << 30),
                    "bootstrap": run.server.bootstrap, "history": os.path.join(run.histories, "%s#%d" % (self.name, at))}
        if self.settings["kind"] in ("plain", "idem", "tx", "process"):
            settings["producer"] = at + 1
        # Members of a group of the consumer protocol agree on it: in a group of both, one that was expelled may be told
        # that the group is now a classic one, which ends it.
        program = run.pythons[-1 if self.settings.get("protocol") else at % len(run.pythons)]
        self.process = subprocess.Popen([program, os.path.join(HERE, "workload_clients.py"), json.dumps(settings)],
                                        stdout=run.errors, stderr=run.errors)

    def keep_alive(self):
        """Starts the next process when this one had to give up; another end is a fault."""
        code = self.process.poll()
        if code is not None:
            if code not in (REPLACED, -signal.SIGKILL):
                self.run.faults.append("%s ended with %d" % (self.name, code))
            self.run.counts["clients replaced"] += code == REPLACED
            self.start()

    def signal(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def end(self):
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)

    def wait(self, seconds=90):
        try:
            code = self.process.wait(seconds)
            if code not in (0, REPLACED):
                self.run.faults.append("%s ended with %d" % (self.name, code))
        except subprocess.TimeoutExpired:
            self.run.faults.append("%s does not end" % self.name)
            self.process.kill()
            self.process.wait()


class Run:
    def __init__(self, folder, seed, rate=1.0, pythons=(), check_every=600.0, between=(1, 5), verbose=True):
        self.folder, self.dice, self.rate, self.check_every, self.verbose = folder, random.Random(seed), rate, check_every, verbose
        self.between = between  # seconds from one disturbance to the next
        self.pythons = list(pythons) or [sys.executable]
        self.histories = os.path.join(folder, "histories")
        os.makedirs(self.histories)
        os.makedirs(os.path.join(folder, "data"))
        self.errors = open(os.path.join(folder, "clients.log"), "ab")
        self.events = open(os.path.join(folder, "nemesis.log"), "a", buffering=1)
        options = [word for option in OPTIONS for word in ("--set", option)]
        self.server = weir.Server(data=os.path.join(folder, "data"), options=options)
        self.started, self.faults, self.counts, self.clients, self.zombies = 0, [], collections.Counter(), {}, []

    def say(self, text):
        self.events.write("%.3f %s\n" % (time.monotonic(), text))

    # ---- the nemesis --------------------------------------------------------------------------------------------

    def wait(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < min(until, self.deadline) and not self.faults:
            for client in self.clients.values():
                client.keep_alive()
            if self.server.process.poll() is not None:
                raise AssertionError("the server ended with %d by itself" % self.server.process.returncode)
            time.sleep(0.1)

    def kill_server(self):
        self.server.kill()
        time.sleep(self.dice.choice([0, 0, 0.5, 2]))
        self.server.start(60)
        if self.dice.random() < 0.2:
            time.sleep(self.dice.uniform(0, 0.3))
            self.server.kill()
            self.counts["server kills"] += 1
            self.server.start(60)

    def restart_server(self):
        self.server.stop()
        self.server.start(60)

    def stop_for(self, process, seconds):
        process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)

    def pause_server(self):
        self.stop_for(self.server.process, self.dice.uniform(0.1, 2))

    def pause_server_for_sessions(self):
        self.stop_for(self.server.process, self.dice.uniform(SESSION + 0.5, SESSION + 1.5))

    def pause_server_for_transactions(self):
        self.stop_for(self.server.process, self.dice.uniform(TRANSACTION + 0.5, TRANSACTION + 3))

    def some_client(self, kinds=("plain", "idem", "tx", "process", "group")):
        return self.dice.choice([c for c in self.clients.values() if c.settings["kind"] in kinds])

    def kill_client(self):
        client = self.some_client()
        client.process.kill()
        client.process.wait()
        self.wait(self.dice.choice([0, 0, 1, SESSION + 1]))
        client.keep_alive()

    def pause_client(self):
        client = self.some_client()
        client.signal(signal.SIGSTOP)
        self.wait(self.dice.choice([1, SESSION + 1, TRANSACTION + 1]))
        client.signal(signal.SIGCONT)

    def zombie(self):
        """A transactional client stops, its successor begins, and then it goes on and must learn that it has one."""
        client = self.some_client(("tx", "process"))
        old = client.process
        client.signal(signal.SIGSTOP)
        client.start()
        self.wait(self.dice.uniform(1, 4))
        if old.poll() is None:
            old.send_signal(signal.SIGCONT)
        self.zombies.append((client.name, old))

    def nemesis(self):
        """What happens next: each of a round once, in an order by chance; the kills of the server more often."""
        while True:
            round_ = [self.kill_server] * 5 + [self.kill_client, self.pause_client, self.zombie] * 2 + [
                self.restart_server, self.pause_server, self.pause_server, self.pause_server_for_sessions,
                self.pause_server_for_transactions]
            self.dice.shuffle(round_)
            yield from round_

    def disturb(self, seconds):
        """Until the deadline; the histories are checked every now and then."""
        next_check = time.monotonic() + self.check_every
        self.deadline = time.monotonic() + seconds
        for act in self.nemesis():
            self.wait(self.dice.uniform(*self.between))
            if time.monotonic() >= self.deadline or self.faults:
                return
            what = act.__name__.replace("_", " ")
            self.say(what)
            act()
            self.counts[{"kill server": "server kills", "restart server": "server restarts", "kill client": "client kills",
                         "zombie": "zombies"}.get(what, "pauses")] += 1
            if time.monotonic() > next_check:
                if self.judge(final=False):
                    return
                next_check = time.monotonic() + self.check_every

    # ---- from beginning to end ----------------------------------------------------------------------------------

    def make_topics(self):
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.server.bootstrap})
        for f in admin.create_topics([confluent_kafka.admin.NewTopic(t, n, 1) for t, n in TOPICS.items()]).values():
            f.result(20)

    def end(self, *kinds):
        ended = [c for c in self.clients.values() if c.settings["kind"] in kinds]
        for c in ended:
            del self.clients[c.name]
            c.end()
        for c in ended:
            c.wait()

    def end_transactions(self, *txids):
        """What a client left open that did not end in order is aborted by the start of another."""
        for txid in txids:
            producer = confluent_kafka.Producer({"bootstrap.servers": self.server.bootstrap, "transactional.id": txid})
            producer.init_transactions(60)

    def read_all(self, isolation, *topics):
        """Reads to the end; the highest offset of each partition."""
        name = "final-%s-%s" % (isolation, "".join(topics))
        client = Client(self, name, {"kind": "final", "isolation": isolation, "partitions": partitions_of(*topics), "seconds": 600})
        path = os.path.join(self.histories, "%s#%d" % (name, self.started - 1))
        client.wait(620)
        last = {}
        for e in HistoryFile(path):
            for p, offset, _, n in e.get("r", ()):
                last[p] = max(last.get(p, -1), offset + n - 1)
        return last

    def wait_for_group(self, group, last, seconds=90):
        """Until the group has committed the offsets behind the last records; what it does not reach is a fault."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.server.bootstrap, "group.id": group})
        asked = [confluent_kafka.TopicPartition(p.split("/")[0], int(p.split("/")[1])) for p in last]
        until, behind = time.monotonic() + seconds, None
        while behind != {} and time.monotonic() < until:
            self.wait(0.5)
            try:
                found = {"%s/%d" % (p.topic, p.partition): p.offset for p in consumer.committed(asked, 10)}
                behind = {p: (found[p], last[p] + 1) for p in last if found[p] < last[p] + 1}
            except confluent_kafka.KafkaException as e:
                behind = str(e)
        consumer.close()
        if behind:
            self.faults.append("group %s does not get to the end in %d s: %s" % (group, seconds, behind))

    def settle(self):
        """Producers end first, then what reads them."""
        self.deadline = float("inf")
        for name, process in self.zombies:
            try:
                if process.wait(60) not in (REPLACED, 0):
                    self.faults.append("the former %s ended with %d" % (name, process.returncode))
            except subprocess.TimeoutExpired:
                self.faults.append("the former %s does not learn that it is fenced" % name)
                process.kill()
        self.wait(0.1)
        self.end("plain", "idem", "tx")
        self.end_transactions("tx1", "tx2")
        last = self.read_all("rc", "a")
        self.wait_for_group("processors", last)
        self.end("process")
        self.end_transactions("process1", "process2")
        last.update(self.read_all("rc", "b", "c"))
        all_ = self.read_all("ru", "a", "b", "c")
        self.wait_for_group("committed", {p: o for p, o in last.items() if p[0] in "ac"})
        self.wait_for_group("all", {p: o for p, o in all_.items() if p[0] in "bc"})
        self.end("group")
        self.end("reader", "look")

    def judge(self, final):
        """Checks the histories so far; readers' first, so that the writers' hold all that they were shown."""
        names = sorted(os.listdir(self.histories), key=lambda n: n.startswith(("plain", "idem", "tx", "process")))
        files = [HistoryFile(os.path.join(self.histories, n)) for n in names]
        checker = workload_check.Checker(files, final)
        checker.check()
        counts = self.counts + checker.counts
        if self.verbose or checker.anomalies or self.faults:
            print("      %s: %s" % ("in the end" if final else "so far", ", ".join(
                "%d %s" % (counts[k], k) for k in sorted(counts))), flush=True)
        for kind, (count, examples) in sorted(checker.anomalies.items()):
            self.faults.append("%d x %s:\n        %s" % (count, kind, "\n        ".join(examples)))
        self.final_counts = counts
        return self.faults

    def go(self, seconds):
        self.server.start(60)
        try:
            self.make_topics()
            self.clients = {}
            self.deadline = float("inf")
            for name, settings in client_kinds(self.rate).items():
                self.clients[name] = Client(self, name, settings)
            self.wait(2)
            self.disturb(seconds)
            if not self.faults:
                self.settle()
                self.judge(final=True)
        finally:
            for c in self.clients.values():
                c.process.kill()
            for _, process in self.zombies:
                process.kill()
            if self.server.process.poll() is None:
                self.server.kill() if self.faults else self.server.stop()
        return self.faults


def run(seconds, seed, folder=None, keep=False, **more):
    """Runs and raises when a promise was not kept."""
    print("      seed %d" % seed, flush=True)
    folder = folder or tempfile.mkdtemp(prefix="weir-workload-")
    it = Run(folder, seed, **more)
    faults = ["it did not come to an end"]
    try:
        faults = it.go(seconds)
    finally:
        if faults or keep:
            print("      histories and data are in %s" % folder, flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    assert not faults, "promises were not kept:\n      " + "\n      ".join(faults)
    return it.final_counts


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--rate", type=float, default=1.0, help="1 is about 1,000 records a second")
    p.add_argument("--check-every", type=float, default=600)
    p.add_argument("--folder", help="an empty or missing folder for the server's data and the histories")
    p.add_argument("--keep", action="store_true")
    p.add_argument("--python", action="append", default=[], help="a Python with confluent_kafka for the clients")
    a = p.parse_args()
    counts = run(a.seconds, a.seed, a.folder, a.keep, rate=a.rate, pythons=a.python, check_every=a.check_every)
    print("      kept every promise: %d records acknowledged, %d transactions committed, %d kills of the server" %
          (counts["acknowledged"], counts["transactions committed"], counts["server kills"]))


if __name__ == "__main__":
    main()
