"""Names taken apart: what of a text is the first and the last name, and whether that is certain. Pure."""

import re
import unicodedata
from itertools import chain
from typing import NamedTuple

from cleanlist_mcp.people.name_words import (
    AFTER_A_DOCTOR,
    BEFORE_NAMES,
    DEGREES,
    FORMS_OF_ADDRESS,
    JOB_WORDS,
    JOBS_BEHIND_NAMES,
    NEVER_NAMES,
    OFFICES,
    PARTICLES,
    SUFFIXES,
    TITLES,
)
from cleanlist_mcp.people.normal_forms import has_letter, normal_name
from cleanlist_mcp.people.remembered import remembered
from cleanlist_mcp.people.short_forms import forms_of
from cleanlist_mcp.people.spellings import ends_in_legal_form, folded, unaccented


class FullName(NamedTuple):
    """A full name without what stands around it, cut in two; `is_sure` if it can hardly be cut otherwise."""

    first: str
    last: str
    is_sure: bool

    @property
    def whole(self) -> str:
        """The name as one text."""
        return " ".join(part for part in (self.first, self.last) if part)


def split_name(full: str) -> tuple[str, str]:
    """Return first and last name: a guess, since no rule holds for all people."""
    return read_full_name(full)[:2]


def read_full_name(full: str) -> FullName:
    """Return a full name cut in two.

    "Last, First" is understood; forms of address before a name, titles and remarks behind it, and words
    without a letter go; a suffix such as Jr. stays. Names in Chinese, Japanese or Korean script begin with the
    family name, and a word in capitals beside others is one; otherwise the last word is the last name, with
    particles ("van") before it. A single word is a first name, or the last one after a form of address.
    """
    parts = [_words(part) for part in without_remarks(full).split(",")]
    is_addressed = _are_known(parts[0][:1], FORMS_OF_ADDRESS) or parts[0][:1] == ["M."]
    parts = [words for words in map(_without_address, parts) if words]
    suffix = _take_suffix(parts)
    parts = _without_what_stands_behind(parts)
    if len(parts) == 2:
        return FullName(" ".join(parts[1]), " ".join((*parts[0], *suffix)), True)
    words = _without_job(list(chain(*parts)))
    if len(words) > 2 and (_is_title(words[-1], words[:-1]) or _is_office(words)):
        words.pop()
    name = _cut(words, is_addressed=is_addressed)
    return name._replace(last=" ".join((name.last, *suffix)).strip()) if name.last else name


def _without_job(words: list[str]) -> list[str]:
    """Return a name without an office in front of it, and without the job behind it ("Ada Fable Founder & CEO")."""
    if len(words) > 2 and words[0].isupper() and not words[1].isupper() and words[0].casefold() in OFFICES:
        words = words[1:]
    jobs = (i for i, word in enumerate(words) if i > 1 and _plain(word) in JOBS_BEHIND_NAMES)
    return words[: next(jobs, len(words))]


def _cut(words: list[str], *, is_addressed: bool) -> FullName:
    if is_addressed and len(words) == 1:
        return FullName("", words[0], True)
    if len(words) == 1:
        words = _unspaced(words[0])
    if len(words) < 2:
        return FullName("".join(words), "", False)
    if re.fullmatch(r"[\u3005-\u30fa\u3400-\u9fff\uac00-\ud7af ]+", " ".join(words)):
        return FullName(" ".join(words[1:]), words[0], True)
    in_capitals = _family_in_capitals(words)
    if in_capitals is not None:
        return in_capitals
    start = _particle(words)
    if start is not None:
        return FullName(" ".join(words[:start]), " ".join(words[start:]), start < 3)
    return FullName(" ".join(words[:-1]), words[-1], len(words) == 2 or all(map(_is_first, words[:-1])))


def _family_in_capitals(words: list[str]) -> FullName | None:
    """Return the name if the words in capitals, at one end, stand out as the family name."""
    flags = [_is_shouted(word) for word in words]
    for index in range(len(words) - 2, -1, -1):
        # "van der BERG": particles go with what they stand before.
        if words[index].casefold() in PARTICLES and words[index].islower():
            flags[index] = flags[index + 1]
    if all(flags) or not any(flags):
        return None
    cuts = [i for i in range(1, len(words)) if flags[i - 1] != flags[i]]
    if len(cuts) != 1:
        return None
    before, behind = words[: cuts[0]], words[cuts[0] :]
    first, last = (behind, before) if flags[0] else (before, behind)
    # "AJ Fable" has initials, and "Ada K" an initial alone.
    if all(_may_be_initials(word) for word in last if word.casefold() not in PARTICLES):
        return None
    return FullName(" ".join(first), " ".join(last), True)


