package lab;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.apache.cassandra.cql3.QueryProcessor;
import org.apache.cassandra.cql3.statements.schema.AlterSchemaStatement;
import org.apache.cassandra.schema.*;
import org.apache.cassandra.service.ClientState;
import org.apache.cassandra.utils.ByteBufferUtil;

/** Applies a CQL script as {@code DESCRIBE ... WITH INTERNALS} prints it. */
final class Schema
{
    private static final String NAME = "(\"(?:[^\"]|\"\")+\"|\\w+)";
    private static final Pattern DROP =
        Pattern.compile("(?is)ALTER\\s+TABLE\\s+" + NAME + "\\." + NAME + "\\s+DROP\\s+" + NAME + "\\s+USING\\s+TIMESTAMP\\s+(\\d+)");
    private static final Pattern INDEX = Pattern.compile("(?is)CREATE\\s+(CUSTOM\\s+)?INDEX.*");

    static Keyspaces apply(String script)
    {
        Keyspaces all = Keyspaces.none();
        for (String statement : split(script))
        {
            Matcher drop = DROP.matcher(statement);
            // An index plays no part in decoding, and creating one wants an open keyspace.
            if (INDEX.matcher(statement).matches()) continue;
            all = drop.matches() ? dropColumn(all, drop) : alter(all, statement);
        }
        return all;
    }

    private static Keyspaces alter(Keyspaces all, String statement)
    {
        var parsed = (AlterSchemaStatement) QueryProcessor.parseStatement(statement).prepare(ClientState.forInternalCalls());
        try { return parsed.apply(all); }
        catch (Exception e) { throw new RuntimeException("while applying: " + statement, e); }
    }

    /** The statement itself wants an open table, so what it does to the schema is done here. */
    private static Keyspaces dropColumn(Keyspaces all, Matcher drop)
    {
        KeyspaceMetadata keyspace = all.getNullable(name(drop.group(1)));
        TableMetadata table = keyspace.getTableOrViewNullable(name(drop.group(2)));
        ColumnMetadata column = table.getColumn(ByteBufferUtil.bytes(name(drop.group(3))));
        TableMetadata without = table.unbuild().removeRegularOrStaticColumn(column.name)
                                     .recordColumnDrop(column, Long.parseLong(drop.group(4))).build();
        return all.withAddedOrUpdated(keyspace.withSwapped(keyspace.tables.withSwapped(without)));
    }

    private static String name(String text)
    {
        return text.startsWith("\"") ? text.substring(1, text.length() - 1).replace("\"\"", "\"") : text.toLowerCase(Locale.ROOT);
    }

    /** Splits at semicolons outside quotes and comments. */
    private static List<String> split(String script)
    {
        // DESCRIBE puts the CREATE TABLE of a COMPACT STORAGE table inside a comment, with a clustering order that names a
        // hidden column; the statement is good once both are away.
        String text = script.replaceAll("(?s)/\\*\\s*Warning: Table [^\n]* omitted.*?\n(CREATE TABLE.*?)\\*/", "$1")
                            .replaceAll("AND CLUSTERING ORDER BY \\(column1 ASC\\)", "");
        List<String> statements = new ArrayList<>();
        StringBuilder statement = new StringBuilder();
        char quote = 0;
        for (int i = 0; i < text.length(); i++)
        {
            char c = text.charAt(i);
            if (quote == 0 && (text.startsWith("--", i) || text.startsWith("//", i))) i = endOr(text, text.indexOf('\n', i));
            else if (quote == 0 && text.startsWith("/*", i)) i = endOr(text, text.indexOf("*/", i) + 1);
            else if (quote == 0 && c == ';')
            {
                add(statements, statement);
                statement = new StringBuilder();
            }
            else
            {
                if (quote == 0 && (c == '\'' || c == '"')) quote = c;
                else if (c == quote) quote = 0;
                statement.append(c);
            }
        }
        add(statements, statement);
        return statements;
    }

    private static int endOr(String text, int index) { return index <= 0 ? text.length() : index; }

    private static void add(List<String> statements, StringBuilder statement)
    {
        String trimmed = statement.toString().trim();
        if (!trimmed.isEmpty()) statements.add(trimmed);
    }
}
