// The subscription to an upstream catalogue: its schedule, its history, its events.
using System;
using System.Collections.Generic;
using Microsoft.UpdateServices.Administration;

namespace Microsoft.UpdateServices.Internal.BaseApi
{
    public partial class Subscription : ISubscription
    {
        readonly UpdateServer server;
        readonly Row row;
        // Unsaved changes; null if there are none.
        List<object> categories;
        List<object> classifications;

        internal Subscription(UpdateServer server)
        {
            this.server = server;
            row = Pipe.One("subscription.read");
            NumberOfSynchronizationsPerDay = row.Number("per_day");
            SynchronizeAutomatically = row.Flag("automatic");
            SynchronizeAutomaticallyTimeOfDay = TimeSpan.FromSeconds(row.Number("time_of_day"));
        }

        public string LastModifiedBy { get { return row.Text("modified_by"); } }
        public DateTime LastModifiedTime { get { return row.Time("modified"); } }
        public DateTime LastSynchronizationTime { get { return row.Time("synchronized"); } }
        public int NumberOfSynchronizationsPerDay { get; set; }
        public bool SynchronizeAutomatically { get; set; }
        public TimeSpan SynchronizeAutomaticallyTimeOfDay { get; set; }
        public UpdateServer UpdateServer { get { return server; } }

        public ISynchronizationInfo GetLastSynchronizationInfo()
        {
            Row last = Pipe.One("synchronization.last");
            return last == null ? null : new SynchronizationInfo(last);
        }

        public SynchronizationInfoCollection GetSynchronizationHistory()
        {
            return GetSynchronizationHistory(DateTime.MinValue, DateTime.MaxValue);
        }

        public SynchronizationInfoCollection GetSynchronizationHistory(DateTime fromDate,
            DateTime toDate)
        {
            SynchronizationInfoCollection history = new SynchronizationInfoCollection();
            foreach (Row entry in Pipe.Rows("synchronization.history",
                "earliest", Wire.Bound(fromDate), "latest", Wire.Bound(toDate)))
            {
                history.Add(new SynchronizationInfo(entry));
            }
            return history;
        }

        public SynchronizationProgress GetSynchronizationProgress()
        {
            Row progress = Pipe.One("synchronization.progress");
            return new SynchronizationProgress(progress.Number("total"),
                progress.Number("processed"),
                Enumeration.Parse<SynchronizationPhase>(progress.Text("phase")));
        }

        public SynchronizationStatus GetSynchronizationStatus()
        {
            return Enumeration.Parse<SynchronizationStatus>(
                Pipe.One("synchronization.progress").Text("status"));
        }

        public UpdateCategoryCollection GetUpdateCategories()
        {
            return UpdateCategory.Collect(Pipe.Rows("subscription.categories"), server);
        }

        public UpdateClassificationCollection GetUpdateClassifications()
        {
            return UpdateClassification.Collect(Pipe.Rows("subscription.classifications"), server);
        }

        public void SetUpdateCategories(UpdateCategoryCollection updateCategories)
        {
            categories = Scopes.Ids(updateCategories);
        }

        public void SetUpdateClassifications(UpdateClassificationCollection updateClassifications)
        {
            classifications = Scopes.Ids(updateClassifications);
        }

        public void Save()
        {
            Pipe.Call("subscription.save", "per_day", NumberOfSynchronizationsPerDay,
                "automatic", SynchronizeAutomatically,
                "time_of_day", (int)SynchronizeAutomaticallyTimeOfDay.TotalSeconds,
                "category_ids", categories, "classification_ids", classifications);
        }

        public SubscriptionEventCollection GetEventHistory()
        {
            return GetEventHistory(DateTime.MinValue, DateTime.MaxValue);
        }

        public SubscriptionEventCollection GetEventHistory(DateTime fromDate, DateTime toDate)
        {
            SubscriptionEventCollection history = new SubscriptionEventCollection();
            foreach (Row entry in Pipe.Rows("subscription.events",
                "earliest", Wire.Bound(fromDate), "latest", Wire.Bound(toDate)))
            {
                history.Add(new SubscriptionEvent(entry));
            }
            return history;
        }

        public DateTime GetNextSynchronizationTime()
        {
            if (!SynchronizeAutomatically) { return DateTime.MinValue; }
            DateTime next = DateTime.UtcNow.Date + SynchronizeAutomaticallyTimeOfDay;
            double hours = 24.0 / Math.Max(1, NumberOfSynchronizationsPerDay);
            while (next <= DateTime.UtcNow) { next = next.AddHours(hours); }
            return DateTime.SpecifyKind(next, DateTimeKind.Unspecified);
        }

        public void StartSynchronization() { Pipe.Call("synchronization.start"); }
        public void StartSynchronizationForCategoryOnly() { Pipe.Call("synchronization.start"); }
        // A synchronisation of the lab ends before the call that starts it returns.
        public void StopSynchronization() { }
    }

    public class SynchronizationInfo : ISynchronizationInfo
    {
        readonly Row row;

        internal SynchronizationInfo(Row row) { this.row = row; }

        public DateTime EndTime { get { return row.Time("ended"); } }

        public SynchronizationError Error
        {
            get { return Enumeration.Parse<SynchronizationError>(row.Text("error")); }
        }

        public string ErrorText { get { return row.Text("error_text"); } }
        public Guid Id { get { return row.Id("id"); } }

        public SynchronizationResult Result
        {
            get { return Enumeration.Parse<SynchronizationResult>(row.Text("result")); }
        }

        public DateTime StartTime { get { return row.Time("started"); } }
        public bool StartedManually { get { return row.Flag("manual"); } }

        public SynchronizationUpdateErrorInfoCollection UpdateErrors
        {
            get { return new SynchronizationUpdateErrorInfoCollection(); }
        }

        public override bool Equals(object obj)
        {
            SynchronizationInfo other = obj as SynchronizationInfo;
            return other != null && other.Id == Id;
        }

        public override int GetHashCode() { return Id.GetHashCode(); }
    }

    public class SubscriptionEvent : ISubscriptionEvent
    {
        readonly Row row;

        internal SubscriptionEvent(Row row) { this.row = row; }

        public string Administrator { get { return row.Text("administrator"); } }
        public DateTime CreationDate { get { return row.Time("created"); } }

        public SynchronizationError Error
        {
            get { return Enumeration.Parse<SynchronizationError>(row.Text("error")); }
        }

        public string ErrorText { get { return row.Text("error_text"); } }

        public SubscriptionEventCategory EventCategory
        {
            get { return Enumeration.Parse<SubscriptionEventCategory>(row.Text("category")); }
        }

        public Guid Id { get { return row.Id("id"); } }
        public bool IsError { get { return Error != SynchronizationError.NotApplicable; } }
        public string Message { get { return row.Text("message"); } }

        public SynchronizationUpdateErrorInfoCollection UpdateErrors
        {
            get { return new SynchronizationUpdateErrorInfoCollection(); }
        }

        public WsusEventId WsusEventId { get { return (WsusEventId)row.Number("event_id"); } }

        public override bool Equals(object obj)
        {
            SubscriptionEvent other = obj as SubscriptionEvent;
            return other != null && other.Id == Id;
        }

        public override int GetHashCode() { return Id.GetHashCode(); }
    }
}
