"""The people in many rows: which of them are one person's by any of their identifiers. Pure.

What is stronger unites first: a profile or id, then an address, then a name with its employer. Who fits two different
people joins neither, and nothing unites two who are certainly different.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

from cleanlist_mcp.people.marks import Basis, Marks, Tokens, united
from cleanlist_mcp.people.same_person import are_different, names_fit, recognised

MOST_COMPARED = 40
"""Most rows with one mark in common that are compared in pairs: a mark of more rows is nobody's own."""

_STRENGTHS: tuple[tuple[Basis, ...], ...] = (
    ("details", "LinkedIn profile", "id"),
    ("details", "LinkedIn profile", "id", "e-mail address"),
    ("details", "LinkedIn profile", "id", "e-mail address", "name and domain", "name and company"),
)


@dataclass(frozen=True, slots=True)
class Group:
    """One person: the indexes of their rows in ascending order, and their marks together."""

    rows: tuple[int, ...]
    marks: Marks


def groups(rows: Sequence[Marks]) -> list[Group]:
    """Return the people in rows that each identify somebody, in the order of their first rows."""
    grouping = _Grouping(list(rows))
    for strength in range(len(_STRENGTHS)):
        grouping.unite(strength)
    return grouping.result()


def shared_addresses(people: Sequence[Marks]) -> Tokens:
    """Return the addresses and mailboxes that more than one of the people have."""
    holders: defaultdict[str, int] = defaultdict(int)
    for marks in people:
        for address in marks.addresses | marks.mailboxes | marks.placeholders:
            holders[address] += 1
    return frozenset(address for address, count in holders.items() if count > 1)


@dataclass
class _Grouping:
    marks: list[Marks]
    parent: list[int] = field(default_factory=list)
    contested: Tokens = frozenset()
    """Addresses under which incompatible names stand, so that they are nobody's own."""

    def __post_init__(self) -> None:
        self.parent = list(range(len(self.marks)))
        first: dict[Marks, int] = {}
        for index, marks in enumerate(self.marks):
            self.parent[index] = first.setdefault(marks, index)

    def root(self, index: int) -> int:
        while self.parent[index] != index:
            self.parent[index] = self.parent[self.parent[index]]
            index = self.parent[index]
        return index

    def unite(self, strength: int) -> None:
        """Join the rows that are one person's by identifiers of at least this strength, the index in `_STRENGTHS`."""
        roots = [index for index in range(len(self.marks)) if self.root(index) == index]
        self.contested = self._contested_addresses(roots) if strength else frozenset()
        bases = _STRENGTHS[strength]
        pairs = {
            pair
            for bucket in self._buckets(roots, strength)
            for pair in combinations(sorted(bucket), 2)
            if recognised(self.marks[pair[0]], self.marks[pair[1]], self.contested) in bases
        }
        for one, other in sorted(self._certain(pairs)):
            self._join(self.root(one), self.root(other))

    def _join(self, one: int, other: int) -> None:
        if one == other or are_different(self.marks[one], self.marks[other], contested=self.contested):
            return
        first, second = sorted((one, other))
        self.parent[second] = first
        self.marks[first] = united(self.marks[first], self.marks[second])

    def _buckets(self, roots: Iterable[int], strength: int) -> Iterator[list[int]]:
        buckets: defaultdict[object, list[int]] = defaultdict(list)
        for index in roots:
            for key in _keys(self.marks[index], strength):
                buckets[key].append(index)
        for bucket in buckets.values():
            if 1 < len(bucket) <= MOST_COMPARED:
                yield bucket

    def _contested_addresses(self, roots: Iterable[int]) -> Tokens:
        """Return the addresses under which incompatible names stand."""
        holders: defaultdict[str, list[int]] = defaultdict(list)
        for index in roots:
            for address in self.marks[index].addresses:
                holders[address].append(index)
        return frozenset(address for address, found in holders.items() if not self._may_be_one(found))

    def _may_be_one(self, indexes: Sequence[int]) -> bool:
        if len(indexes) > MOST_COMPARED:
            return False
        pairs = combinations(indexes, 2)
        return all(names_fit(self.marks[one], self.marks[other]) for one, other in pairs)

    def _certain(self, pairs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Yield the pairs of which neither row fits two different people."""
        pairs = list(pairs)
        beside: defaultdict[int, set[int]] = defaultdict(set)
        for one, other in pairs:
            beside[one].add(other)
            beside[other].add(one)
        torn = {index for index, others in beside.items() if self._are_several(others)}
        return (pair for pair in pairs if torn.isdisjoint(pair))

    def _are_several(self, indexes: Iterable[int]) -> bool:
        return any(
            are_different(self.marks[one], self.marks[other], contested=self.contested)
            for one, other in combinations(indexes, 2)
        )

    def result(self) -> list[Group]:
        rows: defaultdict[int, list[int]] = defaultdict(list)
        for index in range(len(self.marks)):
            rows[self.root(index)].append(index)
        return [Group(tuple(found), self.marks[root]) for root, found in rows.items()]


def _keys(marks: Marks, strength: int) -> Iterator[object]:
    """Yield keys: two rows that may be one person's at this strength share at least one."""
    if strength == 0:
        yield from marks.profiles
        yield from marks.ids
    elif strength == 1:
        yield from marks.addresses
        # Without a name a shared mailbox is all that is known; with one, the name has to be the same.
        names = marks.equal_names or {""}
        yield from product(marks.mailboxes | marks.placeholders | marks.addresses, names)
    else:
        yield from product(marks.full_names, marks.domains | marks.companies)
