#!/usr/bin/python3
"""Kills the server at random moments under load and checks that every result is exact.

    kill.py [--rounds 50] [--seed N] [--seconds-min 0.2] [--seconds-max 1.5]

A producer writes numbered events without a pause. A chain of queries filters them, re-keys them, and aggregates them
plainly and per window. Each round ends with SIGKILL; the next start must go on by itself. At the end this program
computes every result from the input topic alone and compares: no event that was acknowledged may be missing, no
result may be missing or come twice for a reader with read_committed.
"""
import argparse
import collections
import json
import os
import random
import sys
import threading
import time

import confluent_kafka

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import weir

USERS, WINDOW_MS = 23, 1000
# Event time begins an hour ago: what is older than a topic's retention is deleted as soon as the cleaner looks at it.
FIRST_MS = int(time.time()) * 1000 - 3600 * 1000
STATEMENTS = """
CREATE STREAM EVENTS (id BIGINT, user_id INT, amount BIGINT, ts BIGINT)
  WITH (kafka_topic='events', partitions=3, value_format='JSON', timestamp='ts');
CREATE STREAM KEPT AS SELECT id, user_id, amount FROM EVENTS WHERE amount >= 10;
CREATE STREAM BY_USER WITH (partitions=4) AS SELECT user_id, id, amount FROM KEPT PARTITION BY user_id;
CREATE TABLE TOTALS AS SELECT user_id, COUNT(*) AS n, SUM(amount) AS total, MAX(id) AS last_id FROM BY_USER GROUP BY user_id;
CREATE TABLE PER_WINDOW AS SELECT amount, COUNT(*) AS n, SUM(id) AS ids FROM KEPT
  WINDOW TUMBLING (SIZE 1 SECONDS, GRACE PERIOD 1 HOURS) GROUP BY amount;
"""


class Load(threading.Thread):
    """Writes events as fast as they are acknowledged; goes on over the server's deaths."""

    def __init__(self, bootstrap, seed):
        super().__init__(daemon=True)
        self.random, self.ending, self.next_id = random.Random(seed), False, 0
        self.acknowledged, self.failed = set(), []
        self.producer = confluent_kafka.Producer({
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 2,
            "message.timeout.ms": 120000, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100,
            "retry.backoff.ms": 20, "log_level": 0, "queue.buffering.max.messages": 20000})
        self.start()

    def delivered(self, error, message, number):
        if error is None:
            self.acknowledged.add(number)
        else:
            self.failed.append((number, str(error)))

    def run(self):
        while not self.ending:
            number = self.next_id
            event = {"id": number, "user_id": self.random.randrange(USERS), "amount": self.random.randrange(40),
                     "ts": FIRST_MS + number}
            try:
                self.producer.produce("events", value=json.dumps(event).encode(), partition=number % 3,
                                      on_delivery=lambda e, m, n=number: self.delivered(e, m, n))
                self.next_id += 1
            except BufferError:
                self.producer.poll(0.05)
            if number % 200 == 0:
                self.producer.poll(0)
                time.sleep(0.004)

    def end(self):
        self.ending = True
        self.join()
        left = self.producer.flush(120)
        assert left == 0, "%d events were never acknowledged" % left


