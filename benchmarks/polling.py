"""Delay against requests: our schedule and budget beside the usual ways to poll, in virtual time.

`python -m benchmarks.polling` prints tables, `--json` prints the same as JSON. Seeds are fixed.

How good can a schedule be that learns nothing on the way? Let T be the length of a run with density
f and survival S, and D(t) the gap between looks at age t. A run that ends inside a gap is seen half
a gap later on average, so the mean delay is 1/2 * integral of f*D. While a run lasts it is looked at
1/D times a second, so the mean number of requests is the integral of S/D. The square root of f*S is
the product of the roots of f*D and S/D; by Cauchy and Schwarz the square of its integral is at most
the product of their integrals. Hence

    mean delay * mean requests >= 1/2 * (integral of sqrt(f * S))^2

whatever D is, with equality only if D is proportional to sqrt(S/f). For T log-uniform between
0.5 and 600 s that is 32.5 s, and the best gaps grow like sqrt(t * ln(600/t)). Gaps are taken as
small here; with few requests even the best schedule stays above the bound. `best_blind` finds that
schedule by dynamic programming, and it is what "ratio" compares with at equal requests.
"""

import argparse
import heapq
import json
import math
import random
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import pairwise
from statistics import fmean

from cleanlist_mcp.api.rate_budget import LAST_LOOK_BEFORE_END, RateBudget
from cleanlist_mcp.runs.schedule import Progress, next_delay

SHORTEST, LONGEST = 0.5, 600.0
RANGE = math.log(LONGEST / SHORTEST)
LENGTHS = (0.5, 2.0, 6.0, 12.0, 30.0, 60.0, 120.0, 600.0, 3600.0)
ROW_SECONDS = 2.0  # a list of this many seconds per row, whose speed drifts by half either way
DRIFTS = 8

Table = list[dict[str, str | float]]
Delay = Callable[[float, int, random.Random], float]


@dataclass(frozen=True)
class Policy:
    """`delay(age, looks so far, chance)` seconds to the next look."""

    name: str
    delay: Delay
    counts_rows: bool = False


def fixed(seconds: float) -> Policy:
    """Look at once and then every `seconds`, as the vendor's examples do."""
    return Policy(f"fixed {seconds:g} s", lambda age, looks, chance: seconds if looks else 0.0)


def _backoff(age: float, looks: int, chance: random.Random) -> float:
    return float(min(0.5 * 2 ** min(looks, 9), 5.0)) * chance.uniform(0.9, 1.1)


def _ours(age: float, looks: int, chance: random.Random) -> float:
    return next_delay(age, jitter=chance.random())


OURS = Policy("ours", _ours)
BLIND = (fixed(5), fixed(2), Policy("backoff 0.5-5 s", _backoff), OURS)
POLICIES = (*BLIND, Policy("ours, list with counts", _ours, counts_rows=True))


def dice(*seed: object) -> random.Random:
    return random.Random(repr(seed))  # noqa: S311  # chance that repeats, nothing secret


def drifting_rows(length: float, rows: int, chance: random.Random) -> Callable[[float], int]:
    """Rows done by an age, for a list whose speed changes eight times and whose last row ends it."""
    speeds = [chance.uniform(0.5, 1.5) for _ in range(DRIFTS)]

    def rows_done(age: float) -> int:
        whole, part = divmod(min(age / length, 1.0) * DRIFTS, 1.0)
        done = sum(speeds[: int(whole)]) + (part * speeds[int(whole)] if part else 0.0)
        return min(int(rows * done / sum(speeds)), rows - 1)

    return rows_done


def one_run(policy: Policy, length: float, chance: random.Random) -> tuple[int, float]:
    """Requests until the end of a run is seen, and seconds from its end to the last of them."""
    rows = max(1, round(length / ROW_SECONDS))
    rows_done = drifting_rows(length, rows, chance)
    age, looks, progress = 0.0, 0, Progress(total=rows)
    while True:
        if policy.counts_rows:
            age += next_delay(age, jitter=chance.random(), progress=progress)
        else:
            age += policy.delay(age, looks, chance)
        looks += 1
        if age >= length:
            return looks, age - length
        if policy.counts_rows:
            progress = progress.seen(age, rows_done(age), rows)


def by_length(repeats: int = 100) -> Table:
    """Each policy at each length, smeared by a fifth either way."""
    table: Table = []
    for policy in POLICIES:
        for length in LENGTHS:
            chance = dice(policy.name, length)
            runs = [one_run(policy, length * chance.uniform(0.8, 1.2), chance) for _ in range(repeats)]
            requests, delay = (fmean(figures) for figures in zip(*runs, strict=True))
            table.append({"policy": policy.name, "length": length, "requests": requests, "delay": delay})
    return table


