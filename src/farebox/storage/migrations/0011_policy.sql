-- Which routes a workspace and its keys allow and prefer. A change is announced like one of the workspace, so that every
-- process reads the workspace's keys again within a second.

CREATE TABLE routing_rule (
    workspace_id bigint NOT NULL REFERENCES workspace,
    key_id       bigint NOT NULL,              -- 0: the whole workspace
    body         jsonb  NOT NULL CHECK (jsonb_typeof(body) = 'object'),
    updated_at   bigint NOT NULL,              -- microseconds since 1970 UTC
    PRIMARY KEY (workspace_id, key_id)
);

CREATE FUNCTION routing_rule_announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('farebox_changes', 'workspace:' || coalesce(NEW.workspace_id, OLD.workspace_id));
    RETURN NULL;
END $$;
CREATE TRIGGER routing_rule_announce AFTER INSERT OR UPDATE OR DELETE ON routing_rule
    FOR EACH ROW EXECUTE FUNCTION routing_rule_announce();
