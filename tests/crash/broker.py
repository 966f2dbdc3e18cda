#!/usr/bin/python3
"""Kills the server at random moments under a mixed load of Kafka clients and checks what they were promised.

    broker.py [--rounds 100] [--seed N] [--seconds-min 0.1] [--seconds-max 0.9]

Producers without and with idempotence, one with transactions that moves a group's offsets along, one of a compacted topic,
and a consumer group go on over the deaths of the server. Every tenth round and at the end: nothing that was acknowledged
is missing, nothing of the idempotent producer comes twice or out of order, transactions are there as a whole or not at all,
what was aborted is not seen, the last value of each key is, committed offsets do not go back, and the group reads on.
"""
import argparse
import collections
import os
import random
import sys
import threading
import time

import confluent_kafka
import confluent_kafka.admin
from confluent_kafka import KafkaException

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import weir
from kill import consume

PARTITIONS, KEYS = 3, 40
OPTIONS = ["--set", "log.cleaner.backoff.ms=300", "--set", "group.initial.rebalance.delay.ms=0",
           "--set", "log.flush.interval.ms=500"]
PATIENT = {"acks": "all", "linger.ms": 2, "message.timeout.ms": 120000, "reconnect.backoff.ms": 20,
           "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20, "log_level": 0, "retries": 100000}


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
    """Numbered records to a topic, as fast as they are acknowledged."""

    def __init__(self, server, seed, topic, config, keys=None):
        self.topic, self.keys, self.next, self.acknowledged, self.failed = topic, keys, 0, set(), []
        self.producer = confluent_kafka.Producer(dict(PATIENT, **config, **{"bootstrap.servers": server.bootstrap}))
        super().__init__(server, seed)

    def delivered(self, error, number):
        if error is None:
            self.acknowledged.add(number)
        else:
            self.failed.append((number, str(error)))

    def step(self):
        number = self.next
        options = {"partition": number % PARTITIONS} if self.keys is None else {"key": b"%d" % (number % self.keys)}
        try:
            self.producer.produce(self.topic, value=b"%d" % number, on_delivery=lambda e, m, n=number: self.delivered(e, n),
                                  **options)
            self.next += 1
        except BufferError:
            self.producer.poll(0.05)
        if number % 50 == 0:
            self.producer.poll(0)
            time.sleep(0.005)

    def finish(self):
        left = self.producer.flush(120)
        assert left == 0 and not self.failed, (left, self.failed[:3])


class Transactions(Client):
    """Transactions of records in several partitions and an offset, committed or aborted."""

    def __init__(self, server, seed):
        self.next, self.number, self.producer = 0, 0, None
        self.committed, self.aborted, self.unknown = [], [], []
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
                self.producer.produce("txn", value=b"%d" % i, partition=i % PARTITIONS)
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
    """Reads what the idempotent producer writes, and commits what it has read."""

    def __init__(self, server, seed):
        self.seen, self.promised = set(), collections.defaultdict(int)
        self.consumer = confluent_kafka.Consumer({
            "bootstrap.servers": server.bootstrap, "group.id": "g", "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "session.timeout.ms": 6000, "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 100, "log_level": 0})
        self.consumer.subscribe(["idem"])
        super().__init__(server, seed)

    def step(self):
        messages = [m for m in self.consumer.consume(500, 0.2) if not m.error()]
        self.seen.update(int(m.value()) for m in messages)
        if not messages:
            return
        try:
            for p in self.consumer.commit(asynchronous=False) or []:
                if not p.error:
                    self.promised[p.partition] = max(self.promised[p.partition], p.offset)
        except KafkaException:
            pass # unknown: the next commit says more

    def finish(self):
        self.consumer.close()


def offsets(server, group, topic):
    reader = confluent_kafka.Consumer({"bootstrap.servers": server.bootstrap, "group.id": group})
    found = reader.committed([confluent_kafka.TopicPartition(topic, p) for p in range(PARTITIONS)], 20)
    reader.close()
    return {p.partition: p.offset for p in found}


def check_writers(server, plain, idem, compacted):
    promised = [set(w.acknowledged) for w in (plain, idem, compacted)]
    got = {v for _, _, _, v in consume(server, "plain")}
    assert not promised[0] - got, "plain: lost %s" % sorted(promised[0] - got)[:5]
    records = consume(server, "idem")
    numbers = [v for _, _, _, v in records]
    twice = [n for n, count in collections.Counter(numbers).items() if count > 1]
    assert not twice, "idem: twice %s" % twice[:5]
    assert not promised[1] - set(numbers), "idem: lost %s" % sorted(promised[1] - set(numbers))[:5]
    last = {}
    for partition, _, _, v in sorted(records, key=lambda r: (r[0], r[1])):
        assert last.get(partition, -1) < v, "idem: the order of partition %d is broken at %d" % (partition, v)
        last[partition] = v
    latest, wanted = {}, {}
    for _, _, key, v in consume(server, "compacted"):
        assert v % KEYS == int(key), (key, v)
        latest[int(key)] = max(v, latest.get(int(key), -1))
    for n in promised[2]:
        wanted[n % KEYS] = max(n, wanted.get(n % KEYS, -1))
    lost = [(k, n, latest.get(k)) for k, n in wanted.items() if latest.get(k, -1) < n]
    assert not lost, "compacted: the last of a key is lost: %s" % lost[:5]


def check_transactions(server, tx):
    """While they go on, one whose end was not answered may be on its way from partition to partition: see the end."""
    committed, aborted, unknown = list(tx.committed), list(tx.aborted), [] if tx.is_alive() else tx.unknown
    seen = collections.Counter(v for _, _, _, v in consume(server, "txn"))
    assert max(seen.values(), default=1) == 1, "txn: %s come twice" % [n for n, c in seen.items() if c > 1][:5]
    last = 0
    for number, ids in committed:
        missing = [i for i in ids if i not in seen]
        assert not missing, "transaction %d was committed: %d of %d records are missing" % (number, len(missing), len(ids))
        last = max(last, number)
    for number, ids in aborted:
        assert not [i for i in ids if i in seen], "transaction %d was aborted, and is seen" % number
    for number, ids in unknown:
        there = [i in seen for i in ids]
        assert all(there) or not any(there), "transaction %d is there in part" % number
    offset = offsets(server, "tx-group", "txn")[0]
    assert last <= max(offset, 0) <= tx.number, "the transactions' offset is %d, the last committed was %d" % (offset, last)


def check_group(server, group):
    promised = dict(group.promised)
    found = offsets(server, "g", "idem")
    back = {p: (o, found.get(p)) for p, o in promised.items() if found.get(p, -1) < o}
    assert not back, "committed offsets went back: %s" % back


def make_topics(server):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.bootstrap})
    compaction = {"cleanup.policy": "compact", "segment.ms": "700", "min.cleanable.dirty.ratio": "0.01"}
    topics = [confluent_kafka.admin.NewTopic(name, PARTITIONS, 1, config=compaction if name == "compacted" else {})
              for name in ("plain", "idem", "txn", "compacted")]
    for f in admin.create_topics(topics).values():
        f.result(20)