def _may_be_initials(word: str) -> bool:
    letters = _letters(word)
    return (
        len(letters) < 3 or _is_initials(word) or (len(letters) == 3 and not set(letters) & set("AEIOUYÄÖÜ"))
    )


def _is_shouted(word: str) -> bool:
    return word.isupper() and len(_letters(word)) > 1


def _letters(word: str) -> str:
    return "".join(char for char in word if char.isalpha())


def _particle(words: list[str]) -> int | None:
    """Return where a family name begins with a particle, or with any word in lower case; None where it does not."""
    for index in range(1, len(words) - 1):
        if words[index].casefold().rstrip(".'\u2019") in PARTICLES and len(words[index]) > 1:
            return index
    lower = (i for i, word in enumerate(words) if word.islower() and not words[0].islower())
    return next(lower, None)


def _is_first(word: str) -> bool:
    """Return whether a word can hardly be part of a family name: a known first name, or an initial."""
    return bool(re.fullmatch(r"\w\.?", word)) or is_listed(word)


_AND = frozenset({"&", "+", "and", "und", "et", "og", "och", "oraz"})


def is_of_several(full: str) -> bool:
    """Return whether a name is that of several people ("Ada & Bo Fable"); a job behind it may have an "and" in it."""
    parts = [part.split() for part in without_remarks(full).split(",")]
    parts = _without_what_stands_behind([words for words in parts if words])
    words = _without_job(list(chain(*parts)))
    return not _AND.isdisjoint(words[1:-1])


def is_suffix(word: str) -> bool:
    """Return whether a word is a suffix that distinguishes people of one name ("Jr.", "III")."""
    return _plain(word) in SUFFIXES


def is_listed(word: str) -> bool:
    """Return whether a word stands in the list of first names."""
    return any(forms_of(folded(word)))


_IN_BRACKETS = re.compile(r"[(\[{]([^()\[\]{}]*)[)\]}]")
_NICKNAME = re.compile(r"""["“”„«»][^"“”„«»]*["“”„«»]""")
_BARRED = re.compile(r"\s+(?:[|/\u2022\u00b7\u2013\u2014~@-]|at|bei|chez)\s+|\s+@(?=\w)|\s*[|\u2022]\s*")