def lower_bound(steps: int = 100_000) -> float:
    """The 32.5 s of the module's docstring, by the midpoint rule over u = ln(t/0.5) / RANGE."""
    middles = ((step + 0.5) / steps for step in range(steps))
    roots = (math.sqrt(RANGE * SHORTEST * math.exp(u * RANGE) * (1 - u)) for u in middles)
    return 0.5 * (sum(roots) / steps) ** 2


@cache
def _grid(points: int = 700) -> list[float]:
    """Ages at which the best schedule may look, as dense as its looks are."""
    steps = 20_000
    ages = [SHORTEST * math.exp((step + 0.5) / steps * RANGE) for step in range(steps)]
    density = [math.sqrt(age / (1 - (step + 0.5) / steps)) for step, age in enumerate(ages)]
    looks, total = [], 0.0
    for weight in density:
        total += weight
        looks.append(total)
    places = (bisect_left(looks, total * point / points) for point in range(1, points))
    return [0.0, SHORTEST, *(ages[place] for place in places), LONGEST]


def _cheapest(price: float) -> tuple[float, float]:
    """Requests and delay of the schedule that minimises delay + price * requests."""
    ages = _grid()
    ended = [math.log(max(age, SHORTEST) / SHORTEST) / RANGE for age in ages]
    lived = [(max(age, SHORTEST) - SHORTEST) / RANGE for age in ages]
    cost, delay, requests = ([0.0] * len(ages) for _ in range(3))
    for here in reversed(range(len(ages) - 1)):
        least, choice, waited = math.inf, here + 1, 0.0
        for there in range(here + 1, len(ages)):
            wait = ages[there] * (ended[there] - ended[here]) - (lived[there] - lived[here])
            if wait > least:
                break
            if wait + cost[there] < least:
                least, choice, waited = wait + cost[there], there, wait
        delay[here] = waited + delay[choice]
        requests[here] = 1 - ended[here] + requests[choice]
        cost[here] = least + price * (1 - ended[here])
    return requests[0], delay[0]


@cache
def _best_curve() -> list[tuple[float, float]]:
    return sorted({_cheapest(0.008 * 1.12**power) for power in range(60)})


def best_blind(requests: float) -> float:
    """The least mean delay that any blind schedule reaches with so many requests on average."""
    for (fewer, longer), (more, shorter) in pairwise(_best_curve()):
        if fewer <= requests <= more:
            return longer + (shorter - longer) * (requests - fewer) / (more - fewer)
    raise ValueError(f"no best schedule computed for {requests:.1f} requests")


def log_uniform(runs: int = 3000) -> Table:
    """Each policy over lengths drawn log-uniformly (one from each of `runs` equal strata)."""
    table: Table = []
    for policy in POLICIES:
        chance = dice(policy.name)
        lengths = [SHORTEST * math.exp((n + chance.random()) / runs * RANGE) for n in range(runs)]
        seen = [one_run(policy, length, chance) for length in lengths]
        requests, delay = (fmean(figures) for figures in zip(*seen, strict=True))
        share = fmean(late / length for (_, late), length in zip(seen, lengths, strict=True))
        best = best_blind(requests)
        figures = {"delay_share": share, "product": requests * delay, "best": best, "ratio": delay / best}
        table.append({"policy": policy.name, "requests": requests, "delay": delay, **figures})
    return table


@dataclass
class World:
    """One key: the API's fixed windows, several runs on it, and its user's own calls."""

    chance: random.Random
    lengths: list[float]
    now: float = 0.0
    budget: RateBudget = field(default_factory=RateBudget)
    sent: int = 0
    refused: int = 0
    own_calls: int = 0
    own_held_up: int = 0
    delays: dict[str, float] = field(default_factory=dict)
    counted: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.phase = self.chance.uniform(0, 60)

    def send(self, run: str | None = None, *, starts: bool = False) -> float:
        """0.0 if the API takes a request now, else its Retry-After in seconds."""
        self.budget.record(self.now, run, starts=starts)
        self.sent += 1
        window, inside = divmod(self.now + self.phase, 60)
        used = self.counted.get(int(window), 0)
        if used >= 30:
            self.refused += 1
            self.budget.block(self.now + 60 - inside)
            return 60 - inside
        self.counted[int(window)] = used + 1
        return 0.0

    def play(self, *processes: Iterator[float]) -> None:
        agenda = [(0.0, order, process) for order, process in enumerate(processes)]
        while agenda and len(self.delays) < len(self.lengths):
            moment, order, process = heapq.heappop(agenda)
            self.now = max(self.now, moment)
            if (wake := next(process, None)) is not None:
                heapq.heappush(agenda, (wake, order, process))


def alone(world: World, run: str, length: float, policy: Policy) -> Iterator[float]:
    """A loop that knows only its own run and obeys Retry-After."""
    while wait := world.send(starts=True):
        yield world.now + wait
    started, looks = world.now, 0
    while True:
        yield world.now + policy.delay(world.now - started, looks, world.chance)
        while wait := world.send(run):
            yield world.now + wait
        looks += 1
        if world.now >= started + length:
            world.delays[run] = world.now - started - length
            return


