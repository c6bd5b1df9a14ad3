// The server object that Get-WsusServer and AdminProxy give, and the objects that it gives.
using System;
using System.Collections.Generic;
using Microsoft.UpdateServices.Administration;

namespace Microsoft.UpdateServices.Administration
{
    public class AdminProxy
    {
        public static IUpdateServer GetUpdateServer()
        {
            return new Internal.BaseApi.UpdateServer(null, false, 0);
        }

        public static IUpdateServer GetUpdateServer(string serverName, bool useSecureConnection)
        {
            return GetUpdateServer(serverName, useSecureConnection, useSecureConnection ? 443 : 80);
        }

        public static IUpdateServer GetUpdateServer(string serverName, bool useSecureConnection,
            int portNumber)
        {
            if (string.IsNullOrEmpty(serverName))
            {
                throw new ArgumentNullException("serverName");
            }
            return new Internal.BaseApi.UpdateServer(serverName, useSecureConnection, portNumber);
        }

        public IUpdateServer GetRemoteUpdateServerInstance(string serverName,
            bool useSecureConnection, int portNumber)
        {
            return GetUpdateServer(serverName, useSecureConnection, portNumber);
        }

        public IUpdateServer GetUpdateServerInstance() { return GetUpdateServer(); }
    }
}

namespace Microsoft.UpdateServices.Internal.BaseApi
{
    public partial class UpdateServer : IUpdateServer
    {
        readonly Row facts;

        internal UpdateServer(string name, bool secure, int port)
        {
            facts = Pipe.One("server.facts", "name", name, "secure", secure, "port", port);
            PreferredCulture = facts.Text("culture");
        }

        public string Name { get { return facts.Text("name"); } }
        public string ServerName { get { return Name; } }
        public int PortNumber { get { return facts.Number("port"); } }
        public bool UseSecureConnection { get { return facts.Flag("secure"); } }
        public bool IsConnectionSecureForApiRemoting { get { return true; } }
        public bool IsServerLocal { get { return true; } }
        public string PreferredCulture { get; set; }
        public Version Version { get { return new Version(facts.Text("version")); } }

        public Version ServerProtocolVersion
        {
            get { return new Version(facts.Text("protocol_version")); }
        }

        public string WebServiceUrl { get { return HostUrl + "/ApiRemoting30/WebService.asmx"; } }

        internal string HostUrl
        {
            get { return (UseSecureConnection ? "https://" : "http://") + Name + ":" + PortNumber; }
        }

        public IUpdateServerConfiguration GetConfiguration()
        {
            return new UpdateServerConfiguration(this);
        }

        public ISubscription GetSubscription() { return new Subscription(this); }
        public IDatabaseConfiguration GetDatabaseConfiguration() { return new DatabaseConfiguration(facts); }
        public ICleanupManager GetCleanupManager() { return new CleanupManager(); }
        public UpdateServerUserRole GetCurrentUserRole() { return UpdateServerUserRole.Administrator; }

        // Content
        public void CancelAllDownloads() { Pipe.Call("content.cancel_all"); }
        public void ResumeAllDownloads() { Pipe.Call("content.resume_all"); }
        public void ResetAndVerifyContentState() { Pipe.Call("content.reset"); }

        public ContentDownloadProgress GetContentDownloadProgress()
        {
            Row row = Pipe.One("content.progress");
            return new ContentDownloadProgress(row.Long("total"), row.Long("downloaded"));
        }

        public int GetFailedToDownloadUpdatesCount()
        {
            return Convert.ToInt32(Pipe.Call("content.failed_count"));
        }

        // A member of the class, not of the interface.
        public void ExportUpdates(string packagePath, string logPath)
        {
            Pipe.Call("server.export", "package", packagePath, "log", logPath);
        }

        // Real servers were reported to fail here with this message.
        public void ImportUpdates(string packagePath, string logPath)
        {
            throw new NullReferenceException();
        }

