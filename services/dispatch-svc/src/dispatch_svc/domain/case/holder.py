"""Who holds a case: exactly one at every instant, from the moment of its cause and never before the one before."""

from datetime import datetime

from dispatch_svc.domain.case.draft import Draft
from dispatch_svc.domain.case.state import RESIDENT
from shared_events.dispatch import HolderChanged


def hand_over(draft: Draft, at: datetime) -> None:
    """Give the case to whom it is to be held by now: the resident while asked for something, else whose duty it is."""
    case = draft.case
    holder = RESIDENT if case.waiting or case.state == "asked" else case.duty
    if case.holder != holder:
        draft.say(HolderChanged(holder=holder, at=case.not_before(at)))


def hand_back(draft: Draft, at: datetime) -> None:
    """Take the case from the resident and give it to whose duty it is."""
    draft.say(HolderChanged(holder=draft.case.duty, at=draft.case.not_before(at)))


def hand_to_resident(draft: Draft, at: datetime) -> None:
    """Give the case to the resident; said also to one who holds it already and is now asked for something else."""
    draft.say(HolderChanged(holder=RESIDENT, at=draft.case.not_before(at)))
