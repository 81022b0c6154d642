-- How a consumer notices that a publisher's store was restored from an older copy. Runs as the owner, with search_path = the
-- service's schema.

-- The stretches of this store's log: each new leader of the relay begins one at the store's end, under a random id. A restored
-- store forgets the stretches begun later and begins a new one where the copy ends. Positions up to the first `after` have none.
CREATE TABLE relay_era (
    after bigint PRIMARY KEY,
    era uuid NOT NULL,
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
