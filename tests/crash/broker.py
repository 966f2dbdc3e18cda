#!/usr/bin/python3
"""Kills the server at random moments under a mixed load of Kafka clients and checks what they were promised.

    broker.py [--rounds 100] [--seed N] [--seconds-min 0.1] [--seconds-max 0.9]

Producers without and with idempotence, one with transactions over two topics and a compacted one that moves a group's
offsets along, one of a compacted topic, and two consumer groups go on over the deaths of the server; some starts are
killed, too. Every tenth round what is new is read, and now and then and at the end everything: nothing that was
acknowledged is missing, nothing of the idempotent producer comes twice or out of order, transactions are there as a whole
or not at all, what was aborted is not seen, the last value of each key is, committed offsets do not go back, and the groups
resume where they were and read on. The logs are compacted and roll meanwhile.
"""
import argparse
import collections
import os
import random
import shutil
import sys
import tempfile
import threading
import time

import confluent_kafka
import confluent_kafka.admin
from confluent_kafka import KafkaException

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import weir
from kill import consume

PARTITIONS, KEYS, EVERYTHING_EVERY = 3, 40, 250
OPTIONS = ["--set", "log.cleaner.backoff.ms=300", "--set", "group.initial.rebalance.delay.ms=0",
           "--set", "log.flush.interval.ms=500", "--set", "offsets.topic.segment.bytes=1048576"]
