// Approvals, target groups and approval rules.
using System;
using System.Collections.Generic;
using System.Collections.ObjectModel;
using Microsoft.UpdateServices.Administration;

namespace Microsoft.UpdateServices.Internal.BaseApi
{
    public class UpdateApproval : IUpdateApproval
    {
        readonly UpdateServer server;
        readonly Row row;

        internal UpdateApproval(Row row, UpdateServer server)
        {
            this.row = row;
            this.server = server;
            UpdateId = new UpdateRevisionId(row.Id("update_id"), row.Number("revision"));
            GoLiveTime = CreationDate;
        }

        internal static UpdateApprovalCollection Collect(List<Row> rows, UpdateServer server)
        {
            UpdateApprovalCollection approvals = new UpdateApprovalCollection();
            foreach (Row row in rows) { approvals.Add(new UpdateApproval(row, server)); }
            return approvals;
        }

        public UpdateApprovalAction Action
        {
            get { return Enumeration.Parse<UpdateApprovalAction>(row.Text("action")); }
        }

        public string AdministratorName { get { return row.Text("administrator"); } }
        public Guid ComputerTargetGroupId { get { return row.Id("group_id"); } }
        public DateTime CreationDate { get { return row.Time("created"); } }
        public DateTime Deadline { get { return row.Time("deadline"); } }
        public DateTime GoLiveTime { get; set; }
        public Guid Id { get { return row.Id("id"); } }
        public bool IsAssigned { get { return !IsOptional; } }
        public bool IsOptional { get { return row.Flag("optional"); } }

        public UpdateApprovalState State
        {
            get { return Enumeration.Parse<UpdateApprovalState>(row.Text("state")); }
        }

        public UpdateRevisionId UpdateId { get; private set; }
        public UpdateServer UpdateServer { get { return server; } }

        public void Delete() { Pipe.Call("approval.delete", "approval_id", Id); }

        public IComputerTargetGroup GetComputerTargetGroup()
        {
            return server.GetComputerTargetGroup(ComputerTargetGroupId);
        }

        public IUpdate GetUpdate() { return server.GetUpdate(UpdateId); }

        public override bool Equals(object obj)
        {
            UpdateApproval other = obj as UpdateApproval;
            return other != null && other.Id == Id;
        }

        public override int GetHashCode() { return Id.GetHashCode(); }
    }

    public partial class ComputerTargetGroup : IComputerTargetGroup
    {
        readonly UpdateServer server;
        readonly Row row;

        internal ComputerTargetGroup(Row row, UpdateServer server)
        {
            this.row = row;
            this.server = server;
        }

        internal static ComputerTargetGroupCollection Collect(List<Row> rows, UpdateServer server)
        {
            ComputerTargetGroupCollection groups = new ComputerTargetGroupCollection();
            foreach (Row row in rows) { groups.Add(new ComputerTargetGroup(row, server)); }
            return groups;
        }

        public Guid Id { get { return row.Id("id"); } }
        public string Name { get { return row.Text("name"); } }
        public UpdateServer UpdateServer { get { return server; } }

        public void Delete() { Pipe.Call("group.delete", "group_id", Id); }

        public ComputerTargetGroupCollection GetChildTargetGroups()
        {
            return Collect(Pipe.Rows("group.children", "group_id", Id), server);
        }

        public IComputerTargetGroup GetParentTargetGroup()
        {
            Row parent = Pipe.One("group.parent", "group_id", Id);
            return parent == null ? null : new ComputerTargetGroup(parent, server);
        }

        public ComputerTargetCollection GetComputerTargets() { return new ComputerTargetCollection(); }

        public ComputerTargetCollection GetComputerTargets(bool includeSubgroups)
        {
            return new ComputerTargetCollection();
        }

        public void AddComputerTarget(IComputerTarget target) { Find(target); }
        public void RemoveComputerTarget(IComputerTarget target) { Find(target); }

