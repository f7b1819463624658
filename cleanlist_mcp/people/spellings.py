"""Names and companies without what their spellings differ in, so that equal text means the same name. Pure.

Nothing here is shown to anybody: what comes out is only compared, most often as a digest.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from cleanlist_mcp.people.name_words import DEGREES, FORMS_OF_ADDRESS, TITLES, word_set
from cleanlist_mcp.people.remembered import remembered

Field = Literal["first", "last"]


class Reading(NamedTuple):
    """A name as its words, folded but with their accents, and its suffix: "jr", "sr", "2" …, or "" for none."""

    words: tuple[str, ...]
    suffix: str


# Dropped before anything is folded: NFKC turns an acute accent into a space with one, and "™" into letters.
_APOSTROPHES = (
    "'`\u00b4\u2018\u2019\u201b\u2032\u2035\uff07"
    "\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u02ca\u02cb\u055a\u05f3\u05f4\ua78c"
)
_DROPPED = re.compile(f"[{_APOSTROPHES}™®©℠℗]")


def folded(text: str) -> str:
    """Return the text without differences of case, of compatibility forms and of apostrophes."""
    if text.isascii():
        return (text if text.isalnum() else _DROPPED.sub("", text)).casefold()
    return _folded(text)


@remembered
def _folded(text: str) -> str:
    text = _DROPPED.sub("", text)
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _DROPPED.sub("", unicodedata.normalize("NFKC", text.casefold()))


# Letters that are no accented ones, as they are written without them, and in the longer way, with the umlauts.
_SHORT = dict(zip("øæœłđðþıħŧə", ("o", "ae", "oe", "l", "d", "d", "th", "i", "h", "t", "a"), strict=True))
_LONG = dict(zip("äöüøåđə", ("ae", "oe", "ue", "oe", "aa", "dj", "e"), strict=True))
_SHORTENED, _LENGTHENED = (re.compile(f"[{''.join(letters)}]") for letters in (_SHORT, _LONG))
# Accents of Latin, Greek and Cyrillic letters, points of Hebrew and Arabic ones; elsewhere a mark is a letter's half.
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0640\u064b-\u065f\u0670]")
# What may stand for one letter: not at the end ("Zoe", "Sue"), not before vowels ("Joeann"), not in "Michael",
# "Manuela" and "Noelle", not in "Bauer".
_NO_UMLAUT = "ll?[aeiou]?$"
_TWO_LETTERS = re.compile(
    rf"a(?:a|e(?![aeio]|$|{_NO_UMLAUT}))|oe(?![aeiou]|$|{_NO_UMLAUT})|(?<![aeo])ue(?![aeiou]|$|{_NO_UMLAUT})"
)


def unaccented(text: str) -> str:
    """Return folded text without diacritics: "ü" is "u", "ß" is "ss", "ł" is "l". Something is always left."""
    return text if text.isascii() else _unaccented(text)


@remembered
def _unaccented(text: str) -> str:
    plain = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text)))
    return _SHORTENED.sub(lambda found: _SHORT[found[0]], plain) or text


@lru_cache(maxsize=256)  # each word of a name is asked for several times
def spellings(text: str) -> tuple[str, ...]:
    """Return folded text in each way to write its special letters, the shortest first; equal text shares one.

    "müller" is "muller" and "mueller"; so is "mueller", and "muller" is itself alone. Most text has one way.
    """
    short = unaccented(text)
    long = unaccented(_LENGTHENED.sub(lambda found: _LONG[found[0]], text))
    if short == long and not _TWO_LETTERS.search(short):
        return (short,)
    ways = (_TWO_LETTERS.sub(_first_letter, short), long, _TWO_LETTERS.sub(_first_letter, long))
    return tuple(dict.fromkeys(ways))


def _first_letter(found: re.Match[str]) -> str:
    return found[0][0]


_VOWELS = tuple("aeiouаеёиоуыэюяαεηιουω")
_OTHER_ENDINGS = tuple("aeosаеояαεος")


def ends_in_vowel(text: str) -> bool:
    """Return whether another last letter makes another first name of a spelling: "mario", "maria"."""
    return text.endswith(_VOWELS)


def ends_in_another_form(text: str) -> bool:
    """Return whether a spelling may be another first name without its last letter: "paula"."""
    return text.endswith(_OTHER_ENDINGS)


def words_of(text: str) -> list[str]:
    """Return the runs of letters, with their marks, and digits in folded text."""
    if text.isalnum():
        return [text]
    if text.isascii():
        return re.findall("[a-z0-9]+", text)
    spaced = "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in text)
    return [word for word in spaced.split() if any(map(str.isalnum, word))]


_SUFFIXES = {
    **dict.fromkeys(("jr", "jnr", "junior"), "jr"),
    **dict.fromkeys(("sr", "snr", "senior"), "sr"),
    **dict.fromkeys(("ii", "2nd"), "2"),
    **dict.fromkeys(("iii", "3rd"), "3"),
    **dict.fromkeys(("iv", "4th"), "4"),
    **dict.fromkeys(("v", "5th"), "5"),
}
_DOTTED_SUFFIXES = {"jun": "jr", "sen": "sr"}  # without their dot they are names
_NO_NAMES_ALONE = frozenset(_SUFFIXES) - {"junior", "senior", "v"}
_BEFORE = FORMS_OF_ADDRESS | word_set(
    """
    professor professorin profin univprof doctor doktor dra drs drin dring drhc magin dott dottssa dottoressa
    mister missus mx mlle madame monsieur herrn frl fru sigra signor signora sra srta senor senora
    dhr mevr mevrouw meneer mw reverend
    """
)
_DOTTED_BEFORE = word_set("ing mag lic sig hr hon rev capt col sgt ir fr avv arch arq adv")
# Names too, so that they count only if another first name is left.
_BEFORE_A_FIRST_NAME = _BEFORE | word_set("don dona sr sir lord lady dame miss")
_AFTER_A_TITLE = word_set("ing kfm med rer nat iur jur oec habil hc mult dent theol")
_BEHIND_A_FIRST_NAME = word_set("phd mba cpa esq msc bsc llm")
_BEHIND = (TITLES | {"dr", "prof"}) - set(_SUFFIXES)
_BEHIND_A_COMMA = (DEGREES | _BEHIND | word_set("cissp shrmcp phr sphr acca cma frm csm cse")) - set(
    _SUFFIXES
)


def read_name(text: str, field: Field, *, alone: bool = False) -> Reading:
    """Return a first or last name as its words: without forms of address, degrees, remarks and suffix.

    `alone` is true if the other one of the two was not given, so that this may be a whole name.
    """
    kept, *rest = _segments(_without_remarks(_DROPPED.sub("", text)))
    words, suffix = _split_words(kept), ""
    for segment in rest:
        behind = [_behind_comma(word) for word in segment.split()]
        if None in behind and (alone or not _is_abbreviation(segment, kept)):
            words += _split_words(segment)
        else:
            suffix = suffix or "".join(filter(None, behind))
    suffix = _take_behind(words, field) or suffix
    is_before_a_first_name = field == "first" and (not alone or len(words) > 2)
    _take_before(words, _BEFORE_A_FIRST_NAME if is_before_a_first_name else _BEFORE)
    if field == "last" and words and _bare(words[0]) in _NO_NAMES_ALONE and (len(words) > 1 or not alone):
        suffix = suffix or _SUFFIXES[_bare(words.pop(0))]
        if not words:
            return Reading((), suffix)
    plain = [part for word in words for part in words_of(folded(word))]
    if field == "first" and len(plain) == 1 and _are_initials(plain[0]):
        plain = list(plain[0])
    # Nothing is left of a lone apostrophe, though it may be a letter by its kind.
    return Reading(tuple(plain) or tuple(filter(None, (folded(text),))), suffix)


def _without_remarks(text: str) -> str:
    """Leave out what stands in brackets or double quotes, such as a nickname; a suffix stays."""
    text = unicodedata.normalize("NFKC", text)
    if text.isalpha():
        return text
    kept = re.sub(r"[(\[{]([^()\[\]{}]*)[)\]}]", _suffix_in_brackets, text)
    kept = re.sub(r'["“”„«»][^"“”„«»]*["“”„«»]', " ", kept).partition("|")[0]
    return kept if words_of(folded(kept)) else text


def _suffix_in_brackets(found: re.Match[str]) -> str:
    return f" {found[1]} " if _bare(found[1]) in _SUFFIXES else " "


def _segments(text: str) -> list[str]:
    parts = text.replace(";", ",").split(",")
    return parts if len(parts) == 1 else [part for part in parts if words_of(folded(part))] or [text]


def _split_words(text: str) -> list[str]:
    """Split at spaces, and behind a form of address that has none behind its dot ("Dr.Eva")."""
    words = [word for one in text.split() for word in _split_word(one)]
    return [word for word in words if _bare(word)]


def _split_word(word: str) -> list[str]:
    first, dot, rest = word.partition(".")
    if dot and _bare(first) in _BEFORE and _bare(rest) and _bare(word) not in _BEFORE:
        return [f"{first}.", *_split_word(rest)]
    name, dash, last = word.rpartition("-")
    return [name, last] if dash and _bare(name) and _bare(last) in _NO_NAMES_ALONE else [word]


@lru_cache(maxsize=256)
def _bare(word: str) -> str:
    """Return a word as its letters and digits alone."""
    return unaccented("".join(words_of(folded(word))))


def _behind_comma(word: str) -> str | None:
    """Return a suffix, "" for a degree, None for what is neither."""
    bare = _bare(word)
    if bare in _BEHIND_A_COMMA or not bare:
        return ""
    return _suffix(word)


def _suffix(word: str) -> str | None:
    bare = _bare(word)
    if "." in word.rstrip("."):
        return None  # initials: "J.R."
    return _SUFFIXES.get(bare) or (_DOTTED_SUFFIXES.get(bare) if word.endswith(".") else None)


def _is_abbreviation(segment: str, name: str) -> bool:
    """Return whether the words stand out by their capitals, as in "Fable, CISSP"."""
    return segment.isupper() and not name.isupper() and all(len(_bare(word)) <= 8 for word in segment.split())


def _take_behind(words: list[str], field: Field) -> str:
    """Take degrees and a suffix off the end, and return the suffix; one word stays."""
    suffix = ""
    while len(words) > 1:
        found = _suffix(words[-1])
        if found == "5" and (field == "first" or words[-1].endswith(".")):
            found = None  # somebody's initial
        if found is None and not _is_degree(words[-1], field):
            break
        suffix = suffix or found or ""
        words.pop()
    return suffix


def _is_degree(word: str, field: Field) -> bool:
    bare = _bare(word)
    if field == "first":
        return bare in _BEHIND_A_FIRST_NAME
    return bare in _BEHIND or (bare in DEGREES and word.count(".") > 1)


def _take_before(words: list[str], forms: frozenset[str] | set[str]) -> None:
    """Take forms of address off the beginning, and what follows a doctor's; one word stays."""
    known = forms
    while len(words) > 1:
        bare = _bare(words[0])
        is_dotted_form = words[0].endswith(".") and bare in _DOTTED_BEFORE
        if bare not in known and not is_dotted_form and not bare.startswith("dipl"):
            break
        words.pop(0)
        known = forms | _AFTER_A_TITLE


