-- A person's key, wrapped by a key this database does not hold. Services reach it by three functions and in no other way.

CREATE TABLE person_key (
    person uuid PRIMARY KEY,
    wrapped bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

-- Gives the person's wrapped key, the offered one if there was none; null once it was destroyed.
CREATE FUNCTION create_key(of_person uuid, offered bytea) RETURNS bytea
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = keyring, pg_temp AS $$
DECLARE stored bytea;
BEGIN
    INSERT INTO person_key (person, wrapped) VALUES (of_person, offered) ON CONFLICT (person) DO NOTHING;
    SELECT k.wrapped INTO stored FROM person_key k WHERE k.person = of_person;
    RETURN stored;
END $$;

CREATE FUNCTION open_keys(of_persons uuid[]) RETURNS TABLE (person uuid, wrapped bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = keyring, pg_temp AS $$
    SELECT k.person, k.wrapped FROM person_key k WHERE k.person = ANY (of_persons) AND k.wrapped IS NOT NULL
$$;

-- Destroyed is for ever: the row stays, so that no new key is made for an erased person.
CREATE FUNCTION destroy_key(of_person uuid) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = keyring, pg_temp AS $$
    INSERT INTO person_key (person, wrapped, destroyed_at) VALUES (of_person, NULL, clock_timestamp())
    ON CONFLICT (person) DO UPDATE SET wrapped = NULL, destroyed_at = coalesce(person_key.destroyed_at, clock_timestamp())
$$;

REVOKE ALL ON FUNCTION create_key, open_keys, destroy_key FROM PUBLIC;
