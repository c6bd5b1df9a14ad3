// Reports of computers, downstream servers and events. No computer reports to a server of the lab,
// and no server synchronises from it: counts are 0, and collections are empty.
using System;
using System.Collections.Generic;
using System.Collections.ObjectModel;
using System.Collections.Specialized;
using Microsoft.UpdateServices.Administration;

namespace Microsoft.UpdateServices.Administration
{
    public interface IDownstreamServer
    {
        string FullDomainName { get; }
        Guid Id { get; }
        bool IsReplica { get; }
        DateTime LastRollupTime { get; }
        DateTime LastSyncTime { get; }
        Guid ParentServerId { get; }
        bool SyncsFromDownstreamServer { get; }
        Version Version { get; }
    }

    public interface IFrontEndServer
    {
        string FullDomainName { get; }
        bool IsActive { get; }
        bool IsMaster { get; }
        DateTime LastContactedTime { get; }
    }

    public interface IUpdateEvent
    {
        string ComputerId { get; }
        DateTime CreationDate { get; }
        int ErrorCode { get; }
        bool HasAssociatedComputer { get; }
        bool HasAssociatedUpdate { get; }
        Guid Id { get; }
        bool IsError { get; }
        string Message { get; }
        InstallationStatus Status { get; }
        UpdateRevisionId UpdateId { get; }
        WsusEventId WsusEventId { get; }
        WsusEventSource WsusEventSource { get; }
    }

    public interface IUpdateInstallationInfo
    {
        string ComputerTargetId { get; }
        UpdateApprovalAction UpdateApprovalAction { get; }
        Guid UpdateApprovalTargetGroupId { get; }
        Guid UpdateId { get; }
        UpdateInstallationState UpdateInstallationState { get; }
    }

    public partial interface IUpdateServer
    {
        DownstreamServerCollection GetChildServers();
        StringCollection GetComponentsWithErrors();
        UpdateServerStatus GetComputerStatus(ComputerTargetScope computersToInclude,
            UpdateSources updateSources);
        IComputerTarget GetComputerTarget(string id);
        IComputerTarget GetComputerTargetByName(string name);
        int GetComputersNotContactedSinceCount(DateTime fromDate);
        StringCollection GetComputersWithRecentNameChange();
        IDownstreamServer GetDownstreamServer(Guid id);
        DownstreamServerCollection GetDownstreamServers();
        ReadOnlyCollection<IFrontEndServer> GetFrontEndServers();
        UpdateServerStatus GetReplicaStatus();
        UpdateServerStatus GetReplicaStatus(UpdateSources updateSources);
        UpdateSummaryCollection GetSummariesPerComputerTarget(UpdateScope updatesToInclude,
            ComputerTargetScope computersToInclude);
        UpdateSummaryCollection GetSummariesPerUpdate(UpdateScope updatesToInclude,
            ComputerTargetScope computersToInclude);
        UpdateEventCollection GetUpdateEventHistory(DateTime fromDate, DateTime toDate);
        UpdateEventCollection GetUpdateEventHistory(DateTime fromDate, DateTime toDate, Guid updateId);
        UpdateEventCollection GetUpdateEventHistory(DateTime fromDate, DateTime toDate,
            IComputerTarget computer);
        UpdateEventCollection GetUpdateEventHistory(DateTime fromDate, DateTime toDate, Guid updateId,
            WsusEventSource eventSource, WsusEventId[] eventIds);
        UpdateServerStatus GetUpdateStatus(UpdateScope updatesToInclude,
            bool includeDownstreamComputers);
        void RollupReportingData();
    }

    public partial interface IUpdate
    {
        UpdateSummaryCollection GetSummaryPerComputerTargetGroup();
        UpdateSummaryCollection GetSummaryPerComputerTargetGroup(bool includeSubgroups);
        UpdateEventCollection GetUpdateEventHistory(DateTime fromDate, DateTime toDate);
        UpdateInstallationInfoCollection GetUpdateInstallationInfoPerComputerTarget(
            IComputerTargetGroup targetGroup);
        UpdateInstallationInfoCollection GetUpdateInstallationInfoPerComputerTarget(
            ComputerTargetScope computersToInclude);
        UpdateInstallationInfoCollection GetUpdateInstallationInfoPerComputerTarget(
            IComputerTargetGroup targetGroup, bool includeSubgroups);
    }

    public partial interface IComputerTargetGroup
    {
        UpdateSummaryCollection GetSummaryPerUpdate();
        UpdateSummaryCollection GetSummaryPerUpdate(bool includeSubgroups);
        IUpdateSummary GetTotalSummary();
        IUpdateSummary GetTotalSummary(bool includeSubgroups);
        UpdateSummaryCollection GetTotalSummaryPerComputerTarget();
        UpdateSummaryCollection GetTotalSummaryPerComputerTarget(bool includeSubgroups);
        UpdateInstallationInfoCollection GetUpdateInstallationInfoPerComputerTarget(IUpdate update);
        UpdateInstallationInfoCollection GetUpdateInstallationInfoPerComputerTarget(IUpdate update,
            bool includeSubgroups);
    }

