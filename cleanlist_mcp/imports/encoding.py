"""The encoding of a file's bytes: UTF-8, UTF-16 and UTF-32 with a mark, or Windows-1252 if all looks Western. Pure."""

import codecs
import io
import re

from cleanlist_mcp.errors import InvalidArguments

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)

_SMALL = "ß-öø-ÿšœž"
_ACCENTED = "À-ÖØ-ÞŠŒŽŸ" + _SMALL
_SIGNS = r"\xa0\xad¡¢£¥§©«®°±²³µ¶\xb4·¹»¼½¾¿\xd7÷ªº\u2013\u2014\u2018\u2019“”„†‡‰\u2039\u203a•…€™"
# What Western text hardly has, and text in another encoding soon has when it is read as Windows-1252.
# Guessing which encoding it is instead works for longer texts: on names, charset-normalizer takes Western
# ones for Polish, and Cyrillic for a Mac's.
_IMPLAUSIBLE = re.compile(
    # Anything but letters and common signs.
    rf"[^\x00-\x7f{_ACCENTED}{_SIGNS}]"
    # A word of accented letters alone, or four in a row: Cyrillic, Greek, Chinese, Korean.
    rf"|(?<![A-Za-z{_ACCENTED}])[{_ACCENTED}]{{2,}}(?![A-Za-z{_ACCENTED}])|[{_ACCENTED}]{{4}}"
    # A sign or one of these capitals within a word ("C™te", "JosŽ"): a Mac's own encoding, or that of DOS.
    rf"|(?<=[A-Za-z{_ACCENTED}])[¡£§©«®»¿“”„•€™ŠŒŽŸ](?=[a-z{_SMALL}])|(?<=[a-z{_SMALL}])[ŠŒŽŸ]"
    # "Dvoøák", "Nìmec", "£ukasz", "Pawe³": Czech and Polish.
    rf"|[a-z]{{3}}³|ø(?=[áíý])|[ìù](?=[a-z])|£(?=[a-z{_SMALL}]{{3}})"
    # "JosÃ©": UTF-8.
    r"|[ÂÃ][\xa1-\xbf]"
)
BAD_BYTE = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as `surrogateescape` lets it through."""


def encoding_of(data: bytes) -> str:
    """Return Python's name for the encoding of a file.

    Raises:
        InvalidArguments: if it is none of these encodings, or no text.
    """
    mark = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    # Without a mark, many NULs mean a spreadsheet's own format or UTF-16, never text to guess at.
    is_binary = data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")) or (
        data[:1_000].count(0) * 4 > len(data[:1_000])
    )
    if mark in (None, "utf-8-sig"):
        if not is_binary and _is_mostly_utf8(data):
            return "utf-8-sig"
    elif _decodes(data, mark):
        return mark
    if mark is None and not is_binary and _is_plausible_cp1252(data):
        return "cp1252"
    raise InvalidArguments(
        "The file is not text in a known encoding (a spreadsheet file is not CSV).",
        'Open it in the spreadsheet and save it as "CSV UTF-8".',
    )


def _is_mostly_utf8(data: bytes) -> bool:
    """Return whether more characters beyond ASCII are valid UTF-8 than there are bytes that are not.

    In other encodings hardly any are, since such bytes follow one another as UTF-8 by chance only.
    """
    valid = bad = 0
    for line in io.BytesIO(data):
        if not line.isascii():
            text = line.decode("utf-8", "ignore")
            valid += len(text) - len(text.encode("ascii", "ignore"))
            bad += len(line) - len(text.encode())
    return valid > bad or not bad


def _is_plausible_cp1252(data: bytes) -> bool:
    """Return whether a reader of Western languages would take the text for text."""
    lines = (line for line in io.BytesIO(data) if not line.isascii())
    try:
        return not any(_IMPLAUSIBLE.search(line.decode("cp1252")) for line in lines)
    except UnicodeError:
        return False


def _decodes(data: bytes, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    step = 65_536
    try:
        for start in range(0, len(data), step):
            decoder.decode(data[start : start + step])
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True
