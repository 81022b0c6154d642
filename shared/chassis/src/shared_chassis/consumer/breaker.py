"""The breaker: when nearly everything would be parked, the fault is here and not in the events, so everything stops."""

from collections import OrderedDict
from threading import Lock

WINDOW = 100
LEAST = 50
SHARE = 0.5
IN_A_ROW = 20


class Breaker:
    """Counts the last keys' outcomes; trips when more than half of at least 50, or more than 20 in a row, were bad.

    After a rest it is on trial: it trips again unless most keys are good. `why` says what is wrong until that is so. Safe to use
    from many threads.
    """

    def __init__(self) -> None:
        self.tripped = False
        self.why: str | None = None
        self._lock = Lock()
        self._outcomes: OrderedDict[str, bool] = OrderedDict()
        self._bad = 0
        self._row: set[str] = set()
        self._trial = False

    def record(self, key: str, *, good: bool) -> None:
        """Note how an event of a key ended; `good` is False when a person would have to look at it."""
        with self._lock:
            self._bad -= self._outcomes.pop(key, True) is False
            self._outcomes[key] = good
            self._bad += not good
            while len(self._outcomes) > WINDOW:
                self._bad -= not self._outcomes.popitem(last=False)[1]
            bad, all_ = self._bad, len(self._outcomes)
            if good:
                self._row.clear()
                if self._trial and bad <= SHARE * all_:
                    self._pass()
                return
            self._row.add(key)
            if len(self._row) > IN_A_ROW:
                self._trip(f"More than {IN_A_ROW} streams in a row cannot be handled; nothing is parked for now.")
            elif all_ >= LEAST and bad > SHARE * all_:
                self._trip(f"{bad} of the last {all_} streams cannot be handled; nothing is parked for now.")

    def may_park(self) -> bool:
        """Say whether bad events may be set aside now; on trial this is the verdict."""
        with self._lock:
            if self._trial and not self.tripped:
                bad, all_ = self._bad, len(self._outcomes)
                if bad > SHARE * all_:
                    self._trip(f"After a rest {bad} of {all_} streams still cannot be handled; nothing is parked for now.")
                else:
                    self._pass()
            return not self.tripped

    def try_again(self) -> None:
        """Start a trial: what was counted before is forgotten."""
        with self._lock:
            self._outcomes.clear()
            self._bad = 0
            self._row.clear()
            self._trial = self.why is not None
            self.tripped = False

    def _trip(self, why: str) -> None:
        self.tripped, self.why = True, why

    def _pass(self) -> None:
        self._trial, self.why = False, None