def _are_initials(word: str) -> bool:
    """Return whether a short word cannot be spoken ("JR"), or is one like "AJ"."""
    return word.isascii() and len(word) in (2, 3) and (not set(word) & set("aeiouy") or word[1:] == "j")


_AND_PLAIN = word_set("& and und et og och")
_AND = _AND_PLAIN | word_set("y e en и")  # these mean something else, or are a letter, elsewhere
_AND_COMPANY = word_set("co cia cie")
# English; German; French, Spanish, Portuguese and Italian; Dutch, Nordic and Baltic; of Central and Eastern Europe;
# Turkish and Asian.
_LEGAL_FORMS = _AND_COMPANY | word_set(
    """
    inc incorporated ltd limited llc llp lllp lp plc pllc ulc corp corporation coltd company pty pte pvt ptyltd pteltd
    pvtltd cic privatelimited publiclimited limitedliability limitedliabilitycompany limitedpartnership

    gmbh ggmbh mbh gesellschaftmbh gesmbh gmbhco gmbhcokg cokg ag agco se kg kgaa ohg gbr ug haftungsbeschrankt ek ekfr
    ev eg partg partgmbb aktiengesellschaft

    sa sas sasu sarl eurl snc scop societeanonyme sl slu sll slne sau sadecv sapidecv sderldecv cv sociedadanonima
    sociedadlimitada lda ltda limitada eireli spa srl srls sapa scarl societaperazioni

    bv nv vof cvba bvba ab hb oy oyj as asa aps ivs hf ehf ou uab sia

    spzoo spj spk sro vos kft zrt nyrt doo dooel ood eood jsc pjsc ojsc cjsc

    sti ltdsti kk gk bhd sdn sdnbhd tbk fze fzco wll
    """
)
_LEGAL_FORMS_IN_FRONT = frozenset(
    {"ооо", "оао", "зао", "пао", "ао", "ип", "тоо", "тов", "ooo", "oao", "zao", "pt"}
)
_LEGAL_FORMS_WITHOUT_SPACE = re.compile(
    "^(?:株式会社|有限会社|合同会社|주식회사)|(?:株式会社|有限会社|合同会社|주식회사|股份有限公司|有限责任公司|有限公司)$"
)
_MOST_WORDS = 4  # of a legal form: "sp. z o. o."


