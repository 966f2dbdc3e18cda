import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;

/** The producer, and a consumer that assigns its partitions itself. */
public class Producing {
    private List<ConsumerRecord<String, String>> all(String topic, int count) {
        try (KafkaConsumer<String, String> consumer = Cases.consumer(null)) {
            consumer.assign(Arrays.asList(new TopicPartition(topic, 0)));
            return Cases.take(consumer, count);
        }
    }

    public void callbacksComeInOrderWithOffsets() throws Exception {
        String topic = Cases.topic(1);
        AtomicInteger next = new AtomicInteger(), wrong = new AtomicInteger();
        try (KafkaProducer<String, String> producer = Cases.producer("acks", "all")) {
            for (int i = 0; i < 5000; i++) {
                int expected = i;
                producer.send(new ProducerRecord<>(topic, "k" + i, "v" + i), (RecordMetadata m, Exception e) -> {
                    if (e != null || m.offset() != expected || next.getAndIncrement() != expected) wrong.incrementAndGet();
                });
            }
            producer.flush();
        }
        Cases.equal(0, wrong.get());
        Cases.equal(5000, next.get());
        List<ConsumerRecord<String, String>> got = all(topic, 5000);
        for (int i = 0; i < 5000; i++) Cases.equal("v" + i, got.get(i).value());
    }

    private void roundTrip(String... settings) throws Exception {
        String topic = Cases.topic(1);
        try (KafkaProducer<String, String> producer = Cases.producer(settings)) {
            for (int i = 0; i < 300; i++) {
                ProducerRecord<String, String> record = new ProducerRecord<>(topic, 0, 1000000L + i, i % 3 == 0 ? null : "k", "v" + i);
                record.headers().add("h", ("x" + i).getBytes()).add("none", null);
                producer.send(record);
            }
        }
        List<ConsumerRecord<String, String>> got = all(topic, 300);
        for (int i = 0; i < 300; i++) {
            ConsumerRecord<String, String> r = got.get(i);
            Cases.equal("v" + i, r.value());
            Cases.equal(i % 3 == 0 ? null : "k", r.key());
            Cases.equal(1000000L + i, r.timestamp());
            Cases.equal("x" + i, new String(r.headers().lastHeader("h").value()));
            Cases.equal(null, r.headers().lastHeader("none").value());
        }
    }

    public void codecGzip() throws Exception {
        roundTrip("compression.type", "gzip");
    }

    public void codecLz4() throws Exception {
        roundTrip("compression.type", "lz4");
    }

    public void codecNone() throws Exception {
        roundTrip();
    }

    public void codecSnappy() throws Exception {
        roundTrip("compression.type", "snappy");
    }

    public void codecZstd() throws Exception {
        roundTrip("compression.type", "zstd");
    }

    public void acksZeroAndOne() throws Exception {
        roundTrip("acks", "0", "enable.idempotence", "false");
        roundTrip("acks", "1", "enable.idempotence", "false");
    }

    public void topicIsCreatedByProducing() throws Exception {
        String topic = Cases.fresh("auto");
        try (KafkaProducer<String, String> producer = Cases.producer()) {
            Cases.equal(0L, producer.send(new ProducerRecord<>(topic, 0, "k", "v")).get().offset());
            Cases.equal(4, producer.partitionsFor(topic).size());
        }
    }

    public void invalidTopicIsRefused() {
        try (KafkaProducer<String, String> producer = Cases.producer("max.block.ms", "5000")) {
            Cases.fails(InvalidTopicException.class, () -> producer.send(new ProducerRecord<>("a b", "v")).get());
        }
    }

    public void tooLargeIsRefusedAndTheNextIsTaken() throws Exception {
        String topic = Cases.topic(1, "max.message.bytes", "2000");
        try (KafkaProducer<String, String> producer = Cases.producer()) {
            String large = new String(new char[5000]).replace('\0', 'x');
            Cases.fails(RecordTooLargeException.class, () -> producer.send(new ProducerRecord<>(topic, large)).get());
            Cases.equal(0L, producer.send(new ProducerRecord<>(topic, "small")).get().offset());
        }
    }

    /** What compressed well makes the producer put too much into a batch of what does not; it then splits that batch. */
    public void oversizedBatchIsSplit() throws Exception {
        String topic = Cases.topic(1, "max.message.bytes", "17000");
        java.util.Random random = new java.util.Random(1);
        try (KafkaProducer<String, String> producer = Cases.producer("linger.ms", "200", "batch.size", "16000",
                                                                     "compression.type", "gzip")) {
            String plain = new String(new char[500]).replace('\0', 'x');
            for (int i = 0; i < 3000; i++) producer.send(new ProducerRecord<>(topic, plain));
            producer.flush();
            for (int i = 0; i < 100; i++) {
                StringBuilder noise = new StringBuilder();
                while (noise.length() < 500) noise.append((char) (33 + random.nextInt(94)));
                producer.send(new ProducerRecord<>(topic, noise.toString()));
            }
        }
        all(topic, 3100);
    }

