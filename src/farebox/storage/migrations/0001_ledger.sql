-- The ledger. It knows workspaces, keys and amounts; it knows no model, token or HTTP.
--
-- Amounts are nano-USD, moments microseconds since 1970 UTC, days day numbers since 1970 UTC: all bigint or int.
-- Every table that a call touches starts its key with workspace_id, and whoever writes below a workspace first locks
-- the row of its cash account (account_id 0). Holds and entries are partitioned by month on their UUIDv7; command ids
-- are kept for ever, unpartitioned. The CHECKs repeat what decide() promises: a second, independent guard.

CREATE TABLE ledger_account (
    workspace_id bigint NOT NULL,
    account_id   bigint NOT NULL,              -- 0 cash; else a promotional grant, numbered by the moment it was made
    priority     int    NOT NULL DEFAULT 0,    -- grants: lower is spent first
    expires_at   bigint,                       -- grants: null is never
    posted_nanos bigint NOT NULL DEFAULT 0,
    held_nanos   bigint NOT NULL DEFAULT 0,
    version      bigint NOT NULL DEFAULT 0,    -- how many entries moved posted_nanos
    closed       boolean NOT NULL DEFAULT false, -- an expired grant with nothing left and nothing held
    PRIMARY KEY (workspace_id, account_id),
    CHECK (held_nanos >= 0),
    CHECK (posted_nanos >= held_nanos),
    CHECK (NOT closed OR posted_nanos = 0)
) WITH (fillfactor = 50);                      -- updated by every batch: room for in-page updates
CREATE INDEX ledger_account_expiring ON ledger_account (expires_at) WHERE expires_at IS NOT NULL AND NOT closed;

CREATE TABLE ledger_limit (
    workspace_id bigint   NOT NULL,
    key_id       bigint   NOT NULL,            -- 0: the workspace itself
    span         smallint NOT NULL CHECK (span IN (1, 2, 3)), -- day, month, lifetime
    max_requests bigint   CHECK (max_requests >= 0),
    max_nanos    bigint   CHECK (max_nanos >= 0),
    PRIMARY KEY (workspace_id, key_id, span)
);

CREATE TABLE ledger_window (
    workspace_id   bigint   NOT NULL,
    key_id         bigint   NOT NULL,
    span           smallint NOT NULL,
    day            int      NOT NULL,          -- first day of the window; 0 for a lifetime
    seed_requests  bigint   NOT NULL DEFAULT 0, -- used before the limit existed, counted when it was set
    seed_nanos     bigint   NOT NULL DEFAULT 0,
    used_requests  bigint   NOT NULL DEFAULT 0,
    held_requests  bigint   NOT NULL DEFAULT 0,
    used_nanos     bigint   NOT NULL DEFAULT 0,
    held_nanos     bigint   NOT NULL DEFAULT 0,
    top_requests   bigint   NOT NULL DEFAULT 0, -- the highest limit under which this window admitted a call, so that
    top_nanos      bigint   NOT NULL DEFAULT 0, -- "never above the limit" can be proved after the limit was lowered
    PRIMARY KEY (workspace_id, key_id, span, day),
    CHECK (used_requests >= seed_requests AND held_requests >= 0),
    CHECK (used_nanos >= seed_nanos AND held_nanos >= 0)
) WITH (fillfactor = 50);

