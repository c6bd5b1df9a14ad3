// Enumerations of the WSUS administration API, with the values of its 10.0 build.
using System;

namespace Microsoft.UpdateServices.Administration
{
    [Flags]
    public enum RevisionChanges
    {
        None = 0,
        Expired = 1,
        ApplicabilityRules = 2,
        FileBinaries = 4,
        InstallationInformation = 8,
        DescriptiveProperties = 16,
        Eula = 32,
        SupersededUpdates = 64
    }

    public enum AutomaticUpdateApprovalAction
    {
        Install = 0
    }

    public enum SynchronizationStatus
    {
        NotProcessing = 0, Running = 1, Stopping = 2
    }

    public enum SynchronizationPhase
    {
        NotProcessing = 0, Updates = 1, Approvals = 2, Categories = 3
    }

    public enum SynchronizationResult
    {
        NeverRun = 0, Succeeded = 1, Failed = 2, Canceled = 3, Unknown = 4
    }

    public enum SynchronizationError
    {
        NotApplicable = 0, Unknown = 1, LocalDBConnectFail = 2, LocalDBTooBusy = 3,
        LocalDBOtherError = 4, ProxyError = 5, UssNotFound = 6, UssBusy = 7, UssInternalError = 8,
        DssAuthenticationError = 9, UssCommunicationError = 10, UssOtherError = 11,
        UserCanceled = 12, ImportUpdateError = 13, ApprovalError = 14,
        LocalUpdateMissingForApproval = 15, IncompatibleProtocolVersion = 16,
        IncompatibleProtocolVersionOnUss = 17
    }

    [Flags]
    public enum ApprovedStates
    {
        LatestRevisionApproved = 1, HasStaleUpdateApprovals = 2, NotApproved = 4, Declined = 8,
        Any = -1
    }

    [Flags]
    public enum UpdateApprovalActions
    {
        Install = 1, Uninstall = 2, All = -1
    }

    [Flags]
    public enum UpdateInstallationStates
    {
        Unknown = 1, NotApplicable = 2, NotInstalled = 4, Downloaded = 8, Installed = 16,
        Failed = 32, InstalledPendingReboot = 64, All = -1
    }

    [Flags]
    public enum UpdateSources
    {
        MicrosoftUpdate = 1, Other = 2, All = -1
    }

    public enum UpdateSource
    {
        MicrosoftUpdate = 0, Other = 1
    }

    public enum MsrcSeverity
    {
        Unspecified = 0, Low = 1, Moderate = 2, Important = 3, Critical = 4
    }

    public enum UpdateType
    {
        Software = 1, Driver = 2, SoftwareApplication = 5, DriverSet = 6
    }

    [Flags]
    public enum UpdateTypes
    {
        Driver = 1, SoftwareUpdate = 2, SoftwareApplication = 4, DriverSet = 8, All = -1
    }

    public enum UpdateState
    {
        LicenseAgreementNotReady = 1, InstallationImpossible = 2, NotNeeded = 3, NotReady = 4,
        Ready = 5, Canceled = 6, Failed = 7, LicenseAgreementFailed = 8
    }

    public enum PublicationState
    {
        Published = 0, Expired = 1
    }

    public enum UpdateRelationship
    {
        UpdatesThatBundleThisUpdate = 1, UpdatesBundledByThisUpdate = 2,
        UpdatesThatRequireThisUpdate = 3, UpdatesRequiredByThisUpdate = 4,
        UpdatesThatSupersedeThisUpdate = 5, UpdatesSupersededByThisUpdate = 6,
        AllRevisionsOfThisUpdate = 7
    }

    public enum FileType
    {
        None = 0, SelfContained = 1, Express = 2, MspBinaryDelta = 3
    }

    public enum UpdateApprovalAction
    {
        Install = 0, Uninstall = 1, NotApproved = 3, All = 2147483647
    }

    public enum UpdateApprovalState
    {
        Pending = 0, Active = 1
    }

    public enum UpdateCategoryType
    {
        Company = 0, Product = 1, ProductFamily = 2
    }

