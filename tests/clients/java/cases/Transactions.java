import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;

/** Idempotence, transactions and what a read_committed consumer sees of them. */
public class Transactions {
    private static KafkaProducer<String, String> transactional(String id, String... settings) {
        String[] all = Arrays.copyOf(settings, settings.length + 2);
        all[settings.length] = "transactional.id";
        all[settings.length + 1] = id;
        return Cases.producer(all);
    }

    private static List<ConsumerRecord<String, String>> read(String topic, int count, String isolation) {
        try (KafkaConsumer<String, String> consumer = Cases.consumer(null, "isolation.level", isolation)) {
            consumer.assign(Collections.singleton(new TopicPartition(topic, 0)));
            return Cases.take(consumer, count);
        }
    }

    private static void send(KafkaProducer<String, String> producer, String topic, String... values) {
        for (String v : values) producer.send(new ProducerRecord<>(topic, 0, "k", v));
    }

    public void idempotentProducerKeepsTheOrder() throws Exception {
        String topic = Cases.topic(1);
        try (KafkaProducer<String, String> producer = Cases.producer("enable.idempotence", "true", "batch.size", "200",
                                                                     "max.in.flight.requests.per.connection", "5")) {
            for (int i = 0; i < 5000; i++) producer.send(new ProducerRecord<>(topic, "v" + i));
        }
        int i = 0;
        for (ConsumerRecord<String, String> r : read(topic, 5000, "read_uncommitted")) Cases.equal("v" + i++, r.value());
    }

