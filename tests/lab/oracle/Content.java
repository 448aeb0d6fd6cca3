package lab;

import static lab.Json.hex;
import static lab.Json.object;

import java.nio.ByteBuffer;
import java.util.*;

import org.apache.cassandra.db.*;
import org.apache.cassandra.db.context.CounterContext;
import org.apache.cassandra.db.marshal.*;
import org.apache.cassandra.db.partitions.PartitionUpdate;
import org.apache.cassandra.db.rows.*;
import org.apache.cassandra.schema.ColumnMetadata;
import org.apache.cassandra.schema.TableMetadata;
import org.apache.cassandra.transport.ProtocolVersion;

/** What a partition update says. */
final class Content
{
    long rows, cells;

    void put(Map<String, Object> object, PartitionUpdate update)
    {
        TableMetadata table = update.metadata();
        object.putAll(object("keyspace", table.keyspace, "table", table.name, "table_id", table.id.toString(), "cdc", table.params.cdc));
        partitionKey(object, table, update.partitionKey().getKey());
        object.put("partition_deletion", deletion(update.partitionLevelDeletion()));
        unfiltereds(object, table.clusteringColumns(), update);
        List<Object> ranges = new ArrayList<>();
        for (Iterator<RangeTombstone> all = update.deletionInfo().rangeIterator(false); all.hasNext(); )
        {
            RangeTombstone range = all.next();
            ranges.add(object("start", bound(table.clusteringColumns(), range.deletedSlice().start()),
                              "end", bound(table.clusteringColumns(), range.deletedSlice().end()),
                              "deletion", deletion(range.deletionTime())));
        }
        object.put("range_tombstones", ranges);
    }

    private static void partitionKey(Map<String, Object> object, TableMetadata table, ByteBuffer key)
    {
        List<ColumnMetadata> columns = table.partitionKeyColumns();
        ByteBuffer[] parts = columns.size() == 1 ? new ByteBuffer[]{ key } : ((CompositeType) table.partitionKeyType).split(key);
        Map<String, Object> values = object();
        for (int i = 0; i < columns.size(); i++) values.put(columns.get(i).name.toString(), value(columns.get(i).type, parts[i]));
        object.put("partition_key_hex", hex(key));
        object.put("partition_key", values);
    }

    private void unfiltereds(Map<String, Object> object, List<ColumnMetadata> clustering, PartitionUpdate update)
    {
        List<Object> rowList = new ArrayList<>();
        List<Object> markers = new ArrayList<>();
        try (UnfilteredRowIterator all = update.unfilteredIterator())
        {
            object.put("static_row", all.staticRow().isEmpty() ? null : row(clustering, all.staticRow()));
            while (all.hasNext())
            {
                Unfiltered next = all.next();
                if (next.isRow()) rowList.add(row(clustering, (Row) next));
                else markers.add(marker(clustering, (RangeTombstoneMarker) next, rowList.size()));
            }
        }
        rows += rowList.size();
        object.put("rows", rowList);
        object.put("range_tombstone_markers", markers);
    }

    private static Map<String, Object> marker(List<ColumnMetadata> clustering, RangeTombstoneMarker marker, int rowsBefore)
    {
        Map<String, Object> object = bound(clustering, marker.clustering());
        object.put("rows_before", rowsBefore);
        object.put("close", marker.isClose(false) ? deletion(marker.closeDeletionTime(false)) : null);
        object.put("open", marker.isOpen(false) ? deletion(marker.openDeletionTime(false)) : null);
        return object;
    }

    private Map<String, Object> row(List<ColumnMetadata> clustering, Row row)
    {
        Map<String, Object> object = object();
        if (!row.isStatic()) object.put("clustering", values(clustering, row.clustering()));
        LivenessInfo liveness = row.primaryKeyLivenessInfo();
        object.put("liveness", liveness.isEmpty() ? null : object("timestamp", liveness.timestamp(), "ttl", liveness.ttl(),
                   "local_expiration_time", liveness.localExpirationTime(), "expiring", liveness.isExpiring()));
        Map<String, Object> deletion = deletion(row.deletion().time());
        if (deletion != null) deletion.put("shadowable", row.deletion().isShadowable());
        object.put("row_deletion", deletion);
        List<Object> cellList = new ArrayList<>();
        List<Object> complexDeletions = new ArrayList<>();
        for (ColumnData data : row)
        {
            if (!data.column().isComplex())
            {
                cellList.add(cell((Cell<?>) data));
                continue;
            }
            ComplexColumnData complex = (ComplexColumnData) data;
            if (!complex.complexDeletion().isLive())
            {
                Map<String, Object> complexDeletion = object("column", data.column().name.toString());
                complexDeletion.putAll(deletion(complex.complexDeletion()));
                complexDeletions.add(complexDeletion);
            }
            for (Cell<?> cell : complex) cellList.add(cell(cell));
        }
        object.put("cells", cellList);
        object.put("complex_deletions", complexDeletions);
        return object;
    }

    private Map<String, Object> cell(Cell<?> cell)
    {
        cells++;
        ByteBuffer path = cell.path() == null ? null : cell.path().get(0);
        AbstractType<?> type = cell.column().type;
        AbstractType<?> pathType = null;
        if (cell.column().isComplex() && type instanceof CollectionType)
        {
            pathType = ((CollectionType<?>) type).nameComparator();
            type = ((CollectionType<?>) type).valueComparator();
        }
        else if (cell.column().isComplex() && type instanceof UserType)
        {
            pathType = ShortType.instance;
            type = ((UserType) type).fieldType(path.getShort(path.position()));
        }
        ByteBuffer value = cell.buffer();
        boolean none = cell.isTombstone();
        return object("column", cell.column().name.toString(),
                      "path", hex(path), "path_text", pathType == null ? null : text(pathType, path),
                      "text", none ? null : text(type, value), "hex", none && !value.hasRemaining() ? null : hex(value),
                      "timestamp", cell.timestamp(), "ttl", cell.ttl(), "local_deletion_time", cell.localDeletionTime(),
                      "tombstone", none);
    }

    private static Map<String, Object> bound(List<ColumnMetadata> clustering, ClusteringPrefix<?> prefix)
    {
        return object("kind", prefix.kind().name(), "clustering", values(clustering, prefix));
    }

    private static Map<String, Object> values(List<ColumnMetadata> clustering, ClusteringPrefix<?> prefix)
    {
        Map<String, Object> values = object();
        for (int i = 0; i < prefix.size(); i++)
            values.put(clustering.get(i).name.toString(), value(clustering.get(i).type, prefix.bufferAt(i)));
        return values;
    }

    private static Map<String, Object> deletion(DeletionTime deletion)
    {
        return deletion.isLive() ? null : object("marked_for_delete_at", deletion.markedForDeleteAt(),
                                                 "local_deletion_time", deletion.localDeletionTime());
    }

    private static Map<String, Object> value(AbstractType<?> type, ByteBuffer value)
    {
        return object("text", text(type, value), "hex", hex(value));
    }

    /** Null where the type cannot say. A counter's own toJSONString takes the first bytes of the context for the value. */
    private static String text(AbstractType<?> type, ByteBuffer value)
    {
        if (value == null) return null;
        try
        {
            return type instanceof CounterColumnType
                 ? String.valueOf(CounterContext.instance().total(value.duplicate(), ByteBufferAccessor.instance))
                 : type.toJSONString(value.duplicate(), ProtocolVersion.CURRENT);
        }
        catch (Throwable e) { return null; }
    }
}
