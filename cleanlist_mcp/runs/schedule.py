"""Moments to look at a run.

Pure: the clock and chance are arguments, nothing here waits or sends. The figures come from
`python -m benchmarks.polling`; docs/polling.md explains them.
"""

from dataclasses import dataclass, replace

SOONEST = 0.8  # s between looks at a young run; a run that ends at T is to be seen by T + 1 s
SOONEST_COUNTED = 0.95  # s, if the run reports counts: fewer looks, still inside that second
AGE_SHARE = 0.24  # of the age; a hair under the promised 0.25 T, for timers that ring late
STEADY = 5.5  # s: the widest gap of a run up to eleven minutes old
LATE_SHARE = 1 / 120  # of the age, once that is more than STEADY
WIDEST = 30.0  # s, whatever the age
JITTER = 0.05  # chance shortens a delay by up to this share and never lengthens it

AIM = 0.85  # of the predicted remainder
TRUST = 1.5  # times the age: how far a prediction may carry
WIDEST_COUNTED = 20.0  # s: a person watching a list wants to see it move
STRAIGHT_TO_END = 5.0  # s: a remainder this short (or AGE_SHARE of the age) is slept through
PAST_END = 0.25  # s past the predicted end
OVERDUE_SHARE, OVERDUE_WIDEST = 0.04, 2.0  # of the age, and s: gaps once the end should be there
SHORTEST_STEP = 0.1  # s: two counts closer than this show no speed


@dataclass(frozen=True)
class Progress:
    """Counts that the looks at one list run have shown. Start with `Progress(total=rows)`, rows if known.

    Ages are seconds since the run started. `changed_at` is the age of the look that first met
    `processed` (while that is 0, of the latest look), `speed` is rows per second, and rows are
    trusted to come evenly from `base_age` and `base_rows` on.
    """

    processed: int = 0
    total: int = 0
    changed_at: float = 0.0
    speed: float = 0.0
    base_age: float = 0.0
    base_rows: int = 0

    def seen(self, age: float, processed: int | None, total: int | None) -> "Progress":
        """Return the progress after one more look at `age`; counts that are missing change nothing."""
        if processed is None or not total or total < 0:
            return self
        if processed <= self.processed:
            changed_at = self.changed_at if self.processed else age
            return replace(self, total=total, changed_at=changed_at)
        # The first count seen may hold a row that was nearly done at the look before.
        step = processed - self.processed - (not self.processed)
        latest = step / max(age - self.changed_at, SHORTEST_STEP)
        speed = max(processed / max(age, SHORTEST_STEP), latest)
        known = replace(self, processed=processed, total=total, changed_at=age, speed=speed)
        # Rows met at once may all have come just now, when a queue ended: they are the base.
        return known if self.processed else replace(known, base_age=age, base_rows=processed)

    @property
    def left(self) -> int:
        """Rows that are not processed yet."""
        return max(self.total - self.processed, 0)

    def remainder(self, age: float) -> float:
        """Return the predicted seconds to the end, at the faster of the average and the latest speed."""
        return max(self.left / self.speed - (age - self.changed_at), 0.0)

    def least_remainder(self, age: float) -> float:
        """Return the seconds that the rest takes at twice the speed since the base, if its next row is just done."""
        rows = self.processed + 1 - self.base_rows
        return max(self.left - 1, 0) * max(age - self.base_age, 0.0) / (2 * rows)


def next_delay(age: float, *, jitter: float, progress: Progress | None = None) -> float:
    """Return the seconds from a look that found the run unfinished, at `age` seconds, to the next one.

    `jitter` is a chance in [0, 1]. Without `progress`, a run that ends at T is seen by
    T + max(1 s, 0.25 T), whatever the jitter. With it that holds as long as the rest goes at most
    twice as fast as what was counted; a prediction never carries further than 20 s.
    """
    age = max(age, 0.0)
    if progress is None or not progress.total:
        widest = _blind(age)
    elif not progress.processed:
        widest = max(SOONEST_COUNTED, _blind(age))
    else:
        widest = _counted(age, progress)
    return widest * (1 - JITTER * jitter)


def _blind(age: float) -> float:
    steady = min(max(STEADY, LATE_SHARE * age), WIDEST)
    return max(SOONEST, min(AGE_SHARE * age, steady))


def _counted(age: float, progress: Progress) -> float:
    remainder = progress.remainder(age)
    short = max(SOONEST_COUNTED, min(AGE_SHARE * age, STRAIGHT_TO_END))
    if remainder + PAST_END <= short:
        overdue = min(max(SOONEST, OVERDUE_SHARE * age), OVERDUE_WIDEST)
        stalled = min(AGE_SHARE * (age - progress.changed_at), _blind(age))
        return max(remainder + PAST_END, overdue, stalled)
    safe = min(TRUST * age, AGE_SHARE * age + progress.least_remainder(age))
    widest = max(safe, _blind(age), SOONEST_COUNTED)
    return min(max(AIM * remainder, SOONEST_COUNTED), widest, WIDEST_COUNTED)