        public void ImportUpdateFromCatalogSite(string updateId, string[] downloadedFilePaths)
        {
            if (string.IsNullOrEmpty(updateId)) { throw new ArgumentNullException("updateId"); }
            Pipe.Call("update.import_from_catalog", "update_id", updateId,
                "files", downloadedFilePaths ?? new string[0]);
        }

        // Updates
        public IUpdate GetUpdate(UpdateRevisionId id)
        {
            if (id == null) { throw new ArgumentNullException("id"); }
            return new Update(Pipe.One("update.get", "update_id", id.UpdateId,
                "revision", id.RevisionNumber), this);
        }

        public UpdateCollection GetUpdates() { return Updates("updates.all"); }

        public UpdateCollection GetUpdates(UpdateScope searchScope)
        {
            return Updates("updates.search", "scope", Scopes.Pairs(searchScope));
        }

        public UpdateCollection GetUpdates(ApprovedStates approvedStates, DateTime fromArrivalDate,
            DateTime toArrivalDate, UpdateCategoryCollection updateCategories,
            UpdateClassificationCollection updateClassifications)
        {
            UpdateScope scope = new UpdateScope();
            scope.ApprovedStates = approvedStates;
            scope.FromArrivalDate = fromArrivalDate;
            scope.ToArrivalDate = toArrivalDate;
            if (updateCategories != null) { scope.Categories.AddRange(updateCategories); }
            if (updateClassifications != null)
            {
                scope.Classifications.AddRange(updateClassifications);
            }
            return GetUpdates(scope);
        }

        public UpdateCollection SearchUpdates(string searchText)
        {
            if (string.IsNullOrEmpty(searchText)) { throw new ArgumentNullException("searchText"); }
            return Updates("updates.text", "text", searchText);
        }

        public int GetUpdateCount() { return Convert.ToInt32(Pipe.Call("updates.count")); }

        public int GetUpdateCount(UpdateScope searchScope)
        {
            return Convert.ToInt32(
                Pipe.Call("updates.count", "scope", Scopes.Pairs(searchScope)));
        }

        public bool IsPrerequisitePresent(Guid updateId)
        {
            return (bool)Pipe.Call("update.present", "update_id", updateId);
        }

        public void ExpirePackage(UpdateRevisionId id) { GetUpdate(id).ExpirePackage(); }
        public void ExportPackageMetadata(UpdateRevisionId id, string fileName)
        {
            GetUpdate(id).ExportPackageMetadata(fileName);
        }

        public void DeleteUpdate(Guid updateId) { Pipe.Call("update.delete", "update_id", updateId); }

        public UpdateServerStatus GetStatus() { return GetStatus(UpdateSources.All); }

        public UpdateServerStatus GetStatus(UpdateSources updateSources)
        {
            Row row = Pipe.One("server.status");
            UpdateServerStatus status = new UpdateServerStatus();
            status.UpdateCount = row.Number("updates");
            status.ApprovedUpdateCount = row.Number("approved");
            status.NotApprovedUpdateCount = row.Number("not_approved");
            status.DeclinedUpdateCount = row.Number("declined");
            status.ExpiredUpdateCount = row.Number("expired");
            status.UpdatesNeedingFilesCount = row.Number("needing_files");
            status.UpdatesWithServerErrorsCount = row.Number("server_errors");
            status.UpdatesWithStaleUpdateApprovalsCount = row.Number("stale");
            status.CriticalOrSecurityUpdatesNotApprovedForInstallCount =
                row.Number("security_not_approved");
            status.WsusInfrastructureUpdatesNotApprovedForInstallCount =
                row.Number("infrastructure_not_approved");
            status.CustomComputerTargetGroupCount = row.Number("groups");
            return status;
        }

        // Approvals and their rules
        public IUpdateApproval GetUpdateApproval(Guid id)
        {
            return new UpdateApproval(Pipe.One("approval.get", "approval_id", id), this);
        }

        public UpdateApprovalCollection GetUpdateApprovals(UpdateScope updatesToInclude)
        {
            return UpdateApproval.Collect(
                Pipe.Rows("approvals.search", "scope", Scopes.Pairs(updatesToInclude)), this);
        }

