"""confluent-kafka: producing in every codec, groups of both protocols, transactions, the admin client."""
import sys
import threading
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec)

import cases

BOOTSTRAP = sys.argv[1]


def admin():
    return AdminClient({"bootstrap.servers": BOOTSTRAP})


def all_done(futures):
    return {k: f.result(20) for k, f in futures.items()}


def topic(partitions=1, **config):
    name, a = cases.fresh("topic"), admin()
    all_done(a.create_topics([NewTopic(name, partitions, 1, config={k.replace("_", "."): v for k, v in config.items()})]))
    return name


def producer(**settings):
    return Producer(dict({"bootstrap.servers": BOOTSTRAP}, **{k.replace("_", "."): v for k, v in settings.items()}))


def consumer(group, **settings):
    return Consumer(dict({"bootstrap.servers": BOOTSTRAP, "group.id": group, "auto.offset.reset": "earliest",
                          "enable.auto.commit": False}, **{k.replace("_", "."): v for k, v in settings.items()}))


def take(c, count, seconds=20):
    got, deadline = [], time.time() + seconds
    while len(got) < count and time.time() < deadline:
        m = c.poll(0.1)
        if m is not None:
            assert m.error() is None, m.error()
            got.append(m)
    assert len(got) == count, "%d of %d records" % (len(got), count)
    return got


def read(name, count, **settings):
    c = consumer(cases.fresh("g"), **settings)
    c.subscribe([name])
    got = take(c, count)
    c.close()
    return got


def test_codecs_keep_everything():
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        name = topic()
        p = producer(compression_type=codec)
        for i in range(200):
            p.produce(name, key=None if i % 3 else b"k", value=b"v%d" % i, headers=[("h", b"x%d" % i), ("n", None)],
                      timestamp=1000 + i)
        assert p.flush(20) == 0
        for i, m in enumerate(read(name, 200)):
            assert (m.value(), m.offset(), m.timestamp()[1]) == (b"v%d" % i, i, 1000 + i), (codec, m.value())
            assert m.headers() == [("h", b"x%d" % i), ("n", None)], m.headers()
            assert m.key() == (None if i % 3 else b"k")


def test_idempotent_producer_reports_every_record():
    name, told = topic(3), []
    p = producer(enable_idempotence=True)
    for i in range(3000):
        p.produce(name, value=b"%d" % i, on_delivery=lambda e, m: told.append((e, m.partition(), m.offset())))
        p.poll(0)
    assert p.flush(20) == 0
    assert len(told) == 3000 and len(set(told)) == 3000 and all(e is None for e, _, _ in told)


def share(**settings):
    name, group, seen, ending = topic(4), cases.fresh("g"), set(), threading.Event()
    members, owned = [], {}

    def member(c, at):
        # Whole assignments come with the eager protocols, changes with the cooperative ones.
        def gained(_, partitions):
            owned.setdefault(at, set()).update(p.partition for p in partitions)

        def lost(_, partitions):
            owned[at] -= {p.partition for p in partitions}
        c.subscribe([name], on_assign=gained, on_revoke=lost)
        while not ending.is_set():
            m = c.poll(0.1)
            if m is not None and m.error() is None:
                seen.add(m.value())
                c.commit(m, asynchronous=True)
        c.close()
    for at in range(3):
        members.append(threading.Thread(target=member, args=(consumer(group, **settings), at), daemon=True))
        members[-1].start()

    def even():
        return sorted(len(p) for p in list(owned.values())) == [1, 1, 2]
    try:
        cases.until("an even share", even, 30)
        p = producer()
        for i in range(500):
            p.produce(name, key=b"%d" % i, value=b"%d" % i)
        p.flush(20)
        cases.until("every record", lambda: len(seen) == 500)
    finally:
        ending.set()
        for thread in members:
            thread.join(20)
    c, had = consumer(group, **settings), []
    c.subscribe([name], on_assign=lambda _, partitions: had.extend(partitions))
    cases.until("the partitions", lambda: c.poll(0.1) or len(had) == 4)
    assert c.poll(1) is None
    c.close()


def test_classic_members_share():
    share(session_timeout_ms=6000)


def test_cooperative_members_share():
    share(session_timeout_ms=6000, partition_assignment_strategy="cooperative-sticky")


def test_members_of_the_consumer_protocol_share():
    share(group_protocol="consumer")


class Reader(threading.Thread):
    """A member that reads until it is told to leave."""

    def __init__(self, name, group, protocol):
        super().__init__(daemon=True)
        classic = {"session_timeout_ms": 6000, "heartbeat_interval_ms": 300} if protocol == "classic" else {}
        self.consumer = consumer(group, enable_auto_commit=True, group_protocol=protocol, **classic)
        self.consumer.subscribe([name])
        self.got, self.leaving = [], False
        self.start()

    def run(self):
        while not self.leaving:
            m = self.consumer.poll(0.1)
            if m and not m.error():
                self.got.append(m.value())
        self.consumer.close()

    def leave(self):
        self.leaving = True
        self.join(30)


