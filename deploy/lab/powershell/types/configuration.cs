// The server's configuration.
using System;
using System.Collections.Generic;
using System.Collections.Specialized;
using Microsoft.UpdateServices.Administration;

namespace Microsoft.UpdateServices.Internal.BaseApi
{
    /// <summary>Settings as they were read; Save writes those that a script set.</summary>
    public partial class UpdateServerConfiguration : IUpdateServerConfiguration
    {
        readonly Dictionary<string, object> values;
        readonly Dictionary<string, object> changes = new Dictionary<string, object>();

        internal UpdateServerConfiguration(UpdateServer server)
        {
            UpdateServer = server;
            values = (Dictionary<string, object>)Pipe.Call("configuration.read");
        }

        public UpdateServer UpdateServer { get; private set; }

        public bool AllUpdateLanguagesEnabled
        {
            get { return Flag("AllUpdateLanguagesEnabled"); }
            set { Set("AllUpdateLanguagesEnabled", value); }
        }

        public bool AutoApproveWsusInfrastructureUpdates
        {
            get { return Flag("AutoApproveWsusInfrastructureUpdates"); }
            set { Set("AutoApproveWsusInfrastructureUpdates", value); }
        }

        public bool AutoRefreshUpdateApprovals
        {
            get { return Flag("AutoRefreshUpdateApprovals"); }
            set { Set("AutoRefreshUpdateApprovals", value); }
        }

        public bool AutoRefreshUpdateApprovalsDeclineExpired
        {
            get { return Flag("AutoRefreshUpdateApprovalsDeclineExpired"); }
            set { Set("AutoRefreshUpdateApprovalsDeclineExpired", value); }
        }

        public bool DownloadExpressPackages
        {
            get { return Flag("DownloadExpressPackages"); }
            set { Set("DownloadExpressPackages", value); }
        }

        public bool DownloadUpdateBinariesAsNeeded
        {
            get { return Flag("DownloadUpdateBinariesAsNeeded"); }
            set { Set("DownloadUpdateBinariesAsNeeded", value); }
        }

        public bool GetContentFromMU
        {
            get { return Flag("GetContentFromMU"); }
            set { Set("GetContentFromMU", value); }
        }

        public bool HasProxyPassword { get { return Flag("HasProxyPassword"); } }

        public bool HostBinariesOnMicrosoftUpdate
        {
            get { return Flag("HostBinariesOnMicrosoftUpdate"); }
            set { Set("HostBinariesOnMicrosoftUpdate", value); }
        }

        public bool IsReplicaServer
        {
            get { return Flag("IsReplicaServer"); }
            set { Set("IsReplicaServer", value); }
        }

        public string LocalContentCachePath { get { return Text("LocalContentCachePath"); } }

        public string MUUrl
        {
            get { return Text("MUUrl"); }
            set { Set("MUUrl", value); }
        }

        public int MaximumAllowedComputers
        {
            get { return Number("MaximumAllowedComputers"); }
            set { Set("MaximumAllowedComputers", value); }
        }

        public bool OobeInitialized
        {
            get { return Flag("OobeInitialized"); }
            set { Set("OobeInitialized", value); }
        }

        public string ProxyName
        {
            get { return Text("ProxyName"); }
            set { Set("ProxyName", value); }
        }

        public int ProxyServerPort
        {
            get { return Number("ProxyServerPort"); }
            set { Set("ProxyServerPort", value); }
        }

        public bool SyncFromMicrosoftUpdate
        {
            get { return Flag("SyncFromMicrosoftUpdate"); }
            set { Set("SyncFromMicrosoftUpdate", value); }
        }

        public string UpstreamWsusServerName
        {
            get { return Text("UpstreamWsusServerName"); }
            set { Set("UpstreamWsusServerName", value); }
        }

        public int UpstreamWsusServerPortNumber
        {
            get { return Number("UpstreamWsusServerPortNumber"); }
            set { Set("UpstreamWsusServerPortNumber", value); }
        }

        public bool UpstreamWsusServerUseSsl
        {
            get { return Flag("UpstreamWsusServerUseSsl"); }
            set { Set("UpstreamWsusServerUseSsl", value); }
        }

        public bool UseProxy
        {
            get { return Flag("UseProxy"); }
            set { Set("UseProxy", value); }
        }

        public bool AnonymousProxyAccess
        {
            get { return Flag("AnonymousProxyAccess"); }
            set { Set("AnonymousProxyAccess", value); }
        }

        public string SslProxyName
        {
            get { return Text("SslProxyName"); }
            set { Set("SslProxyName", value); }
        }

        public int SslProxyServerPort
        {
            get { return Number("SslProxyServerPort"); }
            set { Set("SslProxyServerPort", value); }
        }

        public bool UseSeparateProxyForSsl
        {
            get { return Flag("UseSeparateProxyForSsl"); }
            set { Set("UseSeparateProxyForSsl", value); }
        }

        public DateTime LastConfigChange { get { return Wire.Time(values["LastConfigChange"]); } }

        public Guid ServerId
        {
            get { return new Guid((string)values["ServerId"]); }
            set { Set("ServerId", Wire.Text(value)); }
        }

        public StringCollection SupportedUpdateLanguages
        {
            get { return Texts("SupportedUpdateLanguages"); }
        }

        public TargetingMode TargetingMode
        {
            get { return Enumeration.Parse<TargetingMode>(Text("TargetingMode")); }
            set { Set("TargetingMode", value.ToString()); }
        }

        public StringCollection GetEnabledUpdateLanguages() { return Texts("EnabledUpdateLanguages"); }

        public void SetEnabledUpdateLanguages(StringCollection enabledUpdateLanguages)
        {
            List<object> codes = new List<object>();
            foreach (string code in enabledUpdateLanguages) { codes.Add(code); }
            Set("EnabledUpdateLanguages", codes);
        }

        public UpdateServerConfigurationState GetUpdateServerConfigurationState()
        {
            return Enumeration.Parse<UpdateServerConfigurationState>(
                (string)Pipe.Call("configuration.state"));
        }

        public void Save() { Save(true); }

        public void Save(bool detectConfigChange)
        {
            Pipe.Call("configuration.save", "changes", changes);
            changes.Clear();
        }

        bool Flag(string name) { return Convert.ToBoolean(values[name]); }
        int Number(string name) { return Convert.ToInt32(values[name]); }
        string Text(string name) { return (string)values[name]; }

        StringCollection Texts(string name)
        {
            StringCollection texts = new StringCollection();
            foreach (object text in (List<object>)values[name]) { texts.Add((string)text); }
            return texts;
        }

        void Set(string name, object value)
        {
            values[name] = value;
            changes[name] = value;
        }
    }
}
