"""The look-again schedule and the budget of one key, in virtual time."""

import heapq
import random
from collections.abc import Callable, Iterator
from math import inf

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.polling import log_uniform, lower_bound
from cleanlist_mcp.api.minute import HELD_BACK, REQUESTS_PER_MINUTE
from cleanlist_mcp.api.rate_budget import LAST_LOOK_BEFORE_END, SERVED_EARLY, RateBudget
from cleanlist_mcp.runs.schedule import JITTER, WIDEST, Progress, next_delay

chances = st.floats(0, 1)
lengths = st.floats(0.1, 3600)
counts = st.none() | st.integers(-5, 2000)


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  # chance that repeats, nothing secret


def watch_alone(
    length: float,
    chance: Callable[[], float],
    rows_done: Callable[[float], int] | None = None,
    rows: int = 1000,
) -> tuple[int, float]:
    """Looks at one run until it is over: how many, and seconds from its end to the last."""
    age, looks, progress = 0.0, 0, Progress(total=rows if rows_done else 0)
    while True:
        age += next_delay(age, jitter=chance(), progress=progress)
        looks += 1
        if age >= length:
            return looks, age - length
        if rows_done is not None:
            progress = progress.seen(age, rows_done(age), rows)


def promised(length: float) -> float:
    return max(1.0, 0.25 * length)


@given(length=lengths, seed=st.integers(0, 1000))
@example(length=0.81, seed=0)
def test_a_run_is_seen_within_a_second_or_a_quarter_of_its_length(length: float, seed: int) -> None:
    _, late = watch_alone(length, dice(seed).random)
    assert late <= promised(length)


@pytest.mark.parametrize(("length", "most"), [(0.5, 4), (6, 10), (60, 24)])
@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_a_run_costs_few_looks(length: float, most: int, jitter: float) -> None:
    looks, _ = watch_alone(length, lambda: jitter)
    assert looks <= most


