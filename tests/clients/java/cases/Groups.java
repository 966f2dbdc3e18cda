import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Consumer groups, of the protocol that the run is for. */
public class Groups {
    private static final boolean CLASSIC = Cases.protocol.equals("classic");

    /** A member in a thread of its own; it commits what it has seen with every poll that brought something. */
    private static class Member extends Thread implements ConsumerRebalanceListener {
        final KafkaConsumer<String, String> consumer;
        final Set<String> seen;
        final Set<TopicPartition> owned = ConcurrentHashMap.newKeySet();
        volatile boolean ending;
        volatile int revoked;
        volatile Throwable error;

        Member(String group, String topic, Set<String> seen, String... settings) {
            consumer = Cases.consumer(group, settings);
            this.seen = seen;
            consumer.subscribe(Collections.singleton(topic), this);
            start();
        }

        public void onPartitionsAssigned(Collection<TopicPartition> p) {
            owned.addAll(p);
        }

        public void onPartitionsRevoked(Collection<TopicPartition> p) {
            owned.removeAll(p);
            revoked += p.size();
        }

        public void run() {
            try {
                while (!ending) {
                    boolean any = false;
                    for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(50))) {
                        seen.add(r.value());
                        any = true;
                    }
                    try {
                        if (any) consumer.commitSync();
                    } catch (CommitFailedException | org.apache.kafka.common.errors.RebalanceInProgressException e) {
                        // The group rebalanced: the next owner reads these records again.
                    }
                }
            } catch (Throwable e) {
                error = e;
                e.printStackTrace();
            } finally {
                consumer.close();
            }
        }

        void end() throws Exception {
            ending = true;
            join(20000);
            if (error != null) throw new AssertionError(error);
        }
    }

    private static void produce(String topic, int from, int to) {
        try (KafkaProducer<String, String> producer = Cases.producer("linger.ms", "5")) {
            for (int i = from; i < to; i++) producer.send(new ProducerRecord<>(topic, "k" + i, "v" + i));
        }
    }

    private void membersShare(String... settings) throws Exception {
        String topic = Cases.topic(6), group = Cases.fresh("g");
        Set<String> seen = ConcurrentHashMap.newKeySet();
        produce(topic, 0, 500);
        Member a = new Member(group, topic, seen, settings);
        Cases.until("the first member's partitions", () -> a.owned.size() == 6);
        Member b = new Member(group, topic, seen, settings);
        Cases.until("an even share", () -> a.owned.size() == 3 && b.owned.size() == 3);
        Member c = new Member(group, topic, seen, settings);
        Cases.until("a share of three", () -> a.owned.size() == 2 && b.owned.size() == 2 && c.owned.size() == 2);
        produce(topic, 500, 1000);
        Cases.until("every record", () -> seen.size() == 1000);
        a.end();
        Cases.until("the leaver's partitions", () -> b.owned.size() == 3 && c.owned.size() == 3);
        produce(topic, 1000, 1200);
        Cases.until("every record", () -> seen.size() == 1200);
        b.end();
        c.end();
        try (KafkaConsumer<String, String> reader = Cases.consumer(group)) {
            reader.subscribe(Collections.singleton(topic));
            long deadline = System.currentTimeMillis() + 3000;
            while (System.currentTimeMillis() < deadline)
                for (ConsumerRecord<String, String> r : reader.poll(Duration.ofMillis(100)))
                    throw new AssertionError("read again after the commit: " + r.value());
            Cases.equal(6, reader.assignment().size());
        }
    }

    public void membersShareByDefault() throws Exception {
        membersShare();
    }

    public void membersShareByRange() throws Exception {
        if (CLASSIC) membersShare("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor");
        else membersShare("group.remote.assignor", "range");
    }

    public void membersShareCooperatively() throws Exception {
        if (CLASSIC) membersShare("partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
        else membersShare("group.remote.assignor", "uniform");
    }

    public void offsetsAreCommittedWithMetadata() throws Exception {
        String topic = Cases.topic(2), group = Cases.fresh("g");
        TopicPartition p0 = new TopicPartition(topic, 0), p1 = new TopicPartition(topic, 1);
        produce(topic, 0, 100);
        try (KafkaConsumer<String, String> consumer = Cases.consumer(group)) {
            consumer.subscribe(Collections.singleton(topic));
            Cases.take(consumer, 100);
            consumer.commitSync(Collections.singletonMap(p0, new OffsetAndMetadata(7, "seven")));
            Map<TopicPartition, OffsetAndMetadata> got = consumer.committed(new HashSet<>(Arrays.asList(p0, p1)));
            Cases.equal(7L, got.get(p0).offset());
            Cases.equal("seven", got.get(p0).metadata());
            Cases.equal(null, got.get(p1));
        }
        try (KafkaConsumer<String, String> consumer = Cases.consumer(group)) {
            consumer.assign(Arrays.asList(p0));
            Cases.equal(7L, consumer.position(p0));
        }
    }

    public void asynchronousCommitCallsBack() throws Exception {
        String topic = Cases.topic(1), group = Cases.fresh("g");
        produce(topic, 0, 10);
        List<Exception> outcome = Collections.synchronizedList(new ArrayList<>());
        try (KafkaConsumer<String, String> consumer = Cases.consumer(group)) {
            consumer.subscribe(Collections.singleton(topic));
            Cases.take(consumer, 10);
            consumer.commitAsync((offsets, e) -> outcome.add(e));
            Cases.until("the callback", () -> {
                consumer.poll(Duration.ofMillis(20));
                return !outcome.isEmpty();
            });
            Cases.equal(null, outcome.get(0));
        }
    }

    public void automaticCommitResumes() throws Exception {
        String topic = Cases.topic(1), group = Cases.fresh("g");
        produce(topic, 0, 50);
        try (KafkaConsumer<String, String> consumer = Cases.consumer(group, "enable.auto.commit", "true")) {
            consumer.subscribe(Collections.singleton(topic));
            Cases.take(consumer, 50);
        }
        produce(topic, 50, 60);
        try (KafkaConsumer<String, String> consumer = Cases.consumer(group, "enable.auto.commit", "true")) {
            consumer.subscribe(Collections.singleton(topic));
            Cases.equal(50L, Cases.take(consumer, 10).get(0).offset());
        }
    }

    public void patternFindsTopicsThatAppear() throws Exception {
        String prefix = Cases.fresh("pattern");
        try (KafkaConsumer<String, String> consumer = Cases.consumer(Cases.fresh("g"), "metadata.max.age.ms", "500")) {
            produce(prefix + "-a", 0, 5);
            consumer.subscribe(Pattern.compile(prefix + "-.*"));
            Cases.take(consumer, 5);
            consumer.commitSync();
            produce(prefix + "-b", 5, 10);
            Cases.take(consumer, 5);
        }
    }

    public void staticMemberReturnsWithoutARebalance() throws Exception {
        String topic = Cases.topic(4), group = Cases.fresh("g");
        Set<String> seen = ConcurrentHashMap.newKeySet();
        Member a = new Member(group, topic, seen, "group.instance.id", "one");
        Member b = new Member(group, topic, seen, "group.instance.id", "two");
        Cases.until("an even share", () -> a.owned.size() == 2 && b.owned.size() == 2);
        Set<TopicPartition> had = new HashSet<>(b.owned), kept = new HashSet<>(a.owned);
        int revoked = a.revoked;
        b.end();
        Thread.sleep(1500);
        Cases.equal(kept, new HashSet<>(a.owned));
        Member again = new Member(group, topic, seen, "group.instance.id", "two");
        Cases.until("the same partitions", () -> again.owned.equals(had));
        Cases.equal(revoked, a.revoked);
        produce(topic, 0, 100);
        Cases.until("every record", () -> seen.size() == 100);
        a.end();
        again.end();
    }

    public void deadMemberIsReplaced() throws Exception {
        String topic = Cases.topic(2), group = Cases.fresh("g");
        Set<String> seen = ConcurrentHashMap.newKeySet();
        String[] quick = CLASSIC ? new String[] {"session.timeout.ms", "6000", "heartbeat.interval.ms", "500", "max.poll.interval.ms", "7000"}
                                 : new String[] {"max.poll.interval.ms", "7000"};
        KafkaConsumer<String, String> dead = Cases.consumer(group, quick);
        dead.subscribe(Collections.singleton(topic));
        for (int i = 0; i < 100 && dead.assignment().isEmpty(); i++) dead.poll(Duration.ofMillis(100));
        Cases.equal(2, dead.assignment().size());
        produce(topic, 0, 100);
        Member b = new Member(group, topic, seen);
        Cases.until("the stuck member's partitions", () -> b.owned.size() == 2);
        Cases.until("every record", () -> seen.size() == 100);
        b.end();
        dead.close(Duration.ofMillis(100));
    }

    public void classicEnforcedRebalanceKeepsWorking() throws Exception {
        String topic = Cases.topic(2), group = Cases.fresh("g");
        int[] assigned = {0};
        try (KafkaConsumer<String, String> consumer = Cases.consumer(group)) {
            consumer.subscribe(Collections.singleton(topic), new ConsumerRebalanceListener() {
                public void onPartitionsAssigned(Collection<TopicPartition> p) {
                    assigned[0]++;
                }

                public void onPartitionsRevoked(Collection<TopicPartition> p) {
                }
            });
            Cases.until("an assignment", () -> {
                consumer.poll(Duration.ofMillis(50));
                return assigned[0] == 1;
            });
            consumer.enforceRebalance();
            Cases.until("another assignment", () -> {
                consumer.poll(Duration.ofMillis(50));
                return assigned[0] == 2;
            });
        }
    }

    public void partitionsThatAreAddedAreRead() throws Exception {
        String topic = Cases.topic(1);
        try (KafkaConsumer<String, String> consumer = Cases.consumer(Cases.fresh("g"), "metadata.max.age.ms", "500");
             org.apache.kafka.clients.admin.Admin admin = Cases.admin()) {
            consumer.subscribe(Collections.singleton(topic));
            produce(topic, 0, 10);
            Cases.take(consumer, 10);
            consumer.commitSync();
            admin.createPartitions(Collections.singletonMap(topic, org.apache.kafka.clients.admin.NewPartitions.increaseTo(3))).all().get();
            Cases.until("three partitions", () -> {
                consumer.poll(Duration.ofMillis(50));
                return consumer.assignment().size() == 3;
            });
            produce(topic, 10, 100);
            Cases.take(consumer, 90);
        }
    }
}
