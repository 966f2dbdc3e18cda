"""Apache Kafka's command line tools of the newest 4.x: shims over a class path, and what each says about our server.

A shim is a shell script named as Kafka's own (kafka-topics.sh), also what librdkafka's suite calls; beside bin/ lies libs/.
"""
import glob
import json
import os
import re
import subprocess
import time

import frame
from suites import java

TOOLS = java.TOOLS
MAIN = {
    "kafka-acls": "org.apache.kafka.tools.AclCommand",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-client-metrics": "org.apache.kafka.tools.ClientMetricsCommand",
    "kafka-cluster": "org.apache.kafka.tools.ClusterTool",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-e2e-latency": "org.apache.kafka.tools.EndToEndLatency",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-replica-verification": "org.apache.kafka.tools.ReplicaVerificationTool",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
    "kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "kafka-verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
    "kafka-transactional-message-copier": "org.apache.kafka.tools.TransactionalMessageCopier",
    "connect-standalone": "org.apache.kafka.connect.cli.ConnectStandalone",
}


def shims():
    """The folder whose bin/ holds the shims."""
    jars = java.jars("platform")

    def make(folder):
        os.mkdir(os.path.join(folder, "bin"))
        for tool, main in MAIN.items():
            path = os.path.join(folder, "bin", tool + ".sh")
            with open(path, "w") as f:
                f.write("#!/bin/sh\nexec java %s -cp '%s/*' %s \"$@\"\n" % (" ".join(java.JVM), jars, main))
            os.chmod(path, 0o755)
        path = os.path.join(folder, "bin", "kafka-run-class.sh")
        with open(path, "w") as f:
            f.write("#!/bin/sh\nexec java %s -cp \"$CLASSPATH:%s/*\" \"$@\"\n" % (" ".join(java.JVM), jars))
        os.chmod(path, 0o755)
        os.symlink(jars, os.path.join(folder, "libs"))
    key = repr(sorted(MAIN.items())) + jars + repr(java.JVM) + "run-class"
    return frame.installed(os.path.join(frame.CACHE, "java", "shims"), key, make)


def install(cache):
    shims()


class Tools:
    """The tools against one server."""

    def __init__(self, server):
        self.server = server

    def run(self, tool, *arguments, stdin="", fails=False, local=False, seconds=60):
        """A tool's standard output; with fails the output of both kinds of a tool that has to fail."""
        address = () if local else ("--bootstrap-server", self.server.bootstrap)
        done = subprocess.run(["timeout", str(seconds), os.path.join(shims(), "bin", tool + ".sh")] + list(address + arguments),
                              input=stdin, capture_output=True, text=True)
        assert fails or done.returncode == 0, "%s %s ended with %d: %s%s" % (tool, " ".join(arguments), done.returncode,
                                                                              done.stdout[-400:], done.stderr[-600:])
        assert not fails or done.returncode != 0, "%s %s did not fail: %s" % (tool, " ".join(arguments), done.stdout[-400:])
        return done.stdout + (done.stderr if fails else "")

    def topic(self, name, partitions=1, *more):
        self.run("kafka-topics", "--create", "--topic", name, "--partitions", str(partitions), *more)

    def produce(self, name, lines, *more):
        self.run("kafka-console-producer", "--topic", name, *more, stdin="".join(line + "\n" for line in lines))

    def consume(self, name, count, *more):
        return self.run("kafka-console-consumer", "--topic", name, "--max-messages", str(count), "--timeout-ms", "15000",
                        *more).splitlines()


def contains(text, *wanted):
    for w in wanted:
        assert re.search(w, text), "no %r in: %s" % (w, text[-1500:])


def topics_are_created_described_altered_deleted(t):
    t.topic("a", 3, "--config", "retention.ms=5000", "--config", "cleanup.policy=compact")
    contains(t.run("kafka-topics", "--list"), r"(?m)^a$")
    told = t.run("kafka-topics", "--describe", "--topic", "a")
    contains(told, r"PartitionCount: 3", r"ReplicationFactor: 1", r"retention.ms=5000", r"cleanup.policy=compact",
             r"Partition: 2\s+Leader: 1\s+Replicas: 1\s+Isr: 1")
    t.run("kafka-topics", "--alter", "--topic", "a", "--partitions", "5")
    contains(t.run("kafka-topics", "--describe", "--topic", "a"), "PartitionCount: 5")
    contains(t.run("kafka-topics", "--create", "--topic", "a", fails=True), "already exists")
    t.run("kafka-topics", "--create", "--topic", "a", "--if-not-exists")
    t.run("kafka-topics", "--delete", "--topic", "a")
    contains(t.run("kafka-topics", "--describe", "--topic", "a", fails=True), "does not exist")
    for filtering in ("--under-replicated-partitions", "--unavailable-partitions", "--under-min-isr-partitions"):
        assert t.run("kafka-topics", "--describe", filtering) == ""


