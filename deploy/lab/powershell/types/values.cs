// Classes of values without a server: scopes, ids, files, progress, exceptions.
using System;
using System.Collections;
using System.Collections.Specialized;

namespace Microsoft.UpdateServices.Administration
{
    public class UpdateRevisionId
    {
        public UpdateRevisionId() { }
        public UpdateRevisionId(Guid updateId) { UpdateId = updateId; }

        public UpdateRevisionId(Guid updateId, int revisionNumber)
        {
            if (revisionNumber < 0)
            {
                throw new ArgumentOutOfRangeException("revisionNumber");
            }
            UpdateId = updateId;
            RevisionNumber = revisionNumber;
        }

        public Guid UpdateId { get; set; }
        public int RevisionNumber { get; set; }

        public override bool Equals(object obj)
        {
            UpdateRevisionId other = obj as UpdateRevisionId;
            return other != null && other.UpdateId == UpdateId
                && other.RevisionNumber == RevisionNumber;
        }

        public override int GetHashCode() { return UpdateId.GetHashCode() ^ RevisionNumber; }
    }

    public class ComputerTargetGroupId
    {
        public static readonly Guid AllComputers = new Guid("a0a08746-4dbe-4a37-9adf-9e7652c0b421");
        public static readonly Guid UnassignedComputers =
            new Guid("b73ca6ed-5727-47f3-84de-015e03f6a88a");

        ComputerTargetGroupId() { }
    }

    public class UpdateFile
    {
        public UpdateFile(string name, DateTime modified, Uri fileUri, Uri originUri, long totalBytes,
            FileType type, bool isEula, byte[] hash, byte[] additionalHash)
        {
            Name = name;
            Modified = modified;
            FileUri = fileUri;
            OriginUri = originUri;
            TotalBytes = totalBytes;
            Type = type;
            IsEula = isEula;
            Hash = hash;
            AdditionalHash = additionalHash;
        }

        public string Name { get; private set; }
        public DateTime Modified { get; private set; }
        public Uri FileUri { get; private set; }
        public Uri OriginUri { get; private set; }
        public long TotalBytes { get; private set; }
        public FileType Type { get; private set; }
        public bool IsEula { get; private set; }
        public byte[] Hash { get; private set; }
        public byte[] AdditionalHash { get; private set; }
    }

    public class UpdateApprovalScope
    {
        public UpdateApprovalScope() { ComputerTargetGroups = new ComputerTargetGroupCollection(); }

        public ComputerTargetGroupCollection ComputerTargetGroups { get; private set; }
    }

    public class UpdateScope
    {
        public UpdateScope()
        {
            ApprovedComputerTargetGroups = new ComputerTargetGroupCollection();
            Categories = new UpdateCategoryCollection();
            Classifications = new UpdateClassificationCollection();
            ApprovedStates = ApprovedStates.Any;
            FromArrivalDate = DateTime.MinValue;
            ToArrivalDate = DateTime.MaxValue;
            FromCreationDate = DateTime.MinValue;
            ToCreationDate = DateTime.MaxValue;
            IncludedInstallationStates = UpdateInstallationStates.All;
            UpdateApprovalActions = UpdateApprovalActions.All;
            UpdateSources = UpdateSources.All;
            UpdateTypes = UpdateTypes.All;
        }

        public ComputerTargetGroupCollection ApprovedComputerTargetGroups { get; private set; }
        public ApprovedStates ApprovedStates { get; set; }
        public UpdateCategoryCollection Categories { get; private set; }
        public UpdateClassificationCollection Classifications { get; private set; }
        public bool ExcludeOptionalUpdates { get; set; }
        public UpdateInstallationStates ExcludedInstallationStates { get; set; }
        public DateTime FromArrivalDate { get; set; }
        public DateTime FromCreationDate { get; set; }
        public UpdateInstallationStates IncludedInstallationStates { get; set; }
        public bool IsWsusInfrastructureUpdate { get; set; }
        public string TextIncludes { get; set; }
        public string TextNotIncludes { get; set; }
        public DateTime ToArrivalDate { get; set; }
        public DateTime ToCreationDate { get; set; }
        public UpdateApprovalActions UpdateApprovalActions { get; set; }
        public UpdateApprovalScope UpdateApprovalScope { get; set; }
        public UpdateSources UpdateSources { get; set; }
        public UpdateTypes UpdateTypes { get; set; }
    }