_PRONOUNS = re.compile(
    r"\b(?:she|her|he|him|they|them|sie|er|elle|il|ella|él|lei|lui|hon|han)\s?/\s?(?:her|hers|him|his|them|they|she|he|ihr|ihm|"
    r"iel|ella|elle|ellos|lei|lui|henne|honom)(?:\s?/\s?\w+)?\b",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^(?:(?:attn|attention|fao|contact|kontakt|name|att|ansprechpartner(?:in)?)\s*[.:]\s*|"
    r"z\.\s?hd\.?(?:\s?v\.)?\s+|c/o\s+|t\.a\.v\.\s+|"
    r"à l['\u2019]attention de\s+)(?=\S+\s+\S)",
    re.IGNORECASE,
)


def is_company(full: str) -> bool:
    """Return whether a full name is a company's: it ends in a legal form, and no person's name stands before that."""
    first, *others = without_remarks(full).split(",")
    if others and len(first.split()) > 1 and any(len(part.split()) > 1 for part in others):
        return False  # "Ada Fable, Fable Inc."
    return ends_in_legal_form(",".join((first, *others)))


@remembered
def without_remarks(full: str) -> str:
    """Return a name without brackets, nicknames, pictures and what stands behind a bar."""
    text = normal_name(_plain_signs(_NICKNAME.sub(" ", _IN_BRACKETS.sub(_kept_suffix, full)))) or ""
    # In the place of brackets alone there may be the name: "(Ada Fable)".
    text = _LABEL.sub("", _PRONOUNS.sub(" ", text)).strip(" ,;")
    text = text or normal_name(re.sub(r"""[()\[\]{}"“”„«»]""", " ", full)) or ""
    text = re.sub(r":\s", " | ", text.replace(";", ","))
    name, _, _ = _BARRED.sub(" | ", text).partition(" | ")
    return name if len(name.split()) > 1 else re.sub(r"\s[|/\u2022\u00b7\u2013\u2014~-]\s", " | ", text)


def _kept_suffix(found: re.Match[str]) -> str:
    return f" {found[1]} " if _plain(found[1].strip()) in SUFFIXES else " "


_STYLED = re.compile("[\U0001d400-\U0001d7ff]")


def _plain_signs(text: str) -> str:
    """Return a text with a space for each picture in it, and plain letters for those that only look otherwise."""
    plain = _STYLED.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    if plain.replace(" ", "").isalpha():
        return plain
    return "".join(" " if unicodedata.category(char) in ("So", "Sk") else char for char in plain)


def _words(text: str) -> list[str]:
    return [word for word in text.split() if has_letter(word)]


def _without_address(words: list[str]) -> list[str]:
    while len(words) > 1 and (
        _are_known(words[:1], FORMS_OF_ADDRESS) or words[0] == "M." or _is_form(words[0], words[1:])
    ):
        is_doctor = _plain(words[0]) == "dr"
        words = words[1:]
        while (
            is_doctor
            and len(words) > 1
            and words[0].endswith(".")
            and _bare_letters(words[0]) in AFTER_A_DOCTOR
        ):
            words = words[1:]
    return words


def _bare_letters(word: str) -> str:
    return word.casefold().replace(".", "")


def _is_form(word: str, others: list[str]) -> bool:
    """Return whether a word is a form of address, though it may be a name: with a dot, or before a whole name."""
    if _is_initials(word):
        return False
    bare = unaccented(folded(word)).replace(".", "")
    return bare in BEFORE_NAMES and (word.endswith(".") or len(others) > 1)


def _take_suffix(parts: list[list[str]]) -> list[str]:
    """Take out a suffix that ends a part or is one, and return it in a list; an empty list if there is none."""
    for words in parts:
        if len(list(chain(*parts))) > 2 and _plain(words[-1]) in SUFFIXES and words[-1] not in ("Ii", "Iv"):
            suffix = words.pop()
            parts[:] = [part for part in parts if part]
            return [suffix]
    return []


def _without_what_stands_behind(parts: list[list[str]]) -> list[list[str]]:
    if len(parts) > 1 and len(parts[0]) > 1 and _stands_behind(parts[1], parts[0]):
        return parts[:1]  # what comes after a job is about the job
    kept = list(parts)
    while len(kept) > 1 and _stands_behind(kept[-1], list(chain(*kept[:-1]))):
        kept.pop()
    return kept


def _stands_behind(part: list[str], name: list[str]) -> bool:
    """Return whether what follows a comma is about the person, and not the first name."""
    # "Rahman, Md" is last and first name: most titles stand behind a whole name only.
    if len(name) < 2:
        return _are_known(part, NEVER_NAMES - SUFFIXES)
    is_remark = any(word.casefold().strip(".") in JOB_WORDS for word in part) or ends_in_legal_form(
        " ".join(part)
    )
    return is_remark or all(_are_known([word], TITLES) or _is_abbreviation(word, name) for word in part)


def _is_abbreviation(word: str, name: list[str]) -> bool:
    """Return whether a word stands out by its capitals ("Ada Fable, CISSP"); "van Dyk, J.P." is a last name first."""
    is_last_name = name[0].islower() and not " ".join(name).islower()
    if is_last_name or " ".join(name).isupper():
        return False
    letters = re.sub(r"[.-]", "", word)
    # "G.J." and "JP" are somebody's first names, "M.A." is a degree.
    if _is_initials(word) or len(letters) == 2:
        return letters.casefold() in DEGREES
    return re.fullmatch(r"[A-Z]{2,8}", letters) is not None


def _is_initials(word: str) -> bool:
    return re.fullmatch(r"(?:\w\.){2,}", word) is not None


def _is_title(word: str, name: list[str]) -> bool:
    """Return whether the last word is a title and no name: "MD" behind "Ada Fable", but not behind "ADA FABLE"."""
    in_capitals = word.isupper() and not " ".join(name).isupper()
    if word.count(".") > 1 and _plain(word.replace(".", "")) in TITLES:
        return True
    return _are_known([word], TITLES if in_capitals else NEVER_NAMES)


def _is_office(words: list[str]) -> bool:
    """Return whether the last word is an office in capitals: "Ada Fable CEO"."""
    return words[-1].isupper() and words[-1].casefold() in OFFICES and not " ".join(words[:-1]).isupper()


def _unspaced(name: str) -> list[str]:
    """Return family and given name of a short Chinese or Korean name without a space.

    Of four characters the family name has two (欧阳, 남궁, and 山田), else one; some Japanese ones are cut wrongly.
    """
    if not re.fullmatch(r"[\u3400-\u9fff]{2,4}|[\uac00-\ud7af]{2,4}", name):
        return [name]
    family = 2 if len(name) == 4 else 1
    return [name[:family], name[family:]]


def _are_known(words: list[str], known: frozenset[str]) -> bool:
    """Return whether there are words, and each is a known one, in any case and with dots that make no initials."""
    return bool(words) and all(_plain(word) in known for word in words)


def _plain(word: str) -> str:
    return word.casefold() if "." in word and _is_initials(word) else word.casefold().replace(".", "")


# One of the two names, in a cell of its own.


def clean_first_name(text: str) -> str:
    """Return a first name without forms of address, pictures, nicknames, degrees and remarks around it."""
    if _is_one_word(text):
        return text
    name, *behind = [_signs_off(part) for part in _before_remarks(text).split(",")]
    words = name + ([] if behind and _is_remark(list(chain(*behind)), name) else list(chain(*behind)))
    words = _without_address(words)
    while len(words) > 1 and _are_known(words[-1:], frozenset({"phd", "mba", "cpa", "esq", "msc", "bsc"})):
        words.pop()
    return " ".join(words) or text


def clean_last_name(text: str) -> str:
    """Return a last name without these; a suffix such as Jr. stays behind it."""
    if _is_one_word(text):
        return text
    kept, *behind = [_signs_off(part) for part in _before_remarks(text).split(",")]
    suffix = [word for part in behind for word in part if _plain(word) in SUFFIXES][:1]
    if behind and not _is_remark(list(chain(*behind)), kept):
        return normal_name(_before_remarks(text)) or text
    words = _without_address(kept)
    while len(words) > 1 and _is_degree(words):
        words.pop()
    return " ".join((*words, *suffix)) or text


def _is_one_word(text: str) -> bool:
    """Return whether a text is nothing but the letters of one word, so that nothing stands around a name."""
    return text.isalpha() and normal_name(text) == text and not _STYLED.search(text)


def _signs_off(text: str) -> list[str]:
    """Return the words of a text; numbers stay, since in a cell of its own one may tell two people apart."""
    return [word for word in text.split() if any(map(str.isalnum, word))]


def _is_remark(behind: list[str], name: list[str]) -> bool:
    known = DEGREES | SUFFIXES
    return all(
        _plain(word) in known or _plain(word.replace(".", "")) in DEGREES or _stands_out(word, name)
        for word in behind
    ) or any(word.casefold() in JOB_WORDS for word in behind)


def _stands_out(word: str, name: list[str]) -> bool:
    return re.fullmatch(r"[A-Z][A-Z.-]{1,8}", word) is not None and not " ".join(name).isupper()


def _is_degree(words: list[str]) -> bool:
    word = words[-1]
    if _plain(word) in SUFFIXES:
        return False
    return _is_title(word, words[:-1])


def _before_remarks(text: str) -> str:
    """Return the text without brackets, nicknames and pictures, up to a bar; all of it if nothing is left."""
    kept = normal_name(_plain_signs(_NICKNAME.sub(" ", _IN_BRACKETS.sub(_kept_suffix, text)))) or ""
    kept = _PRONOUNS.sub(" ", kept).strip(" ,;")
    kept = re.split(r"\s*[|\u2022]\s*|\s+/\s+", kept)[0]
    name, _, remark = re.sub(r"\s+[\u2013\u2014-]\s+", " | ", kept).partition(" | ")
    if remark and any(word.casefold() in JOB_WORDS for word in remark.split()):
        kept = name
    return kept if has_letter(kept) else text
