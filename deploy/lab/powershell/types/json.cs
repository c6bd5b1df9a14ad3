// JSON for the pipe. Without an additional package no library serves both .NET Framework and .NET.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;

namespace Microsoft.UpdateServices.Internal.BaseApi
{
    internal static class JsonWriter
    {
        internal static void Write(StringBuilder text, object value)
        {
            if (value == null) { text.Append("null"); return; }
            string words = value as string;
            if (words != null) { WriteText(text, words); return; }
            if (value is bool) { text.Append((bool)value ? "true" : "false"); return; }
            if (value is Guid) { WriteText(text, ((Guid)value).ToString("D")); return; }
            IDictionary pairs = value as IDictionary;
            if (pairs != null) { WritePairs(text, pairs); return; }
            IEnumerable items = value as IEnumerable;
            if (items != null) { WriteItems(text, items); return; }
            text.Append(Convert.ToInt64(value).ToString(CultureInfo.InvariantCulture));
        }

        static void WritePairs(StringBuilder text, IDictionary pairs)
        {
            string separator = "{";
            foreach (DictionaryEntry pair in pairs)
            {
                text.Append(separator);
                WriteText(text, (string)pair.Key);
                text.Append(':');
                Write(text, pair.Value);
                separator = ",";
            }
            text.Append(separator == "{" ? "{}" : "}");
        }

        static void WriteItems(StringBuilder text, IEnumerable items)
        {
            string separator = "[";
            foreach (object item in items)
            {
                text.Append(separator);
                Write(text, item);
                separator = ",";
            }
            text.Append(separator == "[" ? "[]" : "]");
        }

        static void WriteText(StringBuilder text, string words)
        {
            text.Append('"');
            foreach (char c in words)
            {
                if (c == '"' || c == '\\') { text.Append('\\').Append(c); }
                // Half a surrogate pair would not survive UTF-8, so only printable ASCII stays as it is.
                else if (c < ' ' || c > '~') { text.Append("\\u").Append(((int)c).ToString("x4")); }
                else { text.Append(c); }
            }
            text.Append('"');
        }
    }

    /// <summary>Reads value by value, so that a long answer is never one string.</summary>
    internal sealed class JsonReader
    {
        readonly TextReader source;
        readonly StringBuilder word = new StringBuilder();
        int ahead = -2; // -2: nothing read ahead

        internal JsonReader(TextReader source) { this.source = source; }

        int Read()
        {
            int c = ahead == -2 ? source.Read() : ahead;
            ahead = -2;
            return c;
        }

        // StreamReader.Peek gives -1 also if the pipe has only not delivered yet.
        int Peek()
        {
            if (ahead == -2) { ahead = source.Read(); }
            return ahead;
        }

        internal object ReadValue()
        {
            int c = Skip();
            switch (c)
            {
                case '{': return ReadPairs();
                case '[': return ReadItems();
                case '"': return ReadText();
                case 't': Drop(3); return true;
                case 'f': Drop(4); return false;
                case 'n': Drop(3); return null;
                default: return ReadNumber(c);
            }
        }

        int Skip()
        {
            int c = Read();
            while (c == ' ' || c == '\n' || c == '\r') { c = Read(); }
            if (c < 0)
            {
                throw new IOException("The simulated server ended before it had answered.");
            }
            return c;
        }

        void Drop(int count)
        {
            for (int i = 0; i < count; i++) { Read(); }
        }

        Dictionary<string, object> ReadPairs()
        {
            Dictionary<string, object> pairs = new Dictionary<string, object>();
            for (int c = Skip(); c != '}'; c = Skip())
            {
                if (c == ',') { c = Skip(); }
                string name = ReadText();
                Skip(); // the colon
                pairs[name] = ReadValue();
            }
            return pairs;
        }

        List<object> ReadItems()
        {
            List<object> items = new List<object>();
            while (Peek() == ' ') { Read(); }
            if (Peek() == ']') { Read(); return items; }
            do { items.Add(ReadValue()); } while (Skip() == ',');
            return items;
        }

        string ReadText()
        {
            word.Length = 0;
            for (int c = Read(); c != '"'; c = Read())
            {
                if (c < 0) { throw new IOException("The simulated server broke off its answer."); }
                word.Append(c == '\\' ? ReadEscape() : (char)c);
            }
            return word.ToString();
        }

        char ReadEscape()
        {
            int c = Read();
            switch (c)
            {
                case 'n': return '\n';
                case 't': return '\t';
                case 'r': return '\r';
                case 'b': return '\b';
                case 'f': return '\f';
                case 'u':
                    char[] digits = { (char)Read(), (char)Read(), (char)Read(), (char)Read() };
                    return (char)int.Parse(new string(digits), NumberStyles.HexNumber,
                        CultureInfo.InvariantCulture);
                default: return (char)c;
            }
        }

        object ReadNumber(int first)
        {
            word.Length = 0;
            word.Append((char)first);
            for (int c = Peek(); c >= '+' && c <= 'e' && c != ',' && c != ']'; c = Peek())
            {
                word.Append((char)Read());
            }
            string digits = word.ToString();
            long whole;
            if (long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture,
                out whole))
            {
                return whole;
            }
            return double.Parse(digits, CultureInfo.InvariantCulture);
        }
    }
}
