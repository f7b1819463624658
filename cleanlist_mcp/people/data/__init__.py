"""Lists of words as text files: `#` begins a comment, words stand between white space."""

from functools import cache
from importlib.resources import files


@cache
def words_in(name: str) -> frozenset[str]:
    """Return the words of one file, read when they are first asked for."""
    lines = files(__name__).joinpath(name).read_text("utf-8").splitlines()
    return frozenset(word for line in lines for word in line.partition("#")[0].split())
