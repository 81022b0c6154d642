-- What the reports are drawn from: the facts as they were known at a moment (NULL: now). Nothing is stored here, so a new release
-- only draws anew. Days are those of the city's own time.

CREATE OR REPLACE MACRO heard(as_of) AS TABLE
    SELECT * EXCLUDE (folded_at) FROM event WHERE known <= coalesce(as_of::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ);

-- A request as the newest fact about each of its sides has it. `outcome` and `ending` are `open` until it is closed, and again once
-- it is reopened. `ending` says whose word it was that the work is done: the resident's (`confirmed`), nobody's (`silent`: the term
-- for an answer passed), or that nobody was asked in the last round (`unasked`).
CREATE OR REPLACE MACRO request_known(as_of) AS TABLE
    WITH told AS (
        SELECT about AS request,
               any_value(city) FILTER (type = 'request.request-submitted.v1') AS city,
               any_value(kind) FILTER (type = 'request.request-submitted.v1') AS channel,
               any_value(happened) FILTER (type = 'request.request-submitted.v1') AS submitted_at,
               arg_max(district, version) FILTER (district IS NOT NULL) AS district,
               arg_max(service_type, version) FILTER (service_type IS NOT NULL) AS type,
               arg_max(kind, version) FILTER (type IN ('request.request-closed.v1', 'request.request-reopened.v1')) AS outcome,
               arg_max(CASE kind WHEN 'open' THEN 'unasked' ELSE kind END, version) FILTER (
                   type IN ('request.completion-confirmed.v1', 'request.completion-deemed-accepted.v1',
                            'request.request-reopened.v1')) AS consent,
               count(*) FILTER (type = 'request.request-reopened.v1') AS reopenings,
               count(*) FILTER (type = 'request.completion-disputed.v1') AS disputes,
               count(*) FILTER (type = 'dispatch.assignment-declined.v1') AS declines,
               count(*) FILTER (type = 'dispatch.work-returned.v1') AS returns,
               count(*) FILTER (type = 'dispatch.committee-decided.v1') AS committee,
               count(*) FILTER (type = 'dispatch.deadline-warned.v1') AS warnings,
               count(*) FILTER (type = 'dispatch.deadline-breached.v1') AS breaches,
               count(*) FILTER (type = 'dispatch.request-escalated.v1') AS escalations,
               coalesce(arg_max(kind, version) FILTER (
                   type IN ('dispatch.request-linked-to-incident.v1', 'dispatch.request-unlinked-from-incident.v1')), '') = 'linked'
                   AS in_incident
        FROM heard(as_of)
        WHERE type IN (
            'request.request-submitted.v1', 'request.request-registered.v1', 'request.request-reclassified.v1',
            'request.request-closed.v1', 'request.request-reopened.v1', 'request.completion-confirmed.v1',
            'request.completion-deemed-accepted.v1', 'request.completion-disputed.v1', 'dispatch.assignment-declined.v1',
            'dispatch.work-returned.v1', 'dispatch.committee-decided.v1', 'dispatch.deadline-warned.v1',
            'dispatch.deadline-breached.v1', 'dispatch.request-escalated.v1', 'dispatch.request-linked-to-incident.v1',
            'dispatch.request-unlinked-from-incident.v1')
        GROUP BY about
    )
    SELECT t.request, t.city, t.district, t.type, t.channel,
           timezone(coalesce(c.timezone, 'UTC'), t.submitted_at)::DATE AS day,
           coalesce(t.outcome, 'open') AS outcome,
           CASE WHEN coalesce(t.outcome, 'open') = 'open' THEN 'open' ELSE coalesce(t.consent, 'unasked') END AS ending,
           1 + t.reopenings AS rounds,
           t.reopenings, t.disputes, t.declines, t.returns, t.committee, t.warnings, t.breaches, t.escalations, t.in_incident
    FROM told t LEFT JOIN city c ON c.slug = t.city
    WHERE t.submitted_at IS NOT NULL;

