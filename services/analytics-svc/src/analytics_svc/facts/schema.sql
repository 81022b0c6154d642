-- The facts of analytics-svc in DuckDB. Every table is a function of the events heard, whatever their order and however often.
-- `known` is the event's recorded time: when the city knew; `happened` is when it did.

CREATE SEQUENCE parked_number;
CREATE SEQUENCE parked_action_number;

CREATE TABLE city (slug VARCHAR PRIMARY KEY, timezone VARCHAR NOT NULL);

-- Every event of every topic. `cause` is what it is the effect of: the event it names, else the one (or the command) it follows from.
-- `aspect` tells effects of one cause apart: a message's channel, an assignment's round.
CREATE TABLE event (
    id UUID PRIMARY KEY,
    topic VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    version BIGINT NOT NULL,
    position BIGINT NOT NULL,
    happened TIMESTAMPTZ NOT NULL,
    known TIMESTAMPTZ NOT NULL,
    correlation UUID NOT NULL,
    cause UUID NOT NULL,
    aspect VARCHAR,
    folded_at TIMESTAMPTZ NOT NULL
);

-- A request, as far as it is known: each group of columns comes from one fact of its stream.
CREATE TABLE request (
    request UUID PRIMARY KEY,
    city VARCHAR,
    district VARCHAR,
    submitted_type VARCHAR,
    channel VARCHAR,
    person_known BOOLEAN,
    submitted_at TIMESTAMPTZ,
    submitted_known TIMESTAMPTZ,
    number VARCHAR,
    registered_city VARCHAR,
    registered_type VARCHAR,
    registered_district VARCHAR,
    registered_at TIMESTAMPTZ,
    registered_known TIMESTAMPTZ,
    outcome VARCHAR,
    closed_at TIMESTAMPTZ,
    closed_known TIMESTAMPTZ
);

-- Who holds a case from when; until when follows from the next holder, or from the case's closing.
CREATE TABLE holding (
    case_id UUID NOT NULL,
    version BIGINT NOT NULL,
    kind VARCHAR NOT NULL,
    organisation VARCHAR,
    since TIMESTAMPTZ NOT NULL,
    known TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (case_id, version)
);
CREATE TABLE case_closing (case_id UUID PRIMARY KEY, ended_at TIMESTAMPTZ NOT NULL, known TIMESTAMPTZ NOT NULL);
-- The intervals as they were known at a moment (NULL: now); `until` is NULL while nobody has taken over.
CREATE MACRO holder_interval(as_of) AS TABLE
    SELECT h.case_id, h.kind, h.organisation, h.since,
           coalesce(
               lead(h.since) OVER (PARTITION BY h.case_id ORDER BY h.version),
               CASE WHEN c.known <= coalesce(as_of::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ) THEN greatest(c.ended_at, h.since) END
           ) AS until
    FROM holding h LEFT JOIN case_closing c ON c.case_id = h.case_id
    WHERE h.known <= coalesce(as_of::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ);

CREATE TABLE submission (
    submission UUID PRIMARY KEY,
    discussion UUID NOT NULL,
    city VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    happened TIMESTAMPTZ NOT NULL,
    known TIMESTAMPTZ NOT NULL
);

-- What the stream processor counted, and what it could not; a district that is missing is ''.
CREATE TABLE tally (
    minute TIMESTAMPTZ NOT NULL,
    city VARCHAR NOT NULL,
    district VARCHAR NOT NULL,
    category VARCHAR NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (minute, city, district, category)
);
CREATE TABLE stream_parked (
    topic VARCHAR NOT NULL,
    partition INTEGER NOT NULL,
    "offset" BIGINT NOT NULL,
    key VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    error VARCHAR NOT NULL,
    parked_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);

-- Where a consumer stands, in the transaction of the facts; the same columns as in the services' own databases.
CREATE TABLE consumer_position (
    consumer VARCHAR NOT NULL,
    cluster_id VARCHAR NOT NULL,
    topic VARCHAR NOT NULL,
    partition INTEGER NOT NULL,
    next_offset BIGINT NOT NULL,
    last_position BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    PRIMARY KEY (consumer, topic, partition, cluster_id)
);
CREATE TABLE consumer_era (
    consumer VARCHAR NOT NULL,
    topic VARCHAR NOT NULL,
    partition INTEGER NOT NULL,
    era VARCHAR NOT NULL,
    PRIMARY KEY (consumer, topic, partition, era)
);
CREATE TABLE parked_event (
    parked_id BIGINT PRIMARY KEY DEFAULT nextval('parked_number'),
    consumer VARCHAR NOT NULL,
    topic VARCHAR NOT NULL,
    partition INTEGER NOT NULL,
    position BIGINT NOT NULL,
    key VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    state BLOB NOT NULL,
    reason VARCHAR NOT NULL,
    awaits VARCHAR,
    error VARCHAR,
    attempts INTEGER NOT NULL DEFAULT 0,
    parked_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    asked VARCHAR,
    settled_at TIMESTAMPTZ,
    settled_as VARCHAR,
    UNIQUE (consumer, topic, position)
);
CREATE TABLE parked_action (
    parked_action_id BIGINT PRIMARY KEY DEFAULT nextval('parked_action_number'),
    parked_id BIGINT NOT NULL,
    action VARCHAR NOT NULL,
    actor VARCHAR NOT NULL,
    reason VARCHAR,
    "at" TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- What the reports are drawn from, as it was known at a moment (NULL: now); days are those of the city's own time.
CREATE MACRO request_known(as_of) AS TABLE
    WITH w AS (SELECT coalesce(as_of::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ) AS moment)
    SELECT r.city,
           CASE WHEN r.registered_known <= w.moment THEN coalesce(r.registered_district, r.district) ELSE r.district END AS district,
           CASE WHEN r.registered_known <= w.moment THEN r.registered_type ELSE r.submitted_type END AS type,
           r.channel,
           timezone(coalesce(c.timezone, 'UTC'), r.submitted_at)::DATE AS day,
           CASE WHEN r.closed_known <= w.moment THEN r.outcome ELSE 'open' END AS outcome
    FROM request r CROSS JOIN w LEFT JOIN city c ON c.slug = r.city
    WHERE r.submitted_known <= w.moment;

CREATE MACRO request_held(as_of) AS TABLE
    SELECT r.city,
           coalesce(r.registered_district, r.district) AS district,
           coalesce(r.registered_type, r.submitted_type) AS type,
           h.kind, h.organisation, h.case_id, h.since,
           coalesce(h.until, greatest(h.since, coalesce(as_of::TIMESTAMPTZ, now()))) AS until
    FROM holder_interval(as_of) h LEFT JOIN request r ON r.request = h.case_id;

CREATE MACRO submission_known(as_of) AS TABLE
    SELECT s.city, s.discussion, s.kind, timezone(coalesce(c.timezone, 'UTC'), s.happened)::DATE AS day
    FROM submission s LEFT JOIN city c ON c.slug = s.city
    WHERE s.known <= coalesce(as_of::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ);
