"""kafka-python, 2.0.2 and the newest: producing, groups, the admin client; idempotence and transactions where it has them."""
import sys
import threading
import time

import kafka
import kafka.admin
import kafka.errors
from kafka.structs import OffsetAndMetadata, TopicPartition

import cases

BOOTSTRAP = sys.argv[1]
NEW = int(kafka.__version__.split(".")[0]) >= 3


def admin():
    return kafka.admin.KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def topic(partitions=1, **config):
    name, a = cases.fresh("topic"), admin()
    a.create_topics([kafka.admin.NewTopic(name, partitions, 1, topic_configs={k.replace("_", "."): v for k, v in config.items()})])
    a.close()
    return name


def produce(name, count, **settings):
    p = kafka.KafkaProducer(bootstrap_servers=BOOTSTRAP, acks="all", **settings)
    sent = [p.send(name, key=b"k%d" % i, value=b"v%d" % i, headers=[("h", b"x")], timestamp_ms=1000 + i) for i in range(count)]
    told = [f.get(20) for f in sent]
    p.close()
    return told


def consumer(group, *names, **settings):
    return kafka.KafkaConsumer(*names, bootstrap_servers=BOOTSTRAP, group_id=group, auto_offset_reset="earliest",
                               enable_auto_commit=False, **settings)


def take(c, count):
    got, deadline = [], time.time() + 20
    while len(got) < count and time.time() < deadline:
        for batch in c.poll(timeout_ms=200).values():
            got += batch
    assert len(got) == count, "%d of %d records" % (len(got), count)
    return got


def test_codecs_keep_everything():
    for codec in (None, "gzip", "snappy", "lz4", "zstd"):
        name = topic()
        assert [m.offset for m in produce(name, 200, compression_type=codec)] == list(range(200))
        c = consumer(None, name)
        for i, m in enumerate(take(c, 200)):
            assert (m.key, m.value, m.timestamp, m.headers) == (b"k%d" % i, b"v%d" % i, 1000 + i, [("h", b"x")]), (codec, m)
        c.close()


def test_members_share_and_resume():
    name, group, seen, ending = topic(4), cases.fresh("g"), set(), threading.Event()
    members = []

    def member(c):
        while not ending.is_set():
            # Long enough for a whole rebalance: a poll of kafka-python 3.0.12 that ends between JoinGroup and SyncGroup may take
            # the round for done, and then never takes up its partitions nor sends another heartbeat.
            for batch in c.poll(timeout_ms=3000).values():
                seen.update(m.value for m in batch)
            try:
                c.commit()
            except kafka.errors.KafkaError:
                pass  # a rebalance came between: the next owner reads again
        c.close()
    for _ in range(2):
        c = consumer(group, name, session_timeout_ms=6000, heartbeat_interval_ms=300)
        members.append((c, threading.Thread(target=member, args=(c,), daemon=True)))
        members[-1][1].start()
    cases.until("an even share", lambda: [len(c.assignment() or ()) for c, _ in members] == [2, 2], 30)
    produce(name, 400)
    cases.until("every record", lambda: len(seen) == 400)
    time.sleep(0.5)
    ending.set()
    for _, thread in members:
        thread.join(20)
    c = consumer(group, name)
    deadline = time.time() + 4
    while time.time() < deadline:
        assert not c.poll(timeout_ms=200), "read again after the commit"
    c.close()


def test_offsets_and_times():
    name, group = topic(), cases.fresh("g")
    produce(name, 50)
    p, c = TopicPartition(name, 0), consumer(group)
    c.assign([p])
    assert c.beginning_offsets([p])[p] == 0 and c.end_offsets([p])[p] == 50
    assert c.offsets_for_times({p: 1030})[p].offset == 30
    c.seek(p, 45)
    assert take(c, 5)[0].offset == 45
    c.commit({p: OffsetAndMetadata(7, "seven", -1) if NEW else OffsetAndMetadata(7, "seven")})
    assert c.committed(p) == 7
    c.close()


def test_admin():
    name, a = topic(2, retention_ms="1234"), admin()
    assert name in a.list_topics()
    a.create_partitions({name: kafka.admin.NewPartitions(3)})
    described = [t for t in a.describe_topics([name])]
    assert len(described[0]["partitions"]) == 3, described
    try:
        a.create_topics([kafka.admin.NewTopic(name, 1, 1)])
        raise AssertionError("a second topic of the same name was made")
    except kafka.errors.TopicAlreadyExistsError:
        pass
    a.describe_configs([kafka.admin.ConfigResource(kafka.admin.ConfigResourceType.TOPIC, name)])
    group = cases.fresh("g")
    produce(name, 20)
    c = consumer(group, name)
    take(c, 20)
    c.commit()
    c.close()
    listed = a.list_groups() if hasattr(a, "list_groups") else a.list_consumer_groups()
    assert group in str(listed), listed
    a.delete_topics([name])
    cases.until("the deletion", lambda: name not in a.list_topics())
    a.close()


if NEW:
    def test_idempotent_producer():
        name = topic()
        assert [m.offset for m in produce(name, 500, enable_idempotence=True)] == list(range(500))

    def test_transactions():
        name = topic()
        p = kafka.KafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id=cases.fresh("t"))
        p.init_transactions()
        for i in range(8):
            p.begin_transaction()
            p.send(name, value=b"v%d" % i)
            if i % 2:
                p.flush()
                p.abort_transaction()
            else:
                p.commit_transaction()
        p.close()
        c = consumer(None, name, isolation_level="read_committed")
        assert [m.value for m in take(c, 4)] == [b"v0", b"v2", b"v4", b"v6"]
        c.close()


cases.main(globals())
