// The base of all collections of the API. The typed collections and the exceptions differ only in
// names: the build makes them from the two templates beside this file.
using System;
using System.Collections;

namespace Microsoft.UpdateServices.Administration
{
    public abstract class WsusCollection : CollectionBase
    {
        public object this[int index]
        {
            get { return List[index]; }
            set { List[index] = value; }
        }
    }

    public class WsusObjectNotFoundException : Exception
    {
        public WsusObjectNotFoundException() { }
        public WsusObjectNotFoundException(string message) : base(message) { }

        public WsusObjectNotFoundException(Exception innerException)
            : base(innerException.Message, innerException) { }

        public WsusObjectNotFoundException(string message, Exception innerException)
            : base(message, innerException) { }
    }
}
