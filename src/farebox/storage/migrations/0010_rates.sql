-- Rate limits of workspaces and keys, and what the processes have taken of them. A change of a limit is announced like
-- one of the workspace, so that every process reads its keys again within a second; what is taken announces nothing.

CREATE TABLE rate_limit (
    workspace_id        bigint NOT NULL REFERENCES workspace,
    key_id              bigint NOT NULL,       -- 0: the whole workspace
    model_id            text   NOT NULL,       -- '': all models
    requests_per_minute bigint CHECK (requests_per_minute > 0),
    tokens_per_minute   bigint CHECK (tokens_per_minute > 0),
    concurrent_calls    bigint CHECK (concurrent_calls > 0),
    PRIMARY KEY (workspace_id, key_id, model_id),
    CHECK (num_nonnulls(requests_per_minute, tokens_per_minute, concurrent_calls) > 0)
);

CREATE FUNCTION rate_limit_announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('farebox_changes', 'workspace:' || coalesce(NEW.workspace_id, OLD.workspace_id));
    RETURN NULL;
END $$;
CREATE TRIGGER rate_limit_announce AFTER INSERT OR UPDATE OR DELETE ON rate_limit
    FOR EACH ROW EXECUTE FUNCTION rate_limit_announce();

-- How many units of a minute the processes have together. Rows live for two minutes; room for updates in place.
CREATE TABLE rate_window (
    workspace_id bigint   NOT NULL,
    key_id       bigint   NOT NULL,
    model_id     text     NOT NULL,
    unit         smallint NOT NULL CHECK (unit IN (1, 2)), -- 1 requests, 2 tokens
    minute       bigint   NOT NULL,            -- minutes since 1970 UTC
    leased       bigint   NOT NULL,            -- may pass the limit: what a call used is known when it ends
    granted      bigint   NOT NULL,            -- what the last lease got, for its answer
    PRIMARY KEY (workspace_id, key_id, model_id, unit, minute)
) WITH (fillfactor = 50);

-- How many calls at once each process may have under way. A process that is gone does not count, see ledger_owner.
CREATE TABLE rate_slot (
    workspace_id bigint NOT NULL,
    key_id       bigint NOT NULL,
    model_id     text   NOT NULL,
    owner_id     bigint NOT NULL,
    granted      bigint NOT NULL CHECK (granted >= 0),
    PRIMARY KEY (workspace_id, key_id, model_id, owner_id)
) WITH (fillfactor = 50);
