"""The sentences of ``wsusutil``: the English is WSUS's own, the German a translation of ours."""

from __future__ import annotations

DISK_FULL = "There is not enough space on the disk."

_ENGLISH = {
    "export-start": "Updates are being exported. Please do not stop this program.",
    "export-done": "All updates are successfully exported.",
    "export-failed": "Export failed to export updates. Please look at the log file for error"
    " details.",
    "import-header": "WSUS service was stopped. If you stop this program before it ends then you"
    ' must manually restart "Update Services" service.',
    "import-start": "Updates are being imported. Please do not stop this program.",
    "import-done": "All updates are successfully imported.",
    "import-failed": "Import failed to import updates. Please look at the log file for error"
    " details.",
    "version-mismatch": "The package could not be imported because the server on which the export"
    " package was generated is a different version than the local server.",
    "replica": "You cannot import updates to a server that is being centrally managed.",
    "name-exists": "The package and log file names must be unique in the current folder.",
    "no-package": "The export package could not be found.",
    "health-done": "Done. Please check event log for events with source"
    ' "Windows Server Update Services."',
    "health-no-service": "Unable to contact the WSUS Service.",
    "inactive-failed": "Unable to get a list of permanently inactive approvals.",
    "bad-arguments": "Incomplete or invalid parameters specified. See below for correct format and"
    " options:",
    "help": "Export <package> <log file>\nImport <package> [log file]\nReset\nCheckHealth\n"
    "ListInactiveApprovals",
}
_GERMAN = {
    "export-start": "Updates werden exportiert. Beenden Sie dieses Programm nicht.",
    "export-done": "Alle Updates wurden erfolgreich exportiert.",
    "export-failed": "Fehler beim Exportieren von Updates. Weitere Informationen finden Sie in der"
    " Protokolldatei.",
    "import-header": "Der WSUS-Dienst wurde beendet. Wenn Sie dieses Programm vorzeitig beenden,"
    ' müssen Sie den Dienst "Update Services" manuell neu starten.',
    "import-start": "Updates werden importiert. Beenden Sie dieses Programm nicht.",
    "import-done": "Alle Updates wurden erfolgreich importiert.",
    "import-failed": "Fehler beim Importieren von Updates. Weitere Informationen finden Sie in der"
    " Protokolldatei.",
    "version-mismatch": "Das Paket konnte nicht importiert werden, weil der Server, auf dem es"
    " erzeugt wurde, eine andere Version als der lokale Server hat.",
    "replica": "Auf einen zentral verwalteten Server können keine Updates importiert werden.",
    "name-exists": "Die Namen von Paket und Protokolldatei müssen im aktuellen Ordner eindeutig"
    " sein.",
    "no-package": "Das Exportpaket wurde nicht gefunden.",
    "health-done": "Fertig. Prüfen Sie im Ereignisprotokoll die Ereignisse der Quelle"
    ' "Windows Server Update Services".',
    "health-no-service": "Der WSUS-Dienst konnte nicht erreicht werden.",
    "inactive-failed": "Die Liste der dauerhaft inaktiven Genehmigungen konnte nicht abgerufen"
    " werden.",
    "bad-arguments": "Unvollständige oder ungültige Parameter. Format und Optionen:",
    "help": _ENGLISH["help"],
}
_TEXTS = {"en": _ENGLISH, "de": _GERMAN}


def text(language: str, name: str) -> str:
    """Give a sentence in a language by its name."""
    return _TEXTS[language][name]
