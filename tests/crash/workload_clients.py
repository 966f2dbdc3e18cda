#!/usr/bin/python3
"""One client of tests/crash/workload.py: does what its kind does until SIGTERM, and writes its history (workload_check.py).

    workload_clients.py '{"kind": ..., "name": ..., "bootstrap": ..., "history": FILE, ...}'

Ends with 0 in order, with 3 where Kafka wants a new client in its place (fenced, fatal errors), else with 1.
"""
import ctypes
import json
import os
import random
import signal
import sys
import time

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, TopicPartition

SHIFT = 40
REPLACED = 3
CODECS = ["none", "none", "gzip", "snappy", "lz4", "zstd"]
COMMON = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 50, "log_level": 0,
          "socket.timeout.ms": 60000}
# What the deaths of a server and the changes of its groups look like to a client.
EXPECTED = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._TIMED_OUT,
            KafkaError._TIMED_OUT_QUEUE, KafkaError._MAX_POLL_EXCEEDED, KafkaError._WAIT_COORD, KafkaError._STATE,
            KafkaError._NO_OFFSET, KafkaError._ASSIGNMENT_LOST, KafkaError._IN_PROGRESS, KafkaError._WAIT_CACHE,
            KafkaError._DESTROY, KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID,
            KafkaError.REBALANCE_IN_PROGRESS, KafkaError.NOT_COORDINATOR, KafkaError.FENCED_INSTANCE_ID,
            KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
            KafkaError.REQUEST_TIMED_OUT, KafkaError.UNSTABLE_OFFSET_COMMIT, KafkaError.NETWORK_EXCEPTION,
            110, 113}  # FENCED_MEMBER_EPOCH, STALE_MEMBER_EPOCH
# How a transactional client learns that its transaction timed out or that it has a successor.
FENCED = {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED,
          KafkaError.INVALID_PRODUCER_ID_MAPPING, KafkaError.INVALID_TXN_STATE, KafkaError._FATAL}


class Replace(Exception):
    """This client cannot go on, another may."""


def runs_of(items):
    """[partition, a, b] in order as runs [partition, a, b, n] in which both numbers go up by one."""
    runs = []
    for p, a, b in items:
        last = runs[-1] if runs else None
        if last and last[0] == p and last[1] + last[3] == a and last[2] + last[3] == b:
            last[3] += 1
        else:
            runs.append([p, a, b, 1])
    return runs


def by_name(partitions, offset):
    return {"%s/%d" % (p.topic, p.partition): offset(p) for p in partitions}


def partition_of(name, *offset):
    topic, number = name.split("/")
    return TopicPartition(topic, int(number), *offset)


class Client:
    def __init__(self, settings):
        self.settings, self.ending = settings, False
        self.random = random.Random(settings["seed"])
        self.file = open(settings["history"], "a", buffering=1)
        told = {k: settings[k] for k in ("kind", "name", "producer", "txid", "timeout", "group", "isolation", "topics")
                if k in settings}
        self.note("start", client=list(confluent_kafka.libversion())[0], **told)
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "ending", True))

    def note(self, what, **more):
        self.file.write(json.dumps({"t": round(time.monotonic(), 6), "e": what, **more}, separators=(",", ":")) + "\n")

    def config(self, **more):
        return {**COMMON, "bootstrap.servers": self.settings["bootstrap"], "error_cb": self.error, **more}

    def error(self, error):
        """Errors of the client as a whole; the fatal ones come out of its calls as well."""
        if error.code() not in EXPECTED and error.code() not in FENCED and not error.fatal():
            self.note("fault", error="error_cb: %s" % error)

    def expect(self, error, what):
        if error.code() not in EXPECTED and not error.retriable():
            self.note("fault", error="%s: %s" % (what, error))

    def pause(self, seconds):
        until = time.monotonic() + seconds
        while not self.ending and time.monotonic() < until:
            time.sleep(min(0.1, max(0.0, until - time.monotonic())))

    def run(self):
        while not self.ending:
            self.step()
        self.finish()
        self.note("end")


