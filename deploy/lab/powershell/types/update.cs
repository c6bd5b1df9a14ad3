// Updates, their files and licence terms.
using System;
using System.Collections.Generic;
using System.Collections.ObjectModel;
using System.Collections.Specialized;
using Microsoft.UpdateServices.Administration;

namespace Microsoft.UpdateServices.Internal.BaseApi
{
    /// <summary>A revision as it was read; only Refresh changes it.</summary>
    public partial class Update : IUpdate
    {
        readonly UpdateServer server;
        Row row;

        internal Update(Row row, UpdateServer server)
        {
            this.row = row;
            this.server = server;
            Id = new UpdateRevisionId(row.Id("update_id"), row.Number("revision"));
        }

        public UpdateRevisionId Id { get; private set; }
        public UpdateServer UpdateServer { get { return server; } }
        public StringCollection AdditionalInformationUrls { get { return row.Texts("urls"); } }
        public DateTime ArrivalDate { get { return row.Time("arrived"); } }
        public StringCollection CompanyTitles { get { return row.Texts("companies"); } }
        public DateTime CreationDate { get { return row.Time("created"); } }
        public string Description { get { return row.Text("description"); } }
        public bool HasEarlierRevision { get { return row.Flag("has_earlier"); } }
        public bool HasLicenseAgreement { get { return row.Flag("has_license"); } }
        public bool HasStaleUpdateApprovals { get { return row.Flag("stale"); } }
        public bool HasSupersededUpdates { get { return row.Flag("supersedes"); } }
        public bool IsApproved { get { return row.Flag("approved"); } }
        public bool IsBeta { get { return false; } }
        public bool IsDeclined { get { return row.Flag("declined"); } }
        public bool IsEditable { get { return false; } }
        public bool IsLatestRevision { get { return row.Flag("is_latest"); } }
        public bool IsSuperseded { get { return row.Flag("superseded"); } }
        public bool IsWsusInfrastructureUpdate { get { return row.Flag("infrastructure"); } }
        public StringCollection KnowledgebaseArticles { get { return row.Texts("articles"); } }
        public string LegacyName { get { return row.Text("legacy_name"); } }

        public MsrcSeverity MsrcSeverity
        {
            get { return Enumeration.Parse<MsrcSeverity>(row.Text("severity")); }
        }

        public StringCollection ProductFamilyTitles { get { return row.Texts("families"); } }
        public StringCollection ProductTitles { get { return row.Texts("products"); } }

        public PublicationState PublicationState
        {
            get { return Enumeration.Parse<PublicationState>(row.Text("publication")); }
        }

        public bool RequiresLicenseAgreementAcceptance
        {
            get { return row.Flag("license_required"); }
        }

        public string ReleaseNotes { get { return string.Empty; } }
        public StringCollection SecurityBulletins { get { return row.Texts("bulletins"); } }
        public UpdateState State { get { return Enumeration.Parse<UpdateState>(row.Text("state")); } }
        public string Title { get { return row.Text("title"); } }

        public string UpdateClassificationTitle { get { return row.Text("classification"); } }
        public UpdateSource UpdateSource { get { return (UpdateSource)row.Number("source"); } }
        public UpdateType UpdateType { get { return (UpdateType)row.Number("type"); } }

        public InstallationBehavior InstallationBehavior
        {
            get { return Behavior(true, row.Text("reboot")); }
        }

        public InstallationBehavior UninstallationBehavior
        {
            get { return Behavior(row.Flag("uninstallable"), row.Text("reboot")); }
        }

        static InstallationBehavior Behavior(bool supported, string reboot)
        {
            return new InstallationBehavior(supported, false, InstallationImpact.Normal,
                Enumeration.Parse<RebootBehavior>(reboot), false);
        }

        // The bytes of all its files, including licence terms and bundled children.
        public long Size { get { return Convert.ToInt64(Pipe.Call("update.size", WithKey(new object[0]))); } }

        // Approvals
        public IUpdateApproval Approve(UpdateApprovalAction action,
            IComputerTargetGroup targetGroup)
        {
            return Approve(action, targetGroup, DateTime.MaxValue, false);
        }

        public IUpdateApproval Approve(UpdateApprovalAction action,
            IComputerTargetGroup targetGroup, DateTime deadline)
        {
            return Approve(action, targetGroup, deadline, false);
        }