    public enum UpdateInstallationState
    {
        Unknown = 0, NotApplicable = 1, NotInstalled = 2, Downloaded = 3, Installed = 4,
        Failed = 5, InstalledPendingReboot = 6
    }

    public enum UpdateServerUserRole
    {
        Unauthorized = 0, Reporter = 1, Administrator = 2
    }

    public enum TargetingMode
    {
        Client = 0, Server = 1
    }

    public enum UpdateServerConfigurationState
    {
        Ready = 0, ProcessingSave = 1, SynchronizationInProgress = 2
    }

    public enum InstallationImpact
    {
        Normal = 0, Minor = 1, RequiresExclusiveHandling = 2
    }

    public enum RebootBehavior
    {
        NeverReboots = 0, AlwaysRequiresReboot = 1, CanRequestReboot = 2
    }

    public enum SynchronizationUpdateError
    {
        Unknown = 0, DependencyNotFound = 1, MetadataInvalid = 2
    }

    public enum ClientReportingLevel
    {
        None = 0, StatusOnly = 1, All = 2
    }

    public enum InstallationStatus
    {
        Started = 0, Failed = 1, Succeeded = 2, DetectionComplete = 3, DetectionFailed = 4,
        DownloadSucceeded = 5, DownloadFailed = 6, DownloadCanceled = 7, Unknown = 8,
        Installable = 9, Installed = 10, Superseded = 11, NotApplicable = 12,
        UninstallationSucceeded = 13, UninstallationFailed = 14
    }

    public enum LogLevel
    {
        Off = 0, Error = 1, Warning = 2, Change = 3, Info = 4, Verbose = 5
    }

    public enum SubscriptionEventCategory
    {
        SynchronizationStart = 0, SynchronizationCompletion = 1, SubscriptionModification = 2
    }

    public enum WsusEventId
    {
        ClientInventoryRulesDownloadFailed = 121, ClientInventoryRulesProcessingFailed = 122,
        ClientInventoryCollectionFailed = 123, ClientInventoryUploadFailed = 124,
        ClientInventoryOperationalFailure = 125, ClientInventoryCollectionSucceeded = 126,
        ClientDetectionComplete = 147, ClientDetectionFailed = 148, ClientDownloadFailed = 161,
        ClientDownloadSucceeded = 162, ClientDownloadCanceled = 163,
        ClientDownloadSucceededFromPeer = 164, ClientInstallationFailed = 182,
        ClientInstallationSucceeded = 183, ClientInstallationCompletedWithReboot = 184,
        ClientInstallationHidden = 185, ClientInstallationUnhidden = 196,
        ClientInstallationCanceled = 186, ClientInstallationTimedOut = 187,
        ClientScheduledInstallationSucceeded = 190,
        ClientScheduledInstallationCompletedWithReboot = 191,
        ClientScheduledInstallationTimedOut = 192, ClientScheduledInstallationFailed = 195,
        ClientInstallationAtShutdownSucceeded = 197,
        ClientInstallationAtShutdownCompletedWithReboot = 199,
        ClientInstallationAtShutdownTimedOut = 200, ClientInstallationAtShutdownFailed = 198,
        ClientUninstallationFailed = 221, ClientUninstallationSucceeded = 222,
        ClientUninstallationCanceled = 223, ClientUninstallationCompleteWithReboot = 224,
        ClientUninstallationTimedOut = 225, ContentSynchronizationStarted = 361,
        ContentSynchronizationFailed = 362, ContentSynchronizationSucceeded = 363,
        ContentSynchronizationFileDownloadFailed = 364,
        ContentSynchronizationFileDownloadCanceled = 365,
        ContentSynchronizationFileDownloadSucceeded = 366, SynchronizationScheduledStart = 381,
        SynchronizationManualStart = 382, SynchronizationCompletedSuccess = 384,
        SynchronizationCompletedFailure = 386, SynchronizationCompletedCancel = 387,
        SubscriptionModified = 389
    }

    public enum WsusEventSource
    {
        Client = 1, Server = 2
    }
}
