-- The catalog: versions of rows that are only ever added. What is current at a moment is, for each (kind, id), the row
-- with the greatest effective_at that is not after it, and among those the greatest version. A call stores the price
-- version that it used, so no row may change or go: the receipt is recomputed from it years later.

CREATE TABLE catalog_apply (
    apply_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    applied_at    timestamptz NOT NULL,
    effective_at  timestamptz NOT NULL,
    source_sha256 text        NOT NULL CHECK (source_sha256 ~ '^[0-9a-f]{64}$'), -- of the catalog.toml
    actor         text        NOT NULL,
    CHECK (effective_at >= applied_at)         -- a price is never changed for calls that were already made
);

CREATE TABLE catalog_row (
    kind         text        NOT NULL CHECK (kind IN ('provider', 'model', 'route', 'price')),
    id           text        NOT NULL,         -- of a price: its route's
    version      int         NOT NULL CHECK (version > 0),
    apply_id     bigint      NOT NULL REFERENCES catalog_apply,
    effective_at timestamptz NOT NULL,         -- its apply's, repeated for the index
    body         jsonb,                        -- farebox/catalog/rows.py; null: removed
    PRIMARY KEY (kind, id, version)
);
CREATE INDEX catalog_row_current ON catalog_row (kind, id, effective_at DESC, version DESC);
CREATE INDEX catalog_row_scheduled ON catalog_row (effective_at);

CREATE FUNCTION catalog_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: apply a corrected catalog instead', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER catalog_apply_append_only BEFORE UPDATE OR DELETE ON catalog_apply
    FOR EACH ROW EXECUTE FUNCTION catalog_refuse_rewrite();
CREATE TRIGGER catalog_apply_no_truncate BEFORE TRUNCATE ON catalog_apply
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_refuse_rewrite();
CREATE TRIGGER catalog_row_append_only BEFORE UPDATE OR DELETE ON catalog_row
    FOR EACH ROW EXECUTE FUNCTION catalog_refuse_rewrite();
CREATE TRIGGER catalog_row_no_truncate BEFORE TRUNCATE ON catalog_row
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_refuse_rewrite();

-- Rare, and in no transaction that moves money: the lock that NOTIFY takes at commit hurts nobody here.
CREATE FUNCTION catalog_announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('farebox_changes', 'catalog:' || NEW.apply_id);
    RETURN NULL;
END $$;
CREATE TRIGGER catalog_apply_announce AFTER INSERT ON catalog_apply
    FOR EACH ROW EXECUTE FUNCTION catalog_announce();
