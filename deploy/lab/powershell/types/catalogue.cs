// Categories and classifications.
using System;
using System.Collections.Generic;
using Microsoft.UpdateServices.Administration;

namespace Microsoft.UpdateServices.Internal.BaseApi
{
    public partial class UpdateCategory : IUpdateCategory
    {
        readonly UpdateServer server;
        readonly Row row;

        internal UpdateCategory(Row row, UpdateServer server)
        {
            this.row = row;
            this.server = server;
        }

        internal static UpdateCategoryCollection Collect(List<Row> rows, UpdateServer server)
        {
            UpdateCategoryCollection categories = new UpdateCategoryCollection();
            foreach (Row row in rows) { categories.Add(new UpdateCategory(row, server)); }
            return categories;
        }

        public DateTime ArrivalDate { get { return row.Time("arrived"); } }
        public string Description { get { return row.Text("description"); } }
        public int DisplayOrder { get { return 0; } }
        public Guid Id { get { return row.Id("update_id"); } }
        public bool ProhibitsSubcategories { get { return Type == UpdateCategoryType.Product; } }
        public bool ProhibitsUpdates { get { return Type != UpdateCategoryType.Product; } }
        public string ReleaseNotes { get { return string.Empty; } }
        public string Title { get { return row.Text("title"); } }

        public UpdateCategoryType Type
        {
            get { return Enumeration.Parse<UpdateCategoryType>(row.Text("type")); }
        }

        public UpdateSource UpdateSource { get { return UpdateSource.MicrosoftUpdate; } }

        public IUpdateCategory GetParentUpdateCategory()
        {
            Row parent = Pipe.One("category.parent", "category_id", Id);
            return parent == null ? null : new UpdateCategory(parent, server);
        }

        public UpdateCategoryCollection GetSubcategories()
        {
            return Collect(Pipe.Rows("category.children", "category_id", Id), server);
        }

        public UpdateCollection GetUpdates() { return GetUpdates(ApprovedStates.Any); }

        public UpdateCollection GetUpdates(ApprovedStates approvedStates)
        {
            UpdateScope scope = new UpdateScope();
            scope.ApprovedStates = approvedStates;
            scope.Categories.Add(this);
            return server.GetUpdates(scope);
        }

        public override bool Equals(object obj)
        {
            UpdateCategory other = obj as UpdateCategory;
            return other != null && other.Id == Id;
        }

        public override int GetHashCode() { return Id.GetHashCode(); }
    }

    public partial class UpdateClassification : IUpdateClassification
    {
        readonly UpdateServer server;
        readonly Row row;

        internal UpdateClassification(Row row, UpdateServer server)
        {
            this.row = row;
            this.server = server;
        }

        internal static UpdateClassificationCollection Collect(List<Row> rows, UpdateServer server)
        {
            UpdateClassificationCollection all = new UpdateClassificationCollection();
            foreach (Row row in rows) { all.Add(new UpdateClassification(row, server)); }
            return all;
        }

        public DateTime ArrivalDate { get { return row.Time("arrived"); } }
        public string Description { get { return row.Text("description"); } }
        public Guid Id { get { return row.Id("update_id"); } }
        public string ReleaseNotes { get { return string.Empty; } }
        public string Title { get { return row.Text("title"); } }

        public UpdateCollection GetUpdates() { return GetUpdates(ApprovedStates.Any); }

        public UpdateCollection GetUpdates(ApprovedStates approvedStates)
        {
            UpdateScope scope = new UpdateScope();
            scope.ApprovedStates = approvedStates;
            scope.Classifications.Add(this);
            return server.GetUpdates(scope);
        }

        public override bool Equals(object obj)
        {
            UpdateClassification other = obj as UpdateClassification;
            return other != null && other.Id == Id;
        }

        public override int GetHashCode() { return Id.GetHashCode(); }
    }
}
