-- What each key used, by day: the sums of its receipts, so that "today, this month, all time" reads a row per key and day
-- instead of every call. Written by the statement that writes the receipts, whoever that is: a worker of the version
-- before, which knows nothing of this table, is counted too while it is being replaced.
CREATE TABLE usage_day (
    workspace_id bigint NOT NULL,
    key_id       bigint NOT NULL,
    day          int    NOT NULL,              -- the UTC day number on which the calls started, as in ledger_window
    requests     bigint NOT NULL CHECK (requests >= 0),     -- receipts with request_counted
    charge_nanos bigint NOT NULL CHECK (charge_nanos >= 0),
    PRIMARY KEY (workspace_id, key_id, day)
) WITH (fillfactor = 50);                      -- updated by every batch: room for in-page updates

-- One row per key and day of a batch, in sorted order. No two batches write rows of one workspace at once in any case:
-- each holds the row of its cash account until it commits. Calls that cost nothing and count as nothing leave no row.
CREATE FUNCTION call_add_to_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_day AS u (workspace_id, key_id, day, requests, charge_nanos)
    SELECT workspace_id, key_id, (started_at / 86400000000)::int, count(*) FILTER (WHERE request_counted), sum(charge_nanos)::bigint
      FROM receipts GROUP BY 1, 2, 3
    HAVING bool_or(request_counted) OR sum(charge_nanos) <> 0
     ORDER BY 1, 2, 3
    ON CONFLICT (workspace_id, key_id, day) DO UPDATE
       SET requests = u.requests + excluded.requests, charge_nanos = u.charge_nanos + excluded.charge_nanos;
    RETURN NULL;
END $$;
-- From here until this migration commits nobody writes receipts, so those counted below and those counted by the trigger
-- are all of them, once. Calls that end meanwhile wait: about half a second for each million of receipts in memory.
CREATE TRIGGER call_add_to_usage AFTER INSERT ON call REFERENCING NEW TABLE AS receipts
    FOR EACH STATEMENT EXECUTE FUNCTION call_add_to_usage();

INSERT INTO usage_day (workspace_id, key_id, day, requests, charge_nanos)
SELECT workspace_id, key_id, (started_at / 86400000000)::int, count(*) FILTER (WHERE request_counted), sum(charge_nanos)::bigint
  FROM call GROUP BY 1, 2, 3
HAVING bool_or(request_counted) OR sum(charge_nanos) <> 0;