        // No computer reports to a server of the lab.
        void Find(IComputerTarget target)
        {
            if (target == null) { throw new ArgumentNullException("target"); }
            server.GetComputerTarget(target.Id);
        }

        public override bool Equals(object obj)
        {
            ComputerTargetGroup other = obj as ComputerTargetGroup;
            return other != null && other.Id == Id;
        }

        public override int GetHashCode() { return Id.GetHashCode(); }
    }

    /// <summary>A rule with unsaved changes; Save writes it.</summary>
    public class AutomaticUpdateApprovalRule : IAutomaticUpdateApprovalRule
    {
        readonly UpdateServer server;
        List<object> groups;
        List<object> categories;
        List<object> classifications;

        internal AutomaticUpdateApprovalRule(Row row, UpdateServer server)
        {
            this.server = server;
            Id = row.Number("id");
            Name = row.Text("name");
            Enabled = row.Flag("enabled");
            groups = (List<object>)row["group_ids"];
            categories = (List<object>)row["category_ids"];
            classifications = (List<object>)row["classification_ids"];
            if (row["deadline_days"] != null)
            {
                Deadline = new AutomaticUpdateApprovalDeadline(
                    (short)row.Number("deadline_days"), (short)row.Number("deadline_minutes"));
            }
        }

        public AutomaticUpdateApprovalAction Action
        {
            get { return AutomaticUpdateApprovalAction.Install; }
        }

        public bool CanSetDeadline { get { return true; } }
        public AutomaticUpdateApprovalDeadline Deadline { get; set; }
        public bool Enabled { get; set; }
        public int Id { get; private set; }
        public string Name { get; set; }

        public ReadOnlyCollection<UpdateRevisionId> ApplyRule()
        {
            List<UpdateRevisionId> approved = new List<UpdateRevisionId>();
            foreach (Row row in Pipe.Rows("rule.apply", "rule_id", Id))
            {
                approved.Add(new UpdateRevisionId(row.Id("update_id"), row.Number("revision")));
            }
            return new ReadOnlyCollection<UpdateRevisionId>(approved);
        }

        public UpdateCategoryCollection GetCategories()
        {
            UpdateCategoryCollection found = new UpdateCategoryCollection();
            foreach (object id in categories)
            {
                found.Add(server.GetUpdateCategory(new Guid((string)id)));
            }
            return found;
        }

        public ComputerTargetGroupCollection GetComputerTargetGroups()
        {
            ComputerTargetGroupCollection found = new ComputerTargetGroupCollection();
            foreach (object id in groups)
            {
                found.Add(server.GetComputerTargetGroup(new Guid((string)id)));
            }
            return found;
        }

        public UpdateClassificationCollection GetUpdateClassifications()
        {
            UpdateClassificationCollection found = new UpdateClassificationCollection();
            foreach (object id in classifications)
            {
                found.Add(server.GetUpdateClassification(new Guid((string)id)));
            }
            return found;
        }

        public void Save()
        {
            Pipe.Call("rule.save", "id", Id, "name", Name, "enabled", Enabled,
                "group_ids", groups, "category_ids", categories, "classification_ids", classifications,
                "deadline_days", Deadline == null ? null : (object)Deadline.DayOffset,
                "deadline_minutes", Deadline == null ? null : (object)Deadline.MinutesAfterMidnight);
        }

        public void SetCategories(UpdateCategoryCollection categories)
        {
            this.categories = Texts(Scopes.Ids(categories));
        }

        public void SetComputerTargetGroups(ComputerTargetGroupCollection targetGroups)
        {
            groups = Texts(Scopes.Ids(targetGroups));
        }

        public void SetUpdateClassifications(UpdateClassificationCollection updateClassifications)
        {
            classifications = Texts(Scopes.Ids(updateClassifications));
        }

        static List<object> Texts(List<object> ids)
        {
            return ids.ConvertAll(id => (object)Wire.Text((Guid)id));
        }
    }
}
