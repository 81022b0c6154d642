"""The breaker: when nearly everything would be parked, the fault is here and not in the events, so everything stops."""

from collections import OrderedDict
from threading import Lock

WINDOW = 100
LEAST = 50
SHARE = 0.5
IN_A_ROW = 20


class Breaker:
    """Counts the last keys' outcomes; trips when more than half of at least 50, or more than 20 in a row, were bad.

    After a rest it is on trial: it trips again unless most keys are good. Safe to use from many threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._outcomes: OrderedDict[str, bool] = OrderedDict()
        self._row: set[str] = set()
        self._trial = False
        self.tripped: str | None = None

    def record(self, key: str, *, good: bool) -> None:
        """Note how an event of a key ended; `good` is False when a person would have to look at it."""
        with self._lock:
            self._outcomes[key] = good
            self._outcomes.move_to_end(key)
            while len(self._outcomes) > WINDOW:
                self._outcomes.popitem(last=False)
            if good:
                self._row.clear()
                return
            self._row.add(key)
            bad = self._bad()
            if len(self._row) > IN_A_ROW:
                self.tripped = f"More than {IN_A_ROW} streams in a row cannot be handled; nothing is parked until some can."
            elif len(self._outcomes) >= LEAST and bad > SHARE * len(self._outcomes):
                self.tripped = f"{bad} of the last {len(self._outcomes)} streams cannot be handled; nothing is parked for now."

    def may_park(self) -> bool:
        """Say whether bad events may be set aside now; on trial this is the verdict."""
        with self._lock:
            if self._trial and self.tripped is None:
                bad = self._bad()
                if bad > SHARE * len(self._outcomes):
                    self.tripped = f"After a rest {bad} of {len(self._outcomes)} streams still cannot be handled."
                self._trial = False
            return self.tripped is None

    def try_again(self) -> None:
        """Start a trial: what was counted before is forgotten."""
        with self._lock:
            self._outcomes.clear()
            self._row.clear()
            self._trial = True
            self.tripped = None

    def _bad(self) -> int:
        return sum(not good for good in self._outcomes.values())
