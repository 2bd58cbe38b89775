-- Leases of capacity. None of this is on the path of a call, and none in a transaction that moves money.

-- name: bound_transaction
-- A worker that is stopped in the middle of it keeps nobody waiting for longer than this. Leases need not survive a crash
-- of the database: every worker writes its own anew within seconds. So nobody waits for a disk.
SELECT set_config('lock_timeout', '2s', true), set_config('idle_in_transaction_session_timeout', '2s', true),
       set_config('synchronous_commit', 'off', true);

-- name: lock_resources
-- One after the other in a fixed order, so that two workers never wait for each other. Two resources whose names hash
-- alike only share a lock. Held to the end of the transaction.
SELECT pg_advisory_xact_lock(%(kind)s, hash)
  FROM (SELECT DISTINCT hashtext(name) AS hash FROM unnest(%(resources)s::text[]) AS name ORDER BY hash) AS sorted;

-- name: living_workers
-- Whether this worker counts as living, and how many do.
SELECT coalesce(bool_or(owner_id = %(owner_id)s), false), count(*) FROM ledger_owner
 WHERE gone_since IS NULL OR gone_since > now() - make_interval(secs => %(grace)s);

-- name: leases
-- A second statement after the lock: it sees what the lock's former holder committed. Only living owners count.
SELECT l.resource, l.owner_id, l.granted, l.wanted, l.called_at
  FROM capacity_lease l JOIN ledger_owner o USING (owner_id)
 WHERE l.resource = ANY (%(resources)s)
   AND (o.gone_since IS NULL OR o.gone_since > now() - make_interval(secs => %(grace)s));

-- name: write_leases
INSERT INTO capacity_lease (resource, owner_id, granted, wanted, called_at)
SELECT r.resource, %(owner_id)s, r.granted, r.wanted, r.called_at
  FROM json_to_recordset(%(rows)s::json) AS r (resource text, granted bigint, wanted bigint, called_at bigint)
ON CONFLICT (resource, owner_id) DO UPDATE
   SET granted = excluded.granted, wanted = excluded.wanted, called_at = excluded.called_at;

-- name: end_leases
DELETE FROM capacity_lease WHERE owner_id = %(owner_id)s AND resource = ANY (%(resources)s);

-- name: end_all_leases
DELETE FROM capacity_lease WHERE owner_id = %(owner_id)s;

-- name: forget_leases_of_the_gone
-- They counted for nothing already.
DELETE FROM capacity_lease l
 WHERE l.owner_id <> %(owner_id)s
   AND NOT EXISTS (SELECT 1 FROM ledger_owner o WHERE o.owner_id = l.owner_id
                      AND (o.gone_since IS NULL OR o.gone_since > now() - make_interval(secs => %(grace)s)));

-- name: announce
-- Outside of every other transaction: NOTIFY takes a lock of the whole database at commit.
SELECT pg_notify('farebox_changes', 'capacity:' || %(owner_id)s || ' ' || name)
  FROM unnest(%(resources)s::text[]) AS name;

-- name: report_budget
-- What was spent since the last report comes out of what was leased; more than that was spent by running calls.
INSERT INTO capacity_budget AS b (route_id, per, day, spent_nanos, leased_nanos)
VALUES (%(route_id)s, %(per)s, %(day)s, %(spent_nanos)s, 0)
ON CONFLICT (route_id, per, day) DO UPDATE
   SET spent_nanos = b.spent_nanos + excluded.spent_nanos,
       leased_nanos = greatest(0, b.leased_nanos - %(used_nanos)s)
RETURNING spent_nanos, leased_nanos;

-- name: lease_budget
-- The row is locked by the report in the same transaction.
UPDATE capacity_budget SET leased_nanos = greatest(0, leased_nanos + %(change_nanos)s)
 WHERE route_id = %(route_id)s AND per = %(per)s AND day = %(day)s;

-- name: forget_old_budgets
DELETE FROM capacity_budget WHERE day < %(day)s;