-- Who holds a case from when until when; `until` is NULL while nobody has taken over. From its closing until it is reopened, if it
-- ever is, nobody holds it.
CREATE OR REPLACE MACRO holder_interval(as_of) AS TABLE
    WITH turn AS (
        SELECT about AS case_id, version, type, "at" AS since,
               last_value(CASE WHEN type = 'dispatch.holder-changed.v1' THEN {'kind': kind, 'organisation': organisation} END
                          IGNORE NULLS) OVER w AS holder,
               CASE WHEN lead("at") OVER w IS NOT NULL THEN greatest(lead("at") OVER w, "at") END AS until
        FROM heard(as_of)
        WHERE type IN ('dispatch.holder-changed.v1', 'dispatch.case-closed.v1', 'dispatch.case-reopened.v1')
        WINDOW w AS (PARTITION BY about ORDER BY version)
    )
    SELECT case_id, version, holder.kind AS kind, holder.organisation AS organisation, since, until
    FROM turn
    WHERE holder IS NOT NULL AND type <> 'dispatch.case-closed.v1'
      AND (type = 'dispatch.holder-changed.v1' OR until IS DISTINCT FROM since);

-- How long a case was closed before it was reopened (microseconds): no holder's time.
CREATE OR REPLACE MACRO closed_stretch(as_of) AS TABLE
    WITH turn AS (
        SELECT about AS case_id, type, "at", lag(type) OVER w AS before, lag("at") OVER w AS since
        FROM heard(as_of)
        WHERE type IN ('dispatch.holder-changed.v1', 'dispatch.case-closed.v1', 'dispatch.case-reopened.v1')
        WINDOW w AS (PARTITION BY about ORDER BY version)
    )
    SELECT case_id, sum(epoch_us("at") - epoch_us(since))::BIGINT AS microseconds
    FROM turn WHERE type <> 'dispatch.case-closed.v1' AND before = 'dispatch.case-closed.v1'
    GROUP BY case_id;

CREATE OR REPLACE MACRO request_held(as_of) AS TABLE
    SELECT r.city, r.district, r.type, h.kind, h.organisation, h.case_id, h.since,
           coalesce(h.until, greatest(h.since, coalesce(as_of::TIMESTAMPTZ, now()))) AS until
    FROM holder_interval(as_of) h LEFT JOIN request_known(as_of) r ON r.request = h.case_id;

