-- Providers' keys, the pools they are in, and the lanes that workspaces have in those. Which providers there are says
-- the catalog, whose rows have versions, so nothing here refers to it. Changes are announced on the change feed: every
-- process has a new key, and has forgotten an old one, within a second.

CREATE TABLE provider_pool (
    provider_id    text   NOT NULL CHECK (provider_id <> ''),
    pool_id        text   NOT NULL CHECK (pool_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    region         text,                       -- null: serves routes of any region
    access         text   NOT NULL DEFAULT 'shared' CHECK (access IN ('shared', 'private')),
    max_concurrent int    CHECK (max_concurrent BETWEEN 1 AND 1000000), -- null: as many as its keys take
    created_at     bigint NOT NULL,            -- microseconds since 1970 UTC
    PRIMARY KEY (provider_id, pool_id)
);
-- Each provider has a pool `default`; any other name is given once, so that it is enough to tell the pool.
CREATE UNIQUE INDEX provider_pool_name ON provider_pool (pool_id) WHERE pool_id <> 'default';

-- Whom a private pool serves.
CREATE TABLE pool_workspace (
    provider_id  text   NOT NULL,
    pool_id      text   NOT NULL,
    workspace_id bigint NOT NULL REFERENCES workspace,
    PRIMARY KEY (provider_id, pool_id, workspace_id),
    FOREIGN KEY (provider_id, pool_id) REFERENCES provider_pool ON DELETE CASCADE
);

-- Slots that a workspace is guaranteed; `lends`: what it does not use may be lent meanwhile.
CREATE TABLE pool_lane (
    lane_id      text    PRIMARY KEY CHECK (lane_id <> ''),
    provider_id  text    NOT NULL,
    pool_id      text    NOT NULL,
    workspace_id bigint  NOT NULL REFERENCES workspace,
    slots        int     NOT NULL CHECK (slots BETWEEN 1 AND 1000000),
    lends        boolean NOT NULL DEFAULT true,
    UNIQUE (provider_id, pool_id, workspace_id),
    FOREIGN KEY (provider_id, pool_id) REFERENCES provider_pool ON DELETE CASCADE
);

CREATE TABLE provider_credential (
    credential_id       text   PRIMARY KEY CHECK (credential_id <> ''),
    provider_id         text   NOT NULL,
    pool_id             text   NOT NULL,
    name                text   NOT NULL CHECK (name <> ''),
    sealed              bytea  NOT NULL CHECK (octet_length(sealed) >= 36), -- fingerprint 8, nonce 12, tag 16, ciphertext
    weight              int    NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
    max_concurrent      int    CHECK (max_concurrent BETWEEN 1 AND 1000000),
    requests_per_minute int    CHECK (requests_per_minute BETWEEN 1 AND 1000000),
    status              text   NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    created_at          bigint NOT NULL,
    rotated_at          bigint,                -- when its secret was last replaced; null: never
    UNIQUE (provider_id, name),
    FOREIGN KEY (provider_id, pool_id) REFERENCES provider_pool
);

-- The lanes of a pool never add up to more than it takes at once. Whoever changes either side locks the pool first,
-- and the sum is read after the lock. (NO KEY: the foreign keys hold weaker locks on the same row.)
CREATE FUNCTION pool_lanes_fit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    pool_takes int;
    lanes_take bigint;
BEGIN
    SELECT max_concurrent INTO pool_takes FROM provider_pool
     WHERE provider_id = NEW.provider_id AND pool_id = NEW.pool_id FOR NO KEY UPDATE;
    SELECT coalesce(sum(slots), 0) INTO lanes_take FROM pool_lane
     WHERE provider_id = NEW.provider_id AND pool_id = NEW.pool_id;
    IF lanes_take > 0 AND lanes_take > coalesce(pool_takes, 0) THEN
        RAISE check_violation USING CONSTRAINT = 'pool_lanes_fit',
            MESSAGE = format('lanes of %s slots do not fit into a pool of %s', lanes_take, coalesce(pool_takes, 0));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER pool_lanes_fit AFTER INSERT OR UPDATE ON pool_lane
    FOR EACH ROW EXECUTE FUNCTION pool_lanes_fit();
CREATE TRIGGER pool_lanes_fit AFTER UPDATE OF max_concurrent ON provider_pool
    FOR EACH ROW EXECUTE FUNCTION pool_lanes_fit();

-- The subject is the provider; nothing of a key is ever announced.
CREATE FUNCTION credential_announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM pg_notify('farebox_changes', 'credential:' || OLD.provider_id);
    ELSE
        PERFORM pg_notify('farebox_changes', 'credential:' || NEW.provider_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER credential_announce AFTER INSERT OR UPDATE OR DELETE ON provider_pool
    FOR EACH ROW EXECUTE FUNCTION credential_announce();
CREATE TRIGGER credential_announce AFTER INSERT OR UPDATE OR DELETE ON pool_workspace
    FOR EACH ROW EXECUTE FUNCTION credential_announce();
CREATE TRIGGER credential_announce AFTER INSERT OR UPDATE OR DELETE ON pool_lane
    FOR EACH ROW EXECUTE FUNCTION credential_announce();
CREATE TRIGGER credential_announce AFTER INSERT OR UPDATE OR DELETE ON provider_credential
    FOR EACH ROW EXECUTE FUNCTION credential_announce();