@pytest.mark.parametrize(("length", "most"), [(0.5, 2), (6, 5), (60, 12)])
@pytest.mark.parametrize("rows", [25, 100, 1000])
@pytest.mark.parametrize("jitter", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_a_list_that_counts_evenly_costs_half_the_looks(
    length: float, most: int, rows: int, jitter: float
) -> None:
    def rows_done(age: float) -> int:
        return int(rows * age / length)

    looks, late = watch_alone(length, lambda: jitter, rows_done, rows)
    assert looks <= most
    assert late <= promised(length)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("length", [0.5, 6, 60])
@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_a_short_list_costs_no_more_looks_than_a_silent_run(rows: int, length: float, jitter: float) -> None:
    looks, late = watch_alone(length, lambda: jitter, lambda age: int(rows * age / length), rows)
    assert looks <= watch_alone(length, lambda: jitter)[0]
    assert late <= promised(length)


@given(
    queue=st.floats(0, 100),
    slow=st.floats(0.1, 600),
    turn=st.floats(0.05, 1),
    faster=st.floats(0.5, 2),
    seed=st.integers(0, 1000),
)
def test_a_list_that_doubles_its_speed_is_still_seen_in_time(
    queue: float, slow: float, turn: float, faster: float, seed: int
) -> None:
    turning = queue + slow * turn
    length = turning + slow * (1 - turn) / faster

    def rows_done(age: float) -> int:
        steady = min(max(age - queue, 0.0), slow * turn)
        return int(1000 * (steady + max(age - turning, 0.0) * faster) / slow)

    _, late = watch_alone(length, dice(seed).random, rows_done)
    assert late <= promised(length) + length / 500  # counts come in whole rows


def test_a_list_whose_last_row_hangs_is_looked_at_ever_more_rarely() -> None:
    progress = Progress().seen(5.0, 50, 100).seen(9.9, 99, 100)
    delays = [next_delay(age, jitter=0.0, progress=progress) for age in (10.0, 20.0, 60.0, 900.0)]
    assert delays == sorted(delays)
    assert delays[0] < 1.5
    assert delays[-1] == next_delay(900.0, jitter=0.0)


def test_a_list_is_looked_at_before_its_predicted_end() -> None:
    progress = Progress(total=1000).seen(1.0, 25, 1000).seen(10.0, 250, 1000).seen(24.0, 600, 1000)
    assert 0.75 * 16 <= next_delay(24.0, jitter=0.5, progress=progress) <= 0.9 * 16


def test_a_list_that_is_overdue_is_not_hammered() -> None:
    progress = Progress(total=100).seen(50.0, 50, 100).seen(100.0, 100, 100)
    assert 1.0 <= next_delay(100.0, jitter=1.0, progress=progress) <= 3.0


def test_a_short_list_that_is_only_just_overdue_is_looked_at_within_a_second() -> None:
    progress = Progress().seen(5.0, 50, 100).seen(9.5, 95, 100)
    assert next_delay(10.1, jitter=0.0, progress=progress) <= 1.0


def test_the_rest_of_a_list_takes_at_least_what_it_does_at_twice_its_speed_so_far() -> None:
    progress = Progress().seen(10.0, 10, 100).seen(20.0, 20, 100)
    speed = (21 - 10) / (20.0 - 10.0)  # the next row may be all but done
    assert progress.least_remainder(20.0) == pytest.approx((100 - 21) / (2 * speed))


def test_a_list_gets_its_first_look_a_little_later_than_a_person() -> None:
    assert (
        0.8
        < next_delay(0.0, jitter=0.0) + 0.1
        < next_delay(0.0, jitter=0.0, progress=Progress(total=5))
        <= 1.0
    )


def test_a_burst_after_a_long_queue_is_not_mistaken_for_a_slow_list() -> None:
    progress = Progress().seen(100.0, 0, 200).seen(105.0, 100, 200)
    assert next_delay(105.0, jitter=0.0, progress=progress) <= 6.0


def test_chance_only_shortens_a_delay() -> None:
    longest = next_delay(10.0, jitter=0.0)
    assert next_delay(10.0, jitter=1.0) == pytest.approx((1 - JITTER) * longest)
    assert 0 < JITTER < 0.2


@given(
    looks=st.lists(st.tuples(st.floats(0, 4000), counts, counts), max_size=8),
    age=st.floats(-1, 1e5),
    jitter=chances,
)
def test_every_delay_is_bounded_whatever_the_api_counts(
    looks: list[tuple[float, int | None, int | None]], age: float, jitter: float
) -> None:
    progress = Progress()
    for seen_at, processed, total in looks:
        progress = progress.seen(seen_at, processed, total)
    assert 0.7 <= next_delay(age, jitter=jitter, progress=progress) <= WIDEST


def test_at_equal_requests_ours_is_near_the_best_blind_delay_and_ahead_of_it_with_counts() -> None:
    ratios = {row["policy"]: row["ratio"] for row in log_uniform(runs=1000)}
    assert float(ratios["ours"]) <= 1.25
    assert float(ratios["ours, list with counts"]) < 1
    assert float(ratios["fixed 5 s"]) == pytest.approx(1.48, abs=0.06)


def test_no_blind_schedule_has_a_product_under_the_bound() -> None:
    assert lower_bound(steps=20_000) == pytest.approx(32.5, abs=0.05)
    for row in log_uniform(runs=300):
        assert float(row["best"]) * float(row["requests"]) >= 32.5


class World:
    """Virtual time, one key's budget, and everything that was sent with it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.budget = RateBudget()
        self.chance = dice(5)
        self.sent: list[float] = []
        self.looks: dict[str, list[float]] = {}
        self.seen: dict[str, float] = {}
        self.calls: dict[str, int] = {}

    def send(self, run: str | None = None, *, starts: bool = False) -> None:
        self.budget.record(self.now, run, starts=starts)
        self.sent.append(self.now)
        if run is not None:
            self.looks.setdefault(run, []).append(self.now)

    def play(self, *processes: Iterator[float], until: float = inf) -> None:
        """Run processes that yield the moment at which they want to go on."""
        agenda = [(self.now, order, process) for order, process in enumerate(processes)]
        while agenda and agenda[0][0] <= until:
            moment, order, process = heapq.heappop(agenda)
            self.now = max(self.now, moment)
            if (wake := next(process, None)) is not None:
                heapq.heappush(agenda, (wake, order, process))

    def most_in_a_minute(self) -> int:
        return most_in_a_minute(self.sent)


def most_in_a_minute(moments: list[float]) -> int:
    return max(sum(start <= at < start + 60 for at in moments) for start in moments)


def start_and_watch(
    world: World, run: str, length: float, wait: float, pause: float = 1.0
) -> Iterator[float]:
    """Start a run and call for its answer, again `pause` seconds after each vain call."""
    world.send(starts=True)
    started = looked = world.now
    while run not in world.seen:
        end = world.now + wait
        world.calls[run] = world.calls.get(run, 0) + 1
        world.budget.watch(run, started, [end - LAST_LOOK_BEFORE_END])
        while world.now < end and run not in world.seen:
            wanted = looked + next_delay(looked - started, jitter=world.chance.random())
            while (at := world.budget.poll_at(run, wanted, world.now)) > world.now < end:
                yield min(at, end)
            if world.now < end:
                world.send(run)
                looked = world.now
                if looked >= started + length:
                    world.seen[run] = looked - started - length
        world.budget.release(run)
        yield world.now + pause


@pytest.mark.parametrize("length", [0.5, 2, 6, 12, 25, 30])
def test_one_run_is_not_held_up_by_the_budget(length: float) -> None:
    world = World()
    world.play(start_and_watch(world, "enrich-1", length, wait=45))
    looks, late = watch_alone(length, dice(5).random)
    assert len(world.looks["enrich-1"]) == looks
    assert world.seen["enrich-1"] == pytest.approx(late)


@pytest.mark.parametrize("wait", [20, 25, 45])
def test_last_looks_included_a_run_of_a_minute_costs_few_looks(wait: float) -> None:
    world = World()
    world.play(start_and_watch(world, "enrich-1", 60, wait, pause=0.0))
    assert len(world.looks["enrich-1"]) <= 24
    assert world.seen["enrich-1"] <= promised(60)


def test_eight_short_runs_are_all_seen_within_one_call_and_thirty_requests() -> None:
    world = World()
    world.play(*(start_and_watch(world, f"enrich-{n}", 12, wait=25) for n in range(8)))
    assert len(world.seen) == 8
    assert set(world.calls.values()) == {1}
    assert len(world.sent) <= REQUESTS_PER_MINUTE


@pytest.mark.parametrize("length", [2, 5, 12, 30, 60])
def test_four_runs_share_the_minute_evenly(length: float) -> None:
    world = World()
    world.play(*(start_and_watch(world, f"enrich-{n}", length, wait=45) for n in range(4)))
    assert len(world.seen) == 4
    assert max(world.seen.values()) <= 10  # spending it all at once leaves only the last looks


@pytest.mark.parametrize("wait", [10, 25, 45])
def test_twenty_runs_of_a_minute_are_all_seen_without_reaching_the_limit(wait: float) -> None:
    world = World()
    world.play(*(start_and_watch(world, f"enrich-{n}", 60, wait) for n in range(20)), until=180)
    assert len(world.seen) == 20
    assert world.most_in_a_minute() <= REQUESTS_PER_MINUTE


@pytest.mark.long
def test_no_run_starves_among_many() -> None:
    world = World()
    waits = dice(2)
    watchers = [
        start_and_watch(world, f"enrich-{n}", inf, waits.choice([3.0, 10.0, 25.0, 45.0])) for n in range(25)
    ]
    world.play(*watchers, until=900)
    assert len(world.looks) == 25
    gaps = [
        later - look
        for looks in world.looks.values()
        for look, later in zip(looks, [*looks[1:], 900.0], strict=True)
    ]
    even_round = 25 * 60 / 24
    assert max(gaps) <= even_round + 61 + 45  # and a window used by others, and one wait


@given(
    ends=st.lists(st.floats(2, 45), min_size=1, max_size=20),
    calls=st.lists(st.floats(0, 45), max_size=HELD_BACK),
)
def test_every_last_look_that_fits_the_budget_happens(ends: list[float], calls: list[float]) -> None:
    world = World()

    def eager(run: str, last_look: float) -> Iterator[float]:
        world.budget.watch(run, 0.0, [last_look])
        looked = 0.0
        while looked < last_look - SERVED_EARLY:
            while (at := world.budget.poll_at(run, looked + 0.7, world.now)) > world.now:
                yield at
            world.send(run)
            looked = world.now

    def user() -> Iterator[float]:
        for moment in sorted(calls):
            yield moment
            world.send()

    world.play(*(eager(f"enrich-{n}", end) for n, end in enumerate(ends)), user(), until=45)
    for number, end in enumerate(ends):
        looks = world.looks[f"enrich-{number}"]
        assert any(end - SERVED_EARLY <= look <= end + 1e-6 for look in looks)


def test_last_looks_come_first_and_leave_the_rest_to_ordinary_looks() -> None:
    budget = RateBudget()
    for number in range(23):
        budget.watch(f"enrich-{number}", 0.0, [20.0])
    assert budget.poll_at("enrich-0", 19.5, 19.5) == 19.5
    budget.record(19.5, "enrich-0")
    assert budget.poll_at("enrich-1", 19.5, 19.5) > 19.5
    for number in range(23):
        assert budget.poll_at(f"enrich-{number}", inf, 20.0) == 20.0
        budget.record(20.0, f"enrich-{number}")


def test_one_look_serves_every_call_that_ends_at_its_moment() -> None:
    budget = RateBudget()
    budget.watch("enrich-1", 0.0, [24.0, 24.1, 30.0])
    budget.record(23.9, "enrich-1")
    assert budget.poll_at("enrich-1", inf, 24.0) == 30.0
    budget.watch("enrich-1", 0.0, [24.0, 24.1, 30.0])
    assert budget.poll_at("enrich-1", inf, 24.0) == 30.0


def test_a_released_run_gives_its_last_look_back() -> None:
    budget = RateBudget()
    for number in range(23):
        budget.record(0.0, f"enrich-{number}")
    budget.watch("enrich-a", -60.0, [20.0])
    budget.watch("enrich-b", -60.0)
    assert budget.poll_at("enrich-b", 5.0, 5.0) > 5.0
    budget.release("enrich-a")
    budget.watch("enrich-b", -600.0)
    assert budget.poll_at("enrich-b", 50.0, 50.0) == 50.0


def test_a_run_unseen_for_a_minute_is_looked_at_before_other_last_looks() -> None:
    budget = RateBudget()
    for number in range(23):
        budget.record(80.0, f"enrich-{number}")
    budget.watch("enrich-new", 90.0, [110.0])
    budget.watch("enrich-old", 0.0, [110.0])
    assert budget.poll_at("enrich-new", 95.0, 95.0) > 95.0
    assert budget.poll_at("enrich-old", 95.0, 95.0) == 95.0


@pytest.mark.parametrize("wanted", [5.0, 50.0])
def test_a_run_that_nobody_watches_gets_no_look(wanted: float) -> None:
    budget = RateBudget()
    budget.watch("enrich-1", 0.0)
    budget.release("enrich-1")
    with pytest.raises(KeyError):
        budget.poll_at("enrich-1", wanted, 10.0)


def test_a_429_holds_back_calls_and_polls_until_it_has_passed() -> None:
    budget = RateBudget()
    budget.watch("enrich-1", 0.0, [12.0])
    assert budget.interactive_wait(10.0) == 0.0
    budget.block(27.0)
    budget.block(20.0)
    assert budget.interactive_wait(10.0) == 17.0
    assert budget.poll_at("enrich-1", 11.0, 11.0) == 27.0
    assert budget.interactive_wait(30.0) == 0.0
    assert budget.poll_at("enrich-1", 27.0, 27.0) == 27.0


def test_calls_are_not_delayed_by_a_used_up_budget() -> None:
    budget = RateBudget()
    for number in range(REQUESTS_PER_MINUTE):
        budget.record(float(number))
    assert budget.interactive_wait(30.0) == 0.0
    budget.watch("enrich-1", 0.0, [32.0])
    assert budget.poll_at("enrich-1", 30.0, 30.0) > 30.0


@pytest.mark.parametrize(("starts", "calls"), [(0, 6), (1, 5), (2, 6), (2, 12), (8, 6), (20, 4)])
def test_eager_looks_leave_what_starts_and_calls_have_used(starts: int, calls: int) -> None:
    budget = RateBudget()
    for number in range(starts + calls):
        budget.record(0.0, starts=number < starts)
    budget.watch("enrich-1", 0.0)
    looks, now = 0, 0.0
    while now < 60:
        if (at := budget.poll_at("enrich-1", now, now)) <= now:
            budget.record(now, "enrich-1")
            looks += 1
        now = max(at, now + 0.1)
    assert 0 < looks <= REQUESTS_PER_MINUTE - starts - calls


def test_a_burst_of_starts_leaves_room_for_other_calls() -> None:
    world = World()
    watchers = [start_and_watch(world, f"enrich-{n}", 300, wait=25) for n in range(20)]

    def user() -> Iterator[float]:
        for moment in (30, 40, 50, 58):
            yield moment
            world.send()

    world.play(*watchers, user(), until=60)
    assert len(world.sent) <= REQUESTS_PER_MINUTE


steps = st.lists(
    st.tuples(
        st.floats(0, 8),
        st.sampled_from(["call", "start", "look", "look", "look", "look", "watch", "release", "block"]),
        st.integers(0, 5),
        st.floats(0, 45),
    ),
    max_size=120,
)


@given(steps=steps, calls_allowed=st.sampled_from([HELD_BACK, 40]))
def test_no_interleaving_of_calls_and_looks_takes_polls_past_the_limit(
    steps: list[tuple[float, str, int, float]], calls_allowed: int
) -> None:
    budget, now, watched = RateBudget(), 0.0, set[str]()
    calls: list[float] = []
    polls: list[float] = []
    for pause, step, number, moment in steps:
        now, run = now + pause / 8, f"enrich-{number}"
        if step in ("call", "start") and sum(at > now - 60 for at in calls) < calls_allowed:
            budget.record(now, starts=step == "start")
            calls.append(now)
        elif step == "watch":
            budget.watch(run, now - moment, [now + moment])
            watched.add(run)
        elif step == "release":
            budget.release(run)
            watched.discard(run)
        elif step == "block" and moment > 44:
            budget.block(now + 2)
        elif step == "look" and run in watched and budget.poll_at(run, now, now) <= now:
            budget.record(now, run)
            polls.append(now)
            in_a_minute = [at for at in (*polls, *calls) if at > now - 60]
            assert len(in_a_minute) <= REQUESTS_PER_MINUTE
    if polls:
        assert most_in_a_minute(polls) <= REQUESTS_PER_MINUTE - HELD_BACK
    if polls and calls_allowed == HELD_BACK:
        assert most_in_a_minute(polls + calls) <= REQUESTS_PER_MINUTE


@pytest.mark.long
def test_the_budget_forgets_what_is_long_past() -> None:
    budget = RateBudget()
    for number in range(10_000):
        budget.watch(f"enrich-{number}", float(number), [number + 1.0])
        budget.record(float(number))
        budget.record(float(number), f"enrich-{number}")
        budget.release(f"enrich-{number}")
    sizes = [len(value) for value in vars(budget).values() if isinstance(value, list | dict)]
    assert max(sizes) <= 601
