    public class NAME : WsusCollection
    {
        public NAME() { }

        public new ELEMENT this[int index]
        {
            get { return (ELEMENT)List[index]; }
            set { List[index] = value; }
        }

        public int Add(ELEMENT value) { return List.Add(value); }
        public bool Contains(ELEMENT value) { return List.Contains(value); }
        public void CopyTo(ELEMENT[] array, int index) { List.CopyTo(array, index); }
        public int IndexOf(ELEMENT value) { return List.IndexOf(value); }
        public void Insert(int index, ELEMENT value) { List.Insert(index, value); }
        public void Remove(ELEMENT value) { List.Remove(value); }

        public void AddRange(NAME value)
        {
            if (value == null) { throw new ArgumentNullException("value"); }
            foreach (ELEMENT element in value) { List.Add(element); }
        }

        public void AddRange(ELEMENT[] value)
        {
            if (value == null) { throw new ArgumentNullException("value"); }
            foreach (ELEMENT element in value) { List.Add(element); }
        }
    }
