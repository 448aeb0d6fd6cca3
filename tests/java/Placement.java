import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Utils;

/**
 * A consumer as people write them, with kafka-clients alone: finds each record of a table without clustering columns in the partition of
 * Java's default partitioner, joins it by key with a topic that a Java producer wrote, and finds all of a Cassandra partition in one
 * partition of the topic of a table with clustering columns.
 *
 * Placement BOOTSTRAP PLAIN_TOPIC CLUSTERED_TOPIC JOINED_TOPIC: prints what it counted, one name=number a line; ends with 1 if something is
 * not where it should be.
 */
public final class Placement {
    /** The partition key in a record key of the clustered table. */
    private static final Pattern PARTITION_KEY = Pattern.compile("\"p\":(-?[0-9]+)");
    private static final Pattern OP = Pattern.compile("\"op\":\"([a-z])\"");

    private static long wrong = 0;

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[0];
        List<ConsumerRecord<byte[], byte[]>> plain = read(bootstrap, arguments[1]);
        List<ConsumerRecord<byte[], byte[]>> clustered = read(bootstrap, arguments[2]);
        int partitions = partitions(bootstrap, arguments[1]);
        System.out.println("partitions=" + partitions);
        defaultPlacement(plain, partitions);
        join(bootstrap, arguments[3], plain);
        together(clustered);
        System.out.println("wrong=" + wrong);
        System.exit(wrong == 0 ? 0 : 1);
    }

    private static void defaultPlacement(List<ConsumerRecord<byte[], byte[]>> records, int partitions) {
        Set<String> keys = new HashSet<>();
        Set<Integer> used = new HashSet<>();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            int expected = Utils.toPositive(Utils.murmur2(record.key())) % partitions;
            if (expected != record.partition()) {
                complain(text(record.key()) + " is in partition " + record.partition() + ", Java's default partitioner says " + expected);
            }
            keys.add(text(record.key()));
            used.add(record.partition());
        }
        System.out.println("plain_records=" + records.size());
        System.out.println("plain_keys=" + keys.size());
        System.out.println("plain_partitions_used=" + used.size());
    }

    /** Writes a record of each key with the producer's own partitioner, and joins partition by partition, as a stream task does. */
    private static void join(String bootstrap, String topic, List<ConsumerRecord<byte[], byte[]>> records) throws Exception {
        Set<String> keys = new HashSet<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties(bootstrap), new ByteArraySerializer(), new ByteArraySerializer())) {
            for (ConsumerRecord<byte[], byte[]> record : records) {
                if (keys.add(text(record.key()))) {
                    producer.send(new ProducerRecord<>(topic, record.key(), ("about " + text(record.key())).getBytes(StandardCharsets.UTF_8)));
                }
            }
            producer.flush();
        }
        Map<Integer, Set<String>> table = new HashMap<>();
        for (ConsumerRecord<byte[], byte[]> record : read(bootstrap, topic)) {
            table.computeIfAbsent(record.partition(), partition -> new HashSet<>()).add(text(record.key()));
        }
        long joined = 0;
        for (ConsumerRecord<byte[], byte[]> record : records) {
            if (table.getOrDefault(record.partition(), Set.of()).contains(text(record.key()))) {
                joined++;
            } else {
                complain(text(record.key()) + " has no partner in partition " + record.partition());
            }
        }
        System.out.println("joined_records=" + joined);
    }

    private static void together(List<ConsumerRecord<byte[], byte[]>> records) {
        Map<String, Integer> places = new HashMap<>();
        Map<String, Integer> ops = new TreeMap<>();
        Set<Integer> used = new HashSet<>();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            Matcher key = PARTITION_KEY.matcher(text(record.key()));
            Matcher op = OP.matcher(text(record.value()));
            if (!key.find() || !op.find()) {
                complain("no record of the clustered table: " + text(record.key()));
                continue;
            }
            Integer before = places.putIfAbsent(key.group(1), record.partition());
            if (before != null && before != record.partition()) {
                complain("p=" + key.group(1) + " is in partitions " + before + " and " + record.partition());
            }
            ops.merge(op.group(1), 1, Integer::sum);
            used.add(record.partition());
        }
        System.out.println("clustered_keys=" + places.size());
        System.out.println("clustered_partitions_used=" + used.size());
        ops.forEach((op, count) -> System.out.println("clustered_" + op + "=" + count));
    }

    /** Everything in a topic, from its beginning to the end that it has now. */
    private static List<ConsumerRecord<byte[], byte[]>> read(String bootstrap, String topic) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap)) {
            List<TopicPartition> partitions = new ArrayList<>();
            consumer.partitionsFor(topic).forEach(info -> partitions.add(new TopicPartition(topic, info.partition())));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            }
            return records;
        }
    }

    private static int partitions(String bootstrap, String topic) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap)) {
            return consumer.partitionsFor(topic).size();
        }
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String bootstrap) {
        return new KafkaConsumer<>(properties(bootstrap), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static Properties properties(String bootstrap) {
        Properties properties = new Properties();
        properties.setProperty("bootstrap.servers", bootstrap);
        return properties;
    }

    private static void complain(String what) {
        wrong++;
        if (wrong <= 10) {
            System.err.println(what);
        }
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "" : new String(bytes, StandardCharsets.UTF_8);
    }
}