def test_a_living_group_goes_to_the_consumer_protocol_and_back():
    name, group, p, sent = topic(4), cases.fresh("g"), producer(), []
    readers = [Reader(name, group, "classic") for _ in range(2)]
    gone = []
    for protocol in (None, "consumer", "consumer", "classic", "classic"):
        if protocol:
            gone.append(readers.pop(0))
            gone[-1].leave()
            readers.append(Reader(name, group, protocol))
        for i in range(200):
            sent.append(b"%d" % len(sent))
            p.produce(name, value=sent[-1], partition=i % 4)
        p.flush(20)
        cases.until("all records", lambda: sum(len(r.got) for r in readers + gone) >= len(sent), 60)
    for r in readers:
        r.leave()
    assert sorted(v for r in readers + gone for v in r.got) == sorted(sent)


def test_transactions_commit_abort_and_carry_offsets():
    source, sink, group = topic(), topic(), cases.fresh("g")
    p = producer()
    for i in range(60):
        p.produce(source, value=b"%d" % i)
    p.flush(20)
    c, t = consumer(group, isolation_level="read_committed"), producer(transactional_id=cases.fresh("t"))
    t.init_transactions(20)
    c.subscribe([source])
    done, turn = 0, 0
    while done < 60:
        got = take(c, 10)
        t.begin_transaction()
        for m in got:
            t.produce(sink, value=m.value())
        t.send_offsets_to_transaction([TopicPartition(source, 0, got[-1].offset() + 1)], c.consumer_group_metadata(), 20)
        turn += 1
        if turn % 3 == 2:
            t.abort_transaction(20)
            c.seek(TopicPartition(source, 0, got[0].offset()))
        else:
            t.commit_transaction(20)
            done += 10
    assert c.committed([TopicPartition(source, 0)], 10)[0].offset == 60
    c.close()
    assert [m.value() for m in read(sink, 60, isolation_level="read_committed")] == [b"%d" % i for i in range(60)]


def test_older_transactional_producer_is_fenced():
    name, identity = topic(), cases.fresh("t")
    old, young = producer(transactional_id=identity), producer(transactional_id=identity)
    old.init_transactions(20)
    old.begin_transaction()
    old.produce(name, value=b"old")
    old.flush(20)
    young.init_transactions(20)
    try:
        old.commit_transaction(20)
        raise AssertionError("the older producer committed")
    except KafkaException as e:
        assert e.args[0].fatal() and e.args[0].name() == "_FENCED", e


def test_admin_topics_and_configs():
    a, name = admin(), topic(2, retention_ms="1234")
    assert name in a.list_topics(timeout=10).topics
    all_done(a.create_partitions([NewPartitions(name, 4)]))
    assert len(a.list_topics(name, timeout=10).topics[name].partitions) == 4
    resource = ConfigResource("topic", name)
    assert all_done(a.describe_configs([resource]))[resource]["retention.ms"].value == "1234"
    change = ConfigResource("topic", name, incremental_configs=[
        ConfigEntry("retention.ms", "77", incremental_operation=AlterConfigOpType.SET)])
    all_done(a.incremental_alter_configs([change]))
    assert all_done(a.describe_configs([resource]))[resource]["retention.ms"].value == "77"
    assert len(a.describe_cluster().result(10).nodes) == 1
    all_done(a.delete_topics([name]))
    cases.until("the deletion", lambda: name not in a.list_topics(timeout=10).topics)


def test_admin_groups_offsets_and_records():
    a, name, group = admin(), topic(), cases.fresh("g")
    p = producer()
    for i in range(20):
        p.produce(name, value=b"%d" % i, timestamp=1000 + i)
    p.flush(20)
    c = consumer(group)
    c.subscribe([name])
    take(c, 20)
    c.commit(asynchronous=False)
    described = all_done(a.describe_consumer_groups([group]))[group]
    assert described.state.name == "STABLE" and len(described.members) == 1
    c.close()
    assert group in [g.group_id for g in a.list_consumer_groups().result(10).valid]
    at = TopicPartition(name, 0)
    told = list(a.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, [at])]).values())[0].result(10)
    assert told.topic_partitions[0].offset == 20
    change = ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, 5)])
    list(a.alter_consumer_group_offsets([change]).values())[0].result(10)
    assert all_done(a.list_offsets({at: OffsetSpec.for_timestamp(1007)}))[at].offset == 7
    assert all_done(a.list_offsets({at: OffsetSpec.max_timestamp()}))[at].offset == 19
    assert all_done(a.delete_records([TopicPartition(name, 0, 6)]))[TopicPartition(name, 0)].low_watermark == 6
    assert all_done(a.list_offsets({at: OffsetSpec.earliest()}))[at].offset == 6
    all_done(a.delete_consumer_groups([group]))


cases.main(globals())