PATIENT = {"acks": "all", "linger.ms": 2, "message.timeout.ms": 120000, "reconnect.backoff.ms": 20,
           "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20, "log_level": 0, "retries": 100000}


TXN_TOPICS = ["txn", "txn-other", "txn-compacted"]  # by the number of the record


def marked(marks, number):
    """marks[number] in a bytearray that grows."""
    return number < len(marks) and marks[number] > 0


def mark(marks, number):
    if number >= len(marks):
        marks.extend(bytes(number + 10000 - len(marks)))
    marks[number] = min(marks[number] + 1, 255)


class Client(threading.Thread):
    """Goes on until it is told to end; what goes wrong in it fails the test."""

    def __init__(self, server, seed):
        super().__init__(daemon=True)
        self.server, self.random, self.ending, self.fault = server, random.Random(seed), False, None
        self.start()

    def run(self):
        try:
            while not self.ending:
                self.step()
            self.finish()
        except Exception as e:
            self.fault = "%s: %r" % (type(self).__name__, e)

    def finish(self):
        pass

    def end(self):
        self.ending = True

    def wait(self):
        self.join(180)
        assert not self.is_alive(), "%s does not end" % type(self).__name__
        assert not self.fault, self.fault


class Writer(Client):
    """Numbered records to a topic, so many a second; `unseen` are the acknowledged ones that no check has found yet."""

    def __init__(self, server, seed, topic, config, keys=None, rate=500):
        self.topic, self.keys, self.rate, self.next, self.acknowledged = topic, keys, rate, 0, bytearray()
        self.unseen, self.failed, self.began = set(), [], time.monotonic()
        self.producer = confluent_kafka.Producer(dict(PATIENT, **config, **{"bootstrap.servers": server.bootstrap}))
        super().__init__(server, seed)

    def delivered(self, error, number):
        if error is None:
            mark(self.acknowledged, number)
            self.unseen.add(number)
        else:
            self.failed.append((number, str(error)))

    def count(self):
        return sum(1 for a in self.acknowledged if a)

    def step(self):
        for _ in range(self.random.randrange(1, 50)):
            number = self.next
            options = {"partition": number % PARTITIONS} if self.keys is None else {"key": b"%d" % (number % self.keys)}
            try:
                self.producer.produce(self.topic, value=b"%d" % number,
                                      on_delivery=lambda e, m, n=number: self.delivered(e, n), **options)
                self.next += 1
            except BufferError:
                self.producer.poll(0.05)
        due = self.began + self.next / self.rate
        if due < time.monotonic() - 1: # nothing is made up for after a stall
            self.began += time.monotonic() - due
        self.producer.poll(0)
        while time.monotonic() < due:
            self.producer.poll(max(0.0, due - time.monotonic()))

    def finish(self):
        left = self.producer.flush(120)
        assert left == 0 and not self.failed, (left, self.failed[:3])


class Transactions(Client):
    """Transactions of records in several partitions of three topics and an offset, committed or aborted."""

    def __init__(self, server, seed):
        self.next, self.number, self.producer = 0, 0, None
        self.committed, self.aborted, self.unknown = [], [], []
        self.checked = [0, 0]  # of the committed and the aborted ones: how many a check has seen
        super().__init__(server, seed)

    def begin_anew(self):
        self.producer = confluent_kafka.Producer({**PATIENT, "bootstrap.servers": self.server.bootstrap,
                                                  "transactional.id": "tx", "transaction.timeout.ms": 120000})
        while True:
            try:
                self.producer.init_transactions(20)
                return
            except KafkaException as e:
                if not e.args[0].retriable() or self.ending:
                    raise

    def retried(self, call, *arguments):
        while True:
            try:
                return call(*arguments)
            except KafkaException as e:
                if not e.args[0].retriable():
                    raise

    def step(self):
        if self.producer is None:
            self.begin_anew()
        ids = list(range(self.next, self.next + self.random.randrange(2, 30)))
        self.next = ids[-1] + 1
        self.number += 1
        commit, ending = self.random.random() < 0.7, False
        try:
            self.producer.begin_transaction()
            for i in ids:
                self.producer.produce(TXN_TOPICS[i % 3], value=b"%d" % i, key=b"%d" % (i % KEYS), partition=i // 3 % PARTITIONS)
            time.sleep(self.random.choice([0, 0, 0.02, 0.1]))
            position = [confluent_kafka.TopicPartition("txn", 0, self.number)]
            self.retried(self.producer.send_offsets_to_transaction, position, self.group())
            ending = True
            self.retried(self.producer.commit_transaction if commit else self.producer.abort_transaction)
            (self.committed if commit else self.aborted).append((self.number, ids))
        except KafkaException as e:
            if commit and ending and not e.args[0].txn_requires_abort():
                self.unknown.append((self.number, ids))
                self.producer = None
                return
            self.aborted.append((self.number, ids))
            try:
                self.retried(self.producer.abort_transaction)
            except KafkaException:
                self.producer = None

    def group(self):
        if not hasattr(self, "reader"):
            self.reader = confluent_kafka.Consumer({"bootstrap.servers": self.server.bootstrap, "group.id": "tx-group",
                                                    "log_level": 0})
        return self.reader.consumer_group_metadata()


class Group(Client):
    """Reads a topic in a group of its own, and commits what it has read; now and then its member leaves, and another resumes
    where the group had got to."""

    def __init__(self, server, seed, name, topic):
        self.group, self.topic, self.seen, self.read, self.starts = name, topic, bytearray(), 0, {}
        self.promised, self.resumed = collections.defaultdict(int), 0
        self.server = server
        self.begin_anew()
        super().__init__(server, seed)

    def begin_anew(self):
        self.consumer = confluent_kafka.Consumer({
            "bootstrap.servers": self.server.bootstrap, "group.id": self.group, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "session.timeout.ms": 6000, "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 100, "log_level": 0})
        self.consumer.subscribe([self.topic], on_assign=self.assigned)

    def assigned(self, _, partitions):
        self.starts = {p.partition: self.promised[p.partition] for p in partitions}
        self.resumed += 1

    def step(self):
        messages = [m for m in self.consumer.consume(500, 0.2) if not m.error()]
        for m in messages:
            promised = self.starts.pop(m.partition(), 0)
            assert m.offset() >= promised, "group %s begins at %d of partition %d, and had committed %d" % (
                self.group, m.offset(), m.partition(), promised)
            mark(self.seen, int(m.value()))
        self.read += len(messages)
        if not messages:
            return
        try:
            for p in self.consumer.commit(asynchronous=False) or []:
                if not p.error:
                    self.promised[p.partition] = max(self.promised[p.partition], p.offset)
        except KafkaException:
            pass # unknown: the next commit says more
        if self.random.random() < 0.05:
            self.consumer.close()
            self.begin_anew()

    def finish(self):
        self.consumer.close()

    def behind(self, writer):
        """How many acknowledged records it was not shown yet."""
        return sum(1 for i, a in enumerate(writer.acknowledged) if a and not marked(self.seen, i))


def offsets(server, group, topic):
    reader = confluent_kafka.Consumer({"bootstrap.servers": server.bootstrap, "group.id": group})
    found = reader.committed([confluent_kafka.TopicPartition(topic, p) for p in range(PARTITIONS)], 20)
    reader.close()
    return {p.partition: p.offset for p in found}


class Follower:
    """What a read_committed reader was shown of a topic so far: how often each number, and up to which offset."""

    def __init__(self, topic):
        self.topic, self.seen, self.next, self.last = topic, bytearray(), {}, {}

    def read_on(self, server):
        """Reads to the end; the new records as (partition, offset, number)."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": server.bootstrap, "group.id": "follower", "log_level": 0,
                                             "isolation.level": "read_committed", "enable.partition.eof": True,
                                             "enable.auto.commit": False, "auto.offset.reset": "error"})
        consumer.assign([confluent_kafka.TopicPartition(self.topic, p, self.next.get(p, 0)) for p in range(PARTITIONS)])
        records, left, until = [], set(range(PARTITIONS)), time.monotonic() + 60
        while left:
            assert time.monotonic() < until, "no end of %s in 60 s" % self.topic
            for m in consumer.consume(1000, 0.1):
                if m.error():
                    assert m.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, m.error()
                    left.discard(m.partition())
                else:
                    assert m.offset() >= self.next.get(m.partition(), 0), (m.partition(), m.offset(), self.next)
                    self.next[m.partition()] = m.offset() + 1
                    records.append((m.partition(), m.offset(), int(m.value())))
                    mark(self.seen, int(m.value()))
        consumer.close()
        return records


class Checks:
    """What was read so far and the checks of it; with `everything` from the beginning once more."""

    def __init__(self, server, plain, idem, compacted, tx, groups):
        self.server, self.plain, self.idem, self.compacted, self.tx, self.groups = server, plain, idem, compacted, tx, groups
        self.followers = {t: Follower(t) for t in ["plain", "idem"] + TXN_TOPICS[:2]}
        self.read_before = [0 for _ in groups]

    def check(self, everything=False):
        if everything:
            self.followers = {t: Follower(t) for t in self.followers}
        for w in (self.plain, self.idem):
            self.check_writer(w, everything)
        self.check_compacted()
        self.check_transactions(everything)
        for group in self.groups:
            self.check_group(group)

    def check_writer(self, w, everything):
        promised = set(w.unseen)
        if everything:
            promised = {i for i, a in enumerate(bytes(w.acknowledged)) if a}
        follower = self.followers[w.topic]
        for partition, offset, number in follower.read_on(self.server):
            assert number % PARTITIONS == partition, "%s: %d is in partition %d" % (w.topic, number, partition)
            if w is self.idem:
                assert follower.last.get(partition, -1) < number, "%s: %d comes after %d in partition %d at %d" % (
                    w.topic, number, follower.last[partition], partition, offset)
                follower.last[partition] = number
        lost = sorted(n for n in promised if not marked(follower.seen, n))
        assert not lost, "%s: lost %d, e.g. %s" % (w.topic, len(lost), lost[:5])
        w.unseen -= promised

    def check_compacted(self):
        wanted, latest = {}, {}
        for n, a in enumerate(bytes(self.compacted.acknowledged)):
            if a:
                wanted[n % KEYS] = n
        for _, _, key, v in consume(self.server, "compacted"):
            assert v % KEYS == int(key), (key, v)
            latest[int(key)] = max(v, latest.get(int(key), -1))
        lost = [(k, n, latest.get(k)) for k, n in wanted.items() if latest.get(k, -1) < n]
        assert not lost, "compacted: the last of a key is lost: %s" % lost[:5]

    def check_transactions(self, everything):
        """While they go on, one whose end was not answered may be on its way from partition to partition: see the end."""
        tx = self.tx
        committed, aborted, unknown = list(tx.committed), list(tx.aborted), [] if tx.is_alive() else tx.unknown
        for topic in TXN_TOPICS[:2]:
            self.followers[topic].read_on(self.server)
        seen = [self.followers[t].seen for t in TXN_TOPICS[:2]]
        twice = [i for s in seen for i, n in enumerate(s) if n > 1]
        assert not twice, "txn: %s come twice" % twice[:5]
        kept = {v for _, _, _, v in consume(self.server, TXN_TOPICS[2])}
        there = lambda i: i in kept if i % 3 == 2 else marked(seen[i % 3], i)
        from_committed, from_aborted = (0, 0) if everything else tx.checked
        for number, ids in committed[from_committed:]:
            missing = [i for i in ids if i % 3 != 2 and not there(i)]
            assert not missing, "transaction %d was committed: %d of %d records are missing" % (number, len(missing), len(ids))
        for number, ids in aborted[from_aborted:]:
            assert not [i for i in ids if there(i)], "transaction %d was aborted, and is seen" % number
        for number, ids in unknown:
            of_logs = [there(i) for i in ids if i % 3 != 2]
            assert all(of_logs) or not any(of_logs), "transaction %d is there in part" % number
        self.check_last_of_keys(committed, kept)
        tx.checked = [len(committed), len(aborted)]
        last = max([number for number, _ in committed], default=0)
        offset = offsets(self.server, "tx-group", "txn")[0]
        assert last <= max(offset, 0) <= tx.number, "the transactions' offset is %d, the last committed was %d" % (offset, last)

    def check_last_of_keys(self, committed, kept):
        """Compaction leaves of what was committed the last of each key."""
        wanted = {(i % KEYS, i // 3 % PARTITIONS): i for _, ids in committed for i in ids if i % 3 == 2}
        latest = {}
        for i in sorted(kept):
            latest[i % KEYS, i // 3 % PARTITIONS] = i
        lost = [(k, i, latest.get(k)) for k, i in wanted.items() if latest.get(k, -1) < i]
        assert not lost, "txn-compacted: the last of a key is lost: %s" % lost[:5]

    def check_group(self, group):
        promised = dict(group.promised)
        found = offsets(self.server, group.group, group.topic)
        back = {p: (o, found.get(p)) for p, o in promised.items() if found.get(p, -1) < o}
        assert not back, "committed offsets of %s went back: %s" % (group.group, back)

    def check_groups_go_on(self):
        """Some time after the last kill each group has read more than at the last call."""
        for at, group in enumerate(self.groups):
            weir.wait_for("group %s to read on" % group.group, lambda: group.read > self.read_before[at], 30, 0.1)
            self.read_before[at] = group.read


def make_topics(server):
    """Logs that roll now and then; the compacted ones often enough to be cleaned between two kills."""
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.bootstrap})
    compaction = {"cleanup.policy": "compact", "segment.ms": "700", "min.cleanable.dirty.ratio": "0.01"}
    topics = [confluent_kafka.admin.NewTopic(name, PARTITIONS, 1, config=compaction if "compacted" in name else
                                             {"segment.bytes": "1048576"})
              for name in ["plain", "idem", "compacted"] + TXN_TOPICS]
    for f in admin.create_topics(topics).values():
        f.result(20)


def kill_and_start(server, dice):
    """SIGKILL, and now and then another in the middle of the start; how long the last start took."""
    server.kill()
    if dice.random() < 0.15:
        server.spawn()
        time.sleep(dice.uniform(0, 0.1))
        server.kill()
    started = time.time()
    server.start(60)
    return (time.time() - started) * 1000


def go(server, rounds, dice, seed, seconds_min, seconds_max):
    make_topics(server)
    plain = Writer(server, seed, "plain", {"max.in.flight": 5})
    idem = Writer(server, seed + 1, "idem", {"enable.idempotence": True})
    compacted = Writer(server, seed + 2, "compacted", {"enable.idempotence": True}, KEYS)
    tx, groups = Transactions(server, seed + 3), [Group(server, seed + 4, "g", "idem"), Group(server, seed + 5, "h", "plain")]
    writers, checks = (plain, idem, compacted), Checks(server, plain, idem, compacted, tx, groups)
    for i in range(rounds):
        time.sleep(dice.uniform(seconds_min, seconds_max))
        took = kill_and_start(server, dice)
        faults = [c.fault for c in [*writers, tx, *groups] if c.fault]
        assert not faults, faults
        if i % 10 == 9:
            checks.check(everything=i % EVERYTHING_EVERY == EVERYTHING_EVERY - 1)
            checks.check_groups_go_on()
            print("      round %d: %s acknowledged, %d transactions committed, %d aborted, %d unknown, %s read, resumed %s times; "
                  "start %.0f ms" % (i + 1, " + ".join(str(w.count()) for w in writers), len(tx.committed), len(tx.aborted),
                                     len(tx.unknown), " + ".join(str(g.read) for g in groups),
                                     " + ".join(str(g.resumed) for g in groups), took), flush=True)
    for c in [*writers, tx]:
        c.end()
    for c in [*writers, tx]:
        c.wait()
    for group, writer in zip(groups, (idem, plain)):
        weir.wait_for("group %s to read everything" % group.group, lambda: group.behind(writer) == 0, 60, 0.5)
        group.end()
        group.wait()
    checks.check(everything=True)
    assert len(tx.committed) > rounds / 4, "only %d transactions were committed" % len(tx.committed)
    print("      kept every promise over %d kills: %d records, %d transactions committed, %d aborted, %d unknown" %
          (rounds, sum(w.count() for w in writers), len(tx.committed), len(tx.aborted), len(tx.unknown)))


def run(rounds, seed, seconds_min, seconds_max):
    """The data is kept when a promise was not."""
    print("      seed %d" % seed, flush=True)
    folder = tempfile.mkdtemp(prefix="weir-crash-")
    try:
        with weir.Server(data=os.path.join(folder, "data"), options=OPTIONS) as server:
            go(server, rounds, random.Random(seed), seed, seconds_min, seconds_max)
    except BaseException:
        print("      the data is in %s" % folder, flush=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=100)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--seconds-min", type=float, default=0.1)
    p.add_argument("--seconds-max", type=float, default=0.9)
    a = p.parse_args()
    run(a.rounds, a.seed, a.seconds_min, a.seconds_max)


if __name__ == "__main__":
    main()
