package lab;

import java.io.File;
import java.io.IOException;

import org.apache.cassandra.auth.AuthKeyspace;
import org.apache.cassandra.config.DatabaseDescriptor;
import org.apache.cassandra.db.commitlog.*;
import org.apache.cassandra.io.util.RandomAccessReader;
import org.apache.cassandra.repair.SystemDistributedKeyspace;
import org.apache.cassandra.schema.*;
import org.apache.cassandra.tracing.TraceKeyspace;

/** What differs between releases: Cassandra 4.0. */
final class Shim
{
    static void init()
    {
        DatabaseDescriptor.toolInitialization();
        org.apache.cassandra.schema.Schema.instance.load(TraceKeyspace.metadata());
        org.apache.cassandra.schema.Schema.instance.load(AuthKeyspace.metadata());
        org.apache.cassandra.schema.Schema.instance.load(SystemDistributedKeyspace.metadata());
    }

    static void load(Keyspaces keyspaces) { keyspaces.forEach(org.apache.cassandra.schema.Schema.instance::load); }

    static RandomAccessReader open(String path) { return RandomAccessReader.open(new File(path)); }

    static void read(CommitLogReader reader, CommitLogReadHandler handler, String path) throws IOException
    {
        reader.readCommitLogSegment(handler, new File(path), true);
    }
}