    public class ComputerTargetScope
    {
        public ComputerTargetScope()
        {
            ComputerTargetGroups = new ComputerTargetGroupCollection();
            RequestedTargetGroupNames = new StringCollection();
            FromLastReportedStatusTime = DateTime.MinValue;
            ToLastReportedStatusTime = DateTime.MaxValue;
            FromLastSyncTime = DateTime.MinValue;
            ToLastSyncTime = DateTime.MaxValue;
            IncludedInstallationStates = UpdateInstallationStates.All;
        }

        public ComputerTargetGroupCollection ComputerTargetGroups { get; private set; }
        public UpdateInstallationStates ExcludedInstallationStates { get; set; }
        public DateTime FromLastReportedStatusTime { get; set; }
        public DateTime FromLastSyncTime { get; set; }
        public bool IncludeDownstreamComputerTargets { get; set; }
        public bool IncludeSubgroups { get; set; }
        public UpdateInstallationStates IncludedInstallationStates { get; set; }
        public string NameIncludes { get; set; }
        public string OSFamily { get; set; }
        public StringCollection RequestedTargetGroupNames { get; private set; }
        public DateTime ToLastReportedStatusTime { get; set; }
        public DateTime ToLastSyncTime { get; set; }
    }

    public class ContentDownloadProgress
    {
        public ContentDownloadProgress(long totalBytesToDownload, long downloadedBytes)
        {
            TotalBytesToDownload = totalBytesToDownload;
            DownloadedBytes = downloadedBytes;
        }

        public long DownloadedBytes { get; private set; }
        public long TotalBytesToDownload { get; private set; }

        public override bool Equals(object obj)
        {
            ContentDownloadProgress other = obj as ContentDownloadProgress;
            return other != null && other.DownloadedBytes == DownloadedBytes
                && other.TotalBytesToDownload == TotalBytesToDownload;
        }

        public override int GetHashCode()
        {
            return (DownloadedBytes ^ TotalBytesToDownload).GetHashCode();
        }
    }

    public class SynchronizationProgress
    {
        public SynchronizationProgress(int totalItems, int processedItems, SynchronizationPhase phase)
        {
            TotalItems = totalItems;
            ProcessedItems = processedItems;
            Phase = phase;
        }

        public SynchronizationPhase Phase { get; private set; }
        public int ProcessedItems { get; private set; }
        public int TotalItems { get; private set; }
    }

    public class SynchronizationUpdateErrorInfo
    {
        public SynchronizationUpdateErrorInfo(UpdateRevisionId updateId,
            SynchronizationUpdateError error, string errorText)
        {
            UpdateId = updateId;
            Error = error;
            ErrorText = errorText;
        }

        public SynchronizationUpdateError Error { get; private set; }
        public string ErrorText { get; private set; }
        public UpdateRevisionId UpdateId { get; private set; }

        public override bool Equals(object obj)
        {
            SynchronizationUpdateErrorInfo other = obj as SynchronizationUpdateErrorInfo;
            return other != null && Equals(other.UpdateId, UpdateId) && other.Error == Error
                && other.ErrorText == ErrorText;
        }

        public override int GetHashCode() { return UpdateId.GetHashCode() ^ (int)Error; }
    }

    public class UpdateServerStatus
    {
        public UpdateServerStatus()
        {
            UnrecognizedClientRequestedTargetGroupNames = new StringCollection();
        }

        public int ApprovedUpdateCount { get; set; }
        public int ComputerTargetCount { get; set; }
        public int ComputerTargetsNeedingUpdatesCount { get; set; }
        public int ComputerTargetsWithUpdateErrorsCount { get; set; }
        public int ComputersUpToDateCount { get; set; }
        public int CriticalOrSecurityUpdatesNotApprovedForInstallCount { get; set; }
        public int CustomComputerTargetGroupCount { get; set; }
        public int DeclinedUpdateCount { get; set; }
        public int ExpiredUpdateCount { get; set; }
        public int NotApprovedUpdateCount { get; set; }
        public bool ShouldDeleteUnneededRevisions { get; set; }
        public StringCollection UnrecognizedClientRequestedTargetGroupNames { get; private set; }
        public int UpdateCount { get; set; }
        public int UpdatesNeededByComputersCount { get; set; }
        public int UpdatesNeedingFilesCount { get; set; }
        public int UpdatesUpToDateCount { get; set; }
        public int UpdatesWithClientErrorsCount { get; set; }
        public int UpdatesWithServerErrorsCount { get; set; }
        public int UpdatesWithStaleUpdateApprovalsCount { get; set; }
        public int WsusInfrastructureUpdatesNotApprovedForInstallCount { get; set; }
    }