def a_replication_factor_of_three_is_refused(t):
    with frame.Server(["--set", "replication.factor.clamp=false"], t.server.log_path + ".strict") as strict:
        contains(Tools(strict).run("kafka-topics", "--create", "--topic", "a", "--replication-factor", "3", fails=True),
                 "InvalidReplicationFactorException")


def configs_of_topics(t):
    entity = ("--entity-type", "topics", "--entity-name", "c")
    t.topic("c")
    t.run("kafka-configs", *entity, "--alter", "--add-config", "max.message.bytes=5000,retention.ms=77")
    contains(t.run("kafka-configs", *entity, "--describe"), "max.message.bytes=5000", "retention.ms=77")
    t.run("kafka-configs", *entity, "--alter", "--delete-config", "retention.ms")
    told = t.run("kafka-configs", *entity, "--describe")
    contains(told, "max.message.bytes=5000")
    assert "retention.ms=77" not in told, told
    contains(t.run("kafka-configs", *entity, "--describe", "--all"), "segment.bytes=1073741824", "DEFAULT_CONFIG")
    contains(t.run("kafka-configs", *entity, "--alter", "--add-config", "no.such=1", fails=True), "InvalidConfiguration|Unknown")


def configs_of_brokers(t):
    for entity in (("--entity-type", "brokers", "--entity-name", "1"), ("--entity-type", "brokers", "--entity-default")):
        t.run("kafka-configs", *entity, "--alter", "--add-config", "log.retention.ms=123456789")
        contains(t.run("kafka-configs", *entity, "--describe"), "log.retention.ms=123456789")
        t.run("kafka-configs", *entity, "--alter", "--delete-config", "log.retention.ms")
    contains(t.run("kafka-configs", "--entity-type", "brokers", "--entity-name", "1", "--describe", "--all"), "num.partitions=4")


def configs_of_clients(t):
    entity = ("--entity-type", "clients", "--entity-name", "one")
    t.run("kafka-configs", *entity, "--alter", "--add-config", "producer_byte_rate=1048576,consumer_byte_rate=2048")
    contains(t.run("kafka-configs", *entity, "--describe"), "producer_byte_rate=1048576", "consumer_byte_rate=2048")
    t.run("kafka-configs", *entity, "--alter", "--delete-config", "producer_byte_rate,consumer_byte_rate")
    assert "producer_byte_rate" not in t.run("kafka-configs", *entity, "--describe")
    for entity, config in ((("users", "--entity-default"), "request_percentage=12.5"),
                           (("users", "--entity-name", "ann", "--entity-type", "clients", "--entity-default"),
                            "controller_mutation_rate=0.5"), (("ips", "--entity-name", "127.0.0.9"), "connection_creation_rate=100")):
        t.run("kafka-configs", "--entity-type", *entity, "--alter", "--add-config", config)
        contains(t.run("kafka-configs", "--entity-type", *entity, "--describe"), re.escape(config))
        t.run("kafka-configs", "--entity-type", *entity, "--alter", "--delete-config", config.split("=")[0])
    contains(t.run("kafka-configs", "--entity-type", "clients", "--entity-name", "one", "--alter", "--add-config",
                   "producer_byte_rate=0", fails=True), "InvalidRequest")


def configs_of_groups(t):
    entity = ("--entity-type", "groups", "--entity-name", "one")
    t.run("kafka-configs", *entity, "--alter", "--add-config", "consumer.session.timeout.ms=50000")
    contains(t.run("kafka-configs", *entity, "--describe"), "consumer.session.timeout.ms=50000", "DYNAMIC_GROUP_CONFIG")
    contains(t.run("kafka-configs", "--entity-type", "groups", "--describe"), "one", "50000")
    t.run("kafka-configs", *entity, "--alter", "--delete-config", "consumer.session.timeout.ms")
    assert "50000" not in t.run("kafka-configs", *entity, "--describe")