        public IUpdateApproval ApproveForOptionalInstall(IComputerTargetGroup targetGroup)
        {
            return Approve(UpdateApprovalAction.Install, targetGroup, DateTime.MaxValue, true);
        }

        IUpdateApproval Approve(UpdateApprovalAction action, IComputerTargetGroup targetGroup,
            DateTime deadline, bool optional)
        {
            if (targetGroup == null) { throw new ArgumentNullException("targetGroup"); }
            return new UpdateApproval(Ask("update.approve", "action", (int)action,
                "group_id", targetGroup.Id, "deadline", Wire.Text(deadline),
                "optional", optional), server);
        }

        public void AcceptLicenseAgreement() { Tell("update.accept_license"); }
        public void CancelDownload() { Tell("update.cancel_download"); }
        public void Decline() { Decline(true); }

        public void Decline(bool failIfReplica)
        {
            Tell("update.decline", "fail_if_replica", failIfReplica);
        }

        public void ExpirePackage() { Tell("update.expire"); }

        public void ExportPackageMetadata(string fileName)
        {
            if (string.IsNullOrEmpty(fileName)) { throw new ArgumentNullException("fileName"); }
            Tell("update.export_metadata", "file_name", fileName);
        }

        public RevisionChanges GetChangesFromPreviousRevision()
        {
            return (RevisionChanges)Convert.ToInt32(
                Pipe.Call("update.changes", WithKey(new object[0])));
        }

        public void RefreshUpdateApprovals()
        {
            Pipe.Call("update.refresh_approvals", "update_id", Id.UpdateId);
        }

        public void ResumeDownload() { Tell("update.resume_download"); }
        public void Refresh() { row = Ask("update.get"); }

        public UpdateApprovalCollection GetUpdateApprovals()
        {
            return Approvals(null, UpdateApprovalAction.All, DateTime.MinValue, DateTime.MaxValue);
        }

        public UpdateApprovalCollection GetUpdateApprovals(IComputerTargetGroup targetGroup)
        {
            return GetUpdateApprovals(targetGroup, UpdateApprovalAction.All, DateTime.MinValue,
                DateTime.MaxValue);
        }

        public UpdateApprovalCollection GetUpdateApprovals(IComputerTargetGroup targetGroup,
            UpdateApprovalAction approvalAction, DateTime fromApprovalDate,
            DateTime toApprovalDate)
        {
            if (targetGroup == null) { throw new ArgumentNullException("targetGroup"); }
            return Approvals(targetGroup, approvalAction, fromApprovalDate, toApprovalDate);
        }

        UpdateApprovalCollection Approvals(IComputerTargetGroup group, UpdateApprovalAction action,
            DateTime from, DateTime to)
        {
            return UpdateApproval.Collect(Pipe.Rows("update.approvals",
                "update_id", Id.UpdateId, "revision", Id.RevisionNumber,
                "group_id", group == null ? null : Wire.Text(group.Id), "action", (int)action,
                "earliest", Wire.Bound(from), "latest", Wire.Bound(to)), server);
        }

        // Files, categories and related updates
        public ReadOnlyCollection<IInstallableItem> GetInstallableItems()
        {
            return InstallableItem.Collect(Pipe.Rows("update.files", "update_id", Id.UpdateId,
                "revision", Id.RevisionNumber, "host_url", server.HostUrl));
        }

        public ILicenseAgreement GetLicenseAgreement()
        {
            return new LicenseAgreement(Ask("update.license"));
        }

        public UpdateCollection GetRelatedUpdates(UpdateRelationship relationship)
        {
            return server.Updates("update.related", "update_id", Id.UpdateId,
                "revision", Id.RevisionNumber, "relationship", (int)relationship);
        }

        public StringCollection GetSupportedUpdateLanguages() { return row.Texts("languages"); }

        public UpdateCategoryCollection GetUpdateCategories()
        {
            return UpdateCategory.Collect(Pipe.Rows("update.categories",
                "update_id", Id.UpdateId, "revision", Id.RevisionNumber), server);
        }

        public IUpdateClassification GetUpdateClassification()
        {
            return server.GetUpdateClassification(row.Id("classification_id"));
        }

        // No computer reports to a server of the lab.
        public IUpdateSummary GetSummary(ComputerTargetScope computersToInclude)
        {
            return new UpdateSummary(Id.UpdateId, Guid.Empty);
        }

