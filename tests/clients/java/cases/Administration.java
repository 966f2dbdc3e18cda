import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** The admin client. */
public class Administration {
    /** describeTopics, whose result has other methods in 3.0 (values) than in 4.x (topicNameValues). */
    @SuppressWarnings("unchecked")
    private static TopicDescription describe(Admin admin, String topic) throws Exception {
        Object result = admin.describeTopics(Collections.singleton(topic));
        java.lang.reflect.Method values;
        try {
            values = result.getClass().getMethod("topicNameValues");
        } catch (NoSuchMethodException e) {
            values = result.getClass().getMethod("values");
        }
        return ((Map<String, KafkaFuture<TopicDescription>>) values.invoke(result)).get(topic).get();
    }

    private static void fill(String topic, int count) {
        try (KafkaProducer<String, String> producer = Cases.producer()) {
            for (int i = 0; i < count; i++) producer.send(new ProducerRecord<>(topic, 0, 1000L + i, "k", "v" + i));
        }
    }

    public void topicLivesAndDies() throws Exception {
        String topic = Cases.fresh("t");
        try (Admin admin = Cases.admin()) {
            CreateTopicsResult made = admin.createTopics(Arrays.asList(new NewTopic(topic, 3, (short) 1)
                .configs(Collections.singletonMap("retention.ms", "12345"))));
            made.all().get();
            Cases.equal(3, made.numPartitions(topic).get());
            Cases.equal("12345", made.config(topic).get().get("retention.ms").value());
            Cases.check(admin.listTopics().names().get().contains(topic), "not listed");
            TopicDescription described = describe(admin, topic);
            Cases.equal(3, described.partitions().size());
            Cases.equal(made.topicId(topic).get(), described.topicId());
            Cases.equal(1, described.partitions().get(2).isr().size());
            Cases.fails(TopicExistsException.class, () -> admin.createTopics(Arrays.asList(new NewTopic(topic, 1, (short) 1))).all().get());
            admin.deleteTopics(Collections.singleton(topic)).all().get();
            Cases.until("the deletion", () -> {
                try {
                    return !admin.listTopics().names().get().contains(topic);
                } catch (InterruptedException | ExecutionException e) {
                    return false;
                }
            });
            Cases.fails(UnknownTopicOrPartitionException.class, () -> describe(admin, topic));
            Cases.fails(UnknownTopicOrPartitionException.class, () -> admin.deleteTopics(Collections.singleton(topic)).all().get());
        }
    }

    public void wrongTopicsAreRefused() throws Exception {
        try (Admin admin = Cases.admin()) {
            Cases.fails(InvalidTopicException.class, () -> admin.createTopics(Arrays.asList(new NewTopic("a/b", 1, (short) 1))).all().get());
            Cases.fails(InvalidPartitionsException.class, () -> admin.createTopics(Arrays.asList(new NewTopic(Cases.fresh("t"), 0, (short) 1))).all().get());
            NewTopic wrong = new NewTopic(Cases.fresh("t"), 1, (short) 1).configs(Collections.singletonMap("retention.ms", "soon"));
            Cases.fails(InvalidConfigurationException.class, () -> admin.createTopics(Arrays.asList(wrong)).all().get());
            String tried = Cases.fresh("t");
            admin.createTopics(Arrays.asList(new NewTopic(tried, 1, (short) 1)),
                               new org.apache.kafka.clients.admin.CreateTopicsOptions().validateOnly(true)).all().get();
            Cases.check(!admin.listTopics().names().get().contains(tried), "validateOnly made a topic");
        }
    }

    public void partitionsAreAdded() throws Exception {
        String topic = Cases.topic(1);
        try (Admin admin = Cases.admin()) {
            admin.createPartitions(Collections.singletonMap(topic, NewPartitions.increaseTo(5))).all().get();
            Cases.equal(5, describe(admin, topic).partitions().size());
            Cases.fails(InvalidPartitionsException.class,
                        () -> admin.createPartitions(Collections.singletonMap(topic, NewPartitions.increaseTo(2))).all().get());
        }
    }

