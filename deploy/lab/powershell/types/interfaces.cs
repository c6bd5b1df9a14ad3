// Interfaces of the WSUS administration API, with the members that the lab implements. Other members
// do not exist for a script, and WSUS has every member of this file.
using System;
using System.Collections.ObjectModel;
using System.Collections.Specialized;

namespace Microsoft.UpdateServices.Administration
{
    public partial interface IUpdateServer
    {
        bool IsConnectionSecureForApiRemoting { get; }
        string Name { get; }
        int PortNumber { get; }
        string PreferredCulture { get; set; }
        Version ServerProtocolVersion { get; }
        Version Version { get; }
        void CancelAllDownloads();
        IComputerTargetGroup CreateComputerTargetGroup(string name);
        IComputerTargetGroup CreateComputerTargetGroup(string name,
            IComputerTargetGroup parentGroup);
        IAutomaticUpdateApprovalRule CreateInstallApprovalRule(string name);
        void DeleteInstallApprovalRule(int ruleId);
        void DeleteUpdate(Guid updateId);
        void ExpirePackage(UpdateRevisionId id);
        void ExportPackageMetadata(UpdateRevisionId id, string fileName);
        void ImportUpdateFromCatalogSite(string updateId, string[] downloadedFilePaths);
        ICleanupManager GetCleanupManager();
        int GetComputerTargetCount();
        int GetComputerTargetCount(ComputerTargetScope searchScope);
        IComputerTargetGroup GetComputerTargetGroup(Guid id);
        ComputerTargetGroupCollection GetComputerTargetGroups();
        ComputerTargetCollection GetComputerTargets();
        ComputerTargetCollection GetComputerTargets(ComputerTargetScope searchScope);
        IUpdateServerConfiguration GetConfiguration();
        ContentDownloadProgress GetContentDownloadProgress();
        UpdateServerUserRole GetCurrentUserRole();
        IDatabaseConfiguration GetDatabaseConfiguration();
        AutomaticUpdateApprovalRuleCollection GetInstallApprovalRules();
        UpdateCategoryCollection GetRootUpdateCategories();
        UpdateServerStatus GetStatus();
        UpdateServerStatus GetStatus(UpdateSources updateSources);
        ISubscription GetSubscription();
        ISubscriptionEvent GetSubscriptionEvent(Guid id);
        ISynchronizationInfo GetSynchronizationInfo(Guid id);
        IUpdate GetUpdate(UpdateRevisionId id);
        IUpdateApproval GetUpdateApproval(Guid id);
        UpdateApprovalCollection GetUpdateApprovals(UpdateScope updatesToInclude);
        UpdateCategoryCollection GetUpdateCategories();
        UpdateCategoryCollection GetUpdateCategories(DateTime fromArrivalDate,
            DateTime toArrivalDate);
        IUpdateCategory GetUpdateCategory(Guid id);
        IUpdateClassification GetUpdateClassification(Guid id);
        UpdateClassificationCollection GetUpdateClassifications();
        UpdateClassificationCollection GetUpdateClassifications(DateTime fromArrivalDate,
            DateTime toArrivalDate);
        int GetUpdateCount();
        int GetUpdateCount(UpdateScope searchScope);
        UpdateCollection GetUpdates();
        UpdateCollection GetUpdates(UpdateScope searchScope);
        UpdateCollection GetUpdates(ApprovedStates approvedStates, DateTime fromArrivalDate,
            DateTime toArrivalDate, UpdateCategoryCollection updateCategories,
            UpdateClassificationCollection updateClassifications);
        bool IsPrerequisitePresent(Guid updateId);
        bool IsValidComputerTargetGroupName(string name);
        void ResetAndVerifyContentState();
        void ResumeAllDownloads();
        ComputerTargetCollection SearchComputerTargets(string name);
        UpdateCollection SearchUpdates(string searchText);
    }

