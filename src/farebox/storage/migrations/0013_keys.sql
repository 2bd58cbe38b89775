-- Keys, complete: who they are for, where they may be used from, when they last were, and which key took over.
ALTER TABLE api_key
    ADD COLUMN department   text NOT NULL DEFAULT '' CHECK (char_length(department) <= 100), -- '': none
    ADD COLUMN project      text NOT NULL DEFAULT '' CHECK (char_length(project) <= 100),
    ADD COLUMN customer     text NOT NULL DEFAULT '' CHECK (char_length(customer) <= 100),
    ADD COLUMN ip_allow     text[] CHECK (cardinality(ip_allow) > 0), -- networks in CIDR notation; null: any address
    ADD COLUMN last_used_at bigint,            -- null: never
    ADD COLUMN rolled_to    bigint,            -- the key that took over; this one works on until it expires
    ADD COLUMN first_key_id bigint,            -- of a key that took over: the first of the line, under which limits,
                                               -- rates and policy of the whole line are kept; null: its own
    ADD COLUMN created_by   text NOT NULL DEFAULT 'operator'; -- or the key that made it: key_…
CREATE INDEX api_key_newest ON api_key (workspace_id, created_at DESC, key_id);
-- Room for last_used_at in place.
ALTER TABLE api_key SET (fillfactor = 80);

-- That a key was used is no news for anybody who remembers it; every other column is.
CREATE OR REPLACE FUNCTION api_key_announce() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before api_key;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := OLD;
        before.last_used_at := NEW.last_used_at;
        IF before IS NOT DISTINCT FROM NEW THEN
            RETURN NULL;
        END IF;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM pg_notify('farebox_changes', 'key:' || encode(OLD.key_hash, 'hex'));
    END IF;
    IF TG_OP <> 'DELETE' THEN                  -- a new key may be remembered as unknown; twice the same is sent once
        PERFORM pg_notify('farebox_changes', 'key:' || encode(NEW.key_hash, 'hex'));
    END IF;
    RETURN NULL;
END $$;