    public partial interface IUpdateCategory
    {
        UpdateSummaryCollection GetSummaryPerUpdate();
        IUpdateSummary GetTotalSummary();
        UpdateSummaryCollection GetTotalSummaryPerComputerTarget();
    }

    public partial interface IUpdateClassification
    {
        UpdateSummaryCollection GetSummaryPerUpdate();
        IUpdateSummary GetTotalSummary();
        UpdateSummaryCollection GetTotalSummaryPerComputerTarget();
    }
}

namespace Microsoft.UpdateServices.Internal.BaseApi
{
    public partial class UpdateServer
    {
        public DownstreamServerCollection GetChildServers() { return new DownstreamServerCollection(); }
        public StringCollection GetComponentsWithErrors() { return new StringCollection(); }

        public UpdateServerStatus GetComputerStatus(ComputerTargetScope computersToInclude,
            UpdateSources updateSources)
        {
            if (computersToInclude == null) { throw new ArgumentNullException("computersToInclude"); }
            return GetStatus(updateSources);
        }

        public IComputerTarget GetComputerTarget(string id) { throw Unknown("computer", id); }
        public IComputerTarget GetComputerTargetByName(string name) { throw Unknown("computer", name); }
        public int GetComputersNotContactedSinceCount(DateTime fromDate) { return 0; }
        public StringCollection GetComputersWithRecentNameChange() { return new StringCollection(); }

        public IDownstreamServer GetDownstreamServer(Guid id)
        {
            throw Unknown("downstream server", id.ToString());
        }

        public DownstreamServerCollection GetDownstreamServers()
        {
            return new DownstreamServerCollection();
        }

        public ReadOnlyCollection<IFrontEndServer> GetFrontEndServers()
        {
            return new ReadOnlyCollection<IFrontEndServer>(new IFrontEndServer[0]);
        }

        public UpdateServerStatus GetReplicaStatus() { return GetReplicaStatus(UpdateSources.All); }
        public UpdateServerStatus GetReplicaStatus(UpdateSources updateSources) { return GetStatus(updateSources); }

        public UpdateSummaryCollection GetSummariesPerComputerTarget(UpdateScope updatesToInclude,
            ComputerTargetScope computersToInclude)
        {
            return new UpdateSummaryCollection();
        }

        public UpdateSummaryCollection GetSummariesPerUpdate(UpdateScope updatesToInclude,
            ComputerTargetScope computersToInclude)
        {
            return UpdateSummary.PerUpdate(GetUpdates(updatesToInclude), Guid.Empty);
        }

        public UpdateEventCollection GetUpdateEventHistory(DateTime fromDate, DateTime toDate)
        {
            return new UpdateEventCollection();
        }

        public UpdateEventCollection GetUpdateEventHistory(DateTime fromDate, DateTime toDate,
            Guid updateId)
        {
            return new UpdateEventCollection();
        }

        public UpdateEventCollection GetUpdateEventHistory(DateTime fromDate, DateTime toDate,
            IComputerTarget computer)
        {
            return new UpdateEventCollection();
        }

        public UpdateEventCollection GetUpdateEventHistory(DateTime fromDate, DateTime toDate,
            Guid updateId, WsusEventSource eventSource, WsusEventId[] eventIds)
        {
            return new UpdateEventCollection();
        }

        public UpdateServerStatus GetUpdateStatus(UpdateScope updatesToInclude,
            bool includeDownstreamComputers)
        {
            UpdateServerStatus status = new UpdateServerStatus();
            foreach (IUpdate update in GetUpdates(updatesToInclude))
            {
                status.UpdateCount++;
                if (update.IsDeclined) { status.DeclinedUpdateCount++; continue; }
                if (update.IsApproved) { status.ApprovedUpdateCount++; }
                else if (!update.HasStaleUpdateApprovals) { status.NotApprovedUpdateCount++; }
                if (update.HasStaleUpdateApprovals) { status.UpdatesWithStaleUpdateApprovalsCount++; }
                if (update.PublicationState == PublicationState.Expired) { status.ExpiredUpdateCount++; }
                if (update.State == UpdateState.NotReady) { status.UpdatesNeedingFilesCount++; }
                if (update.State == UpdateState.Failed || update.State == UpdateState.LicenseAgreementFailed)
                {
                    status.UpdatesWithServerErrorsCount++;
                }
            }
            return status;
        }

        public void RollupReportingData() { }

        static Exception Unknown(string kind, string name)
        {
            if (string.IsNullOrEmpty(name)) { return new ArgumentNullException("id"); }
            return new WsusObjectNotFoundException("The " + kind + " " + name + " could not be found.");
        }
    }

    public partial class Update
    {
        public UpdateSummaryCollection GetSummaryPerComputerTargetGroup()
        {
            return GetSummaryPerComputerTargetGroup(false);
        }