    public partial interface IUpdateServerConfiguration
    {
        bool AllUpdateLanguagesEnabled { get; set; }
        bool AnonymousProxyAccess { get; set; }
        bool AutoApproveWsusInfrastructureUpdates { get; set; }
        bool AutoRefreshUpdateApprovals { get; set; }
        bool AutoRefreshUpdateApprovalsDeclineExpired { get; set; }
        bool DownloadExpressPackages { get; set; }
        bool DownloadUpdateBinariesAsNeeded { get; set; }
        bool GetContentFromMU { get; set; }
        bool HasProxyPassword { get; }
        bool HostBinariesOnMicrosoftUpdate { get; set; }
        bool IsReplicaServer { get; set; }
        DateTime LastConfigChange { get; }
        string LocalContentCachePath { get; }
        int MaximumAllowedComputers { get; set; }
        string ProxyName { get; set; }
        int ProxyServerPort { get; set; }
        Guid ServerId { get; set; }
        string SslProxyName { get; set; }
        int SslProxyServerPort { get; set; }
        StringCollection SupportedUpdateLanguages { get; }
        bool SyncFromMicrosoftUpdate { get; set; }
        TargetingMode TargetingMode { get; set; }
        string UpstreamWsusServerName { get; set; }
        int UpstreamWsusServerPortNumber { get; set; }
        bool UpstreamWsusServerUseSsl { get; set; }
        bool UseProxy { get; set; }
        bool UseSeparateProxyForSsl { get; set; }
        StringCollection GetEnabledUpdateLanguages();
        UpdateServerConfigurationState GetUpdateServerConfigurationState();
        void Save();
        void Save(bool detectConfigChange);
        void SetEnabledUpdateLanguages(StringCollection enabledUpdateLanguages);
    }

    public partial interface IUpdate
    {
        StringCollection AdditionalInformationUrls { get; }
        DateTime ArrivalDate { get; }
        StringCollection CompanyTitles { get; }
        DateTime CreationDate { get; }
        string Description { get; }
        bool HasEarlierRevision { get; }
        bool HasLicenseAgreement { get; }
        bool HasStaleUpdateApprovals { get; }
        bool HasSupersededUpdates { get; }
        UpdateRevisionId Id { get; }
        InstallationBehavior InstallationBehavior { get; }
        bool IsApproved { get; }
        bool IsDeclined { get; }
        bool IsEditable { get; }
        bool IsLatestRevision { get; }
        bool IsSuperseded { get; }
        bool IsWsusInfrastructureUpdate { get; }
        StringCollection KnowledgebaseArticles { get; }
        string LegacyName { get; }
        MsrcSeverity MsrcSeverity { get; }
        StringCollection ProductFamilyTitles { get; }
        StringCollection ProductTitles { get; }
        PublicationState PublicationState { get; }
        bool RequiresLicenseAgreementAcceptance { get; }
        StringCollection SecurityBulletins { get; }
        UpdateState State { get; }
        string Title { get; }
        InstallationBehavior UninstallationBehavior { get; }
        string UpdateClassificationTitle { get; }
        UpdateSource UpdateSource { get; }
        UpdateType UpdateType { get; }
        void AcceptLicenseAgreement();
        IUpdateApproval Approve(UpdateApprovalAction action, IComputerTargetGroup targetGroup);
        IUpdateApproval Approve(UpdateApprovalAction action, IComputerTargetGroup targetGroup,
            DateTime deadline);
        IUpdateApproval ApproveForOptionalInstall(IComputerTargetGroup targetGroup);
        void CancelDownload();
        void Decline();
        void ExpirePackage();
        void ExportPackageMetadata(string fileName);
        RevisionChanges GetChangesFromPreviousRevision();
        ReadOnlyCollection<IInstallableItem> GetInstallableItems();
        ILicenseAgreement GetLicenseAgreement();
        UpdateCollection GetRelatedUpdates(UpdateRelationship relationship);
        IUpdateSummary GetSummary(ComputerTargetScope computersToInclude);
        IUpdateSummary GetSummaryForComputerTargetGroup(IComputerTargetGroup targetGroup);
        IUpdateSummary GetSummaryForComputerTargetGroup(IComputerTargetGroup targetGroup,
            bool includeSubgroups);
        StringCollection GetSupportedUpdateLanguages();
        UpdateApprovalCollection GetUpdateApprovals();
        UpdateApprovalCollection GetUpdateApprovals(IComputerTargetGroup targetGroup);
        UpdateApprovalCollection GetUpdateApprovals(IComputerTargetGroup targetGroup,
            UpdateApprovalAction approvalAction, DateTime fromApprovalDate,
            DateTime toApprovalDate);
        UpdateCategoryCollection GetUpdateCategories();
        IUpdateClassification GetUpdateClassification();
        void Refresh();
        void RefreshUpdateApprovals();
        void ResumeDownload();
    }

