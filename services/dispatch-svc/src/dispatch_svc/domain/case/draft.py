"""A decision being made: what was said so far, and what it makes of the case."""

from collections.abc import Sequence

from dispatch_svc.domain.case.evolution import CaseFact, evolve
from dispatch_svc.domain.case.state import Case
from shared_events.event import Event


class Draft:
    """Facts in the making: each is seen by what is decided after it. One lives no longer than one decision."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._facts: list[Event] = []

    def say(self, fact: CaseFact) -> None:
        """State a fact."""
        self.case = evolve(self.case, fact)
        self._facts.append(fact)

    @property
    def facts(self) -> Sequence[Event]:
        """Everything stated so far, in order."""
        return self._facts
