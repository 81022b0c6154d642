-- How a consumer notices that a publisher's store was restored from an older copy. Runs as the owner, with search_path = the
-- service's schema.

-- The stretches of this store's log, each written in one server's life: whoever appends first in another life begins a new one at
-- the store's end, under a random id. A restored store has forgotten the stretches after the copy, and begins another there.
CREATE TABLE log_era (
    after bigint PRIMARY KEY,
    era uuid NOT NULL,
    life text NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The stretches of others' logs a consumer has met, by partition: one it has not met cannot begin before what it has applied.
CREATE TABLE consumer_era (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    era text NOT NULL,
    met_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, topic, partition, era)
);

-- As before, one append at a time; and under the lock the era begins, in the transaction of its first events.
CREATE OR REPLACE FUNCTION take_append_lock() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    present text;
    same boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, 0));
    SELECT extract(epoch FROM pg_postmaster_start_time()) || '/' || oid INTO present FROM pg_database WHERE datname = current_database();
    SELECT life = present INTO same FROM log_era ORDER BY after DESC LIMIT 1;
    IF same IS NOT TRUE THEN
        INSERT INTO log_era (after, era, life) SELECT coalesce(max(notification_id), 0), gen_random_uuid(), present FROM stored_events
        ON CONFLICT (after) DO UPDATE SET era = excluded.era, life = excluded.life, begun_at = excluded.begun_at;
    END IF;
    RETURN NULL;
END $$;