@remembered
def company_spellings(text: str) -> tuple[str, ...]:
    """Return a company's name without its legal form in each way to write it, as `spellings` does.

    A name that is nothing but a legal form stays whole.
    """
    words = _company_words(folded(text))
    kept = _without_legal_form(words)
    inside = range(1, len(kept) - 1)
    name = "".join("&" if index in inside and word in _AND else word for index, word in enumerate(kept))
    return spellings(_LEGAL_FORMS_WITHOUT_SPACE.sub("", name) or name or folded(text))


# Forms that are words of names too, as "Kim Sa" or "Ana Co": written in capitals they are none.
_SHORT_FORMS_IN_CAPITALS = frozenset(
    {"SA", "AG", "KG", "SE", "AB", "AS", "BV", "NV", "OY", "SL", "AE", "KK", "PLC"}
)
_SURE_FORMS = _LEGAL_FORMS - word_set(
    "sa ag kg se ab as bv nv oy sl ou sia co ev ek eg sti kk cv ao pt corp lp hf hb asa sas mbh vos sro fze tbk cia "
    "ug gk ips aps sdn limited company corporation company cie sapa gbr partg doo vof"
)


def ends_in_legal_form(text: str) -> bool:
    """Return whether a text is a company by its last words ("GmbH", "Ltd."), as hardly any person's name is."""
    words = _company_words(folded(text))
    if not _one_form_less(words):
        return False
    *_, last = re.split(r"[\s,]+", text.strip())
    plain = last.replace(".", "")
    ending = {unaccented("".join(words[-count:])) for count in range(1, min(_MOST_WORDS, len(words) - 1) + 1)}
    if ending & _SURE_FORMS or (last.count(".") > 1 and len(plain) > 1):
        return True
    if plain in _SHORT_FORMS_IN_CAPITALS:
        return not text.isupper()
    return any(word in word_set("limited company corporation gbr aps vof") for word in words[-1:])