def configs_of_users(t):
    entity = ("--entity-type", "users", "--entity-name", "ann")
    # A request may name a user once: the tool's two mechanisms in one call are refused by Kafka's controller, too.
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
        t.run("kafka-configs", *entity, "--alter", "--add-config", mechanism + "=[password=secret]")
    contains(t.run("kafka-configs", *entity, "--describe"), "SCRAM-SHA-256=iterations=4096", "SCRAM-SHA-512=iterations=4096")
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
        t.run("kafka-configs", *entity, "--alter", "--delete-config", mechanism)
    assert "SCRAM" not in t.run("kafka-configs", *entity, "--describe")


def console_round_trip(t):
    t.topic("console", 2)
    t.produce("console", ["k%d:v%d" % (i, i) for i in range(50)], "--reader-property", "parse.key=true",
              "--reader-property", "key.separator=:", "--compression-codec", "zstd")
    got = t.consume("console", 50, "--from-beginning", "--formatter-property", "print.key=true",
                    "--formatter-property", "key.separator=:")
    assert sorted(got) == sorted("k%d:v%d" % (i, i) for i in range(50)), got
    assert t.consume("console", 1, "--partition", "1", "--offset", "0")


def consumer_groups(t):
    t.topic("grouped", 2)
    t.produce("grouped", ["v%d" % i for i in range(40)], "--reader-property", "parse.key=false")
    t.consume("grouped", 40, "--from-beginning", "--group", "g")
    group = ("--group", "g")
    contains(t.run("kafka-consumer-groups", "--list"), r"(?m)^g$")
    contains(t.run("kafka-consumer-groups", "--list", "--state"), r"g\s+.*Empty")
    told = t.run("kafka-consumer-groups", "--describe", *group)
    assert sum(int(m) for m in re.findall(r"(?m)^g\s+grouped\s+\d+\s+(\d+)", told)) == 40, told
    contains(t.run("kafka-consumer-groups", "--describe", "--state", *group), r"Empty\s+0")
    t.run("kafka-consumer-groups", "--reset-offsets", "--to-earliest", "--topic", "grouped", "--execute", *group)
    assert len(t.consume("grouped", 40, *group)) == 40
    t.run("kafka-consumer-groups", "--reset-offsets", "--shift-by", "-5", "--topic", "grouped:0", "--execute", *group)
    t.run("kafka-consumer-groups", "--reset-offsets", "--to-datetime", "2020-01-01T00:00:00.000", "--topic", "grouped",
          "--execute", *group)
    t.run("kafka-consumer-groups", "--delete-offsets", "--topic", "grouped", *group)
    t.run("kafka-consumer-groups", "--delete", *group)
    contains(t.run("kafka-consumer-groups", "--list") + "\n-", r"^(?!g$)")
    contains(t.run("kafka-consumer-groups", "--describe", "--state", *group), "GroupIdNotFound|does not exist")