    public interface IUpdateApproval
    {
        UpdateApprovalAction Action { get; }
        string AdministratorName { get; }
        Guid ComputerTargetGroupId { get; }
        DateTime CreationDate { get; }
        DateTime Deadline { get; }
        Guid Id { get; }
        bool IsOptional { get; }
        UpdateApprovalState State { get; }
        UpdateRevisionId UpdateId { get; }
        void Delete();
        IComputerTargetGroup GetComputerTargetGroup();
        IUpdate GetUpdate();
    }

    public partial interface IComputerTargetGroup
    {
        Guid Id { get; }
        string Name { get; }
        void Delete();
        ComputerTargetGroupCollection GetChildTargetGroups();
        ComputerTargetCollection GetComputerTargets();
        ComputerTargetCollection GetComputerTargets(bool includeSubgroups);
        IComputerTargetGroup GetParentTargetGroup();
        void AddComputerTarget(IComputerTarget target);
        void RemoveComputerTarget(IComputerTarget target);
    }

    public interface IInstallableItem
    {
        ReadOnlyCollection<UpdateFile> Files { get; }
        UpdateRevisionId Id { get; }
        StringCollection Languages { get; }
        ReadOnlyCollection<IInstallableItem> GetInstallableItems();
    }

    public partial interface ISubscription
    {
        string LastModifiedBy { get; }
        DateTime LastModifiedTime { get; }
        int NumberOfSynchronizationsPerDay { get; set; }
        bool SynchronizeAutomatically { get; set; }
        TimeSpan SynchronizeAutomaticallyTimeOfDay { get; set; }
        SubscriptionEventCollection GetEventHistory();
        SubscriptionEventCollection GetEventHistory(DateTime fromDate, DateTime toDate);
        ISynchronizationInfo GetLastSynchronizationInfo();
        DateTime GetNextSynchronizationTime();
        SynchronizationInfoCollection GetSynchronizationHistory();
        SynchronizationInfoCollection GetSynchronizationHistory(DateTime fromDate, DateTime toDate);
        SynchronizationProgress GetSynchronizationProgress();
        SynchronizationStatus GetSynchronizationStatus();
        UpdateCategoryCollection GetUpdateCategories();
        UpdateClassificationCollection GetUpdateClassifications();
        void Save();
        void SetUpdateCategories(UpdateCategoryCollection updateCategories);
        void SetUpdateClassifications(UpdateClassificationCollection updateClassifications);
        void StartSynchronization();
        void StartSynchronizationForCategoryOnly();
        void StopSynchronization();
    }

    public interface ISubscriptionEvent
    {
        string Administrator { get; }
        DateTime CreationDate { get; }
        SynchronizationError Error { get; }
        string ErrorText { get; }
        SubscriptionEventCategory EventCategory { get; }
        Guid Id { get; }
        bool IsError { get; }
        string Message { get; }
        SynchronizationUpdateErrorInfoCollection UpdateErrors { get; }
        WsusEventId WsusEventId { get; }
    }

