import java.lang.reflect.Method;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Runs the tests of one class: every public method without parameters, in the order of their names; those whose name
 * begins with "classic" only with the classic group protocol.
 * Usage: Cases BOOTSTRAP GROUP_PROTOCOL CLASS [TEST]. Prints "ok    NAME" or "FAIL  NAME: reason" for each.
 */
public class Cases {
    static String bootstrap;
    static String protocol;
    private static int names;

    interface Body {
        void run() throws Exception;
    }

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        protocol = args[1];
        Class<?> tests = Class.forName(args[2]);
        List<Method> methods = new ArrayList<>();
        for (Method m : tests.getDeclaredMethods()) {
            boolean wanted = args.length < 4 || m.getName().equals(args[3]);
            if (m.getName().startsWith("classic") && !protocol.equals("classic")) continue;
            if (wanted && m.getParameterCount() == 0 && java.lang.reflect.Modifier.isPublic(m.getModifiers())) methods.add(m);
        }
        methods.sort((a, b) -> a.getName().compareTo(b.getName()));
        int failed = 0;
        for (Method m : methods) {
            try {
                m.invoke(tests.getDeclaredConstructor().newInstance());
                System.out.println("ok    " + m.getName());
            } catch (Throwable e) {
                failed++;
                Throwable cause = e.getCause() == null ? e : e.getCause();
                System.out.println("FAIL  " + m.getName() + ": " + cause.toString().replace('\n', ' '));
                cause.printStackTrace(System.out);
            }
        }
        System.exit(failed == 0 ? 0 : 1);
    }

    /** A name that no other test of this run uses. */
    static String fresh(String prefix) {
        return prefix + "-" + ++names + "-" + Long.toHexString(System.nanoTime());
    }

    static String topic(int partitions, String... configs) throws Exception {
        String name = fresh("topic");
        NewTopic topic = new NewTopic(name, partitions, (short) 1);
        Map<String, String> settings = new java.util.HashMap<>();
        for (int i = 0; i + 1 < configs.length; i += 2) settings.put(configs[i], configs[i + 1]);
        topic.configs(settings);
        try (Admin admin = admin()) {
            admin.createTopics(Collections.singleton(topic)).all().get();
        }
        return name;
    }

    static Properties common(String... settings) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        // What every client of the run has besides, as a login: name=value in each line.
        String more = System.getenv("CLIENT_SETTINGS");
        for (String line : more == null ? new String[0] : more.split("\n")) {
            int equals = line.indexOf('=');
            p.put(line.substring(0, equals), line.substring(equals + 1));
        }
        for (int i = 0; i + 1 < settings.length; i += 2) p.put(settings[i], settings[i + 1]);
        return p;
    }

    static Admin admin() {
        return Admin.create(common());
    }

    static KafkaProducer<String, String> producer(String... settings) {
        return new KafkaProducer<>(common(settings), new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(String group, String... settings) {
        Properties p = common("auto.offset.reset", "earliest", "enable.auto.commit", "false");
        if (group != null) {
            p.put("group.id", group);
            if (protocol.equals("consumer")) p.put("group.protocol", "consumer");
        }
        for (int i = 0; i + 1 < settings.length; i += 2) p.put(settings[i], settings[i + 1]);
        return new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
    }

    /** Polls until that many records came, or twenty seconds went by. */
    static List<ConsumerRecord<String, String>> take(KafkaConsumer<String, String> consumer, int wanted) {
        List<ConsumerRecord<String, String>> got = new ArrayList<>();
        long deadline = System.currentTimeMillis() + 20000;
        while (got.size() < wanted && System.currentTimeMillis() < deadline)
            for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(100))) got.add(r);
        equal(wanted, got.size());
        return got;
    }

    static List<String> values(List<ConsumerRecord<String, String>> records) {
        List<String> values = new ArrayList<>();
        for (ConsumerRecord<String, String> r : records) values.add(r.value());
        return values;
    }

    static void equal(Object wanted, Object got) {
        if (!java.util.Objects.equals(wanted, got)) throw new AssertionError("wanted " + wanted + ", got " + got);
    }

    static void check(boolean condition, String what) {
        if (!condition) throw new AssertionError(what);
    }

    static void until(String what, BooleanSupplier condition) throws InterruptedException {
        long deadline = System.currentTimeMillis() + 20000;
        while (!condition.getAsBoolean()) {
            check(System.currentTimeMillis() < deadline, "waited in vain for " + what);
            Thread.sleep(20);
        }
    }

    /** The body must throw an exception of this class, itself or as the cause of an ExecutionException. */
    static void fails(Class<? extends Throwable> with, Body body) {
        try {
            body.run();
        } catch (Throwable e) {
            Throwable cause = e instanceof ExecutionException ? e.getCause() : e;
            check(with.isInstance(cause), "wanted " + with.getSimpleName() + ", got " + cause);
            return;
        }
        throw new AssertionError("wanted " + with.getSimpleName() + ", nothing was thrown");
    }
}