        public UpdateSummaryCollection GetSummaryPerComputerTargetGroup(bool includeSubgroups)
        {
            UpdateSummaryCollection summaries = new UpdateSummaryCollection();
            foreach (IComputerTargetGroup group in server.GetComputerTargetGroups())
            {
                summaries.Add(new UpdateSummary(Id.UpdateId, group.Id));
            }
            return summaries;
        }

        public UpdateEventCollection GetUpdateEventHistory(DateTime fromDate, DateTime toDate)
        {
            return new UpdateEventCollection();
        }

        public UpdateInstallationInfoCollection GetUpdateInstallationInfoPerComputerTarget(
            IComputerTargetGroup targetGroup)
        {
            return GetUpdateInstallationInfoPerComputerTarget(targetGroup, false);
        }

        public UpdateInstallationInfoCollection GetUpdateInstallationInfoPerComputerTarget(
            ComputerTargetScope computersToInclude)
        {
            return new UpdateInstallationInfoCollection();
        }

        public UpdateInstallationInfoCollection GetUpdateInstallationInfoPerComputerTarget(
            IComputerTargetGroup targetGroup, bool includeSubgroups)
        {
            if (targetGroup == null) { throw new ArgumentNullException("targetGroup"); }
            return new UpdateInstallationInfoCollection();
        }
    }

    public partial class ComputerTargetGroup
    {
        public UpdateSummaryCollection GetSummaryPerUpdate() { return GetSummaryPerUpdate(false); }

        public UpdateSummaryCollection GetSummaryPerUpdate(bool includeSubgroups)
        {
            return UpdateSummary.PerUpdate(server.GetUpdates(new UpdateScope()), Id);
        }

        public IUpdateSummary GetTotalSummary() { return GetTotalSummary(false); }

        public IUpdateSummary GetTotalSummary(bool includeSubgroups)
        {
            return new UpdateSummary(Guid.Empty, Id);
        }

        public UpdateSummaryCollection GetTotalSummaryPerComputerTarget()
        {
            return new UpdateSummaryCollection();
        }

        public UpdateSummaryCollection GetTotalSummaryPerComputerTarget(bool includeSubgroups)
        {
            return new UpdateSummaryCollection();
        }

        public UpdateInstallationInfoCollection GetUpdateInstallationInfoPerComputerTarget(
            IUpdate update)
        {
            return GetUpdateInstallationInfoPerComputerTarget(update, false);
        }

        public UpdateInstallationInfoCollection GetUpdateInstallationInfoPerComputerTarget(
            IUpdate update, bool includeSubgroups)
        {
            if (update == null) { throw new ArgumentNullException("update"); }
            return new UpdateInstallationInfoCollection();
        }
    }

    public partial class UpdateCategory
    {
        public UpdateSummaryCollection GetSummaryPerUpdate()
        {
            return UpdateSummary.PerUpdate(GetUpdates(), Guid.Empty);
        }

        public IUpdateSummary GetTotalSummary() { return new UpdateSummary(Guid.Empty, Guid.Empty); }

        public UpdateSummaryCollection GetTotalSummaryPerComputerTarget()
        {
            return new UpdateSummaryCollection();
        }
    }

    public partial class UpdateClassification
    {
        public UpdateSummaryCollection GetSummaryPerUpdate()
        {
            return UpdateSummary.PerUpdate(GetUpdates(), Guid.Empty);
        }

        public IUpdateSummary GetTotalSummary() { return new UpdateSummary(Guid.Empty, Guid.Empty); }

        public UpdateSummaryCollection GetTotalSummaryPerComputerTarget()
        {
            return new UpdateSummaryCollection();
        }
    }

    public class UpdateSummary : IUpdateSummary
    {
        readonly Guid update;
        readonly Guid group;

        internal UpdateSummary(Guid update, Guid group)
        {
            this.update = update;
            this.group = group;
        }

        internal static UpdateSummaryCollection PerUpdate(UpdateCollection updates, Guid group)
        {
            UpdateSummaryCollection summaries = new UpdateSummaryCollection();
            foreach (IUpdate update in updates)
            {
                summaries.Add(new UpdateSummary(update.Id.UpdateId, group));
            }
            return summaries;
        }

        public Guid ComputerTargetGroupId { get { return group; } }
        public string ComputerTargetId { get { return null; } }
        public int DownloadedCount { get { return 0; } }
        public int FailedCount { get { return 0; } }
        public int InstalledCount { get { return 0; } }
        public int InstalledPendingRebootCount { get { return 0; } }
        public bool IsSummedAcrossAllUpdates { get { return update == Guid.Empty; } }
        public DateTime LastUpdated { get { return DateTime.MinValue; } }
        public int NotApplicableCount { get { return 0; } }
        public int NotInstalledCount { get { return 0; } }
        public int UnknownCount { get { return 0; } }
        public Guid UpdateId { get { return update; } }
        public override int GetHashCode() { return update.GetHashCode() ^ group.GetHashCode(); }

        public override bool Equals(object obj)
        {
            UpdateSummary other = obj as UpdateSummary;
            return other != null && other.update == update && other.group == group;
        }
    }
}
