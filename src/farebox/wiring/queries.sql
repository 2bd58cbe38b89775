-- name: workspace_of_call
-- An operator names a call without its workspace. One primary-key lookup for each workspace, rather than a walk over a
-- month of calls.
SELECT w.workspace_id
  FROM workspace w
 WHERE EXISTS (SELECT FROM call c WHERE c.workspace_id = w.workspace_id AND c.call_id = %(call_id)s)
    OR EXISTS (SELECT FROM ledger_hold h WHERE h.workspace_id = w.workspace_id AND h.hold_id = %(call_id)s)
 LIMIT 1;
