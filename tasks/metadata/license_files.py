"""Recognise files with licence terms, and their languages, without trust in one guess.

No real update document with licence terms is public. Public material puts them into ``EulaFiles``
as ``File`` or ``EulaFile``, into ``Properties``, ``LocalizedProperties`` or ``Files``, or only into
the package's list of an update's files. The reader takes them from all of these places. Certain is:

* Each language has its own file, and its original name ends in ``-<language>-<GUID>.txt`` (recorded
  output of the API, PoshWSUS, update KB2617986: ``silverlighteulapriv-no-717c6af4-….txt``).
* The API marks such a file with ``IsEula``, and its type is ``None``.

The language is therefore the one that the XML writes, else the one of the original name. Where
neither tells it, it is ``UNKNOWN_LANGUAGE``, the file is not counted as needed, and the API is
asked for its names (``tasks/server/license_languages``). Where they do not tell it, the staging
server answers by its content: WSUS downloads licence terms only in its enabled languages, so a
file that it has is needed, and a file that it never had is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from tasks.metadata.model import DescribedFile

UNKNOWN_LANGUAGE = "?"
"""The language of licence terms that nothing tells; no server has a language of that name."""

_ANY_LANGUAGE = frozenset({"all", "neutral"})
_NAME = re.compile(
    r"-(?P<language>[a-z]{2,3}(?:-[a-z]{2,8})?)"
    r"-\{?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?\.(?:txt|rtf)\Z",
    re.IGNORECASE,
)
_EXTENSIONS = (".txt", ".rtf")


def language_in_name(name: str) -> str:
    """Return the language in the original name of a file with licence terms; "" if it has none.

    >>> language_in_name("silverlighteulapriv-pt-br-717c6af4-d907-42d7-9375-2ca8f225f953.txt")
    'pt-br'
    """
    match = _NAME.search(name)
    return match["language"].lower() if match else ""


def recognise(files: Iterable[DescribedFile], *, has_license: bool) -> Iterator[DescribedFile]:
    """Yield the files of an update, with kind and language of its licence terms.

    ``has_license`` is True if the update names licence terms (``EulaID``).
    """
    for file in files:
        is_license = file.kind == "license" or is_terms(file.name, has_license)
        if is_license:
            yield replace(file, kind="license", language=terms_language(file.language, file.name))
        else:
            yield replace(file, language="" if file.language in _ANY_LANGUAGE else file.language)


def is_terms(name: str, has_license: bool) -> bool:  # noqa: FBT001 # SQLite calls it too
    """Return True if a file that nothing else marks is one with licence terms, by its name."""
    return has_license and name.lower().endswith(_EXTENSIONS)


def terms_language(written: str, name: str) -> str:
    """Return the language of licence terms: "" for all languages, or ``UNKNOWN_LANGUAGE``."""
    if written in _ANY_LANGUAGE:
        return ""
    return written or language_in_name(name) or UNKNOWN_LANGUAGE