class Producer(Client):
    """Bursts of records to one partition after the other; what is acknowledged is noted as it comes."""

    def __init__(self, settings):
        super().__init__(settings)
        self.next, self.answers, self.refused = 0, [], []
        self.padding = b" " * self.random.choice([0, 10, 100, 300])
        self.producer = confluent_kafka.Producer(self.config(**self.choices()))

    def choices(self):
        chosen = {"acks": "all", "linger.ms": self.random.choice([0, 2, 20]), "message.timeout.ms": 120000,
                  "compression.type": self.random.choice(CODECS), "batch.num.messages": self.random.choice([7, 1000])}
        if self.settings["kind"] == "idem":
            chosen["enable.idempotence"] = True
        elif self.settings["kind"] == "plain":
            # With more requests at once a plain producer's retries may change the order.
            chosen.update({"max.in.flight": 1, "acks": self.random.choice(["all", 1]),
                           "message.timeout.ms": self.random.choice([3000, 120000])})
        return chosen

    def delivered(self, error, message, p, s):
        if error is None:
            self.answers.append((p, s, message.offset() if message.offset() is not None and message.offset() >= 0 else -1))
        else:
            self.refused.append((p, s, s))
            if error.code() not in EXPECTED and error.code() not in FENCED and \
                    error.code() not in (KafkaError._MSG_TIMED_OUT, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT):
                self.note("fault", error="delivery: %s" % error)

    def serve(self, seconds=0):
        self.producer.poll(seconds)
        self.note_answers()

    def note_answers(self):
        if self.answers:
            known = runs_of([a for a in self.answers if a[2] >= 0])
            lone = [[p, s, -1, n] for p, s, _, n in runs_of([(p, s, s) for p, s, o in self.answers if o < 0])]
            self.note("acked", r=known + lone)
            self.answers = []
        if self.refused:
            self.note("failed", r=[[p, s, n] for p, s, _, n in runs_of(self.refused)])
            self.refused = []

    def send(self, p, n):
        """Writes the intention down first: whoever dies after that may have sent it."""
        topic, number = p.split("/")
        self.note("send", p=p, s=self.next, n=n)
        for s in range(self.next, self.next + n):
            while True:
                try:
                    self.producer.produce(topic, partition=int(number), key=b"k%d" % self.random.randrange(50),
                                          value=b"%d" % (self.settings["producer"] << SHIFT | s) + self.padding,
                                          on_delivery=lambda e, m, p=p, s=s: self.delivered(e, m, p, s))
                    break
                except BufferError:
                    self.serve(0.1)
        self.next += n

    def step(self):
        burst = self.random.randrange(1, 40)
        try:
            self.send(self.random.choice(self.settings["partitions"]), burst)
            until = time.monotonic() + burst / self.settings["rate"]
            while True:
                self.serve(max(0.0, min(0.2, until - time.monotonic())))
                if self.ending or (time.monotonic() >= until and len(self.producer) < 5000):
                    return
        except KafkaException as e:
            if e.args[0].fatal() or e.args[0].code() in FENCED:
                self.note("fenced", error=str(e.args[0]))
                raise Replace
            raise

    def finish(self):
        until = time.monotonic() + 60
        while len(self.producer) and time.monotonic() < until:
            self.serve(0.2)
        self.serve()
        if len(self.producer):
            self.note("fault", error="%d records are neither acknowledged nor refused" % len(self.producer))


