"""Facts of cases → the one statement each is in the tables people look at."""

from typing import LiteralString

from dispatch_svc.views.statement import stating
from shared_chassis.view import Projection
from shared_events.dispatch import (
    AssignmentAccepted,
    AssignmentDeclined,
    CaseClosed,
    CaseOpened,
    CaseReclassified,
    CaseReopened,
    ClockPaused,
    ClockResumed,
    CommitteeDecided,
    DeadlineBreached,
    DeadlineWarned,
    HolderChanged,
    RequestAssigned,
    RequestEscalated,
    RequestRouted,
    RoutingFailed,
    StageDeadlineSet,
    SubTaskCancelled,
    SubTaskDone,
    SubTaskOpened,
    WorkFoundImpossible,
    WorkReportedDone,
    WorkReturned,
    WorkScheduled,
    WorkStarted,
)

TABLES = ("cases", "holder_interval", "stage_clock", "clock_pause", "sub_task")

OPEN: LiteralString = """
    INSERT INTO cases (case_id, version, city, service_type, district, building, state, round)
    VALUES (%(stream_uuid)s, %(stream_version)s, %(city)s, %(service_type)s, %(district)s, %(building)s, 'opened', 1)
    ON CONFLICT (case_id) DO NOTHING
"""
ROUTE: LiteralString = """
    UPDATE cases SET version = %(stream_version)s, rule = %(rule)s, rule_version = %(rule_version)s, routing_failure = NULL,
        routing_inputs = %(inputs)s::jsonb, service_type = %(inputs_service_type)s,
        district = %(inputs_district)s, building = %(inputs_building)s
    WHERE case_id = %(stream_uuid)s
"""
FAIL_ROUTING: LiteralString = """
    WITH ended AS (
        UPDATE stage_clock SET ended_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s AND stage = 'accept'
    )
    UPDATE cases SET version = %(stream_version)s, state = 'unrouted', rule = %(rule)s, rule_version = NULL,
        routing_failure = %(reason)s, routing_inputs = %(inputs)s::jsonb, service_type = %(inputs_service_type)s,
        district = %(inputs_district)s, building = %(inputs_building)s, organisation = NULL, assigned_by = NULL,
        stage = NULL, due = NULL
    WHERE case_id = %(stream_uuid)s
"""
ASSIGN: LiteralString = """
    WITH ended AS (
        UPDATE stage_clock SET ended_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s AND stage = 'accept'
    )
    UPDATE cases SET version = %(stream_version)s, state = 'assigned', organisation = %(organisation)s, round = %(round)s,
        assigned_by = %(by)s, proposed = NULL, stage = NULL, due = NULL
    WHERE case_id = %(stream_uuid)s
"""
ACCEPT: LiteralString = """
    WITH ended AS (
        UPDATE stage_clock SET ended_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s AND stage = 'accept'
    )
    UPDATE cases SET version = %(stream_version)s, state = 'accepted', plan_begins = NULL, plan_ends = NULL, stage = NULL,
        due = NULL
    WHERE case_id = %(stream_uuid)s
"""
DECLINE: LiteralString = """
    WITH ended AS (
        UPDATE stage_clock SET ended_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s AND stage = 'accept'
    )
    UPDATE cases SET version = %(stream_version)s, state = 'declined', organisation = NULL, assigned_by = NULL,
        declines = %(number)s, proposed = %(proposes)s, stage = NULL, due = NULL
    WHERE case_id = %(stream_uuid)s
"""
DECIDE: LiteralString = """
    UPDATE cases SET version = %(stream_version)s, committee_ground = %(ground)s WHERE case_id = %(stream_uuid)s
"""
SCHEDULE: LiteralString = """
    UPDATE cases SET version = %(stream_version)s, plan_begins = %(begins)s, plan_ends = %(ends)s WHERE case_id = %(stream_uuid)s
"""
START: LiteralString = """
    WITH ended AS (
        UPDATE stage_clock SET ended_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s AND stage = 'start'
    ), finish AS (
        SELECT stage, due FROM stage_clock
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s AND stage = 'finish'
    )
    UPDATE cases SET version = %(stream_version)s, state = 'started', stage = (SELECT stage FROM finish),
        due = (SELECT due FROM finish)
    WHERE case_id = %(stream_uuid)s
"""
RETURN: LiteralString = """
    WITH ended AS (
        UPDATE stage_clock SET ended_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s AND stage IN ('start', 'finish')
    )
    UPDATE cases SET version = %(stream_version)s, state = 'returned', organisation = NULL, assigned_by = NULL,
        proposed = %(proposes)s, plan_begins = NULL, plan_ends = NULL, stage = NULL, due = NULL
    WHERE case_id = %(stream_uuid)s
"""
REPORT: LiteralString = """
    WITH ended AS (
        UPDATE stage_clock SET ended_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s
          AND stage IN ('accept', 'start', 'finish')
    )
    UPDATE cases SET version = %(stream_version)s, state = 'reported', evidence = %(evidence)s, stage = NULL, due = NULL
    WHERE case_id = %(stream_uuid)s
"""
FIND_IMPOSSIBLE: LiteralString = """
    WITH ended AS (
        UPDATE stage_clock SET ended_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s
          AND stage IN ('accept', 'start', 'finish')
    )
    UPDATE cases SET version = %(stream_version)s, state = 'impossible', impossible_ground = %(ground)s, stage = NULL, due = NULL
    WHERE case_id = %(stream_uuid)s
"""
OPEN_SUB_TASK: LiteralString = """
    WITH task AS (
        INSERT INTO sub_task (sub_task_id, case_id, version, organisation, title, state, opened_at)
        VALUES (%(sub_task)s, %(stream_uuid)s, %(stream_version)s, %(organisation)s, %(title)s, 'open', %(time)s)
        ON CONFLICT (sub_task_id) DO NOTHING
    )
    UPDATE cases SET version = %(stream_version)s WHERE case_id = %(stream_uuid)s
"""
FINISH_SUB_TASK: LiteralString = """
    WITH task AS (
        UPDATE sub_task SET state = 'done', evidence = %(evidence)s, ended_at = %(time)s WHERE sub_task_id = %(sub_task)s
    )
    UPDATE cases SET version = %(stream_version)s WHERE case_id = %(stream_uuid)s
"""
CANCEL_SUB_TASK: LiteralString = """
    WITH task AS (
        UPDATE sub_task SET state = 'cancelled', reason = %(reason)s, ended_at = %(time)s WHERE sub_task_id = %(sub_task)s
    )
    UPDATE cases SET version = %(stream_version)s WHERE case_id = %(stream_uuid)s
"""
RECLASSIFY: LiteralString = """
    UPDATE cases SET version = %(stream_version)s, service_type = %(service_type)s WHERE case_id = %(stream_uuid)s
"""
REOPEN: LiteralString = """
    UPDATE cases SET version = %(stream_version)s, round = %(round)s, evidence = NULL, outcome = NULL, closed_at = NULL,
        impossible_ground = NULL, waiting = false, plan_begins = NULL, plan_ends = NULL,
        state = CASE WHEN routing_inputs IS NULL THEN 'opened' ELSE 'reopened' END
    WHERE case_id = %(stream_uuid)s
"""
HOLD: LiteralString = """
    WITH held AS (
        INSERT INTO holder_interval (case_id, version, holder, organisation, since)
        VALUES (%(stream_uuid)s, %(stream_version)s, %(holder_kind)s, %(holder_organisation)s, %(at)s)
        ON CONFLICT (case_id, version) DO NOTHING
    ), ended AS (
        UPDATE stage_clock SET ended_at = %(time)s
        WHERE %(holder_kind)s = 'resident' AND case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s
          AND stage = 'answer' AND (SELECT state FROM cases WHERE case_id = %(stream_uuid)s) = 'reported'
    )
    UPDATE cases SET version = %(stream_version)s, opened_at = coalesce(opened_at, %(at)s), held_since = %(at)s,
        holder = %(holder_kind)s, holder_organisation = %(holder_organisation)s,
        waiting = %(holder_kind)s = 'resident' AND state NOT IN ('reported', 'asked'),
        state = CASE WHEN %(holder_kind)s = 'resident' AND state = 'reported' THEN 'asked' ELSE state END
    WHERE case_id = %(stream_uuid)s
"""
SET_CLOCK: LiteralString = """
    WITH former AS (
        UPDATE stage_clock SET ended_at = %(time)s, recounted = true
        WHERE case_id = %(stream_uuid)s AND stage = %(stage)s AND ended_at IS NULL AND version < %(stream_version)s
        RETURNING starts_at, paused_at, paused_by, paused_until, warned_at, breached_at, level, escalated_to
    ), clock AS (
        INSERT INTO stage_clock (case_id, version, stage, round, starts_at, due, warn_at, term, policy_version, calendar,
            calendar_version, paused_at, paused_by, paused_until, warned_at, breached_at, level, escalated_to)
        SELECT %(stream_uuid)s, %(stream_version)s, %(stage)s, %(round)s, %(starts_at)s, %(due)s, %(warn_at)s, %(term)s::jsonb,
            %(policy_version)s, %(calendar)s, %(calendar_version)s, f.paused_at, f.paused_by, f.paused_until, f.warned_at,
            f.breached_at, coalesce(f.level, 0), f.escalated_to
        FROM (SELECT 1) AS one LEFT JOIN former f ON true
        ON CONFLICT (case_id, version) DO NOTHING
    )
    UPDATE cases SET version = %(stream_version)s, stage = first.stage, due = first.due
    FROM (SELECT 1) AS one LEFT JOIN LATERAL (
        SELECT s.stage, s.due FROM stage_clock s
        WHERE s.case_id = %(stream_uuid)s AND s.ended_at IS NULL AND s.version < %(stream_version)s
          AND s.stage IN ('accept', 'start', 'finish') AND s.stage <> %(stage)s
        UNION ALL SELECT %(stage)s, %(due)s WHERE %(stage)s IN ('accept', 'start', 'finish')
        ORDER BY due LIMIT 1) AS first ON true
    WHERE cases.case_id = %(stream_uuid)s
"""
PAUSE: LiteralString = """
    WITH pause AS (
        INSERT INTO clock_pause (case_id, version, stage, since, because)
        VALUES (%(stream_uuid)s, %(stream_version)s, %(stage)s, %(at)s, %(because)s)
        ON CONFLICT (case_id, version) DO NOTHING
    ), clock AS (
        UPDATE stage_clock SET paused_at = %(at)s, paused_by = %(because)s, paused_until = %(until)s
        WHERE case_id = %(stream_uuid)s AND stage = %(stage)s AND ended_at IS NULL AND version < %(stream_version)s
    )
    UPDATE cases SET version = %(stream_version)s WHERE case_id = %(stream_uuid)s
"""
RESUME: LiteralString = """
    WITH latest AS (
        SELECT version, ended_at FROM stage_clock
        WHERE case_id = %(stream_uuid)s AND stage = %(stage)s AND version < %(stream_version)s
        ORDER BY version DESC LIMIT 1
    ), clock AS (
        UPDATE stage_clock s SET ended_at = NULL, paused_at = NULL, paused_by = NULL, paused_until = NULL, due = %(due)s,
            warn_at = %(warn_at)s
        FROM latest WHERE s.case_id = %(stream_uuid)s AND s.version = latest.version
    ), past AS (
        UPDATE clock_pause SET until = %(at)s
        WHERE case_id = %(stream_uuid)s AND stage = %(stage)s AND until IS NULL AND version < %(stream_version)s
    ), closed AS (
        INSERT INTO clock_pause (case_id, version, stage, since, because, until)
        SELECT %(stream_uuid)s, %(stream_version)s, %(stage)s, least(latest.ended_at, %(at)s), 'closed', %(at)s
        FROM latest WHERE latest.ended_at IS NOT NULL
        ON CONFLICT (case_id, version) DO NOTHING
    )
    UPDATE cases SET version = %(stream_version)s, stage = first.stage, due = first.due
    FROM (SELECT 1) AS one LEFT JOIN LATERAL (
        SELECT s.stage, s.due FROM stage_clock s
        WHERE s.case_id = %(stream_uuid)s AND s.ended_at IS NULL AND s.version < %(stream_version)s
          AND s.stage IN ('accept', 'start', 'finish') AND s.stage <> %(stage)s
        UNION ALL SELECT %(stage)s, %(due)s WHERE %(stage)s IN ('accept', 'start', 'finish')
        ORDER BY due LIMIT 1) AS first ON true
    WHERE cases.case_id = %(stream_uuid)s
"""
WARN: LiteralString = """
    WITH warned AS (
        UPDATE stage_clock SET warned_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s AND stage = %(stage)s
    )
    UPDATE cases SET version = %(stream_version)s WHERE case_id = %(stream_uuid)s
"""
BREACH: LiteralString = """
    WITH breached AS (
        UPDATE stage_clock SET breached_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s AND stage = %(stage)s
    )
    UPDATE cases SET version = %(stream_version)s WHERE case_id = %(stream_uuid)s
"""
ESCALATE: LiteralString = """
    WITH escalated AS (
        UPDATE stage_clock SET level = %(level)s, escalated_to = %(to)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s AND stage = %(stage)s
    )
    UPDATE cases SET version = %(stream_version)s WHERE case_id = %(stream_uuid)s
"""
CLOSE: LiteralString = """
    WITH ended AS (
        UPDATE stage_clock SET ended_at = %(at)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s
    ), held AS (
        UPDATE holder_interval SET until = %(at)s
        WHERE case_id = %(stream_uuid)s AND version = (
            SELECT max(version) FROM holder_interval WHERE case_id = %(stream_uuid)s AND version < %(stream_version)s)
    )
    UPDATE cases SET version = %(stream_version)s, state = 'closed', outcome = %(outcome)s, closed_at = %(at)s, waiting = false,
        stage = NULL, due = NULL
    WHERE case_id = %(stream_uuid)s
"""

