package lab;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;

/** A JSON writer for maps, iterables, numbers, booleans, strings and null; members in the order in which they were put. */
final class Json
{
    /** An object from alternating names and values. */
    static Map<String, Object> object(Object... members)
    {
        Map<String, Object> object = new LinkedHashMap<>();
        for (int i = 0; i < members.length; i += 2) object.put((String) members[i], members[i + 1]);
        return object;
    }

    static String hex(ByteBuffer bytes)
    {
        if (bytes == null) return null;
        StringBuilder text = new StringBuilder(bytes.remaining() * 2);
        for (int i = bytes.position(); i < bytes.limit(); i++)
            text.append(Character.forDigit((bytes.get(i) >> 4) & 15, 16)).append(Character.forDigit(bytes.get(i) & 15, 16));
        return text.toString();
    }

    static void write(StringBuilder out, Object value)
    {
        if (value == null || value instanceof Number || value instanceof Boolean) out.append(value);
        else if (value instanceof Map) writeObject(out, (Map<?, ?>) value);
        else if (value instanceof Iterable) writeArray(out, (Iterable<?>) value);
        else writeString(out, value.toString());
    }

    private static void writeObject(StringBuilder out, Map<?, ?> members)
    {
        String separator = "{";
        for (Map.Entry<?, ?> member : members.entrySet())
        {
            out.append(separator);
            writeString(out, member.getKey().toString());
            out.append(':');
            write(out, member.getValue());
            separator = ",";
        }
        out.append(members.isEmpty() ? "{}" : "}");
    }

    private static void writeArray(StringBuilder out, Iterable<?> elements)
    {
        String separator = "";
        out.append('[');
        for (Object element : elements)
        {
            out.append(separator);
            write(out, element);
            separator = ",";
        }
        out.append(']');
    }

    private static void writeString(StringBuilder out, String text)
    {
        out.append('"');
        for (char c : text.toCharArray())
        {
            boolean escaped = c < 0x20 || c == 0x7f || Character.isSurrogate(c) || c == 0x2028 || c == 0x2029;
            if (c == '"' || c == '\\') out.append('\\').append(c);
            else if (c == '\n') out.append("\\n");
            else if (escaped) out.append(String.format("\\u%04x", (int) c));
            else out.append(c);
        }
        out.append('"');
    }
}