def living(t, protocol):
    topic, group = "living-" + protocol, "group-" + protocol
    t.topic(topic, 2)
    consumer = subprocess.Popen([os.path.join(shims(), "bin", "kafka-console-consumer.sh"), "--bootstrap-server",
                                 t.server.bootstrap, "--topic", topic, "--group", group, "--command-property",
                                 "group.protocol=" + protocol], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def members():
            return t.run("kafka-consumer-groups", "--describe", "--members", "--verbose", "--group", group)
        frame.weir.wait_for("the member", lambda: re.search(r"living-\w+(\(0,1\)|:0,1|:0,living-\w+:1)", members()), 30)
        contains(t.run("kafka-consumer-groups", "--describe", "--state", "--group", group), r"Stable\s+1")
        contains(t.run("kafka-groups", "--list"), "%s\\s+%s" % (group, protocol.capitalize()))
    finally:
        consumer.terminate()
        consumer.wait(20)


def a_living_classic_group_is_described(t):
    living(t, "classic")


def a_living_consumer_group_is_described(t):
    living(t, "consumer")


def verifiable_producer(t):
    t.topic("verified", 3)
    told = t.run("kafka-verifiable-producer", "--topic", "verified", "--max-messages", "2000", "--throughput", "-1",
                 "--acks", "-1")
    events = [json.loads(line) for line in told.splitlines()]
    assert sum(e["name"] == "producer_send_success" for e in events) == 2000
    assert [e for e in events if e["name"] == "tool_data"][0]["acked"] == 2000


def verify_by(t, protocol):
    told = t.run("kafka-verifiable-consumer", "--topic", "verified", "--group-id", "v-" + protocol, "--group-protocol",
                 protocol, "--max-messages", "2000", "--verbose")
    events = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert sum(e["name"] == "record_data" for e in events) == 2000, told[-500:]
    assert all(e["success"] for e in events if e["name"] == "offsets_committed"), told[-500:]


def verifiable_consumer_of_the_classic_protocol(t):
    verify_by(t, "classic")


def verifiable_consumer_of_the_consumer_protocol(t):
    verify_by(t, "consumer")


def transactional_copy(t):
    t.topic("copy-in")
    t.topic("copy-out")
    t.run("kafka-verifiable-producer", "--topic", "copy-in", "--max-messages", "600", "--throughput", "-1")
    t.run("kafka-transactional-message-copier", "--broker-list", t.server.bootstrap, "--transactional-id", "copier",
          "--input-topic", "copy-in", "--input-partition", "0", "--output-topic", "copy-out", "--consumer-group", "copiers",
          "--transaction-size", "50", "--enable-random-aborts", "--max-messages", "600", local=True)
    got = t.consume("copy-out", 600, "--from-beginning", "--isolation-level", "read_committed")
    assert sorted(map(int, got)) == list(range(600)), "%d records, %d different" % (len(got), len(set(got)))


def transactions(t):
    t.topic("txn")
    t.run("kafka-producer-perf-test", "--topic", "txn", "--num-records", "100", "--record-size", "10", "--throughput", "-1",
          "--transactional-id", "perf", "--transaction-duration-ms", "50", "--command-property", "acks=all")
    contains(t.run("kafka-transactions", "list"), r"perf\s+1\s+\d+\s+CompleteCommit")
    contains(t.run("kafka-transactions", "describe", "--transactional-id", "perf"), "perf", "CompleteCommit")
    contains(t.run("kafka-transactions", "describe-producers", "--topic", "txn", "--partition", "0"), r"\d+\s+\d+")
    t.run("kafka-transactions", "find-hanging", "--broker-id", "1")


def dump_log_reads_our_segments(t):
    t.topic("dumped")
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        t.produce("dumped", ["%s-%d" % (codec, i) for i in range(20)], "--compression-codec", codec)
    files = glob.glob(os.path.join(t.server.data, "**", "dumped-0", "*.log"), recursive=True)
    assert len(files) == 1, files
    told = t.run("kafka-dump-log", "--files", files[0], "--print-data-log", "--deep-iteration", local=True)
    values = re.findall(r"payload: (\S+)", told)
    assert values == ["%s-%d" % (c, i) for c in ("none", "gzip", "snappy", "lz4", "zstd") for i in range(20)], told[-800:]
    contains(told, "isvalid: true", "compresscodec: zstd")
    assert "isvalid: false" not in told


def dump_log_reads_indexes(t):
    t.topic("indexed", 1, "--config", "segment.bytes=1048576", "--config", "index.interval.bytes=4096")
    t.run("kafka-producer-perf-test", "--topic", "indexed", "--num-records", "40000", "--record-size", "100", "--throughput",
          "-1", "--command-property", "batch.size=2000")
    logs = sorted(glob.glob(os.path.join(t.server.data, "**", "indexed-0", "*.log"), recursive=True))
    assert len(logs) > 3, logs
    for path in logs[:2]:
        told = t.run("kafka-dump-log", "--files", ",".join(path[:-3] + kind for kind in ("index", "timeindex")), local=True)
        contains(told, r"offset: \d+ position: \d+", r"timestamp: \d+ offset: \d+")
        contains(t.run("kafka-dump-log", "--files", path[:-3] + "index", "--index-sanity-check", local=True), "passed sanity check")
        assert "Mismatches" not in told and "not found" not in told, told[-1000:]


def log_dirs(t):
    t.topic("dir")
    t.produce("dir", ["x" * 100] * 10)
    told = t.run("kafka-log-dirs", "--describe", "--topic-list", "dir")
    answer = json.loads(told.splitlines()[-1])
    partitions = answer["brokers"][0]["logDirs"][0]["partitions"]
    assert partitions[0]["partition"] == "dir-0" and partitions[0]["size"] > 1000, answer


def delete_records_and_offsets(t):
    t.topic("trimmed")
    t.produce("trimmed", ["v%d" % i for i in range(30)])
    path = os.path.join(t.server.data, "..", "delete-%d.json" % os.getpid())
    with open(path, "w") as f:
        json.dump({"partitions": [{"topic": "trimmed", "partition": 0, "offset": 12}], "version": 1}, f)
    try:
        contains(t.run("kafka-delete-records", "--offset-json-file", path), r"low_watermark: 12")
    finally:
        os.remove(path)
    contains(t.run("kafka-get-offsets", "--topic", "trimmed"), "trimmed:0:30")
    contains(t.run("kafka-get-offsets", "--topic", "trimmed", "--time", "earliest"), "trimmed:0:12")
    contains(t.run("kafka-get-offsets", "--topic", "trimmed", "--time", "max-timestamp"), r"trimmed:0:\d+")
    assert t.consume("trimmed", 18, "--from-beginning")[0] == "v12"


def performance_tools(t):
    t.topic("perf", 2)
    contains(t.run("kafka-producer-perf-test", "--topic", "perf", "--num-records", "20000", "--record-size", "100",
                   "--throughput", "-1", "--command-property", "acks=all"), "20000 records sent")
    contains(t.run("kafka-consumer-perf-test", "--topic", "perf", "--num-records", "20000"), r"20000|, 2\d{4}")
    contains(t.run("kafka-e2e-latency", "--topic", "perf", "--num-records", "200", "--producer-acks", "all", "--record-size", "20"),
             "Percentiles")


def cluster_tools(t):
    contains(t.run("kafka-broker-api-versions"), r"Produce\(0\): 0 to 13", r"ApiVersions\(18\)", r"DescribeTopicPartitions\(75\)")
    contains(t.run("kafka-cluster", "cluster-id", "--bootstrap-server", t.server.bootstrap, local=True), r"Cluster ID: \S{22}")
    contains(t.run("kafka-features", "describe"), "transaction.version", "group.version", "metadata.version")


def elections_and_reassignments(t):
    t.topic("moved", 2)
    t.run("kafka-leader-election", "--election-type", "preferred", "--all-topic-partitions")
    path = os.path.join(t.server.data, "..", "move-%d.json" % os.getpid())
    with open(path, "w") as f:
        json.dump({"partitions": [{"topic": "moved", "partition": 0, "replicas": [1]}], "version": 1}, f)
    try:
        t.run("kafka-reassign-partitions", "--reassignment-json-file", path, "--execute")
        contains(t.run("kafka-reassign-partitions", "--reassignment-json-file", path, "--verify"), "complete")
    finally:
        os.remove(path)
    t.run("kafka-reassign-partitions", "--list")


AUTHORIZER = ["--set", "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer"]
PLAIN = ("org.apache.kafka.common.security.plain.PlainLoginModule required user_admin=\"secret\" user_ann=\"pw\" "
         "user_bob=\"pw\";")


def acls_are_kept(t):
    """The server is one with ACLs."""
    with frame.Server(AUTHORIZER + ["--set", "super.users=User:ANONYMOUS"], t.server.log_path + ".acls") as server:
        t = Tools(server)
        t.topic("guarded")
        ann = ("--allow-principal", "User:ann")
        t.run("kafka-acls", "--add", *ann, "--operation", "Read", "--topic", "guarded")
        t.run("kafka-acls", "--add", *ann, "--producer", "--topic", "out.", "--resource-pattern-type", "prefixed", "--idempotent",
              "--transactional-id", "tx.")
        t.run("kafka-acls", "--add", "--allow-principal", "User:bob", "--consumer", "--topic", "*", "--group", "g")
        t.run("kafka-acls", "--add", "--deny-principal", "User:*", "--deny-host", "10.0.0.1", "--operation", "Alter", "--cluster")
        contains(t.run("kafka-acls", "--list", "--topic", "guarded"), r"principal=User:ann.*operation=READ")
        told = t.run("kafka-acls", "--list", "--topic", "out.x", "--resource-pattern-type", "match")
        contains(told, "patternType=PREFIXED", "operation=WRITE", "operation=CREATE", "name=\\*, patternType=LITERAL")
        assert "guarded" not in told, told
        told = t.run("kafka-acls", "--list")
        contains(told, "resourceType=TRANSACTIONAL_ID, name=tx.", "IDEMPOTENT_WRITE", "resourceType=GROUP, name=g",
                 r"host=10.0.0.1, operation=ALTER, permissionType=DENY")
        told = t.run("kafka-acls", "--list", "--principal", "User:bob")
        contains(told, "User:bob")
        assert "User:ann" not in told, told
        contains(t.run("kafka-acls", "--add", *ann, "--allow-host", "10.0.0.0/8", "--operation", "Read", "--topic", "x", fails=True),
                 "CIDR|metadata version|Invalid")
        t.run("kafka-acls", "--remove", "--force", *ann, "--operation", "Read", "--topic", "guarded")
        assert "name=guarded" not in t.run("kafka-acls", "--list")
        for resource in (("--topic", "*"), ("--topic", "out.", "--resource-pattern-type", "prefixed"), ("--group", "g"),
                         ("--transactional-id", "tx.", "--resource-pattern-type", "prefixed"), ("--cluster",)):
            t.run("kafka-acls", "--remove", "--force", *resource)
        assert "principal=" not in t.run("kafka-acls", "--list")


def acls_need_an_authorizer(t):
    contains(t.run("kafka-acls", "--list", fails=True), "SecurityDisabledException")
    contains(t.run("kafka-acls", "--add", "--allow-principal", "User:ann", "--operation", "Read", "--topic", "x", fails=True),
             "SecurityDisabledException")


def acls_are_felt(t):
    """Users log in with PLAIN; each has a file of settings."""
    with frame.Server(AUTHORIZER + ["--set", "super.users=User:admin", "--set", "sasl.enabled.mechanisms=PLAIN", "--set",
                                    "sasl.jaas.config=" + PLAIN], t.server.log_path + ".felt") as server:
        t = Tools(server)
        files = {}
        for user, password in (("admin", "secret"), ("ann", "pw"), ("bob", "pw")):
            files[user] = os.path.join(server.data, user + ".properties")
            with open(files[user], "w") as f:
                f.write("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nretries=0\n"
                        "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required "
                        "username=\"%s\" password=\"%s\";\n" % (user, password))

        def by(user):
            return ("--command-config", files[user])
        t.run("kafka-topics", "--create", "--topic", "felt", *by("admin"))
        contains(t.run("kafka-topics", "--create", "--topic", "no", *by("ann"), fails=True), "TopicAuthorizationException")
        assert "felt" not in t.run("kafka-topics", "--list", *by("ann"))
        contains(t.run("kafka-acls", "--list", *by("ann"), fails=True), "ClusterAuthorizationException")
        t.run("kafka-acls", "--add", "--allow-principal", "User:ann", "--producer", "--topic", "felt", *by("admin"))
        t.run("kafka-acls", "--add", "--allow-principal", "User:bob", "--consumer", "--topic", "felt", "--group", "readers",
              *by("admin"))
        t.produce("felt", ["one", "two"], *by("ann"))
        contains(t.run("kafka-topics", "--list", *by("ann")), r"(?m)^felt$")
        assert t.consume("felt", 2, "--from-beginning", "--group", "readers", *by("bob")) == ["one", "two"]
        # The console consumer logs what it is refused, and ends well.
        for protocol in ("classic", "consumer"):
            assert t.consume("felt", 2, "--from-beginning", "--group", "others", "--command-property",
                             "group.protocol=" + protocol, *by("bob")) == []
        contains(t.run("kafka-consumer-groups", "--describe", "--group", "others", *by("bob")),
                 "GroupAuthorizationException")
        contains(t.run("kafka-configs", "--entity-type", "topics", "--entity-name", "felt", "--alter", "--add-config",
                       "retention.ms=1", *by("ann"), fails=True), "TopicAuthorizationException")
        contains(t.run("kafka-consumer-groups", "--list", *by("bob")), r"(?m)^readers$")
        assert "readers" not in t.run("kafka-consumer-groups", "--list", *by("ann"))


PARTS = {
    "topics": [topics_are_created_described_altered_deleted, a_replication_factor_of_three_is_refused],
    "configs": [configs_of_topics, configs_of_brokers, configs_of_clients, configs_of_users, configs_of_groups],
    "groups": [console_round_trip, consumer_groups, a_living_classic_group_is_described,
               a_living_consumer_group_is_described],
    "data": [verifiable_producer, verifiable_consumer_of_the_classic_protocol, verifiable_consumer_of_the_consumer_protocol,
             delete_records_and_offsets, performance_tools, log_dirs],
    "transactions": [transactional_copy, transactions],
    "segments": [dump_log_reads_our_segments, dump_log_reads_indexes],
    "cluster": [cluster_tools, elections_and_reassignments],
    "acls": [acls_are_kept, acls_need_an_authorizer, acls_are_felt],
}


def work(part):
    def tests(context):
        with context.server() as server:
            for test in PARTS[part]:
                started = time.time()
                try:
                    test(Tools(server))
                    yield test.__name__, None
                except Exception as e:
                    yield test.__name__, "%s: %s (after %.0f s)" % (type(e).__name__, e, time.time() - started)
    return tests


def shards():
    for part in PARTS:
        yield frame.Shard("tools", "4", part, work(part))