    public class AutomaticUpdateApprovalDeadline
    {
        public AutomaticUpdateApprovalDeadline() { }

        public AutomaticUpdateApprovalDeadline(short dayOffset, short minutesAfterMidnight)
        {
            DayOffset = dayOffset;
            MinutesAfterMidnight = minutesAfterMidnight;
        }

        public short DayOffset { get; set; }
        public short MinutesAfterMidnight { get; set; }
    }

    public class CleanupScope
    {
        public CleanupScope() { }

        public CleanupScope(bool supersededUpdates, bool expiredUpdates, bool obsoleteUpdates,
            bool compressUpdates, bool obsoleteComputers, bool unneededContentFiles)
            : this(supersededUpdates, expiredUpdates, obsoleteUpdates, compressUpdates,
                obsoleteComputers, unneededContentFiles, false) { }

        public CleanupScope(bool supersededUpdates, bool expiredUpdates, bool obsoleteUpdates,
            bool compressUpdates, bool obsoleteComputers, bool unneededContentFiles,
            bool localPublishedContentFiles)
        {
            DeclineSupersededUpdates = supersededUpdates;
            DeclineExpiredUpdates = expiredUpdates;
            CleanupObsoleteUpdates = obsoleteUpdates;
            CompressUpdates = compressUpdates;
            CleanupObsoleteComputers = obsoleteComputers;
            CleanupUnneededContentFiles = unneededContentFiles;
            CleanupLocalPublishedContentFiles = localPublishedContentFiles;
        }

        public bool CleanupLocalPublishedContentFiles { get; set; }
        public bool CleanupObsoleteComputers { get; set; }
        public bool CleanupObsoleteUpdates { get; set; }
        public bool CleanupUnneededContentFiles { get; set; }
        public bool CompressUpdates { get; set; }
        public bool DeclineExpiredUpdates { get; set; }
        public bool DeclineSupersededUpdates { get; set; }
    }

    public class CleanupResults
    {
        public CleanupResults() { }

        public CleanupResults(int supersededUpdatesDeclined, int expiredUpdatesDeclined,
            int obsoleteUpdatesDeleted, int obsoleteComputersDeleted, int updatesCompressed,
            long diskSpaceFreed)
        {
            SupersededUpdatesDeclined = supersededUpdatesDeclined;
            ExpiredUpdatesDeclined = expiredUpdatesDeclined;
            ObsoleteUpdatesDeleted = obsoleteUpdatesDeleted;
            ObsoleteComputersDeleted = obsoleteComputersDeleted;
            UpdatesCompressed = updatesCompressed;
            DiskSpaceFreed = diskSpaceFreed;
        }

        public long DiskSpaceFreed { get; set; }
        public int ExpiredUpdatesDeclined { get; set; }
        public int ObsoleteComputersDeleted { get; set; }
        public int ObsoleteUpdatesDeleted { get; set; }
        public int SupersededUpdatesDeclined { get; set; }
        public int UpdatesCompressed { get; set; }
    }

    public class InstallationBehavior
    {
        public InstallationBehavior() { }

        public InstallationBehavior(bool isSupported, bool canRequestUserInput,
            InstallationImpact impact, RebootBehavior rebootBehavior,
            bool requiresNetworkConnectivity)
        {
            IsSupported = isSupported;
            CanRequestUserInput = canRequestUserInput;
            Impact = impact;
            RebootBehavior = rebootBehavior;
            RequiresNetworkConnectivity = requiresNetworkConnectivity;
        }

        public bool CanRequestUserInput { get; set; }
        public InstallationImpact Impact { get; set; }
        public bool IsSupported { get; set; }
        public RebootBehavior RebootBehavior { get; set; }
        public bool RequiresNetworkConnectivity { get; set; }
    }
}
