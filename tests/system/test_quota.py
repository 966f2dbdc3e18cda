#!/usr/bin/python3
"""Clients over their quotas are really slowed down, and lose nothing by it."""
import struct
import sys
import time

import confluent_kafka

import weir
from test_sasl import Raw

RATE, SIZE, COUNT = 400000, 10000, 200
# Short windows: what a client may do at once is (3 - 1) seconds of its rate.
OPTIONS = ["--set", "quota.window.num=3"]


def text(s):
    return struct.pack(">h", len(s)) + s.encode()


def set_quota(server, client, key, value):
    """AlterClientQuotas version 0 for a client id."""
    body = struct.pack(">i", 1) + struct.pack(">i", 1) + text("client-id") + text(client) + struct.pack(">i", 1) + text(key)
    body += struct.pack(">db", value, 0) + b"\0"
    answer = Raw(server).call(49, 0, body)
    assert answer[8:10] == b"\0\0", answer


def produce(server, client, topic):
    """Seconds that it takes to have everything acknowledged, and the longest wait that was told."""
    told = []
    producer = confluent_kafka.Producer({"bootstrap.servers": server.bootstrap, "client.id": client, "acks": "1",
                                         "batch.size": 4 * SIZE, "linger.ms": 5, "message.timeout.ms": 60000,
                                         "throttle_cb": lambda e: told.append(e.throttle_time)})
    failed = []
    started = time.monotonic()
    for i in range(COUNT):
        producer.produce(topic, b"%06d" % i + b"x" * SIZE, on_delivery=lambda e, m: e and failed.append(e))
        producer.poll(0)
    assert producer.flush(60) == 0 and not failed, failed
    producer.poll(0.1)
    return time.monotonic() - started, max(told, default=0)


def consume(server, client, topic):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": server.bootstrap, "client.id": client, "group.id": client,
                                         "auto.offset.reset": "earliest", "fetch.message.max.bytes": 5 * SIZE,
                                         "queued.max.messages.kbytes": 10000})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    got, started = [], None
    while len(got) < COUNT:
        m = consumer.poll(20)
        assert m and not m.error(), m and m.error()
        started = started or time.monotonic()
        got.append(int(m.value()[:6]))
    spent = time.monotonic() - started
    consumer.close()
    assert got == list(range(COUNT))
    return spent


def test_a_producer_over_its_quota_is_slowed_down():
    with weir.Server(options=OPTIONS) as server:
        fast, told = produce(server, "fast", "a")
        assert told == 0, told
        set_quota(server, "slow", "producer_byte_rate", RATE)
        slow, told = produce(server, "slow", "b")
        # Two seconds' worth go at once, the rest at the rate.
        least = COUNT * SIZE / RATE - 2
        print("%.1f s without a quota, %.1f s with it (at least %.1f), told to wait %s s" % (fast, slow, least, told))
        assert fast < 1.5, fast
        assert least * 0.8 < slow < least * 3 + 2, slow
        assert told > 0
        again, told = produce(server, "fast", "c")
        assert again < 1.5 and told == 0, (again, told)


def test_a_consumer_over_its_quota_is_slowed_down():
    with weir.Server(options=OPTIONS) as server:
        produce(server, "fast", "a")
        fast = consume(server, "fast", "a")
        set_quota(server, "slow", "consumer_byte_rate", RATE)
        slow = consume(server, "slow", "a")
        print("%.1f s without a quota, %.1f s with it" % (fast, slow))
        assert fast < 1.5, fast
        assert slow > (COUNT * SIZE / RATE - 2) * 0.8, slow


def test_quotas_are_there_after_a_kill():
    with weir.Server(options=OPTIONS) as server:
        set_quota(server, "slow", "producer_byte_rate", 12345)
        server.kill()
        server.start()
        answer = Raw(server).call(48, 0, struct.pack(">i", 0) + b"\0")
        assert struct.pack(">d", 12345) in answer, answer


def test_time_is_limited_too():
    with weir.Server(options=OPTIONS) as server:
        set_quota(server, "test", "request_percentage", 0.00001)
        raw = Raw(server)
        started, told = time.monotonic(), 0
        for _ in range(4):
            told = max(told, struct.unpack(">i", raw.call(48, 0, struct.pack(">i", 0) + b"\0")[:4])[0])
        assert told > 0
        assert time.monotonic() - started > 0.2


if __name__ == "__main__":
    weir.main(sys.modules[__name__])
