"""Words that stand around names and are none: forms of address, degrees, suffixes, particles, jobs. Pure."""

NEVER_NAMES = frozenset({"jr", "sr", "ii", "iii", "iv", "phd", "mba", "cpa", "esq"})
TITLES = NEVER_NAMES | {"md", "cfa", "msc", "bsc", "llm", "jd", "dds", "pmp"}
DEGREES = TITLES | {"ma", "ba", "bs", "rn", "pe", "do", "mpa", "mph"}
SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv", "2nd", "3rd"})
"""Suffixes that distinguish a father from a son; they stay with the name."""

FORMS_OF_ADDRESS = frozenset({"dr", "prof", "mr", "mrs", "ms", "mme", "herr", "frau"})


def word_set(words: str) -> frozenset[str]:
    """Return the words of a text, which stand between blanks or line breaks."""
    return frozenset(words.split())


BEFORE_NAMES = FORMS_OF_ADDRESS | word_set(
    """
    miss mx sir madam dame lord lady rev reverend hon capt captain col colonel lt sgt maj doctor professor doktor
    professorin ing dipling drs ir mag monsieur madame mademoiselle mlle mssr maitre
    senor senora senorita sr sra srta don dona dott dottssa dottor dottoressa signor signora signorina sig avv
    dhr mw mevr mevrouw meneer heer pan pani inz mgr frk fru hr herrn eng arq lic adv
    """
)
"""Forms of address, without dots and accents; some are names too, so a name has to be left."""

SALUTATIONS = BEFORE_NAMES | word_set(
    "m mm mlles messrs mr/mrs mr/ms ms/mrs herr/frau frau/herr herrdr fraudr herrprof fraudrmed drmed drphil profdr "
    "profdring dring srasr pane pani san sama kun sigra herra rouva \u0433-\u043d \u0433-\u0436\u0430 様 さん 先生 "
    "女士 小姐 bay bayan ur dna dl d sehr geehrte geehrter dear lieber liebe & mister missus"
)
"""Words in a column of forms of address; none of them is a job."""

AFTER_A_DOCTOR = word_set("med rer nat phil jur iur ing oec pol habil hc dent vet theol mult h c")
"""Subjects of a doctor's degree, written with its dot between "Dr." and the name."""

JOBS_BEHIND_NAMES = word_set(
    "ceo cto cfo coo cmo cio founder cofounder co-founder director manager consultant analyst developer inhaber "
    "inhaberin geschäftsführer geschäftsführerin directeur directrice gérant gérante direttore titolare gerente"
)
"""Jobs that are hardly ever family names, so that they end a name even without a comma."""

OFFICES = frozenset({"ceo", "cto", "cfo", "coo", "cmo", "cio", "cpo", "vp", "svp", "evp", "md"})

PARTICLES = word_set(
    """
    van von vom zu zum zur den der des de del della dello dei degli di da das do dos du la le lo las los el al bin ibn
    ben bint ten ter ter' te op af av y e san santa saint st mac o'
    """
)
"""Words that begin a family name, in any case."""

# A remark has one of these. Two words are no sign of one: "García Márquez, Gabriel José" is a name.
JOB_WORDS = word_set(
    """
    of at for and head chief officer ceo cto cfo coo cmo cio vp svp evp president director manager lead
    founder cofounder owner partner consultant engineer sales marketing buyer developer analyst hiring
    directeur directrice gerente leiter leiterin inhaber inhaberin einkauf geschäftsführer
    geschäftsführerin gérant gérante direttore titolare
    """
)