-- A clock of a case: of one stage, round and start, however often it was reckoned anew. It is `late` when it was breached, be it over
-- or not; otherwise `kept` when it is over, and `running` when it is not. `organisation` is who held the case at the breach, else who
-- was to do the stage when its clock started; of the clocks of the whole, who was to do the work last. NULL: no organisation.
CREATE OR REPLACE MACRO clock(as_of) AS TABLE
    WITH said AS (
        SELECT about, version, type, stage, round, "at", due, kind, organisation FROM heard(as_of)
        WHERE type IN (
            'dispatch.stage-deadline-set.v1', 'dispatch.clock-resumed.v1', 'dispatch.deadline-warned.v1',
            'dispatch.deadline-breached.v1', 'dispatch.request-escalated.v1', 'dispatch.request-assigned.v1',
            'dispatch.assignment-accepted.v1', 'dispatch.assignment-declined.v1', 'dispatch.work-returned.v1',
            'dispatch.routing-failed.v1', 'dispatch.work-started.v1', 'dispatch.work-reported-done.v1',
            'dispatch.work-found-impossible.v1', 'dispatch.case-closed.v1', 'dispatch.case-reopened.v1')
    ), started AS (
        SELECT about, stage, round, "at" AS starts_at, min(version) AS first_version
        FROM said WHERE type = 'dispatch.stage-deadline-set.v1'
        GROUP BY about, stage, round, "at"
    ), ranged AS (
        SELECT *, coalesce(lead(first_version) OVER (PARTITION BY about, stage ORDER BY first_version), 9223372036854775807) AS until
        FROM started
    ), over_by AS (
        SELECT unnest(['accept', 'accept', 'accept', 'accept', 'accept', 'start', 'start', 'start', 'start', 'finish', 'finish',
                       'finish', 'answer', 'answer']) AS stage,
               unnest(['dispatch.assignment-accepted.v1', 'dispatch.assignment-declined.v1', 'dispatch.work-started.v1',
                       'dispatch.work-reported-done.v1', 'dispatch.work-found-impossible.v1', 'dispatch.work-started.v1',
                       'dispatch.work-returned.v1', 'dispatch.work-reported-done.v1', 'dispatch.work-found-impossible.v1',
                       'dispatch.work-returned.v1', 'dispatch.work-reported-done.v1', 'dispatch.work-found-impossible.v1',
                       'dispatch.work-reported-done.v1', 'dispatch.work-found-impossible.v1']) AS type
    ), told AS (
        SELECT r.about, r.stage, r.round, r.starts_at, r.first_version, r.until,
               arg_max(s.due, s.version) FILTER (
                   s.stage = r.stage AND s.type IN ('dispatch.stage-deadline-set.v1', 'dispatch.clock-resumed.v1')) AS due,
               count(*) FILTER (s.stage = r.stage AND s.type = 'dispatch.deadline-warned.v1') AS warnings,
               count(*) FILTER (s.stage = r.stage AND s.type = 'dispatch.deadline-breached.v1') AS breaches,
               count(*) FILTER (s.stage = r.stage AND s.type = 'dispatch.request-escalated.v1') AS escalations,
               min(s.version) FILTER (s.stage = r.stage AND s.type = 'dispatch.deadline-breached.v1') AS breached_version,
               arg_min(s.organisation, s.version) FILTER (
                   s.stage = r.stage AND s.type = 'dispatch.deadline-breached.v1') AS breached_by,
               count(o.type) > 0 AS passed,
               coalesce(arg_max(s.type, s.version) FILTER (
                   s.type IN ('dispatch.case-closed.v1', 'dispatch.case-reopened.v1')), '') AS last_turn
        FROM ranged r
        JOIN said s ON s.about = r.about AND s.version >= r.first_version AND s.version < r.until
        LEFT JOIN over_by o ON o.stage = r.stage AND o.type = s.type
        GROUP BY r.about, r.stage, r.round, r.starts_at, r.first_version, r.until
    ), duty AS (
        SELECT about, version, CASE WHEN type = 'dispatch.request-assigned.v1' THEN organisation END AS organisation FROM said
        WHERE type IN ('dispatch.request-assigned.v1', 'dispatch.assignment-declined.v1', 'dispatch.work-returned.v1',
                       'dispatch.routing-failed.v1')
    ), asked AS (
        SELECT *, CASE WHEN stage IN ('accept', 'start', 'finish') THEN first_version ELSE 9223372036854775807 END AS as_at FROM told
    )
    SELECT a.about AS case_id, a.stage, a.round, a.starts_at, a.due, a.warnings, a.escalations,
           CASE WHEN a.breaches > 0 THEN 'late'
                WHEN a.passed OR a.last_turn = 'dispatch.case-closed.v1' OR a.until < 9223372036854775807
                     OR (a.stage IN ('accept', 'start', 'finish') AND a.last_turn <> '') THEN 'kept'
                ELSE 'running' END AS state,
           CASE WHEN a.breaches > 0 THEN a.breached_by ELSE d.organisation END AS organisation
    FROM asked a ASOF LEFT JOIN duty d ON d.about = a.about AND a.as_at >= d.version;

CREATE OR REPLACE MACRO clock_of_request(as_of) AS TABLE
    SELECT r.city, r.district, r.type, k.stage, k.organisation, k.state, k.warnings, k.escalations,
           timezone(coalesce(c.timezone, 'UTC'), k.due)::DATE AS day
    FROM clock(as_of) k LEFT JOIN request_known(as_of) r ON r.request = k.case_id LEFT JOIN city c ON c.slug = r.city;

-- Who was asked to rate the work of a round, and what they said; NULL: nothing.
CREATE OR REPLACE MACRO rating_asked(as_of) AS TABLE
    WITH asked AS (
        SELECT about, round, any_value(organisation) AS organisation, min(happened) AS happened
        FROM heard(as_of) WHERE type = 'request.rating-asked.v1' GROUP BY about, round
    ), given AS (
        SELECT about, round, arg_max(rating, version) AS rating
        FROM heard(as_of) WHERE type = 'request.request-rated.v1' GROUP BY about, round
    )
    SELECT r.city, r.district, r.type, a.organisation, g.rating,
           timezone(coalesce(c.timezone, 'UTC'), a.happened)::DATE AS day
    FROM asked a LEFT JOIN given g USING (about, round)
    LEFT JOIN request_known(as_of) r ON r.request = a.about LEFT JOIN city c ON c.slug = r.city;

CREATE OR REPLACE MACRO submission_known(as_of) AS TABLE
    SELECT s.city, s.other AS discussion, s.kind, timezone(coalesce(c.timezone, 'UTC'), s.happened)::DATE AS day
    FROM heard(as_of) s LEFT JOIN city c ON c.slug = s.city
    WHERE s.type IN ('discussion.question-submitted.v1', 'discussion.proposal-submitted.v1', 'discussion.remark-submitted.v1');
