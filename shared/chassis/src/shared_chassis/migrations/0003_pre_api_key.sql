-- The keys organisations' programs call with, as the facts that issued and revoked them say. The key itself is nowhere: `sha256` is
-- of the whole key, in hex. A revoked key opens nothing from `revoked_at` on, any key from `valid_until` on.
CREATE TABLE api_key (
    sha256 text PRIMARY KEY,
    key_id text NOT NULL,
    organisation text NOT NULL,
    scopes text[] NOT NULL,
    valid_until timestamptz,
    revoked_at timestamptz,
    UNIQUE (organisation, key_id)
);