        public IUpdateSummary GetSummaryForComputerTargetGroup(IComputerTargetGroup targetGroup)
        {
            return GetSummaryForComputerTargetGroup(targetGroup, false);
        }

        public IUpdateSummary GetSummaryForComputerTargetGroup(IComputerTargetGroup targetGroup,
            bool includeSubgroups)
        {
            if (targetGroup == null) { throw new ArgumentNullException("targetGroup"); }
            return new UpdateSummary(Id.UpdateId, targetGroup.Id);
        }

        public override bool Equals(object obj)
        {
            Update other = obj as Update;
            return other != null && other.Id.Equals(Id);
        }

        public override int GetHashCode() { return Id.GetHashCode(); }

        Row Ask(string operation, params object[] arguments)
        {
            return Pipe.One(operation, WithKey(arguments));
        }

        void Tell(string operation, params object[] arguments)
        {
            Pipe.Call(operation, WithKey(arguments));
        }

        object[] WithKey(object[] arguments)
        {
            List<object> all = new List<object>(arguments);
            all.AddRange(new object[] { "update_id", Id.UpdateId, "revision", Id.RevisionNumber });
            return all.ToArray();
        }
    }

    public class InstallableItem : IInstallableItem
    {
        readonly List<UpdateFile> files = new List<UpdateFile>();
        readonly List<IInstallableItem> children = new List<IInstallableItem>();

        InstallableItem(UpdateRevisionId id, StringCollection languages)
        {
            Id = id;
            Languages = languages;
        }

        public UpdateRevisionId Id { get; private set; }
        public StringCollection Languages { get; private set; }

        public ReadOnlyCollection<UpdateFile> Files
        {
            get { return new ReadOnlyCollection<UpdateFile>(files); }
        }

        public ReadOnlyCollection<IInstallableItem> GetInstallableItems()
        {
            return new ReadOnlyCollection<IInstallableItem>(children);
        }

        // Each row names the item of a file and the parent of that item. Items come before their
        // children, and an item without files has a row without a file name.
        internal static ReadOnlyCollection<IInstallableItem> Collect(List<Row> rows)
        {
            Dictionary<long, InstallableItem> items = new Dictionary<long, InstallableItem>();
            List<IInstallableItem> roots = new List<IInstallableItem>();
            foreach (Row row in rows)
            {
                InstallableItem item;
                if (!items.TryGetValue(row.Long("item"), out item))
                {
                    item = new InstallableItem(new UpdateRevisionId(row.Id("update_id"),
                        row.Number("revision")), row.Texts("languages"));
                    items[row.Long("item")] = item;
                    (row["parent"] == null ? roots : items[row.Long("parent")].children).Add(item);
                }
                if (row["name"] != null) { item.files.Add(File(row)); }
            }
            return new ReadOnlyCollection<IInstallableItem>(roots);
        }

        static UpdateFile File(Row row)
        {
            string additional = row.Text("sha256");
            return new UpdateFile(row.Text("name"), row.Time("modified"),
                new Uri(row.Text("file_uri")), new Uri(row.Text("origin_uri")),
                row.Long("size_bytes"), Enumeration.Parse<FileType>(row.Text("type")),
                row.Flag("is_license"), Hex(row.Text("sha1")),
                additional == null ? null : Hex(additional));
        }

        static byte[] Hex(string digits)
        {
            byte[] bytes = new byte[digits.Length / 2];
            for (int i = 0; i < bytes.Length; i++)
            {
                bytes[i] = Convert.ToByte(digits.Substring(2 * i, 2), 16);
            }
            return bytes;
        }
    }

    public class LicenseAgreement : ILicenseAgreement
    {
        readonly Row row;

        internal LicenseAgreement(Row row) { this.row = row; }

        public DateTime AcceptedDate { get { return row.Time("accepted_at"); } }
        public string AdministratorName { get { return row.Text("accepted_by"); } }
        public Guid Id { get { return row.Id("id"); } }
        public bool IsAccepted { get { return row.Flag("accepted"); } }
        public string Text { get { return row.Text("text"); } }
    }

    internal static class Enumeration
    {
        internal static T Parse<T>(string name) { return (T)Enum.Parse(typeof(T), name); }
    }
}
