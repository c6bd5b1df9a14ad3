    public class NAME : Exception
    {
        public NAME() { }
        public NAME(string message) : base(message) { }
        public NAME(string message, Exception innerException) : base(message, innerException) { }
    }
