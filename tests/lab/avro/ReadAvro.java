import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads topics from their beginning to their end with Avro's own reader; a schema is asked for by the id that a message names. Prints a
 * JSON line a record, keys and values as Avro prints them.
 *
 * <p>ReadAvro BOOTSTRAP REGISTRY TOPIC...
 */
public final class ReadAvro {
    private final HttpClient http = HttpClient.newHttpClient();
    private final ObjectMapper mapper = new ObjectMapper();
    private final Map<Integer, Schema> schemas = new HashMap<>();
    private final String registry;

    private ReadAvro(String registry) {
        this.registry = registry;
    }

    public static void main(String[] arguments) throws Exception {
        ReadAvro reader = new ReadAvro(arguments[1]);
        Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0], "group.id", "reader", "enable.auto.commit", "false",
                "isolation.level", "read_committed");
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (int i = 2; i < arguments.length; i++) {
                consumer.partitionsFor(arguments[i]).forEach(info -> partitions.add(new TopicPartition(info.topic(), info.partition())));
            }
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = new HashMap<>(consumer.endOffsets(partitions));
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    reader.print(record);
                }
            }
        }
    }

    private void print(ConsumerRecord<byte[], byte[]> record) throws Exception {
        ObjectNode line = mapper.createObjectNode();
        line.put("topic", record.topic()).put("partition", record.partition()).put("offset", record.offset());
        ObjectNode headers = line.putObject("headers");
        for (Header header : record.headers()) {
            headers.put(header.key(), new String(header.value(), StandardCharsets.UTF_8));
        }
        read(record.key(), line, "key");
        read(record.value(), line, "value");
        System.out.println(mapper.writeValueAsString(line));
    }

    private void read(byte[] message, ObjectNode line, String name) throws Exception {
        if (message == null) {
            line.putNull(name);
            return;
        }
        ByteBuffer buffer = ByteBuffer.wrap(message);
        if (buffer.get() != 0) {
            throw new IllegalStateException("no magic byte in a " + name + " of " + line);
        }
        int id = buffer.getInt();
        Schema schema = schema(id);
        BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(message, 5, message.length - 5, null);
        Object datum = new GenericDatumReader<>(schema).read(null, decoder);
        if (!decoder.isEnd()) {
            throw new IllegalStateException("bytes are left of a " + name + " of " + line);
        }
        line.put(name + "_id", id).put(name + "_record", schema.getFullName());
        line.set(name, mapper.readTree(datum.toString()));
    }

    private Schema schema(int id) throws Exception {
        if (!schemas.containsKey(id)) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(registry + "/schemas/ids/" + id)).build();
            HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
            JsonNode text = mapper.readTree(answer.body()).get("schema");
            if (answer.statusCode() != 200 || text == null) {
                throw new IllegalStateException("schema " + id + ": " + answer.statusCode() + " " + answer.body());
            }
            schemas.put(id, new Schema.Parser().parse(text.asText()));
        }
        return schemas.get(id);
    }
}
