// The settings without effect in the lab: a script reads the values that it saved.
using System;
using System.Collections.Specialized;
using System.Security;
using Microsoft.UpdateServices.Administration;

namespace Microsoft.UpdateServices.Administration
{
    public partial interface IUpdateServerConfiguration
    {
        bool AllUpdateLanguagesUssEnabled { get; set; }
        bool AllowProxyCredentialsOverNonSsl { get; set; }
        bool CollectClientInventory { get; set; }
        bool DoDetailedRollup { get; set; }
        bool MURollupOptin { get; set; }
        TimeSpan ClientEventExpirationTime { get; set; }
        TimeSpan ComputerDeletionTimeThreshold { get; set; }
        TimeSpan ExpiredEventDetectionPeriod { get; set; }
        TimeSpan RevisionDeletionTimeThreshold { get; set; }
        TimeSpan ServerEventExpirationTime { get; set; }
        ClientReportingLevel ClientReportingLevel { get; set; }
        int LocalPublishingMaxCabSize { get; set; }
        string ProxyUserDomain { get; set; }
        string ProxyUserName { get; set; }
        string ServerString { get; set; }
        StringCollection GetUssEnabledUpdateLanguages();
        void SetProxyPassword(string password);
        void SetProxyPassword(SecureString password);
    }
}

namespace Microsoft.UpdateServices.Internal.BaseApi
{
    public partial class UpdateServerConfiguration
    {
        public bool AllUpdateLanguagesUssEnabled
        {
            get { return Flag("AllUpdateLanguagesUssEnabled"); }
            set { Set("AllUpdateLanguagesUssEnabled", value); }
        }

        public bool AllowProxyCredentialsOverNonSsl
        {
            get { return Flag("AllowProxyCredentialsOverNonSsl"); }
            set { Set("AllowProxyCredentialsOverNonSsl", value); }
        }

        public bool CollectClientInventory
        {
            get { return Flag("CollectClientInventory"); }
            set { Set("CollectClientInventory", value); }
        }

        public bool DoDetailedRollup
        {
            get { return Flag("DoDetailedRollup"); }
            set { Set("DoDetailedRollup", value); }
        }

        public bool MURollupOptin
        {
            get { return Flag("MURollupOptin"); }
            set { Set("MURollupOptin", value); }
        }

        public TimeSpan ClientEventExpirationTime
        {
            get { return Span("ClientEventExpirationTime"); }
            set { Set("ClientEventExpirationTime", (long)value.TotalSeconds); }
        }

        public TimeSpan ComputerDeletionTimeThreshold
        {
            get { return Span("ComputerDeletionTimeThreshold"); }
            set { Set("ComputerDeletionTimeThreshold", (long)value.TotalSeconds); }
        }

        public TimeSpan ExpiredEventDetectionPeriod
        {
            get { return Span("ExpiredEventDetectionPeriod"); }
            set { Set("ExpiredEventDetectionPeriod", (long)value.TotalSeconds); }
        }

        public TimeSpan RevisionDeletionTimeThreshold
        {
            get { return Span("RevisionDeletionTimeThreshold"); }
            set { Set("RevisionDeletionTimeThreshold", (long)value.TotalSeconds); }
        }

        public TimeSpan ServerEventExpirationTime
        {
            get { return Span("ServerEventExpirationTime"); }
            set { Set("ServerEventExpirationTime", (long)value.TotalSeconds); }
        }

        public ClientReportingLevel ClientReportingLevel
        {
            get { return Enumeration.Parse<ClientReportingLevel>(Text("ClientReportingLevel")); }
            set { Set("ClientReportingLevel", value.ToString()); }
        }

        public int LocalPublishingMaxCabSize
        {
            get { return Number("LocalPublishingMaxCabSize"); }
            set { Set("LocalPublishingMaxCabSize", value); }
        }

        public string ProxyUserDomain
        {
            get { return Text("ProxyUserDomain"); }
            set { Set("ProxyUserDomain", value); }
        }

        public string ProxyUserName
        {
            get { return Text("ProxyUserName"); }
            set { Set("ProxyUserName", value); }
        }

        public string ServerString
        {
            get { return Text("ServerString"); }
            set { Set("ServerString", value); }
        }

        // A member of the class, not of the interface.
        public bool AllUpdateLanguagesDssEnabled
        {
            get { return Flag("AllUpdateLanguagesDssEnabled"); }
            set { Set("AllUpdateLanguagesDssEnabled", value); }
        }

        public bool BitsDownloadPriorityForeground
        {
            get { return Flag("BitsDownloadPriorityForeground"); }
            set { Set("BitsDownloadPriorityForeground", value); }
        }

        public LogLevel LogLevel
        {
            get { return Enumeration.Parse<LogLevel>(Text("LogLevel")); }
            set { Set("LogLevel", value.ToString()); }
        }

        public string LogFilePath
        {
            get { return Text("LogFilePath"); }
            set { Set("LogFilePath", value); }
        }

        public int MaxSimultaneousFileDownloads
        {
            get { return Number("MaxSimultaneousFileDownloads"); }
            set { Set("MaxSimultaneousFileDownloads", value); }
        }

        public long RedirectorChangeNumber
        {
            get { return Convert.ToInt64(values["RedirectorChangeNumber"]); }
            set { Set("RedirectorChangeNumber", value); }
        }

        public StringCollection GetUssEnabledUpdateLanguages() { return GetEnabledUpdateLanguages(); }

        // The password itself is not stored.
        public void SetProxyPassword(string password)
        {
            Set("HasProxyPassword", !string.IsNullOrEmpty(password));
        }

        public void SetProxyPassword(SecureString password)
        {
            Set("HasProxyPassword", password != null && password.Length > 0);
        }

        TimeSpan Span(string name) { return TimeSpan.FromSeconds(Convert.ToInt64(values[name])); }
    }
}
