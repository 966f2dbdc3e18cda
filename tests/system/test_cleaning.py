#!/usr/bin/python3
"""Retention, compaction and large compressed batches of a running server, seen by kcat and confluent-kafka."""
import glob
import os
import sys

import weir

FAST = ["--set", "log.cleaner.backoff.ms=100", "--set", "log.retention.check.interval.ms=200"]


def create(server, name, **configs):
    from confluent_kafka.admin import AdminClient, NewTopic
    config = {k.replace("_", "."): str(v) for k, v in configs.items()}
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    for made in admin.create_topics([NewTopic(name, 1, 1, config=config)]).values():
        made.result(10)


def fill(server, topic, rounds, keys, size):
    for r in range(rounds):
        lines = "".join("k%d:%d %s\n" % (k, r, "x" * size) for k in range(keys)).encode()
        server.kcat("-P", "-t", topic, "-K:", stdin=lines)


def test_a_compacted_topic_keeps_the_last_value_of_each_key_over_restarts():
    with weir.Server(options=FAST) as server:
        create(server, "c", cleanup_policy="compact", segment_bytes=1048576, min_cleanable_dirty_ratio=0.01)
        fill(server, "c", 60, 100, 1000)
        folder = os.path.join(server.data, "topics", "c-0")
        wait = lambda: sum(os.path.getsize(f) for f in glob.glob(folder + "/*.log")) < 2500000
        weir.wait_for("compaction", wait, 20)
        for restart in (None, server.restart, server.kill):
            if restart:
                restart()
            if restart == server.kill:
                server.start()
            last = {}
            for line in server.kcat("-C", "-t", "c", "-e", "-q", "-f", "%k:%s\n").decode().split():
                if ":" in line:
                    last[line.split(":")[0]] = line.split(":")[1]
            assert last == {"k%d" % k: "59" for k in range(100)}, last
        assert "compacted c-0" in server.log()


def test_old_segments_go_by_size():
    with weir.Server(options=FAST) as server:
        create(server, "d", segment_bytes=1048576, retention_bytes=2000000)
        fill(server, "d", 60, 100, 1000)
        folder = os.path.join(server.data, "topics", "d-0")
        weir.wait_for("retention", lambda: len(glob.glob(folder + "/*.log")) <= 3, 20)
        first = server.kcat("-C", "-t", "d", "-o", "beginning", "-c", "1", "-q", "-f", "%o").decode()
        assert int(first) > 0, first


def test_large_compressed_batches_are_taken_in_order():
    with weir.Server() as server:
        lines = "".join("%07d %s\n" % (i, os.urandom(60).hex()) for i in range(20000)).encode()
        server.kcat("-P", "-t", "big", "-z", "zstd", "-X", "linger.ms=500", "-X", "batch.size=900000",
                    "-X", "enable.idempotence=true", stdin=lines)
        got = server.kcat("-C", "-t", "big", "-e", "-q")
        assert got == lines, (len(got), len(lines))


if __name__ == "__main__":
    weir.main(sys.modules[__name__])