        public AutomaticUpdateApprovalRuleCollection GetInstallApprovalRules()
        {
            AutomaticUpdateApprovalRuleCollection rules = new AutomaticUpdateApprovalRuleCollection();
            foreach (Row row in Pipe.Rows("rules.all"))
            {
                rules.Add(new AutomaticUpdateApprovalRule(row, this));
            }
            return rules;
        }

        public IAutomaticUpdateApprovalRule CreateInstallApprovalRule(string name)
        {
            return new AutomaticUpdateApprovalRule(Pipe.One("rule.create", "name", name), this);
        }

        public void DeleteInstallApprovalRule(int ruleId) { Pipe.Call("rule.delete", "rule_id", ruleId); }

        // Groups and computers (the lab has no computers)
        public IComputerTargetGroup CreateComputerTargetGroup(string name)
        {
            return new ComputerTargetGroup(
                Pipe.One("group.create", "name", name, "parent_id", null), this);
        }

        public IComputerTargetGroup CreateComputerTargetGroup(string name,
            IComputerTargetGroup parentGroup)
        {
            return new ComputerTargetGroup(Pipe.One("group.create", "name", name,
                "parent_id", parentGroup == null ? null : (object)parentGroup.Id), this);
        }

        public IComputerTargetGroup GetComputerTargetGroup(Guid id)
        {
            return new ComputerTargetGroup(Pipe.One("group.get", "group_id", id), this);
        }

        public ComputerTargetGroupCollection GetComputerTargetGroups()
        {
            return ComputerTargetGroup.Collect(Pipe.Rows("groups.all"), this);
        }

        public bool IsValidComputerTargetGroupName(string name)
        {
            return (bool)Pipe.Call("group.valid_name", "name", name);
        }

        public int GetComputerTargetCount() { return 0; }
        public int GetComputerTargetCount(ComputerTargetScope searchScope) { return 0; }

        public ComputerTargetCollection GetComputerTargets() { return new ComputerTargetCollection(); }

        public ComputerTargetCollection GetComputerTargets(ComputerTargetScope searchScope)
        {
            return new ComputerTargetCollection();
        }

        public ComputerTargetCollection SearchComputerTargets(string name)
        {
            return new ComputerTargetCollection();
        }

        // Catalogue
        public UpdateCategoryCollection GetRootUpdateCategories()
        {
            return UpdateCategory.Collect(Pipe.Rows("category.children", "category_id", null), this);
        }

        public UpdateCategoryCollection GetUpdateCategories()
        {
            return GetUpdateCategories(DateTime.MinValue, DateTime.MaxValue);
        }

        public UpdateCategoryCollection GetUpdateCategories(DateTime fromArrivalDate,
            DateTime toArrivalDate)
        {
            return UpdateCategory.Collect(Pipe.Rows("categories.all",
                "arrived_from", Wire.Bound(fromArrivalDate), "arrived_to", Wire.Bound(toArrivalDate)), this);
        }

        public IUpdateCategory GetUpdateCategory(Guid id)
        {
            return new UpdateCategory(Pipe.One("category.get", "category_id", id), this);
        }

        public IUpdateClassification GetUpdateClassification(Guid id)
        {
            return new UpdateClassification(Pipe.One("classification.get", "classification_id", id), this);
        }

        public UpdateClassificationCollection GetUpdateClassifications()
        {
            return GetUpdateClassifications(DateTime.MinValue, DateTime.MaxValue);
        }

        public UpdateClassificationCollection GetUpdateClassifications(DateTime fromArrivalDate,
            DateTime toArrivalDate)
        {
            return UpdateClassification.Collect(Pipe.Rows("classifications.all",
                "arrived_from", Wire.Bound(fromArrivalDate), "arrived_to", Wire.Bound(toArrivalDate)), this);
        }

        public ISubscriptionEvent GetSubscriptionEvent(Guid id)
        {
            return new SubscriptionEvent(Pipe.One("subscription.event", "event_id", id));
        }

        public ISynchronizationInfo GetSynchronizationInfo(Guid id)
        {
            return new SynchronizationInfo(Pipe.One("synchronization.get", "synchronization_id", id));
        }

