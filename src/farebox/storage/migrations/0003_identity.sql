-- Workspaces and their API keys. Changes are announced on the change feed, so that no process serves a revoked key
-- for longer than a second; the ledger's tables never announce anything (NOTIFY takes a database-wide lock at commit).

CREATE TABLE workspace (
    workspace_id bigint PRIMARY KEY,
    name         text   NOT NULL CHECK (name <> ''),
    kind         text   NOT NULL CHECK (kind IN ('customer', 'reseller', 'child', 'x402_payer', 'visitor')),
    status       text   NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    created_at   bigint NOT NULL               -- microseconds since 1970 UTC, like every moment here
);
CREATE INDEX workspace_name ON workspace (name);

CREATE TABLE api_key (
    workspace_id   bigint NOT NULL REFERENCES workspace,
    key_id         bigint NOT NULL,
    key_hash       bytea  NOT NULL CHECK (octet_length(key_hash) = 32), -- SHA-256; the key itself is never stored
    visible_prefix text   NOT NULL,
    name           text   NOT NULL,
    scopes         text[] NOT NULL,
    allowed_models text[],                     -- null: all
    expires_at     bigint,                     -- null: never
    status         text   NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'revoked')),
    created_at     bigint NOT NULL,
    revoked_at     bigint,
    PRIMARY KEY (workspace_id, key_id),
    CHECK ((status = 'revoked') = (revoked_at IS NOT NULL))
);
-- Not unique, because a distributed table cannot have a unique index without workspace_id; 160 random bits do not collide.
CREATE INDEX api_key_hash ON api_key (key_hash);
CREATE INDEX api_key_visible_prefix ON api_key (visible_prefix);

CREATE FUNCTION api_key_announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM pg_notify('farebox_changes', 'key:' || encode(OLD.key_hash, 'hex'));
    END IF;
    IF TG_OP <> 'DELETE' THEN                  -- a new key may be remembered as unknown; twice the same is sent once
        PERFORM pg_notify('farebox_changes', 'key:' || encode(NEW.key_hash, 'hex'));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER api_key_announce AFTER INSERT OR UPDATE OR DELETE ON api_key
    FOR EACH ROW EXECUTE FUNCTION api_key_announce();

CREATE FUNCTION workspace_announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('farebox_changes', 'workspace:' || OLD.workspace_id);
    RETURN NULL;
END $$;
CREATE TRIGGER workspace_announce AFTER UPDATE OR DELETE ON workspace
    FOR EACH ROW EXECUTE FUNCTION workspace_announce();