    public void committedIsSeenAbortedIsNot() throws Exception {
        String topic = Cases.topic(1);
        try (KafkaProducer<String, String> producer = transactional(Cases.fresh("t"))) {
            producer.initTransactions();
            for (int round = 0; round < 20; round++) {
                producer.beginTransaction();
                send(producer, topic, "r" + round + "a", "r" + round + "b");
                if (round % 3 == 1) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
        List<String> seen = Cases.values(read(topic, 26, "read_committed"));
        for (int round = 0; round < 20; round++) Cases.equal(round % 3 != 1, seen.contains("r" + round + "a"));
        read(topic, 40, "read_uncommitted");
    }

    public void openTransactionHidesWhatFollows() throws Exception {
        String topic = Cases.topic(1);
        TopicPartition p = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> open = transactional(Cases.fresh("t")); KafkaProducer<String, String> plain = Cases.producer();
             KafkaConsumer<String, String> consumer = Cases.consumer(null, "isolation.level", "read_committed")) {
            open.initTransactions();
            open.beginTransaction();
            send(open, topic, "open");
            open.flush();
            plain.send(new ProducerRecord<>(topic, 0, "k", "plain")).get();
            consumer.assign(Collections.singleton(p));
            for (int i = 0; i < 10; i++) Cases.equal(0, consumer.poll(Duration.ofMillis(100)).count());
            Cases.equal(0L, consumer.endOffsets(Collections.singleton(p)).get(p));
            open.commitTransaction();
            Cases.equal(Arrays.asList("open", "plain"), Cases.values(Cases.take(consumer, 2)));
            Cases.equal(3L, consumer.endOffsets(Collections.singleton(p)).get(p));
        }
    }

    public void olderProducerIsFenced() throws Exception {
        String topic = Cases.topic(1), id = Cases.fresh("t");
        try (KafkaProducer<String, String> old = transactional(id); KafkaProducer<String, String> young = transactional(id)) {
            old.initTransactions();
            old.beginTransaction();
            send(old, topic, "old");
            old.flush();
            young.initTransactions();
            // The partition says that the epoch is old, the coordinator that the producer is fenced (KIP-588).
            Cases.fails(KafkaException.class, () -> {
                send(old, topic, "older");
                old.commitTransaction();
            });
            Cases.fails(ProducerFencedException.class, () -> old.abortTransaction());
            young.beginTransaction();
            send(young, topic, "young");
            young.commitTransaction();
        }
        Cases.equal(Arrays.asList("young"), Cases.values(read(topic, 1, "read_committed")));
    }

    public void timedOutTransactionIsAborted() throws Exception {
        String topic = Cases.topic(1);
        try (KafkaProducer<String, String> producer = transactional(Cases.fresh("t"), "transaction.timeout.ms", "1500");
             KafkaProducer<String, String> plain = Cases.producer()) {
            producer.initTransactions();
            producer.beginTransaction();
            send(producer, topic, "lost");
            producer.flush();
            plain.send(new ProducerRecord<>(topic, 0, "k", "after")).get();
            Cases.equal(Arrays.asList("after"), Cases.values(read(topic, 1, "read_committed")));
            Cases.fails(KafkaException.class, () -> producer.commitTransaction());
        }
    }

    public void epochsRiseThroughManyTransactions() throws Exception {
        String topic = Cases.topic(3);
        try (KafkaProducer<String, String> producer = transactional(Cases.fresh("t"))) {
            producer.initTransactions();
            for (int i = 0; i < 150; i++) {
                producer.beginTransaction();
                // The client looks whether batches are left before it takes up the request that ends the transaction: a record
                // sent in between by a thread that ends it at once is overtaken by the end, and that is refused.
                producer.send(new ProducerRecord<>(topic, i % 3, "k", "v" + i)).get();
                if (i % 10 == 9) producer.abortTransaction();
                else producer.commitTransaction();
            }
        }
        try (KafkaConsumer<String, String> consumer = Cases.consumer(null, "isolation.level", "read_committed")) {
            consumer.assign(Arrays.asList(new TopicPartition(topic, 0), new TopicPartition(topic, 1), new TopicPartition(topic, 2)));
            Cases.equal(135, new HashSet<>(Cases.values(Cases.take(consumer, 135))).size());
        }
    }

    public void emptyTransactionsEnd() throws Exception {
        String topic = Cases.topic(1);
        try (KafkaProducer<String, String> producer = transactional(Cases.fresh("t"))) {
            producer.initTransactions();
            for (int i = 0; i < 3; i++) {
                producer.beginTransaction();
                if (i == 1) producer.abortTransaction();
                else producer.commitTransaction();
            }
            producer.beginTransaction();
            send(producer, topic, "v");
            producer.commitTransaction();
        }
        read(topic, 1, "read_committed");
    }

    public void offsetsCommitWithTheTransaction() throws Exception {
        String in = Cases.topic(2), out = Cases.topic(1), group = Cases.fresh("g"), id = Cases.fresh("t");
        try (KafkaProducer<String, String> producer = Cases.producer()) {
            for (int i = 0; i < 200; i++) producer.send(new ProducerRecord<>(in, i % 2, "k", "v" + i));
        }
        Set<String> aborted = new HashSet<>();
        int round = 0, done = 0;
        while (done < 200) {
            // A new consumer and producer every few rounds: they go on from the committed offsets.
            try (KafkaConsumer<String, String> consumer = Cases.consumer(group, "isolation.level", "read_committed", "max.poll.records", "23");
                 KafkaProducer<String, String> producer = transactional(id)) {
                producer.initTransactions();
                consumer.subscribe(Collections.singleton(in));
                long deadline = System.currentTimeMillis() + 20000;
                for (int n = 0; n < 3 && done < 200;) {
                    Cases.check(System.currentTimeMillis() < deadline, "read " + done + " in time");
                    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                    producer.beginTransaction();
                    int count = 0;
                    for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(100))) {
                        send(producer, out, r.value());
                        offsets.put(new TopicPartition(in, r.partition()), new OffsetAndMetadata(r.offset() + 1));
                        count++;
                    }
                    if (count > 0) n++;
                    if (count > 0) producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                    if (count > 0 && ++round % 4 == 3) {
                        producer.abortTransaction();
                        break;
                    }
                    producer.commitTransaction();
                    done += count;
                }
            }
        }
        List<String> got = Cases.values(read(out, 200, "read_committed"));
        Cases.equal(200, new HashSet<>(got).size());
        try (Admin admin = Cases.admin()) {
            Map<TopicPartition, OffsetAndMetadata> at = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            Cases.equal(100L, at.get(new TopicPartition(in, 0)).offset());
            Cases.equal(100L, at.get(new TopicPartition(in, 1)).offset());
        }
    }

    public void pendingOffsetsHoldBackStableReads() throws Exception {
        String in = Cases.topic(1), group = Cases.fresh("g");
        TopicPartition p = new TopicPartition(in, 0);
        try (KafkaProducer<String, String> producer = transactional(Cases.fresh("t")); KafkaConsumer<String, String> consumer = Cases.consumer(group)) {
            producer.initTransactions();
            producer.beginTransaction();
            send(producer, in, "v");
            producer.commitTransaction();
            consumer.subscribe(Collections.singleton(in));
            Cases.take(consumer, 1);
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Collections.singletonMap(p, new OffsetAndMetadata(1)), consumer.groupMetadata());
            try (KafkaConsumer<String, String> other = Cases.consumer(group, "default.api.timeout.ms", "1500")) {
                other.assign(Collections.singleton(p));
                Cases.fails(org.apache.kafka.common.errors.TimeoutException.class, () -> other.committed(Collections.singleton(p)));
                producer.commitTransaction();
                Cases.equal(1L, other.committed(Collections.singleton(p)).get(p).offset());
            }
        }
    }
}
