// The pipe to the rules of the simulated server: one line of JSON out, one value of JSON back.
// All types are internal: a script must see no type and no member that WSUS lacks.
using System;
using System.Collections.Generic;
using System.Collections.Specialized;
using System.Globalization;
using System.IO;
using System.IO.Pipes;
using System.Text;
using Microsoft.UpdateServices.Administration;

namespace Microsoft.UpdateServices.Internal.BaseApi
{
    /// <summary>The connection to the rules, shared by all objects of this process.</summary>
    internal static class Pipe
    {
        // The launcher sets this variable to two inherited handles, "READ,WRITE".
        const string Variable = "WSUS_LAB_PIPE";
        static readonly object gate = new object();
        static Stream output;
        static JsonReader answers;

        /// <summary>Calls an operation; names and values of its arguments alternate.</summary>
        internal static object Call(string operation, params object[] arguments)
        {
            StringBuilder line = new StringBuilder(160);
            JsonWriter.Write(line, new object[] { operation, Named(arguments) });
            line.Append('\n');
            Dictionary<string, object> answer;
            lock (gate)
            {
                Open();
                byte[] bytes = new UTF8Encoding(false).GetBytes(line.ToString());
                output.Write(bytes, 0, bytes.Length);
                output.Flush();
                answer = (Dictionary<string, object>)answers.ReadValue();
            }
            object error;
            if (answer.TryGetValue("error", out error))
            {
                throw Failure((string)error, (string)answer["message"]);
            }
            return answer["ok"];
        }

        internal static Row One(string operation, params object[] arguments)
        {
            List<Row> rows = Rows(operation, arguments);
            return rows.Count == 0 ? null : rows[0];
        }

        internal static List<Row> Rows(string operation, params object[] arguments)
        {
            Dictionary<string, object> table =
                (Dictionary<string, object>)Call(operation, arguments);
            if (table == null) { return new List<Row>(); }
            Dictionary<string, int> columns = new Dictionary<string, int>();
            foreach (object name in (List<object>)table["columns"])
            {
                columns[(string)name] = columns.Count;
            }
            List<object> lines = (List<object>)table["rows"];
            List<Row> rows = new List<Row>(lines.Count);
            foreach (object values in lines)
            {
                rows.Add(new Row(columns, (List<object>)values));
            }
            return rows;
        }

        static Dictionary<string, object> Named(object[] arguments)
        {
            Dictionary<string, object> named = new Dictionary<string, object>();
            for (int i = 0; i + 1 < arguments.Length; i += 2)
            {
                named[(string)arguments[i]] = arguments[i + 1];
            }
            return named;
        }

        static void Open()
        {
            if (output != null)
            {
                return;
            }
            string handles = Environment.GetEnvironmentVariable(Variable);
            if (string.IsNullOrEmpty(handles))
            {
                throw new WsusInvalidServerException(
                    "No Update Services server answers here: start the script with the "
                    + "powershell of a lab server.");
            }
            string[] ends = handles.Split(',');
            Stream input = new AnonymousPipeClientStream(PipeDirection.In, ends[0]);
            answers = new JsonReader(new StreamReader(input, new UTF8Encoding(false), false, 65536));
            output = new AnonymousPipeClientStream(PipeDirection.Out, ends[1]);
        }

        static Exception Failure(string kind, string message)
        {
            switch (kind)
            {
                case "WsusObjectNotFoundException": return new WsusObjectNotFoundException(message);
                case "WsusObjectAlreadyExistsException":
                    return new WsusObjectAlreadyExistsException(message);
                case "WsusInvalidDataException": return new WsusInvalidDataException(message);
                case "WsusInvalidServerException": return new WsusInvalidServerException(message);
                case "ArgumentException": return new ArgumentException(message);
                case "ArgumentNullException": return new ArgumentNullException(null, message);
                case "ArgumentOutOfRangeException":
                    return new ArgumentOutOfRangeException(null, message);
                case "IOException": return new IOException(message);
                case "TimeoutException": return new TimeoutException(message);
                case "InvalidOperationException": return new InvalidOperationException(message);
                default: return new Exception(kind + ": " + message);
            }
        }
    }

    /// <summary>One row of an answer; all rows share the names of the columns.</summary>
    internal sealed class Row
    {
        readonly Dictionary<string, int> columns;
        readonly List<object> values;

        internal Row(Dictionary<string, int> columns, List<object> values)
        {
            this.columns = columns;
            this.values = values;
        }

        internal object this[string name] { get { return values[columns[name]]; } }

        internal string Text(string name) { return (string)this[name]; }
        internal bool Flag(string name) { return Convert.ToBoolean(this[name]); }
        internal int Number(string name) { return Convert.ToInt32(this[name]); }
        internal long Long(string name) { return Convert.ToInt64(this[name]); }
        internal DateTime Time(string name) { return Wire.Time(this[name]); }

        internal Guid Id(string name)
        {
            return this[name] == null ? Guid.Empty : new Guid(Text(name));
        }

        internal StringCollection Texts(string name)
        {
            StringCollection texts = new StringCollection();
            foreach (object text in (List<object>)this[name])
            {
                texts.Add((string)text);
            }
            return texts;
        }
    }

    /// <summary>The format of values in JSON.</summary>
    internal static class Wire
    {
        const string Form = "yyyy-MM-ddTHH:mm:ss.FFFFFFFZ";

        // Times of WSUS are UTC, but their Kind is Unspecified, as of columns of its database. A
        // missing time is DateTime.MaxValue.
        internal static DateTime Time(object text)
        {
            return text == null
                ? DateTime.MaxValue
                : DateTime.SpecifyKind(
                    DateTime.Parse((string)text, CultureInfo.InvariantCulture,
                        DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal),
                    DateTimeKind.Unspecified);
        }

        internal static string Text(DateTime time)
        {
            return time == DateTime.MaxValue ? null : time.ToString(Form, CultureInfo.InvariantCulture);
        }

        // DateTime.MinValue and MaxValue stand for the open ends of a range.
        internal static string Bound(DateTime time)
        {
            return time == DateTime.MinValue ? null : Text(time);
        }

        internal static string Text(Guid id) { return id.ToString("D"); }
    }
}