class Transactional(Producer):
    """Transactions over several partitions; some wait longer than they may, some are aborted."""

    def __init__(self, settings):
        self.x = 0
        super().__init__(settings)
        self.begin_anew()

    def choices(self):
        return {"transactional.id": self.settings["txid"], "transaction.timeout.ms": int(self.settings["timeout"] * 1000),
                "socket.timeout.ms": int(self.settings["timeout"] * 1000),
                "linger.ms": self.random.choice([0, 2, 20]), "compression.type": self.random.choice(CODECS)}

    def begin_anew(self):
        self.note("init")
        self.patiently(self.producer.init_transactions, 10)
        self.note("inited")

    def patiently(self, call, *arguments):
        """Calls until the answer is not to try again; other errors than those of transactions are faults."""
        while True:
            try:
                return call(*arguments)
            except KafkaException as e:
                error = e.args[0]
                if error.fatal() or error.code() in FENCED and not error.txn_requires_abort():
                    self.note_answers()
                    self.note("fenced", error=str(error))
                    raise Replace
                if error.txn_requires_abort() or not error.retriable():
                    raise

    def transact(self, fill):
        """begin, what fill() does, and commit where it says so; whether it was committed."""
        self.x += 1
        self.note("begin", x=self.x)
        self.patiently(self.producer.begin_transaction)
        try:
            if fill():
                self.note("commit", x=self.x)
                self.patiently(self.producer.commit_transaction, 10)
                self.note_answers()
                self.note("committed", x=self.x)
                return True
        except KafkaException as e:
            self.note("refused", x=self.x, error=str(e.args[0]))
            if e.args[0].fatal() or e.args[0].code() in FENCED and not e.args[0].txn_requires_abort():
                self.note("fenced", error=str(e.args[0]))
                raise Replace
            if not e.args[0].txn_requires_abort() and e.args[0].code() != KafkaError._STATE:
                raise
        self.note("abort", x=self.x)
        self.patiently(self.producer.abort_transaction, 10)
        self.note_answers()
        self.note("aborted", x=self.x)
        return False

    def patience(self):
        """Most transactions are quick, some wait, a few beyond their time-out."""
        dice = self.random.random()
        return 0.0 if dice < 0.8 else self.random.uniform(0, 0.5) if dice < 0.97 else \
            self.random.uniform(0.5, 1.4) * self.settings["timeout"]

    def fill(self):
        for _ in range(self.random.randrange(1, 5)):
            self.send(self.random.choice(self.settings["partitions"]), self.random.randrange(1, 15))
            self.serve()
            self.pause(self.patience() / 2)
        return self.random.random() < 0.7

    def step(self):
        before, started = self.next, time.monotonic()
        self.transact(self.fill)
        self.pause((self.next - before) / self.settings["rate"] - (time.monotonic() - started))

    def finish(self):
        self.serve()


class Polling:
    """What the clients that read have in common: runs of what was polled."""

    items, noted = [], 0

    def gather(self, seconds, most):
        """Polls once for so long and then takes what is there; callbacks of the group come in between."""
        self.items, self.noted = [], 0
        message = self.consumer.poll(seconds)
        while message is not None:
            error = message.error()
            if error is None:
                self.items.append(("%s/%d" % (message.topic(), message.partition()), message.offset(),
                                   int(message.value().split(b" ")[0])))
            elif error.code() == KafkaError._PARTITION_EOF:
                self.at_end("%s/%d" % (message.topic(), message.partition()), message.offset())
            elif error.fatal():
                self.note("fenced", error=str(error))
                raise Replace
            else:
                self.expect(error, "poll")
            if len(self.items) >= most:
                break
            message = self.consumer.poll(0)
        self.note_polled()
        return self.items

    def note_polled(self):
        if len(self.items) > self.noted:
            self.note("poll", r=runs_of(self.items[self.noted:]))
        self.noted = len(self.items)

    def forget(self, partitions):
        """Partitions go to another member: also what was polled of them in this same call, which is nothing to commit."""
        self.note_polled()
        names = set(by_name(partitions, lambda p: None))
        self.note("revoke", o=sorted(names))
        self.items = [i for i in self.items if i[0] not in names]
        self.noted = len(self.items)
        return names

    def at_end(self, p, offset):
        pass

    def group_config(self):
        more = {}
        if self.settings.get("protocol") == "consumer" and confluent_kafka.libversion()[1] >= 0x020a0000:
            more = {"group.protocol": "consumer"}
        else:
            more = {"session.timeout.ms": 3000, "heartbeat.interval.ms": 500,
                    "partition.assignment.strategy": self.settings.get("assignor", "range")}
        return self.config(**more, **{
            "group.id": self.settings["group"], "auto.offset.reset": "earliest", "enable.auto.commit": False,
            "enable.auto.offset.store": False, "fetch.wait.max.ms": 300, "fetch.min.bytes": 500,
            "isolation.level": {"rc": "read_committed", "ru": "read_uncommitted"}[self.settings["isolation"]]})


