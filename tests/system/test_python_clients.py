#!/usr/bin/python3
"""kafka-python and confluent-kafka (Debian's packages): topics, producing, groups that rebalance and resume."""
import sys
import threading
import time

import confluent_kafka
import confluent_kafka.admin
import kafka
import kafka.admin

import weir


def test_kafka_python_creates_produces_and_reads():
    with weir.Server() as server:
        admin = kafka.admin.KafkaAdminClient(bootstrap_servers=server.bootstrap)
        admin.create_topics([kafka.admin.NewTopic("t", 3, 1)])
        producer = kafka.KafkaProducer(bootstrap_servers=server.bootstrap, acks="all", compression_type="gzip")
        sent = [producer.send("t", key=b"k%d" % i, value=b"v%d" % i, headers=[("h", b"x")]) for i in range(500)]
        assert {f.get(10).partition for f in sent} == {0, 1, 2}
        consumer = kafka.KafkaConsumer("t", bootstrap_servers=server.bootstrap, auto_offset_reset="earliest",
                                       consumer_timeout_ms=2000, enable_auto_commit=False)
        got = sorted(int(m.value[1:]) for m in consumer)
        assert got == list(range(500)), len(got)
        assert sorted(admin.list_topics()) == ["default_ksql_processing_log", "t"], admin.list_topics()
        admin.delete_topics(["t"])
        weir.wait_for("the deletion", lambda: admin.list_topics() == ["default_ksql_processing_log"])


def test_kafka_python_reports_a_topic_that_exists():
    with weir.Server() as server:
        admin = kafka.admin.KafkaAdminClient(bootstrap_servers=server.bootstrap)
        admin.create_topics([kafka.admin.NewTopic("t", 1, 1)])
        try:
            admin.create_topics([kafka.admin.NewTopic("t", 1, 1)])
            raise AssertionError("a second topic of the same name was made")
        except kafka.errors.TopicAlreadyExistsError:
            pass


class Member(threading.Thread):
    """A confluent-kafka consumer of a group, in a thread."""

    def __init__(self, server, group, seen):
        super().__init__(daemon=True)
        self.consumer = confluent_kafka.Consumer({"bootstrap.servers": server.bootstrap, "group.id": group,
                                                  "auto.offset.reset": "earliest", "session.timeout.ms": 6000,
                                                  "enable.auto.commit": False})
        self.seen, self.ending, self.assigned = seen, False, []
        self.consumer.subscribe(["t"], on_assign=self.on_assign, on_revoke=self.on_revoke)
        self.start()

    def on_assign(self, consumer, partitions):
        self.assigned = [p.partition for p in partitions]

    def on_revoke(self, consumer, partitions):
        self.assigned = []

    def run(self):
        while not self.ending:
            m = self.consumer.poll(0.1)
            if m is not None and not m.error():
                self.seen.append(m.value())
                self.consumer.commit(m, asynchronous=False)
        self.consumer.close()

    def end(self):
        self.ending = True
        self.join(20)


def test_confluent_group_rebalances_and_resumes_after_a_restart():
    with weir.Server() as server:
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.bootstrap})
        admin.create_topics([confluent_kafka.admin.NewTopic("t", 4, 1)])["t"].result(10)
        producer = confluent_kafka.Producer({"bootstrap.servers": server.bootstrap, "enable.idempotence": True,
                                             "compression.type": "zstd"})
        for i in range(200):
            producer.produce("t", key=b"%d" % i, value=b"%d" % i)
        assert producer.flush(10) == 0
        seen = []
        first = Member(server, "g", seen)
        weir.wait_for("all partitions", lambda: sorted(first.assigned) == [0, 1, 2, 3], 20)
        second = Member(server, "g", seen)
        weir.wait_for("a share each", lambda: len(first.assigned) == 2 and len(second.assigned) == 2, 20)
        weir.wait_for("all records", lambda: len(seen) >= 200, 20)
        second.end()
        weir.wait_for("the rest back", lambda: sorted(first.assigned) == [0, 1, 2, 3], 20)
        first.end()
        assert sorted(map(int, seen)) == list(range(200)), len(seen)
        server.restart()
        for i in range(200, 250):
            producer.produce("t", key=b"%d" % i, value=b"%d" % i)
        assert producer.flush(20) == 0
        third = Member(server, "g", seen)
        weir.wait_for("the new records", lambda: len(seen) >= 250, 20)
        time.sleep(0.3)
        third.end()
        assert sorted(map(int, seen)) == list(range(250)), len(seen)


def test_confluent_transactions_commit_and_abort():
    with weir.Server() as server:
        server.kcat("-P", "-t", "t", stdin=b"plain\n")
        producer = confluent_kafka.Producer({"bootstrap.servers": server.bootstrap, "transactional.id": "x"})
        producer.init_transactions(10)
        for name, commit in ((b"kept", True), (b"dropped", False), (b"kept too", True)):
            producer.begin_transaction()
            producer.produce("t", value=name)
            producer.flush(10)
            if commit:
                producer.commit_transaction(10)
            else:
                producer.abort_transaction(10)
        committed = server.kcat("-C", "-t", "t", "-e", "-q", "-X", "isolation.level=read_committed").decode()
        assert committed == "plain\nkept\nkept too\n", committed
        everything = server.kcat("-C", "-t", "t", "-e", "-q", "-X", "isolation.level=read_uncommitted").decode()
        assert everything == "plain\nkept\ndropped\nkept too\n", everything


if __name__ == "__main__":
    weir.main(sys.modules[__name__])
