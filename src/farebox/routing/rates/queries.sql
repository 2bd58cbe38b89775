-- Leases of rate limits: what the processes take of a minute, or of the calls that may be under way at once.

-- name: lease_window
-- `settle` is what was used beyond earlier leases (or, below zero, what is given back) and counts whatever the limit;
-- of `want` as much is granted as the limit leaves. No row: nothing was left, and so nothing was written.
INSERT INTO rate_window AS w (workspace_id, key_id, model_id, unit, minute, leased, granted)
VALUES (%(workspace_id)s, %(key_id)s, %(model_id)s, %(unit)s, %(minute)s,
        %(first_leased)s, %(first_granted)s)
ON CONFLICT (workspace_id, key_id, model_id, unit, minute) DO UPDATE
   SET leased = greatest(0, w.leased + %(settle)s)
              + greatest(0, least(%(want)s, %(most)s - greatest(0, w.leased + %(settle)s))),
       granted = greatest(0, least(%(want)s, %(most)s - greatest(0, w.leased + %(settle)s)))
 WHERE %(settle)s <> 0 OR w.leased < %(most)s
RETURNING granted, leased;

-- name: lock_slots
-- One lease at a time of one limit, in a statement of its own: the next one then sees what was granted before it.
SELECT pg_advisory_xact_lock(%(lock)s, hashtext(%(holder)s));

-- name: lease_slots
-- What this process holds stays its own; of `want` as much is granted as the limit leaves beside the other processes
-- that live. One that is not registered, or was gone for longer than the grace period, does not count.
WITH others AS (
    SELECT coalesce(sum(s.granted), 0)::bigint AS granted
      FROM rate_slot s JOIN ledger_owner o USING (owner_id)
     WHERE s.workspace_id = %(workspace_id)s AND s.key_id = %(key_id)s AND s.model_id = %(model_id)s
       AND s.owner_id <> %(owner_id)s
       AND (o.gone_since IS NULL OR o.gone_since >= now() - make_interval(secs => %(grace)s))
), mine AS (
    INSERT INTO rate_slot AS s (workspace_id, key_id, model_id, owner_id, granted)
    SELECT %(workspace_id)s, %(key_id)s, %(model_id)s, %(owner_id)s,
           %(held)s + greatest(0, least(%(want)s, %(most)s::bigint - %(held)s - others.granted))
      FROM others
    ON CONFLICT (workspace_id, key_id, model_id, owner_id) DO UPDATE SET granted = excluded.granted
    RETURNING granted
)
SELECT mine.granted, others.granted FROM mine, others;

-- name: leave_slots
-- This process ends, and all of its calls have.
DELETE FROM rate_slot WHERE owner_id = %(owner_id)s;

-- name: forget_windows
-- Minutes that are over. One more than the current is kept for processes whose clocks lag.
DELETE FROM rate_window WHERE minute < %(minute)s - 1;

-- name: forget_slots
-- Of processes that are gone, and those that nobody has. A process that lives writes its row anew when it needs it.
DELETE FROM rate_slot s
 WHERE s.granted = 0 OR NOT EXISTS (SELECT 1 FROM ledger_owner o WHERE o.owner_id = s.owner_id);