class Processor(Transactional, Polling):
    """Reads in a group, writes one record for each that it read, and moves the group's offsets in the same transaction."""

    def __init__(self, settings):
        super().__init__(settings)
        self.consumer = confluent_kafka.Consumer(self.group_config())
        self.consumer.subscribe(settings["topics"], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.revoked)

    def assigned(self, _, partitions):
        self.note("assign", o=by_name(partitions, lambda p: None))

    def revoked(self, _, partitions):
        """What was polled and is not in a transaction yet belongs to the next owner."""
        self.forget(partitions)

    def step(self):
        self.inputs = self.gather(0.3, self.random.randrange(1, 300))
        if self.inputs and not self.transact(self.fill):
            self.rewind()

    def rewind(self):
        """The consumer is ahead of its group, whose offsets were not moved."""
        first = {}
        for p, offset, _ in self.inputs:
            first.setdefault(p, offset)
        self.note("assign", o=first)
        try:
            for p, offset in first.items():
                self.consumer.seek(partition_of(p, offset))
        except KafkaException as e:
            self.expect(e.args[0], "seek")
            raise Replace

    def fill(self):
        runs = [[p, offset, n] for p, offset, _, n in runs_of(self.inputs)]
        self.note("process", s=self.next, i=runs)
        for p, _, n in runs:
            self.send(self.random.choice(self.settings["partitions"]), n)
        self.pause(self.patience() / 2)
        offsets = {p: offset + n for p, offset, n in runs}
        self.note("offsets", x=self.x, g=self.settings["group"], o=offsets)
        self.patiently(self.producer.send_offsets_to_transaction, [partition_of(p, o) for p, o in offsets.items()],
                       self.consumer.consumer_group_metadata(), 10)
        return self.random.random() < 0.95

    def finish(self):
        self.consumer.close()


class Member(Client, Polling):
    """Reads in a group and commits what it has read."""

    def __init__(self, settings):
        super().__init__(settings)
        self.read, self.stores = {}, 0
        self.consumer = confluent_kafka.Consumer(self.group_config())
        self.consumer.subscribe(settings["topics"], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.lost)

    def assigned(self, _, partitions):
        self.note("assign", o=by_name(partitions, lambda p: None))

    def revoked(self, _, partitions):
        if self.random.random() < 0.7:
            self.commit()
        self.lost(_, partitions)

    def lost(self, _, partitions):
        for p in self.forget(partitions):
            self.read.pop(p, None)

    def commit(self):
        if not self.read:
            return
        offsets, self.read = self.read, {}
        self.stores += 1
        self.note("store", k=self.stores, o=offsets)
        try:
            answer = self.consumer.commit(offsets=[partition_of(p, o) for p, o in offsets.items()], asynchronous=False)
            for p in answer or ():
                if p.error:
                    self.expect(p.error, "commit")
            if answer and not any(p.error for p in answer):
                self.note("stored", k=self.stores)
        except KafkaException as e:
            self.expect(e.args[0], "commit")

    def step(self):
        for p, offset, _ in self.gather(0.3, 500):
            self.read[p] = offset + 1
        if self.random.random() < 0.2:
            self.commit()

    def finish(self):
        self.commit()
        self.consumer.close()


