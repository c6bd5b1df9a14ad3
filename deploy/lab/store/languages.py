"""The languages of WSUS, with the numbers that Windows gives them.

The list is that of a real Windows Server 2025: 38 languages, and ``all`` with the number 0.
"""

from __future__ import annotations

from typing import NamedTuple


class Language(NamedTuple):
    """One language.

    Attributes:
        number: Windows' locale number.
        code: WSUS's short name, for example ``pt-br``.
        name: The name in English.
        word: The word for "update" in the language, for generated titles.
    """

    number: int
    code: str
    name: str
    word: str


ALL = Language(0, "all", "All Languages", "")
LANGUAGES = (
    Language(1025, "ar", "Arabic", "تحديث"),
    Language(1026, "bg", "Bulgarian", "Актуализация"),
    Language(1028, "zh-tw", "Chinese (Traditional)", "更新程式"),
    Language(1029, "cs", "Czech", "Aktualizace"),
    Language(1030, "da", "Danish", "Opdatering"),
    Language(1031, "de", "German", "Aktualisierung"),
    Language(1032, "el", "Greek", "Ενημέρωση"),
    Language(1033, "en", "English", "Update"),
    Language(1034, "es", "Spanish", "Actualización"),
    Language(1035, "fi", "Finnish", "Päivitys"),
    Language(1036, "fr", "French", "Mise à jour"),
    Language(1037, "he", "Hebrew", "עדכון"),
    Language(1038, "hu", "Hungarian", "Frissítés"),
    Language(1040, "it", "Italian", "Aggiornamento"),
    Language(1041, "ja", "Japanese", "更新プログラム"),
    Language(1042, "ko", "Korean", "업데이트"),
    Language(1043, "nl", "Dutch", "Bijwerking"),
    Language(1044, "no", "Norwegian", "Oppdatering"),
    Language(1045, "pl", "Polish", "Aktualizacja"),
    Language(1046, "pt-br", "Portuguese (Brazil)", "Atualização"),
    Language(1048, "ro", "Romanian", "Actualizare"),
    Language(1049, "ru", "Russian", "Обновление"),
    Language(1050, "hr", "Croatian", "Ažuriranje"),
    Language(1051, "sk", "Slovak", "Aktualizácia"),
    Language(1053, "sv", "Swedish", "Uppdatering"),
    Language(1054, "th", "Thai", "การอัปเดต"),
    Language(1055, "tr", "Turkish", "Güncelleştirme"),
    Language(1058, "uk", "Ukrainian", "Оновлення"),
    Language(1060, "sl", "Slovenian", "Posodobitev"),
    Language(1061, "et", "Estonian", "Värskendus"),
    Language(1062, "lv", "Latvian", "Atjauninājums"),
    Language(1063, "lt", "Lithuanian", "Naujinimas"),
    Language(1081, "hi", "Hindi", "अद्यतन"),
    Language(2052, "zh-cn", "Chinese (Simplified)", "更新"),
    Language(2070, "pt", "Portuguese (Portugal)", "Atualização"),
    Language(2074, "sr", "Serbian", "Ažuriranje"),
    Language(3076, "zh-hk", "Chinese (Hong Kong SAR)", "更新程式"),
    Language(66577, "ja-nec", "Japanese (NEC)", "更新プログラム"),
)
CODES = tuple(language.code for language in LANGUAGES)