        internal UpdateCollection Updates(string operation, params object[] arguments)
        {
            UpdateCollection updates = new UpdateCollection();
            foreach (Row row in Pipe.Rows(operation, arguments))
            {
                updates.Add(new Update(row, this));
            }
            return updates;
        }
    }

    public class DatabaseConfiguration : IDatabaseConfiguration
    {
        readonly Row facts;

        internal DatabaseConfiguration(Row facts) { this.facts = facts; }

        public string DatabaseName { get { return "SUSDB"; } }
        public string ServerName { get { return facts.Text("database_server"); } }
        // Real servers give this value for the Windows Internal Database too.
        public bool IsUsingWindowsInternalDatabase { get { return false; } }
        // WSUS throws here if the database cannot be reached, but this object has reached it already.
        public void ConnectToDatabase() { }
    }

    public class CleanupManager : ICleanupManager
    {
        internal CleanupManager() { }

        // A clean-up of the lab ends before there is any progress to report.
        public event CleanupProgressEventHandler ProgressHandler { add { } remove { } }

        public CleanupResults PerformCleanup(CleanupScope cleanupScope)
        {
            if (cleanupScope == null) { throw new ArgumentNullException("cleanupScope"); }
            Row row = Pipe.One("server.clean_up",
                "superseded", cleanupScope.DeclineSupersededUpdates,
                "expired", cleanupScope.DeclineExpiredUpdates,
                "files", cleanupScope.CleanupUnneededContentFiles);
            return new CleanupResults(row.Number("superseded"), row.Number("expired"),
                row.Number("obsolete"), 0, row.Number("compressed"), row.Long("freed_bytes"));
        }
    }

    internal static class Scopes
    {
        internal static Dictionary<string, object> Pairs(UpdateScope scope)
        {
            if (scope == null) { throw new ArgumentNullException("searchScope"); }
            Dictionary<string, object> pairs = new Dictionary<string, object>();
            pairs["states"] = (int)scope.ApprovedStates;
            pairs["types"] = (int)scope.UpdateTypes;
            pairs["sources"] = (int)scope.UpdateSources;
            pairs["actions"] = (int)scope.UpdateApprovalActions;
            pairs["exclude_optional"] = scope.ExcludeOptionalUpdates;
            pairs["infrastructure"] = scope.IsWsusInfrastructureUpdate;
            pairs["arrived_from"] = Wire.Bound(scope.FromArrivalDate);
            pairs["arrived_to"] = Wire.Bound(scope.ToArrivalDate);
            pairs["created_from"] = Wire.Bound(scope.FromCreationDate);
            pairs["created_to"] = Wire.Bound(scope.ToCreationDate);
            pairs["included"] = (int)scope.IncludedInstallationStates;
            pairs["excluded"] = (int)scope.ExcludedInstallationStates;
            pairs["includes"] = scope.TextIncludes;
            pairs["not_includes"] = scope.TextNotIncludes;
            pairs["categories"] = Ids(scope.Categories);
            pairs["classifications"] = Ids(scope.Classifications);
            pairs["approved_groups"] = Ids(scope.ApprovedComputerTargetGroups);
            pairs["approval_groups"] = scope.UpdateApprovalScope == null
                ? null : Ids(scope.UpdateApprovalScope.ComputerTargetGroups);
            return pairs;
        }

        internal static List<object> Ids(ComputerTargetGroupCollection groups)
        {
            List<object> ids = new List<object>();
            foreach (IComputerTargetGroup group in groups) { ids.Add(group.Id); }
            return ids;
        }

        internal static List<object> Ids(UpdateCategoryCollection categories)
        {
            List<object> ids = new List<object>();
            foreach (IUpdateCategory category in categories) { ids.Add(category.Id); }
            return ids;
        }

        internal static List<object> Ids(UpdateClassificationCollection classifications)
        {
            List<object> ids = new List<object>();
            foreach (IUpdateClassification item in classifications) { ids.Add(item.Id); }
            return ids;
        }
    }
}