class Reader(Client, Polling):
    """Reads assigned partitions, and goes elsewhere now and then: back a bit, to the beginning, to the end."""

    def __init__(self, settings):
        super().__init__(settings)
        self.position, self.until = {}, 0.0
        self.consumer = confluent_kafka.Consumer(self.config(**{
            "group.id": "no-group-" + settings["name"], "enable.auto.commit": False, "auto.offset.reset": "error",
            "fetch.wait.max.ms": 300, "fetch.min.bytes": 500, "enable.partition.eof": settings["kind"] == "final",
            "isolation.level": {"rc": "read_committed", "ru": "read_uncommitted"}[settings["isolation"]]}))
        self.go({p: 0 for p in settings["partitions"]})

    def go(self, offsets):
        self.position = dict(offsets)
        self.note("assign", o=offsets)
        self.consumer.assign([partition_of(p, o) for p, o in offsets.items()])

    def step(self):
        for p, offset, _ in self.gather(0.3, 1000):
            self.position[p] = offset + 1
        if time.monotonic() > self.until:
            self.until = time.monotonic() + self.random.uniform(5, 30)
            self.elsewhere()

    def elsewhere(self):
        """Back by some; from the beginning for a little while, and then on from where it was."""
        dice, now = self.random.random(), dict(self.position)
        if dice < 0.5:
            self.go({p: max(0, o - self.random.randrange(1, 1000)) for p, o in now.items()})
        elif dice < 0.8:
            self.go({p: 0 if self.random.random() < 0.5 else self.random.randrange(0, o + 1) for p, o in now.items()})
            for _ in range(5):
                if self.ending:
                    return
                self.gather(0.3, 1000)
            self.go(now)

    def finish(self):
        self.consumer.close()


class Final(Reader):
    """Reads everything, from the beginning to the end, and ends by itself."""

    def __init__(self, settings):
        self.left = set(settings["partitions"])
        super().__init__(settings)

    def at_end(self, p, offset):
        self.left.discard(p)

    def run(self):
        until = time.monotonic() + self.settings["seconds"]
        while self.left:
            self.gather(0.3, 5000)
            if time.monotonic() > until:
                self.note("fault", error="no end of %s" % sorted(self.left))
                break
        self.finish()
        self.note("end")


class Look(Client):
    """Asks for the offsets of groups all the time."""

    def __init__(self, settings):
        super().__init__(settings)
        self.consumers = {group: confluent_kafka.Consumer(self.config(**{"group.id": group, "enable.auto.commit": False}))
                          for group in settings["groups"]}

    def look(self, group, partitions):
        asked = time.monotonic()
        try:
            found = self.consumers[group].committed([partition_of(p) for p in partitions], 5)
            if not any(p.error for p in found):
                self.note("looked", t0=asked, g=group, o=by_name(found, lambda p: max(p.offset, -1)))
        except KafkaException as e:
            self.expect(e.args[0], "committed")

    def step(self):
        for group, partitions in self.settings["groups"].items():
            self.look(group, partitions)
        self.pause(self.random.uniform(0.3, 1.0))

    def finish(self):
        for group, partitions in self.settings["groups"].items():
            self.look(group, partitions)
            self.consumers[group].close()


KINDS = {"plain": Producer, "idem": Producer, "tx": Transactional, "process": Processor, "reader": Reader, "group": Member,
         "look": Look, "final": Final}


def main():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nothing outlives the program that started it
    settings = json.loads(sys.argv[1])
    try:
        client = None
        client = KINDS[settings["kind"]](settings)
        client.run()
    except Replace:
        os._exit(REPLACED)
    except Exception as e:
        with open(settings["history"], "a") as f:
            f.write(json.dumps({"t": time.monotonic(), "e": "fault", "error": repr(e)}) + "\n")
        os._exit(1)


if __name__ == "__main__":
    main()