    public void topicConfigsChange() throws Exception {
        String topic = Cases.topic(1);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        try (Admin admin = Cases.admin()) {
            Map<ConfigResource, Collection<AlterConfigOp>> ops = new HashMap<>();
            ops.put(resource, Arrays.asList(new AlterConfigOp(new ConfigEntry("retention.ms", "777"), AlterConfigOp.OpType.SET),
                                            new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND)));
            admin.incrementalAlterConfigs(ops).all().get();
            Config config = admin.describeConfigs(Collections.singleton(resource)).all().get().get(resource);
            Cases.equal("777", config.get("retention.ms").value());
            Cases.equal("delete,compact", config.get("cleanup.policy").value());
            Cases.equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, config.get("retention.ms").source());
            Cases.check(config.entries().size() > 20, "few configs: " + config.entries().size());
            ops.put(resource, Arrays.asList(new AlterConfigOp(new ConfigEntry("retention.ms", ""), AlterConfigOp.OpType.DELETE)));
            admin.incrementalAlterConfigs(ops).all().get();
            Cases.equal("604800000", admin.describeConfigs(Collections.singleton(resource)).all().get().get(resource).get("retention.ms").value());
            ops.put(resource, Arrays.asList(new AlterConfigOp(new ConfigEntry("no.such.config", "1"), AlterConfigOp.OpType.SET)));
            Cases.fails(InvalidConfigurationException.class, () -> admin.incrementalAlterConfigs(ops).all().get());
        }
    }

    public void brokerConfigsAreDescribedAndChange() throws Exception {
        try (Admin admin = Cases.admin()) {
            String id = admin.describeCluster().controller().get().idString();
            ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, id);
            Config config = admin.describeConfigs(Collections.singleton(resource)).all().get().get(resource);
            Cases.equal(id, config.get("node.id").value());
            Cases.equal("4", config.get("num.partitions").value());
            Map<ConfigResource, Collection<AlterConfigOp>> ops = new HashMap<>();
            ops.put(resource, Arrays.asList(new AlterConfigOp(new ConfigEntry("log.retention.ms", "99999999"), AlterConfigOp.OpType.SET)));
            admin.incrementalAlterConfigs(ops).all().get();
            Cases.equal("99999999", admin.describeConfigs(Collections.singleton(resource)).all().get().get(resource).get("log.retention.ms").value());
            ops.put(resource, Arrays.asList(new AlterConfigOp(new ConfigEntry("log.retention.ms", ""), AlterConfigOp.OpType.DELETE)));
            admin.incrementalAlterConfigs(ops).all().get();
        }
    }

    public void clusterIsDescribed() throws Exception {
        try (Admin admin = Cases.admin()) {
            DescribeClusterResult cluster = admin.describeCluster();
            Cases.equal(1, cluster.nodes().get().size());
            Cases.equal(cluster.controller().get().id(), cluster.nodes().get().iterator().next().id());
            Cases.equal(22, cluster.clusterId().get().length());
        }
    }

    public void offsetsAreListedBySpec() throws Exception {
        String topic = Cases.topic(1);
        fill(topic, 20);
        TopicPartition p = new TopicPartition(topic, 0);
        try (Admin admin = Cases.admin()) {
            Cases.equal(0L, at(admin, p, OffsetSpec.earliest()).offset());
            Cases.equal(20L, at(admin, p, OffsetSpec.latest()).offset());
            Cases.equal(5L, at(admin, p, OffsetSpec.forTimestamp(1005)).offset());
            ListOffsetsResultInfo newest = at(admin, p, OffsetSpec.maxTimestamp());
            Cases.equal(19L, newest.offset());
            Cases.equal(1019L, newest.timestamp());
        }
    }

    private static ListOffsetsResultInfo at(Admin admin, TopicPartition p, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Collections.singletonMap(p, spec)).partitionResult(p).get();
    }

    public void recordsAreDeleted() throws Exception {
        String topic = Cases.topic(1);
        fill(topic, 20);
        TopicPartition p = new TopicPartition(topic, 0);
        try (Admin admin = Cases.admin(); KafkaConsumer<String, String> consumer = Cases.consumer(null)) {
            Cases.equal(8L, admin.deleteRecords(Collections.singletonMap(p, RecordsToDelete.beforeOffset(8))).lowWatermarks().get(p).get().lowWatermark());
            Cases.equal(8L, at(admin, p, OffsetSpec.earliest()).offset());
            consumer.assign(Collections.singleton(p));
            consumer.seekToBeginning(Collections.singleton(p));
            Cases.equal(8L, Cases.take(consumer, 12).get(0).offset());
            Cases.fails(OffsetOutOfRangeException.class,
                        () -> admin.deleteRecords(Collections.singletonMap(p, RecordsToDelete.beforeOffset(99))).all().get());
            Cases.equal(20L, admin.deleteRecords(Collections.singletonMap(p, RecordsToDelete.beforeOffset(-1))).lowWatermarks().get(p).get().lowWatermark());
        }
    }

    public void groupsAreAdministered() throws Exception {
        String topic = Cases.topic(2), group = Cases.fresh("g");
        fill(topic, 20);
        TopicPartition p = new TopicPartition(topic, 0);
        try (Admin admin = Cases.admin()) {
            try (KafkaConsumer<String, String> consumer = Cases.consumer(group, "client.id", "me")) {
                consumer.subscribe(Collections.singleton(topic));
                Cases.take(consumer, 20);
                consumer.commitSync();
                org.apache.kafka.clients.admin.ConsumerGroupDescription d =
                    admin.describeConsumerGroups(Collections.singleton(group)).all().get().get(group);
                Cases.equal("STABLE", d.state().name());
                Cases.equal(1, d.members().size());
                Cases.equal("me", d.members().iterator().next().clientId());
                Cases.equal(2, d.members().iterator().next().assignment().topicPartitions().size());
                Cases.equal("range", d.partitionAssignor());
                Cases.fails(GroupNotEmptyException.class, () -> admin.deleteConsumerGroups(Collections.singleton(group)).all().get());
            }
            Set<String> ids = new HashSet<>();
            admin.listConsumerGroups().all().get().forEach(g -> ids.add(g.groupId()));
            Cases.check(ids.contains(group), "not listed");
            Cases.equal(20L, admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(p).offset());
            admin.alterConsumerGroupOffsets(group, Collections.singletonMap(p, new OffsetAndMetadata(3))).all().get();
            Cases.equal(3L, admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(p).offset());
            admin.deleteConsumerGroupOffsets(group, Collections.singleton(p)).all().get();
            Cases.equal(null, admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(p));
            admin.deleteConsumerGroups(Collections.singleton(group)).all().get();
            Cases.fails(GroupIdNotFoundException.class, () -> admin.deleteConsumerGroups(Collections.singleton(group)).all().get());
        }
    }

    public void logDirsCountBytes() throws Exception {
        String topic = Cases.topic(1);
        fill(topic, 100);
        try (Admin admin = Cases.admin()) {
            int id = admin.describeCluster().controller().get().id();
            Map<Integer, Map<String, LogDirDescription>> dirs = admin.describeLogDirs(Collections.singleton(id)).allDescriptions().get();
            LogDirDescription dir = dirs.get(id).values().iterator().next();
            Cases.check(dir.replicaInfos().get(new TopicPartition(topic, 0)).size() > 500, "size of " + dir);
        }
    }

    public void electionsAndReassignmentsAreThoseOfOneNode() throws Exception {
        String topic = Cases.topic(1);
        TopicPartition p = new TopicPartition(topic, 0);
        try (Admin admin = Cases.admin()) {
            Throwable outcome = admin.electLeaders(ElectionType.PREFERRED, Collections.singleton(p)).partitions().get().get(p).orElse(null);
            Cases.check(outcome instanceof ElectionNotNeededException, "election: " + outcome);
            Cases.equal(0, admin.listPartitionReassignments().reassignments().get().size());
        }
    }

    public void producersAndTransactionsAreShown() throws Exception {
        String topic = Cases.topic(1), id = Cases.fresh("txn");
        TopicPartition p = new TopicPartition(topic, 0);
        try (Admin admin = Cases.admin(); KafkaProducer<String, String> producer = Cases.producer("transactional.id", id)) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, "v")).get();
            TransactionListing listed = null;
            for (TransactionListing t : admin.listTransactions().all().get())
                if (t.transactionalId().equals(id)) listed = t;
            Cases.check(listed != null, "not listed");
            Cases.equal("Ongoing", listed.state().toString());
            Cases.equal(Collections.singleton(p), admin.describeTransactions(Collections.singleton(id)).description(id).get().topicPartitions());
            List<ProducerState> active = admin.describeProducers(Collections.singleton(p)).partitionResult(p).get().activeProducers();
            Cases.equal(1, active.size());
            Cases.equal(listed.producerId(), active.get(0).producerId());
            Cases.equal(0L, active.get(0).currentTransactionStartOffset().getAsLong());
            admin.abortTransaction(new org.apache.kafka.clients.admin.AbortTransactionSpec(p, active.get(0).producerId(),
                (short) active.get(0).producerEpoch(), active.get(0).coordinatorEpoch().orElse(0))).all().get();
            try (KafkaConsumer<String, String> consumer = Cases.consumer(null, "isolation.level", "read_committed")) {
                Cases.until("the abort", () -> consumer.endOffsets(Collections.singleton(p)).get(p) == 2L);
            }
            try (KafkaProducer<String, String> other = Cases.producer("transactional.id", id)) {
                other.initTransactions();
            }
            Cases.fails(org.apache.kafka.common.KafkaException.class, () -> producer.commitTransaction());
        }
    }

    public void internalTopicsAreListedOnlyWhenAsked() throws Exception {
        try (Admin admin = Cases.admin(); KafkaConsumer<String, String> consumer = Cases.consumer(Cases.fresh("g"))) {
            consumer.subscribe(Collections.singleton(Cases.topic(1)));
            consumer.poll(java.time.Duration.ofMillis(2000));
            Cases.check(!admin.listTopics().names().get().contains("__consumer_offsets"), "listed unasked");
            Cases.check(admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get().contains("__consumer_offsets"), "not listed");
        }
    }

    public void featuresAreDescribed() throws Exception {
        try (Admin admin = Cases.admin()) {
            Cases.check(admin.describeFeatures().featureMetadata().get().finalizedFeatures().containsKey("transaction.version"), "no transaction.version");
        }
    }
}