    public interface ISynchronizationInfo
    {
        DateTime EndTime { get; }
        SynchronizationError Error { get; }
        string ErrorText { get; }
        Guid Id { get; }
        SynchronizationResult Result { get; }
        DateTime StartTime { get; }
        bool StartedManually { get; }
        SynchronizationUpdateErrorInfoCollection UpdateErrors { get; }
    }

    public interface IDatabaseConfiguration
    {
        string DatabaseName { get; }
        bool IsUsingWindowsInternalDatabase { get; }
        string ServerName { get; }
        void ConnectToDatabase();
    }

    public interface ILicenseAgreement
    {
        DateTime AcceptedDate { get; }
        string AdministratorName { get; }
        Guid Id { get; }
        bool IsAccepted { get; }
        string Text { get; }
    }

    public interface IUpdateSummary
    {
        Guid ComputerTargetGroupId { get; }
        string ComputerTargetId { get; }
        int DownloadedCount { get; }
        int FailedCount { get; }
        int InstalledCount { get; }
        int InstalledPendingRebootCount { get; }
        bool IsSummedAcrossAllUpdates { get; }
        DateTime LastUpdated { get; }
        int NotApplicableCount { get; }
        int NotInstalledCount { get; }
        int UnknownCount { get; }
        Guid UpdateId { get; }
    }

    public partial interface IUpdateCategory
    {
        DateTime ArrivalDate { get; }
        string Description { get; }
        int DisplayOrder { get; }
        Guid Id { get; }
        bool ProhibitsSubcategories { get; }
        bool ProhibitsUpdates { get; }
        string ReleaseNotes { get; }
        string Title { get; }
        UpdateCategoryType Type { get; }
        UpdateSource UpdateSource { get; }
        IUpdateCategory GetParentUpdateCategory();
        UpdateCategoryCollection GetSubcategories();
        UpdateCollection GetUpdates();
        UpdateCollection GetUpdates(ApprovedStates approvedStates);
    }

    public partial interface IUpdateClassification
    {
        DateTime ArrivalDate { get; }
        string Description { get; }
        Guid Id { get; }
        string ReleaseNotes { get; }
        string Title { get; }
        UpdateCollection GetUpdates();
        UpdateCollection GetUpdates(ApprovedStates approvedStates);
    }

    public interface IComputerTarget
    {
        ReadOnlyCollection<Guid> ComputerTargetGroupIds { get; }
        string FullDomainName { get; }
        System.Net.IPAddress IPAddress { get; }
        string Id { get; }
        DateTime LastReportedStatusTime { get; }
        DateTime LastSyncTime { get; }
        string Make { get; }
        string Model { get; }
        string OSDescription { get; }
        string OSFamily { get; }
    }

    public interface IAutomaticUpdateApprovalRule
    {
        AutomaticUpdateApprovalAction Action { get; }
        bool CanSetDeadline { get; }
        AutomaticUpdateApprovalDeadline Deadline { get; set; }
        bool Enabled { get; set; }
        int Id { get; }
        string Name { get; set; }
        ReadOnlyCollection<UpdateRevisionId> ApplyRule();
        UpdateCategoryCollection GetCategories();
        ComputerTargetGroupCollection GetComputerTargetGroups();
        UpdateClassificationCollection GetUpdateClassifications();
        void Save();
        void SetCategories(UpdateCategoryCollection categories);
        void SetComputerTargetGroups(ComputerTargetGroupCollection targetGroups);
        void SetUpdateClassifications(UpdateClassificationCollection updateClassifications);
    }

    public class CleanupEventArgs : EventArgs { }

    public delegate void CleanupProgressEventHandler(object sender, CleanupEventArgs e);

    public interface ICleanupManager
    {
        event CleanupProgressEventHandler ProgressHandler;
        CleanupResults PerformCleanup(CleanupScope cleanupScope);
    }
}