    public void logAppendTimeIsReported() throws Exception {
        String topic = Cases.topic(1, "message.timestamp.type", "LogAppendTime");
        long before = System.currentTimeMillis();
        try (KafkaProducer<String, String> producer = Cases.producer()) {
            RecordMetadata m = producer.send(new ProducerRecord<>(topic, 0, 5L, "k", "v")).get();
            Cases.check(m.timestamp() >= before, "timestamp " + m.timestamp());
            ConsumerRecord<String, String> got = all(topic, 1).get(0);
            Cases.equal(m.timestamp(), got.timestamp());
            Cases.equal("LogAppendTime", got.timestampType().toString());
        }
    }

    public void offsetsByTime() throws Exception {
        String topic = Cases.topic(1);
        try (KafkaProducer<String, String> producer = Cases.producer()) {
            for (int i = 0; i < 100; i++) producer.send(new ProducerRecord<>(topic, 0, 1000L * i + 1, "k", "v"));
        }
        TopicPartition p = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> consumer = Cases.consumer(null)) {
            Map<TopicPartition, Long> at = new HashMap<>();
            at.put(p, 50000L);
            OffsetAndTimestamp found = consumer.offsetsForTimes(at).get(p);
            Cases.equal(50L, found.offset());
            Cases.equal(50001L, found.timestamp());
            at.put(p, 1000000L);
            Cases.equal(null, consumer.offsetsForTimes(at).get(p));
            Cases.equal(0L, consumer.beginningOffsets(Arrays.asList(p)).get(p));
            Cases.equal(100L, consumer.endOffsets(Arrays.asList(p)).get(p));
            consumer.assign(Arrays.asList(p));
            consumer.seek(p, 90);
            Cases.equal(90L, Cases.take(consumer, 10).get(0).offset());
            consumer.seekToEnd(Arrays.asList(p));
            Cases.equal(100L, consumer.position(p));
        }
    }

    public void largeRecordsPassSmallFetchLimits() throws Exception {
        String topic = Cases.topic(1);
        String large = new String(new char[700000]).replace('\0', 'y');
        try (KafkaProducer<String, String> producer = Cases.producer()) {
            for (int i = 0; i < 5; i++) producer.send(new ProducerRecord<>(topic, large));
        }
        try (KafkaConsumer<String, String> consumer = Cases.consumer(null, "max.partition.fetch.bytes", "1000",
                                                                     "fetch.max.bytes", "1000")) {
            consumer.assign(Arrays.asList(new TopicPartition(topic, 0)));
            for (ConsumerRecord<String, String> r : Cases.take(consumer, 5)) Cases.equal(700000, r.value().length());
        }
    }

    public void waitingFetchIsWokenByARecord() throws Exception {
        String topic = Cases.topic(1);
        try (KafkaConsumer<String, String> consumer = Cases.consumer(null, "fetch.max.wait.ms", "15000");
             KafkaProducer<String, String> producer = Cases.producer()) {
            consumer.assign(Arrays.asList(new TopicPartition(topic, 0)));
            consumer.poll(Duration.ofMillis(1000));
            long before = System.currentTimeMillis();
            producer.send(new ProducerRecord<>(topic, "v")).get();
            Cases.take(consumer, 1);
            Cases.check(System.currentTimeMillis() - before < 3000, "the record waited for fetch.max.wait.ms");
        }
    }

    public void manyPartitionsKeepTheirKeys() throws Exception {
        String topic = Cases.topic(30);
        try (KafkaProducer<String, String> producer = Cases.producer("linger.ms", "20")) {
            for (int i = 0; i < 3000; i++) producer.send(new ProducerRecord<>(topic, "k" + i % 100, "v" + i));
        }
        Map<String, Integer> home = new HashMap<>();
        try (KafkaConsumer<String, String> consumer = Cases.consumer(Cases.fresh("g"))) {
            consumer.subscribe(Collections.singleton(topic));
            for (ConsumerRecord<String, String> r : Cases.take(consumer, 3000)) {
                Integer was = home.putIfAbsent(r.key(), r.partition());
                Cases.check(was == null || was == r.partition(), "key in two partitions");
            }
        }
        Cases.check(new java.util.HashSet<>(home.values()).size() > 15, "keys in few partitions: " + home.values());
    }
}