def _company_words(text: str) -> list[str]:
    if "/" in text:
        text = re.sub(r"\b(\w)/(\w)\b", r"\1\2", text)
    text = text.replace(".", "")
    if "+" in text:
        text = re.sub(r"(?<=[\w\s])\+(?=[\w\s])", "&", text)
    first, *others = map(words_of, text.split("&"))
    return [*first, *(word for words in others for word in ("&", *words))]


def _without_legal_form(words: list[str]) -> list[str]:
    """Leave out legal forms at the end, and "the" and a few forms in front, as long as a name is left."""
    kept = words
    while shorter := _one_form_less(kept):
        kept = shorter
    if kept[:1] == ["the"] or (kept and kept[0] in _LEGAL_FORMS_IN_FRONT):
        kept = kept[1:] if _is_a_name(kept[1:]) else kept
    return kept if _is_a_name(kept) else words


def _one_form_less(words: list[str]) -> list[str]:
    """Return the words without the legal form that ends them; nothing if none does, or if no name is left."""
    for count in range(min(_MOST_WORDS, len(words) - 1), 0, -1):
        if unaccented("".join(words[-count:])) in _LEGAL_FORMS:
            rest = words[:-count]
            if rest[-1] in (_AND if unaccented(words[-1]) in _AND_COMPANY else _AND_PLAIN):
                rest = rest[:-1]
            return rest if _is_a_name(rest) else []
    return []


def _is_a_name(words: Iterable[str]) -> bool:
    return any(word != "the" and word not in _AND for word in words)
