"""What happens to one request: who holds it at every instant, where it was routed and why, and which clocks run.

A holder's time runs from its `HolderChanged.at` to the next one's; `at` never goes back, so the times of all holders are
contiguous and sum to the whole. A clock that ends after it was due says so first: a breach is never lost because nobody was
there to notice it in time.

`state` is what is known, `evolution` what each fact makes of it, `transition` what may be done in which state; the decisions
stand in `routing`, `work`, `sub_task`, `resident` and `incident`, on what `holder` and `clock` say.
"""

from dispatch_svc.domain.case.evolution import CASE, NEXT, WATCH
from dispatch_svc.domain.case.incident import link_incident, unlink_incident
from dispatch_svc.domain.case.resident import (
    ask_resident,
    await_information,
    close,
    end_waiting,
    reopen,
    watch,
)
from dispatch_svc.domain.case.routing import open_case, reclassify, route
from dispatch_svc.domain.case.state import CALL_CENTRE, DISPATCHER, RESIDENT, Case, Plan, State
from dispatch_svc.domain.case.sub_task import cancel_sub_task, finish_sub_task, open_sub_task
from dispatch_svc.domain.case.transition import TRANSITIONS
from dispatch_svc.domain.case.work import (
    accept,
    assign,
    committee_decide,
    decline,
    find_impossible,
    report_done,
    report_done_by_incident,
    return_work,
    schedule,
    start,
)

__all__ = [
    "CALL_CENTRE",
    "CASE",
    "DISPATCHER",
    "NEXT",
    "RESIDENT",
    "TRANSITIONS",
    "WATCH",
    "Case",
    "Plan",
    "State",
    "accept",
    "ask_resident",
    "assign",
    "await_information",
    "cancel_sub_task",
    "close",
    "committee_decide",
    "decline",
    "end_waiting",
    "find_impossible",
    "finish_sub_task",
    "link_incident",
    "open_case",
    "open_sub_task",
    "reclassify",
    "reopen",
    "report_done",
    "report_done_by_incident",
    "return_work",
    "route",
    "schedule",
    "start",
    "unlink_incident",
    "watch",
]
