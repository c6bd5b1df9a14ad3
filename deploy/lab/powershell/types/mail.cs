// E-mail notifications on synchronisations and states. The lab stores settings and sends nothing.
using System;
using System.Collections.Generic;
using System.Collections.Specialized;
using System.Net.Mail;
using System.Security;
using Microsoft.UpdateServices.Administration;

namespace Microsoft.UpdateServices.Administration
{
    public partial interface IUpdateServer
    {
        IEmailNotificationConfiguration GetEmailNotificationConfiguration();
    }

    public enum EmailStatusNotificationFrequency
    {
        Daily = 1,
        Weekly = 2
    }

    public interface IEmailNotificationConfiguration
    {
        string EmailLanguage { get; set; }
        bool HasSmtpUserPassword { get; }
        string LastModifiedBy { get; }
        DateTime LastModifiedTime { get; }
        bool SendStatusNotification { get; set; }
        bool SendSyncNotification { get; set; }
        string SenderDisplayName { get; set; }
        MailAddress SenderEmailAddress { get; set; }
        string SmtpHostName { get; set; }
        int SmtpPort { get; set; }
        bool SmtpServerRequiresAuthentication { get; set; }
        string SmtpUserName { get; set; }
        EmailStatusNotificationFrequency StatusNotificationFrequency { get; set; }
        MailAddressCollection StatusNotificationRecipients { get; }
        TimeSpan StatusNotificationTimeOfDay { get; set; }
        StringCollection SupportedEmailLanguages { get; }
        MailAddressCollection SyncNotificationRecipients { get; }
        void Save();
        void SendTestEmail();
        void SetSmtpUserPassword(string password);
        void SetSmtpUserPassword(SecureString password);
    }
}

namespace Microsoft.UpdateServices.Internal.BaseApi
{
    public partial class UpdateServer
    {
        public IEmailNotificationConfiguration GetEmailNotificationConfiguration()
        {
            return new EmailNotificationConfiguration();
        }
    }

    /// <summary>Settings with unsaved changes; Save writes them.</summary>
    public class EmailNotificationConfiguration : IEmailNotificationConfiguration
    {
        readonly Dictionary<string, object> values;

        internal EmailNotificationConfiguration()
        {
            values = (Dictionary<string, object>)Pipe.Call("mail.read");
            StatusNotificationRecipients = Addresses("StatusNotificationRecipients");
            SyncNotificationRecipients = Addresses("SyncNotificationRecipients");
        }

        public string EmailLanguage
        {
            get { return Text("EmailLanguage"); }
            set { values["EmailLanguage"] = value; }
        }

        public bool HasSmtpUserPassword { get { return Flag("HasSmtpUserPassword"); } }
        public string LastModifiedBy { get { return Text("LastModifiedBy"); } }
        public DateTime LastModifiedTime { get { return Wire.Time(values["LastModifiedTime"]); } }

        public bool SendStatusNotification
        {
            get { return Flag("SendStatusNotification"); }
            set { values["SendStatusNotification"] = value; }
        }

        public bool SendSyncNotification
        {
            get { return Flag("SendSyncNotification"); }
            set { values["SendSyncNotification"] = value; }
        }

        public string SenderDisplayName
        {
            get { return Text("SenderDisplayName"); }
            set { values["SenderDisplayName"] = value; }
        }

        public MailAddress SenderEmailAddress
        {
            get
            {
                string address = Text("SenderEmailAddress");
                return string.IsNullOrEmpty(address) ? null : new MailAddress(address);
            }
            set { values["SenderEmailAddress"] = value == null ? null : value.Address; }
        }

        public string SmtpHostName
        {
            get { return Text("SmtpHostName"); }
            set { values["SmtpHostName"] = value; }
        }

        public int SmtpPort
        {
            get { return Convert.ToInt32(values["SmtpPort"]); }
            set { values["SmtpPort"] = value; }
        }

        public bool SmtpServerRequiresAuthentication
        {
            get { return Flag("SmtpServerRequiresAuthentication"); }
            set { values["SmtpServerRequiresAuthentication"] = value; }
        }

        public string SmtpUserName
        {
            get { return Text("SmtpUserName"); }
            set { values["SmtpUserName"] = value; }
        }

        public EmailStatusNotificationFrequency StatusNotificationFrequency
        {
            get
            {
                return Enumeration.Parse<EmailStatusNotificationFrequency>(
                    Text("StatusNotificationFrequency"));
            }
            set { values["StatusNotificationFrequency"] = value.ToString(); }
        }

        public MailAddressCollection StatusNotificationRecipients { get; private set; }

        public TimeSpan StatusNotificationTimeOfDay
        {
            get { return TimeSpan.FromSeconds(Convert.ToInt32(values["StatusNotificationTimeOfDay"])); }
            set { values["StatusNotificationTimeOfDay"] = (int)value.TotalSeconds; }
        }

        public StringCollection SupportedEmailLanguages
        {
            get
            {
                StringCollection codes = new StringCollection();
                foreach (object code in (List<object>)values["SupportedEmailLanguages"])
                {
                    codes.Add((string)code);
                }
                return codes;
            }
        }

        public MailAddressCollection SyncNotificationRecipients { get; private set; }

        public void Save()
        {
            values["StatusNotificationRecipients"] = Texts(StatusNotificationRecipients);
            values["SyncNotificationRecipients"] = Texts(SyncNotificationRecipients);
            Pipe.Call("mail.save", "values", values);
        }

        public void SendTestEmail()
        {
            throw new InvalidOperationException("The e-mail server could not be reached.");
        }

        // The password is not stored, only the fact that there is one.
        public void SetSmtpUserPassword(string password)
        {
            values["HasSmtpUserPassword"] = !string.IsNullOrEmpty(password);
        }

        public void SetSmtpUserPassword(SecureString password)
        {
            values["HasSmtpUserPassword"] = password != null && password.Length > 0;
        }

        string Text(string name) { return (string)values[name]; }
        bool Flag(string name) { return Convert.ToBoolean(values[name]); }

        MailAddressCollection Addresses(string name)
        {
            MailAddressCollection addresses = new MailAddressCollection();
            foreach (object address in (List<object>)values[name])
            {
                addresses.Add((string)address);
            }
            return addresses;
        }

        static List<object> Texts(MailAddressCollection addresses)
        {
            List<object> texts = new List<object>();
            foreach (MailAddress address in addresses) { texts.Add(address.Address); }
            return texts;
        }
    }
}
