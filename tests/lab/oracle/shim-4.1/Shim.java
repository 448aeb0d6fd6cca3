package lab;

import java.io.IOException;

import org.apache.cassandra.auth.AuthKeyspace;
import org.apache.cassandra.config.DatabaseDescriptor;
import org.apache.cassandra.db.commitlog.*;
import org.apache.cassandra.io.util.File;
import org.apache.cassandra.io.util.RandomAccessReader;
import org.apache.cassandra.schema.*;
import org.apache.cassandra.tracing.TraceKeyspace;

/** What differs between releases: Cassandra 4.1 and 5.0. */
final class Shim
{
    static void init()
    {
        DatabaseDescriptor.toolInitialization();
        org.apache.cassandra.schema.Schema.instance.transform(all -> all.withAddedOrUpdated(TraceKeyspace.metadata())
                                                                        .withAddedOrUpdated(AuthKeyspace.metadata())
                                                                        .withAddedOrUpdated(SystemDistributedKeyspace.metadata()));
    }

    static void load(Keyspaces keyspaces)
    {
        for (KeyspaceMetadata keyspace : keyspaces)
            org.apache.cassandra.schema.Schema.instance.transform(all -> all.withAddedOrUpdated(keyspace));
    }

    static RandomAccessReader open(String path) { return RandomAccessReader.open(new File(path)); }

    static void read(CommitLogReader reader, CommitLogReadHandler handler, String path) throws IOException
    {
        reader.readCommitLogSegment(handler, new File(path), true);
    }
}
