package lab;

import static lab.Json.object;

import java.io.IOException;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.apache.cassandra.config.DatabaseDescriptor;
import org.apache.cassandra.db.Mutation;
import org.apache.cassandra.db.commitlog.*;
import org.apache.cassandra.db.partitions.PartitionUpdate;

/**
 * Decodes commit log segments with Cassandra's own CommitLogReader, one JSON object a line:
 * {@code Oracle SEGMENTS_DIR SCHEMA_FILE OUT_FILE}.
 */
public final class Oracle implements CommitLogReadHandler
{
    private final Writer out;
    private final StringBuilder line = new StringBuilder();
    private final Content content = new Content();
    private final Map<String, Integer> skippedByTableId = new TreeMap<>();
    private long mutations, updates, skipped, errors;
    private String segment;
    private int mutationIndex;

    private Oracle(Writer out) { this.out = out; }

    public static void main(String[] arguments) throws Exception
    {
        Shim.init();
        Shim.load(Schema.apply(Files.readString(Path.of(arguments[1]))));
        List<Path> segments;
        try (Stream<Path> files = Files.list(Path.of(arguments[0])))
        {
            segments = files.filter(p -> CommitLogDescriptor.isValid(p.getFileName().toString()))
                            .sorted(Comparator.comparingLong(p -> CommitLogDescriptor.fromFileName(p.getFileName().toString()).id))
                            .collect(Collectors.toList());
        }
        try (Writer out = Files.newBufferedWriter(Path.of(arguments[2])))
        {
            Oracle oracle = new Oracle(out);
            for (Path path : segments) oracle.read(path);
            oracle.print(object("kind", "summary", "segments", segments.size(), "mutations", oracle.mutations,
                                "updates", oracle.updates, "rows", oracle.content.rows, "cells", oracle.content.cells,
                                "skipped_mutations_unknown_table", oracle.skipped, "skipped_by_table_id", oracle.skippedByTableId,
                                "errors", oracle.errors));
        }
        System.exit(0);
    }

    private void print(Map<String, Object> object) throws IOException
    {
        line.setLength(0);
        Json.write(line, object);
        out.append(line).append('\n');
    }

    private void read(Path path) throws IOException
    {
        segment = path.getFileName().toString();
        mutationIndex = 0;
        Path index = path.resolveSibling(segment.replace(".log", "_cdc.idx"));
        Map<String, Object> described = object("kind", "segment", "segment", segment, "file_size", Files.size(path),
                                               "idx", Files.exists(index) ? Files.readString(index) : null);
        described.putAll(describe(path));
        print(described);
        Shim.read(new CommitLogReader()
        {
            @Override
            protected void readMutation(CommitLogReadHandler handler, byte[] bytes, int size, CommitLogPosition minimum,
                                        int entryLocation, CommitLogDescriptor descriptor) throws IOException
            {
                long seen = mutations + errors;
                Map<Object, Integer> before = unknownTables(this);
                super.readMutation(handler, bytes, size, minimum, entryLocation, descriptor);
                // Neither handed over nor reported: the reader leaves out the whole mutation of an unknown table.
                if (mutations + errors == seen) skip(before, unknownTables(this), entryLocation, size);
                mutationIndex++;
            }
        }, this, path.toString());
    }

    private static Map<String, Object> describe(Path path)
    {
        try (var reader = Shim.open(path.toString()))
        {
            CommitLogDescriptor d = CommitLogDescriptor.readHeader(reader, DatabaseDescriptor.getEncryptionContext());
            return object("descriptor_version", d == null ? null : version(d), "descriptor_id", d == null ? null : d.id,
                          "compression", d == null || d.compression == null ? null : d.compression.class_name,
                          "encrypted", d != null && d.getEncryptionContext().isEnabled(),
                          "header_end", d == null ? null : reader.getFilePointer());
        }
        catch (Exception e) { return object("descriptor_error", e.toString()); }
    }

    private static Map<Object, Integer> unknownTables(CommitLogReader reader)
    {
        Map<Object, Integer> counts = new HashMap<>();
        for (var entry : reader.getInvalidMutations()) counts.put(entry.getKey(), entry.getValue().get());
        return counts;
    }

    private void skip(Map<Object, Integer> before, Map<Object, Integer> after, int entryLocation, int size) throws IOException
    {
        String table = null;
        for (var entry : after.entrySet())
            if (!entry.getValue().equals(before.get(entry.getKey()))) table = entry.getKey().toString();
        skipped++;
        skippedByTableId.merge(String.valueOf(table), 1, Integer::sum);
        print(object("kind", "skipped", "segment", segment, "position", entryLocation, "mutation_index", mutationIndex,
                     "mutation_size", size, "unknown_table_id", table));
    }

    @Override
    public void handleMutation(Mutation mutation, int size, int entryLocation, CommitLogDescriptor descriptor)
    {
        mutations++;
        Collection<PartitionUpdate> all = mutation.getPartitionUpdates();
        int index = 0;
        try
        {
            for (PartitionUpdate update : all)
            {
                Map<String, Object> object =
                    object("kind", "update", "segment", segment, "position", entryLocation, "mutation_index", mutationIndex,
                           "mutation_size", size, "update_index", index++, "updates_in_mutation", all.size(),
                           "version", version(descriptor));
                content.put(object, update);
                print(object);
                updates++;
            }
        }
        catch (IOException e) { throw new RuntimeException(e); }
    }

    @Override
    public boolean shouldSkipSegmentOnError(CommitLogReadException e) throws IOException { return report(e, true); }

    @Override
    public void handleUnrecoverableError(CommitLogReadException e) throws IOException { report(e, false); }

    private boolean report(CommitLogReadException e, boolean recoverable) throws IOException
    {
        errors++;
        print(object("kind", "error", "segment", segment, "mutation_index", mutationIndex, "reason", e.reason.name(),
                     "permissible", e.permissible, "recoverable", recoverable,
                     "message", e.getMessage().replaceAll("/[^ ]*/", "")));
        return true;
    }

    /** CommitLogDescriptor.version is package-private. */
    private static int version(CommitLogDescriptor descriptor)
    {
        try
        {
            var field = CommitLogDescriptor.class.getDeclaredField("version");
            field.setAccessible(true);
            return field.getInt(descriptor);
        }
        catch (ReflectiveOperationException e) { throw new RuntimeException(e); }
    }
}
