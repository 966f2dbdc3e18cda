import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/**
 * A word count with exactly_once_v2: the application is stopped and started in the middle, its local state is thrown away,
 * and each count has to come out once and right. Usage: WordCount BOOTSTRAP STATE_FOLDER.
 */
public class WordCount {
    private static final int LINES = 3000;
    private static final int WORDS = 40;
    private static String bootstrap;

    private static Properties properties(String... settings) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < settings.length; i += 2) p.put(settings[i], settings[i + 1]);
        return p;
    }

    private static KafkaStreams application(String state, AtomicReference<Throwable> error) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream("lines")
            .flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
            .count(Materialized.as("counts"))
            .toStream()
            .to("counted", Produced.with(Serdes.String(), Serdes.Long()));
        KafkaStreams streams = new KafkaStreams(builder.build(), properties(
            "application.id", "word-count", "processing.guarantee", "exactly_once_v2", "state.dir", state,
            "default.key.serde", Serdes.StringSerde.class.getName(), "default.value.serde", Serdes.StringSerde.class.getName(),
            "commit.interval.ms", "100", "num.stream.threads", "2", "auto.offset.reset", "earliest",
            "statestore.cache.max.bytes", "0"));
        streams.setUncaughtExceptionHandler(e -> {
            error.set(e);
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        return streams;
    }

    private static void produce(Random random, int lines, Map<String, Long> wanted) {
        try (KafkaProducer<String, String> producer =
                 new KafkaProducer<>(properties("linger.ms", "5"), new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < lines; i++) {
                List<String> words = new ArrayList<>();
                for (int k = 0; k < 5; k++) words.add("w" + (int) Math.sqrt(random.nextInt(WORDS * WORDS)));
                for (String w : words) wanted.merge(w, 1L, Long::sum);
                producer.send(new ProducerRecord<>("lines", "k" + i, String.join(" ", words)));
            }
        }
    }

    /** Reads the output until it holds as many records as words were written; every count of a word in its order. */
    private static void verify(long words, Map<String, Long> wanted) {
        Map<String, Long> last = new HashMap<>();
        long records = 0;
        try (KafkaConsumer<String, Long> consumer = new KafkaConsumer<>(properties("isolation.level", "read_committed",
                "auto.offset.reset", "earliest"), new StringDeserializer(), new LongDeserializer())) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (int i = 0; i < 4; i++) partitions.add(new TopicPartition("counted", i));
            consumer.assign(partitions);
            long deadline = System.currentTimeMillis() + 120000;
            while (records < words && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<String, Long> r : consumer.poll(Duration.ofMillis(200))) {
                    records++;
                    long before = last.getOrDefault(r.key(), 0L);
                    if (r.value() != before + 1) throw new AssertionError(r.key() + " went from " + before + " to " + r.value());
                    last.put(r.key(), r.value());
                }
            }
        }
        if (records != words) throw new AssertionError(records + " counts of " + words + " words");
        if (!last.equals(wanted)) throw new AssertionError("counts differ: " + last + " of " + wanted);
    }

    private static void end(KafkaStreams streams, AtomicReference<Throwable> error) {
        if (!streams.close(Duration.ofSeconds(30))) throw new AssertionError("the application did not end");
        if (error.get() != null) throw new AssertionError(error.get());
    }

    private static void deleteTree(java.io.File at) {
        java.io.File[] inside = at.listFiles();
        if (inside != null) for (java.io.File f : inside) deleteTree(f);
        at.delete();
    }

    private static void test(String state) throws Exception {
        try (Admin admin = Admin.create(properties())) {
            admin.createTopics(Arrays.asList(new NewTopic("lines", 4, (short) 1), new NewTopic("counted", 4, (short) 1))).all().get();
        }
        Random random = new Random(7);
        Map<String, Long> wanted = new HashMap<>();
        AtomicReference<Throwable> error = new AtomicReference<>();
        KafkaStreams first = application(state, error);
        produce(random, LINES / 2, wanted);
        verify(LINES / 2 * 5L, wanted);
        // It stops while there is work: what it had not committed must come again, and once.
        produce(random, LINES / 4, wanted);
        end(first, error);
        deleteTree(new java.io.File(state));
        KafkaStreams second = application(state, error);
        produce(random, LINES / 4, wanted);
        verify(LINES * 5L, wanted);
        Map<String, Long> stored = new HashMap<>();
        ReadOnlyKeyValueStore<String, Long> store =
            second.store(StoreQueryParameters.fromNameAndType("counts", QueryableStoreTypes.keyValueStore()));
        try (KeyValueIterator<String, Long> all = store.all()) {
            while (all.hasNext()) {
                KeyValue<String, Long> one = all.next();
                stored.put(one.key, one.value);
            }
        }
        if (!stored.equals(wanted)) throw new AssertionError("the store differs: " + stored);
        end(second, error);
    }

    public static void main(String[] args) {
        bootstrap = args[0];
        try {
            test(args[1]);
            System.out.println("ok    wordCountIsExactlyOnce");
            System.exit(0);
        } catch (Throwable e) {
            System.out.println("FAIL  wordCountIsExactlyOnce: " + e.toString().replace('\n', ' '));
            e.printStackTrace(System.out);
            System.exit(1);
        }
    }
}