def consume(server, topic):
    """All records that a read_committed reader sees, as (partition, offset, key, value) with values from JSON."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": server.bootstrap, "group.id": "check-%f" % time.time(),
                                         "isolation.level": "read_committed", "enable.partition.eof": True,
                                         "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    meta = consumer.list_topics(topic, 10).topics[topic]
    parts = [confluent_kafka.TopicPartition(topic, p, confluent_kafka.OFFSET_BEGINNING) for p in meta.partitions]
    consumer.assign(parts)
    records, open_parts = [], {p.partition for p in parts}
    while open_parts:
        m = consumer.poll(20)
        assert m is not None, "no end of %s in 20 s" % topic
        if m.error():
            assert m.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, m.error()
            open_parts.discard(m.partition())
        else:
            records.append((m.partition(), m.offset(), m.key(), None if m.value() is None else json.loads(m.value())))
    consumer.close()
    return records


def field(row, name):
    return row[name] if name in row else row[name.upper()]


def once(records, what):
    ids = [field(v, "id") for _, _, _, v in records]
    twice = [i for i, n in collections.Counter(ids).items() if n > 1]
    assert not twice, "%s: %d ids come twice, e.g. %s" % (what, len(twice), twice[:5])
    return set(ids)


def check(server, load):
    events = [(p, o, k, v) for p, o, k, v in consume(server, "events")]
    ids = once(events, "events")
    lost = load.acknowledged - ids
    assert not lost, "%d acknowledged events are lost, e.g. %s" % (len(lost), sorted(lost)[:5])
    kept = {e["id"]: e for _, _, _, e in events if e["amount"] >= 10}

    def settled():
        return once(consume(server, "KEPT"), "KEPT") == set(kept) and \
            once(consume(server, "BY_USER"), "BY_USER") == set(kept) and totals_of(server) == expected_totals(kept)
    weir.wait_for("the queries to settle", settled, 60, 0.5)
    check_order(consume(server, "KEPT"))
    check_windows(server, kept)


def check_order(records):
    """KEPT keeps the order of its input partitions: ids of one residue class ascend."""
    last = {}
    for partition, _, _, v in records:
        number = field(v, "id")
        lane = (partition, number % 3)
        assert last.get(lane, -1) < number, "order of %s broken at %d" % (lane, number)
        last[lane] = number


def expected_totals(kept):
    out = {}
    for e in kept.values():
        n, total, last = out.get(e["user_id"], (0, 0, -1))
        out[e["user_id"]] = (n + 1, total + e["amount"], max(last, e["id"]))
    return out


def totals_of(server):
    latest, seen = {}, {}
    for _, _, key, v in consume(server, "TOTALS"):
        user = int.from_bytes(key, "big")
        n = field(v, "n")
        assert n > seen.get(user, 0), "TOTALS of %d went from %d to %d" % (user, seen.get(user, 0), n)
        seen[user] = n
        latest[user] = (n, field(v, "total"), field(v, "last_id"))
    return latest


def check_windows(server, kept):
    expected = {}
    for e in kept.values():
        key = (e["amount"], e["ts"] // WINDOW_MS * WINDOW_MS)
        n, total = expected.get(key, (0, 0))
        expected[key] = (n + 1, total + e["id"])
    got, seen = {}, {}
    for _, _, key, v in consume(server, "PER_WINDOW"):
        where = (int.from_bytes(key[:8], "big"), int.from_bytes(key[8:16], "big"))
        n = field(v, "n")
        assert n > seen.get(where, 0), "PER_WINDOW of %s went from %d to %d" % (where, seen.get(where, 0), n)
        seen[where] = n
        got[where] = (n, field(v, "ids"))
    assert got == expected, "PER_WINDOW differs: %d windows, expected %d" % (len(got), len(expected))
    rows = {(r[0], r[1]): (r[3], r[4]) for r in server.query("SELECT * FROM PER_WINDOW;")}
    assert rows == expected, "the table PER_WINDOW differs from its topic"


def run(rounds, seed, seconds_min, seconds_max):
    print("      seed %d" % seed, flush=True)
    dice = random.Random(seed)
    with weir.Server() as server:
        server.sql(STATEMENTS, {"auto.offset.reset": "earliest"})
        load = Load(server.bootstrap, seed)
        for i in range(rounds):
            time.sleep(dice.uniform(seconds_min, seconds_max))
            server.kill()
            started = time.time()
            server.start()
            print("      round %d: %d acknowledged, start %.0f ms" % (i + 1, len(load.acknowledged),
                                                                   (time.time() - started) * 1000), flush=True)
        load.end()
        assert not load.failed, load.failed[:3]
        check(server, load)
        print("      exact after %d kills: %d events" % (rounds, len(load.acknowledged)))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=50)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--seconds-min", type=float, default=0.2)
    p.add_argument("--seconds-max", type=float, default=1.5)
    a = p.parse_args()
    run(a.rounds, a.seed, a.seconds_min, a.seconds_max)


if __name__ == "__main__":
    main()