def run(rounds, seed, seconds_min, seconds_max):
    print("      seed %d" % seed, flush=True)
    dice = random.Random(seed)
    with weir.Server(options=OPTIONS) as server:
        make_topics(server)
        plain = Writer(server, seed, "plain", {"max.in.flight": 5})
        idem = Writer(server, seed + 1, "idem", {"enable.idempotence": True})
        compacted = Writer(server, seed + 2, "compacted", {"enable.idempotence": True}, KEYS)
        tx, group = Transactions(server, seed + 3), Group(server, seed + 4)
        clients = [plain, idem, compacted, tx, group]
        for i in range(rounds):
            time.sleep(dice.uniform(seconds_min, seconds_max))
            server.kill()
            started = time.time()
            server.start()
            took = (time.time() - started) * 1000
            faults = [c.fault for c in clients if c.fault]
            assert not faults, faults
            if i % 10 == 9:
                check_writers(server, plain, idem, compacted)
                check_transactions(server, tx)
                check_group(server, group)
                print("      round %d: %d + %d + %d acknowledged, %d transactions committed, %d aborted, %d unknown, %d read; "
                      "start %.0f ms" % (i + 1, len(plain.acknowledged), len(idem.acknowledged), len(compacted.acknowledged),
                                         len(tx.committed), len(tx.aborted), len(tx.unknown), len(group.seen),
                                         took), flush=True)
        for c in (plain, idem, compacted, tx):
            c.end()
        for c in (plain, idem, compacted, tx):
            c.wait()
        weir.wait_for("the group to read everything", lambda: group.seen >= idem.acknowledged, 60, 0.2)
        group.end()
        group.wait()
        check_writers(server, plain, idem, compacted)
        check_transactions(server, tx)
        check_group(server, group)
        assert len(tx.committed) > rounds / 4, "only %d transactions were committed" % len(tx.committed)
        print("      kept every promise over %d kills: %d records, %d transactions" %
              (rounds, sum(len(w.acknowledged) for w in (plain, idem, compacted)), len(tx.committed)))


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