def together(world: World, run: str, length: float, patience: float = 25.0) -> Iterator[float]:
    """Calls that wait `patience`, one after the other, and share the key's budget."""
    while wait := world.send(starts=True):
        yield world.now + wait
    started = looked = world.now
    while run not in world.delays:
        end = world.now + patience
        world.budget.watch(run, started, [end - LAST_LOOK_BEFORE_END])
        while world.now < end and run not in world.delays:
            wanted = looked + _ours(looked - started, 0, world.chance)
            while (at := world.budget.poll_at(run, wanted, world.now)) > world.now < end:
                yield min(at, end)
            if world.now < end and not world.send(run):
                looked = world.now
                if looked >= started + length:
                    world.delays[run] = looked - started - length
        world.budget.release(run)
        yield world.now + 1.0


def user(world: World, shares_budget: bool) -> Iterator[float]:
    """Four calls a minute of the user's own; a 429, met or known, holds one up."""
    while True:
        yield world.now + world.chance.expovariate(1 / 15)
        world.own_calls += 1
        known = shares_budget and world.budget.interactive_wait(world.now) > 0
        world.own_held_up += bool(known or world.send())


def crowd(lengths: list[float], policy: Policy | None, seed: str) -> World:
    """Play runs started together, each watched by `policy` alone or, without one, by our budget."""
    world = World(dice(seed), lengths)
    runs = [
        together(world, f"run-{n}", length) if policy is None else alone(world, f"run-{n}", length, policy)
        for n, length in enumerate(lengths)
    ]
    world.play(*runs, user(world, shares_budget=policy is None))
    return world


def crowds(repeats: int = 12) -> Table:
    """Twenty and eight runs on one key under each policy, with the user's own calls between."""
    table: Table = []
    for count, length in ((n, length) for n in (8, 20) for length in (5.0, 12.0, 60.0, 300.0, 0.0)):
        for policy in (*BLIND, None):
            worlds = []
            for repeat in range(repeats):
                chance = dice(count, length, repeat)
                mixed = [SHORTEST * math.exp(chance.random() * RANGE) for _ in range(count)]
                worlds.append(crowd([length] * count if length else mixed, policy, f"{count} {repeat}"))
            name = "ours, one budget" if policy is None else f"{policy.name}, each alone"
            own = sum(world.own_calls for world in worlds)
            table.append(
                {
                    "policy": name,
                    "runs": count,
                    "length": length or "mixed",
                    "delay": fmean(late for world in worlds for late in world.delays.values()),
                    "requests": fmean(world.sent for world in worlds),
                    "refused": fmean(world.refused for world in worlds),
                    "own_held_up": sum(world.own_held_up for world in worlds) / max(own, 1),
                }
            )
    return table


def _print_grid(title: str, table: Table, cell: Callable[[dict[str, str | float]], str]) -> None:
    width = max(len(cell(row)) for row in table) + 2
    lengths = dict.fromkeys(row["length"] for row in table)
    print(f"\n{title}\n{'':26}" + "".join(f"{length:>{width}}" for length in lengths))
    for name in dict.fromkeys(row["policy"] for row in table):
        print(f"{name:26}" + "".join(f"{cell(row):>{width}}" for row in table if row["policy"] == name))


@dataclass(frozen=True)
class Figures:
    bound: float
    by_length: Table
    log_uniform: Table
    crowds: Table


def print_tables(figures: Figures) -> None:
    _print_grid(
        "Requests / mean delay (s), by run length (s)",
        figures.by_length,
        lambda row: f"{row['requests']:.1f} / {row['delay']:.2f}",
    )
    print(f"\nLengths log-uniform from 0.5 to 600 s; bound on a blind product: {figures.bound:.1f}")
    print(f"{'':26}{'requests':>9}{'delay':>8}{'delay/T':>9}{'product':>9}{'best':>8}{'ratio':>8}")
    for row in figures.log_uniform:
        print(
            f"{row['policy']:26}{row['requests']:9.1f}{row['delay']:8.2f}{row['delay_share']:9.0%}"
            f"{row['product']:9.1f}{row['best']:8.2f}{row['ratio']:8.2f}"
        )
    for count in (8, 20):
        _print_grid(
            f"{count} runs at once: delay (s) / requests / 429s / own calls held up",
            [row for row in figures.crowds if row["runs"] == count],
            lambda row: (
                f"{row['delay']:.1f}/{row['requests']:.0f}/{row['refused']:.1f}/{row['own_held_up']:.0%}"
            ),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    figures = Figures(lower_bound(), by_length(), log_uniform(), crowds())
    if options.json:
        print(json.dumps(asdict(figures), indent=1))
    else:
        print_tables(figures)


if __name__ == "__main__":
    main()
