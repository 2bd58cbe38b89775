-- Named queries of the ledger that are not on the path of a call.

-- name: register_owner
-- A worker that holds its lock. Positional, because the batcher prepares it directly.
INSERT INTO ledger_owner (owner_id, process) VALUES ($1, $2)
ON CONFLICT (owner_id) DO UPDATE SET gone_since = NULL;

-- name: one_sweeper
SELECT pg_try_advisory_xact_lock(%(lock)s);

-- name: note_gone_owners
-- An owner's lock can be taken by somebody else only when its session is gone; taken for this transaction alone.
UPDATE ledger_owner SET gone_since = CASE WHEN free THEN coalesce(gone_since, now()) END
  FROM (SELECT owner_id AS id, pg_try_advisory_xact_lock(owner_id) AS free FROM ledger_owner) seen
 WHERE owner_id = id AND (gone_since IS NOT NULL) IS DISTINCT FROM free;

-- name: forget_idle_owners
-- An owner that is gone and left nothing open is of no more use.
DELETE FROM ledger_owner o
 WHERE gone_since < now() - make_interval(secs => %(grace)s)
   AND NOT EXISTS (SELECT 1 FROM ledger_hold h WHERE h.owner_id = o.owner_id AND h.state IN (1, 2, 5));

-- name: gone_owners
SELECT owner_id FROM ledger_owner WHERE gone_since < now() - make_interval(secs => %(grace)s);

-- name: orphans
-- Uses the partial index of open holds.
SELECT workspace_id, hold_id, state, amount_nanos, reserved_at, memo, progress
  FROM ledger_hold
 WHERE state IN (1, 2, 5) AND owner_id = ANY (%(owners)s) AND state = ANY (%(states)s)
 ORDER BY reserved_at LIMIT %(most)s;

-- name: write_progress
-- Delivered-output watermarks of running streams, all of a worker's in one statement. The bounds leave out other months.
UPDATE ledger_hold h SET progress = r.progress
  FROM json_to_recordset(%(rows)s::json) AS r (workspace_id bigint, hold_id uuid, progress text)
 WHERE h.workspace_id = r.workspace_id AND h.hold_id = r.hold_id AND h.state IN (1, 2)
   AND h.hold_id BETWEEN %(first)s AND %(last)s;

-- name: by_index_only
-- For the statement that follows in this transaction: a planner that guesses wrong would read the whole table.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true);

-- name: expiring_promotions
-- Grants whose time has come and that have something beyond their holds.
SELECT workspace_id, account_id FROM ledger_account
 WHERE expires_at <= %(now_micros)s AND NOT closed AND posted_nanos > held_nanos
 ORDER BY expires_at LIMIT 500;

-- name: accounts
-- A workspace's balance as it stands.
SELECT account_id, posted_nanos, held_nanos, priority, expires_at FROM ledger_account
 WHERE workspace_id = %(workspace_id)s AND NOT closed ORDER BY account_id;

-- name: limits
-- Limits that count a key's calls, with their running windows.
SELECT l.key_id, l.span, l.max_requests, l.max_nanos, w.used_requests, w.held_requests, w.used_nanos, w.held_nanos
  FROM ledger_limit l
  LEFT JOIN ledger_window w ON w.workspace_id = l.workspace_id AND w.key_id = l.key_id AND w.span = l.span
   AND w.day = CASE l.span WHEN 1 THEN %(day)s WHEN 2 THEN %(month)s ELSE 0 END
 WHERE l.workspace_id = %(workspace_id)s AND l.key_id = ANY (%(key_ids)s)
   AND (l.max_requests IS NOT NULL OR l.max_nanos IS NOT NULL)
 ORDER BY l.key_id = 0, l.span;