CREATE TABLE ledger_hold (
    workspace_id    bigint   NOT NULL,
    hold_id         uuid     NOT NULL,
    key_id          bigint   NOT NULL,
    state           smallint NOT NULL CHECK (state BETWEEN 1 AND 7), -- farebox/ledger/lifecycle.py
    amount_nanos    bigint   NOT NULL CHECK (amount_nanos >= 0),
    slice_accounts  bigint[] NOT NULL,         -- which accounts the amount was taken from …
    slice_nanos     bigint[] NOT NULL,         -- … and how much from each
    legs            int[]    NOT NULL,         -- limit windows that count it: day * 8 + span * 2 + (1 if the key's)
    owner_id        bigint   NOT NULL,         -- boot id of the worker that made it
    attempt         int      NOT NULL,
    reserved_at     bigint   NOT NULL,
    finished_at     bigint,
    charge_nanos    bigint   NOT NULL DEFAULT 0 CHECK (charge_nanos >= 0),
    absorbed_nanos  bigint   NOT NULL DEFAULT 0 CHECK (absorbed_nanos >= 0),
    request_counted boolean,
    memo            text     NOT NULL,         -- what the caller wants to know about an orphan; opaque here
    progress        text,                      -- delivered-output watermark; opaque here
    PRIMARY KEY (workspace_id, hold_id),
    CHECK (cardinality(slice_accounts) = cardinality(slice_nanos)),
    CHECK ((finished_at IS NULL) = (state IN (1, 2, 5)))
) PARTITION BY RANGE (hold_id);
-- Room in each page for the watermarks of running streams, which then touch no index.
CREATE TABLE ledger_hold_default PARTITION OF ledger_hold DEFAULT WITH (fillfactor = 80);
CREATE INDEX ledger_hold_open ON ledger_hold (owner_id, workspace_id) WHERE state IN (1, 2, 5);

CREATE TABLE ledger_entry (
    workspace_id   bigint NOT NULL,
    entry_id       uuid   NOT NULL,
    command_id     uuid   NOT NULL,
    hold_id        uuid,
    debit_account  text   NOT NULL,
    credit_account text   NOT NULL,
    amount_nanos   bigint NOT NULL CHECK (amount_nanos > 0),
    account_id     bigint,                      -- the customer account it moved, if one …
    version        bigint,                     -- … with that account's version after it …
    before_nanos   bigint,                     -- … and its balance on both sides
    after_nanos    bigint,
    recorded_at    bigint NOT NULL,
    PRIMARY KEY (workspace_id, entry_id),
    CHECK (debit_account <> credit_account),
    CHECK (num_nulls(account_id, version, before_nanos, after_nanos) IN (0, 4)),
    CHECK (after_nanos >= 0)
) PARTITION BY RANGE (entry_id);
CREATE TABLE ledger_entry_default PARTITION OF ledger_entry DEFAULT;

CREATE TABLE ledger_command (
    workspace_id bigint NOT NULL,
    command_id   uuid   NOT NULL,
    body_hash    uuid   NOT NULL,              -- 128-bit hash of everything the command said
    answer       text   NOT NULL,
    reason       text,                         -- why a person moved money, and who: credits and grants
    actor        text,
    recorded_at  bigint NOT NULL,
    PRIMARY KEY (workspace_id, command_id)
);

-- A claim is a client's name for one call (its Idempotency-Key): at most one hold that was not released bears it.
CREATE TABLE ledger_claim (
    workspace_id bigint NOT NULL,
    claim_id     uuid   NOT NULL,
    body_hash    uuid   NOT NULL,
    hold_id      uuid   NOT NULL,
    PRIMARY KEY (workspace_id, claim_id)
);

-- A worker's boot. It is alive exactly as long as somebody holds the advisory lock of that number.
CREATE TABLE ledger_owner (
    owner_id   bigint PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT now(),
    process    text NOT NULL,
    gone_since timestamptz
);

CREATE FUNCTION ledger_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: correct it with a further entry', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_rewrite();
CREATE TRIGGER ledger_entry_no_truncate BEFORE TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_rewrite();
CREATE TRIGGER ledger_command_append_only BEFORE UPDATE OR DELETE ON ledger_command
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_rewrite();
CREATE TRIGGER ledger_command_no_truncate BEFORE TRUNCATE ON ledger_command
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_rewrite();

-- Locks the workspaces of a batch in sorted order, then reads what its commands may touch. Two statements, because in
-- READ COMMITTED the second one sees what the lock's former holder committed. Parallel arrays name rows pairwise; what a
-- batch does not need (claims, limits, looked-up commands) costs it nothing. The first and last hold of the batch are
-- given apart, so that the executor opens only the months between them.
CREATE FUNCTION ledger_open(
    p_workspaces bigint[],
    p_key_workspaces bigint[], p_keys bigint[], p_days int[],
    p_hold_workspaces bigint[], p_holds uuid[],
    p_command_workspaces bigint[], p_commands uuid[],
    p_claim_workspaces bigint[], p_claims uuid[],
    p_first_hold uuid, p_last_hold uuid
) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
    v_claims json; v_claimed_workspaces bigint[]; v_claimed_holds uuid[];
    v_holds json; v_counted boolean; v_limits json; v_windows json; v_commands json;
BEGIN
    PERFORM 1 FROM ledger_account
      WHERE workspace_id = ANY (p_workspaces) AND account_id = 0
      ORDER BY workspace_id FOR UPDATE;
    IF cardinality(p_claims) > 0 THEN
        SELECT json_agg(json_build_array(c.workspace_id, c.claim_id, c.body_hash, c.hold_id)),
               array_agg(c.workspace_id), array_agg(c.hold_id)
          INTO v_claims, v_claimed_workspaces, v_claimed_holds
          FROM unnest(p_claim_workspaces, p_claims) AS k (w, c)
          JOIN ledger_claim c ON c.workspace_id = k.w AND c.claim_id = k.c;
        p_hold_workspaces := p_hold_workspaces || v_claimed_workspaces;
        p_holds := p_holds || v_claimed_holds;
        p_first_hold := '00000000-0000-0000-0000-000000000000';
        p_last_hold := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    END IF;
    IF cardinality(p_holds) > 0 THEN
        SELECT json_agg(json_build_array(h.workspace_id, h.hold_id, h.key_id, h.state, h.amount_nanos, h.slice_accounts,
                                         h.slice_nanos, h.legs, h.owner_id, h.attempt, h.reserved_at, h.finished_at,
                                         h.charge_nanos, h.absorbed_nanos, h.request_counted)),
               bool_or(cardinality(h.legs) > 0)
          INTO v_holds, v_counted
          FROM unnest(p_hold_workspaces, p_holds) AS k (w, h)
          JOIN ledger_hold h ON h.workspace_id = k.w AND h.hold_id = k.h
         WHERE h.hold_id BETWEEN p_first_hold AND p_last_hold;
    END IF;
    IF cardinality(p_keys) > 0 THEN
        SELECT json_agg(json_build_array(l.workspace_id, l.key_id, l.span, l.max_requests, l.max_nanos)) INTO v_limits
          FROM unnest(p_key_workspaces, p_keys) AS k (w, k)
          JOIN ledger_limit l ON l.workspace_id = k.w AND l.key_id = k.k;
    END IF;
    IF v_limits IS NOT NULL OR v_counted THEN
        SELECT json_agg(json_build_array(v.workspace_id, v.key_id, v.span, v.day, v.used_requests, v.held_requests,
                                         v.used_nanos, v.held_nanos, v.seed_requests, v.seed_nanos, v.top_requests,
                                         v.top_nanos)) INTO v_windows
          FROM (SELECT l.workspace_id, l.key_id, l.span, d.day
                  FROM unnest(p_key_workspaces, p_keys) AS k (w, k)
                  JOIN ledger_limit l ON l.workspace_id = k.w AND l.key_id = k.k
                 CROSS JOIN unnest(p_days) AS d (day)
                UNION
                SELECT h.workspace_id, CASE leg % 2 WHEN 1 THEN h.key_id ELSE 0 END, (leg / 2 % 4)::smallint, leg / 8
                  FROM unnest(p_hold_workspaces, p_holds) AS k (w, h)
                  JOIN ledger_hold h ON h.workspace_id = k.w AND h.hold_id = k.h
                 CROSS JOIN unnest(h.legs) AS leg
                 WHERE h.hold_id BETWEEN p_first_hold AND p_last_hold) n
          JOIN ledger_window v USING (workspace_id, key_id, span, day);
    END IF;
    IF cardinality(p_commands) > 0 THEN
        SELECT json_agg(json_build_array(c.workspace_id, c.command_id, c.body_hash, c.answer)) INTO v_commands
          FROM unnest(p_command_workspaces, p_commands) AS k (w, c)
          JOIN ledger_command c ON c.workspace_id = k.w AND c.command_id = k.c;
    END IF;
    RETURN json_build_object(
        'accounts', (SELECT json_agg(json_build_array(workspace_id, account_id, posted_nanos, held_nanos, version,
                                                      priority, expires_at, closed))
                       FROM ledger_account WHERE workspace_id = ANY (p_workspaces) AND NOT closed),
        'limits', v_limits, 'windows', v_windows, 'holds', v_holds, 'commands', v_commands, 'claims', v_claims);
END $$;

-- What a key (0: the whole workspace) used since a moment, for the window of a limit that is only now being set.
CREATE FUNCTION ledger_used(p_workspace bigint, p_key bigint, p_since_hold uuid) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_array(count(*) FILTER (WHERE request_counted), coalesce(sum(charge_nanos), 0))
      FROM ledger_hold
     WHERE workspace_id = p_workspace AND hold_id >= p_since_hold AND (p_key = 0 OR key_id = p_key)
$$;

-- Writes what a batch decided. Each argument is a JSON array of rows, or null where there is nothing of the kind.
CREATE FUNCTION ledger_close(
    p_accounts json, p_windows json, p_limits json, p_new_holds json, p_moved_holds json, p_entries json,
    p_commands json, p_claims json, p_first_hold uuid, p_last_hold uuid
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_accounts IS NOT NULL THEN
        INSERT INTO ledger_account AS a (workspace_id, account_id, priority, expires_at, posted_nanos, held_nanos, version, closed)
        SELECT * FROM json_to_recordset(p_accounts) AS r (workspace_id bigint, account_id bigint, priority int, expires_at bigint,
                                                          posted_nanos bigint, held_nanos bigint, version bigint, closed boolean)
        ON CONFLICT (workspace_id, account_id) DO UPDATE SET posted_nanos = excluded.posted_nanos,
            held_nanos = excluded.held_nanos, version = excluded.version, closed = excluded.closed;
    END IF;
    IF p_windows IS NOT NULL THEN
        INSERT INTO ledger_window (workspace_id, key_id, span, day, seed_requests, seed_nanos, used_requests, held_requests,
                                   used_nanos, held_nanos, top_requests, top_nanos)
        SELECT * FROM json_to_recordset(p_windows) AS r (workspace_id bigint, key_id bigint, span smallint, day int,
            seed_requests bigint, seed_nanos bigint, used_requests bigint, held_requests bigint, used_nanos bigint, held_nanos bigint,
            top_requests bigint, top_nanos bigint)
        ON CONFLICT (workspace_id, key_id, span, day) DO UPDATE SET used_requests = excluded.used_requests,
            held_requests = excluded.held_requests, used_nanos = excluded.used_nanos, held_nanos = excluded.held_nanos,
            seed_requests = excluded.seed_requests, seed_nanos = excluded.seed_nanos,
            top_requests = excluded.top_requests, top_nanos = excluded.top_nanos;
    END IF;
    IF p_limits IS NOT NULL THEN
        INSERT INTO ledger_limit (workspace_id, key_id, span, max_requests, max_nanos)
        SELECT * FROM json_to_recordset(p_limits) AS r (workspace_id bigint, key_id bigint, span smallint, max_requests bigint,
                                                        max_nanos bigint)
        ON CONFLICT (workspace_id, key_id, span) DO UPDATE SET max_requests = excluded.max_requests, max_nanos = excluded.max_nanos;
    END IF;
    IF p_new_holds IS NOT NULL THEN
        INSERT INTO ledger_hold (workspace_id, hold_id, key_id, state, amount_nanos, slice_accounts, slice_nanos, legs, owner_id,
                                 attempt, reserved_at, finished_at, charge_nanos, absorbed_nanos, request_counted, memo)
        SELECT * FROM json_to_recordset(p_new_holds) AS r (workspace_id bigint, hold_id uuid, key_id bigint, state smallint,
            amount_nanos bigint, slice_accounts bigint[], slice_nanos bigint[], legs int[], owner_id bigint, attempt int,
            reserved_at bigint, finished_at bigint, charge_nanos bigint, absorbed_nanos bigint, request_counted boolean, memo text);
    END IF;
    IF p_moved_holds IS NOT NULL THEN
        UPDATE ledger_hold h SET state = r.state, attempt = r.attempt, finished_at = r.finished_at,
               charge_nanos = r.charge_nanos, absorbed_nanos = r.absorbed_nanos, request_counted = r.request_counted
          FROM json_to_recordset(p_moved_holds) AS r (workspace_id bigint, hold_id uuid, state smallint, attempt int,
               finished_at bigint, charge_nanos bigint, absorbed_nanos bigint, request_counted boolean)
         WHERE h.workspace_id = r.workspace_id AND h.hold_id = r.hold_id
           AND h.hold_id BETWEEN p_first_hold AND p_last_hold;
    END IF;
    IF p_entries IS NOT NULL THEN
        INSERT INTO ledger_entry (workspace_id, entry_id, command_id, hold_id, debit_account, credit_account, amount_nanos,
                                  account_id, version, before_nanos, after_nanos, recorded_at)
        SELECT * FROM json_to_recordset(p_entries) AS r (workspace_id bigint, entry_id uuid, command_id uuid, hold_id uuid,
            debit_account text, credit_account text, amount_nanos bigint, account_id bigint, version bigint, before_nanos bigint,
            after_nanos bigint, recorded_at bigint);
    END IF;
    IF p_claims IS NOT NULL THEN
        INSERT INTO ledger_claim (workspace_id, claim_id, body_hash, hold_id)
        SELECT * FROM json_to_recordset(p_claims) AS r (workspace_id bigint, claim_id uuid, body_hash uuid, hold_id uuid)
        ON CONFLICT (workspace_id, claim_id) DO UPDATE SET hold_id = excluded.hold_id;
    END IF;
    INSERT INTO ledger_command (workspace_id, command_id, body_hash, answer, reason, actor, recorded_at)
    SELECT * FROM json_to_recordset(p_commands) AS r (workspace_id bigint, command_id uuid, body_hash uuid, answer text,
                                                      reason text, actor text, recorded_at bigint);
END $$;