PROJECTION: Projection = {
    CaseOpened: stating(OPEN),
    RequestRouted: stating(ROUTE),
    RoutingFailed: stating(FAIL_ROUTING),
    RequestAssigned: stating(ASSIGN),
    AssignmentAccepted: stating(ACCEPT),
    AssignmentDeclined: stating(DECLINE),
    CommitteeDecided: stating(DECIDE),
    WorkScheduled: stating(SCHEDULE),
    WorkStarted: stating(START),
    WorkReturned: stating(RETURN),
    WorkReportedDone: stating(REPORT),
    WorkFoundImpossible: stating(FIND_IMPOSSIBLE),
    SubTaskOpened: stating(OPEN_SUB_TASK),
    SubTaskDone: stating(FINISH_SUB_TASK),
    SubTaskCancelled: stating(CANCEL_SUB_TASK),
    CaseReclassified: stating(RECLASSIFY),
    CaseReopened: stating(REOPEN),
    HolderChanged: stating(HOLD),
    StageDeadlineSet: stating(SET_CLOCK),
    ClockPaused: stating(PAUSE),
    ClockResumed: stating(RESUME),
    DeadlineWarned: stating(WARN),
    DeadlineBreached: stating(BREACH),
    RequestEscalated: stating(ESCALATE),
    CaseClosed: stating(CLOSE),
}
