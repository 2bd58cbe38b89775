-- Named reads for balances, usage and receipts; none is on the path of a call.

-- name: open_holds
-- Calls that have not ended. The state and the workspace lead to the partial index of open holds, which is small
-- however many calls have ended; MATERIALIZED keeps the order and the limit from tempting the planner to walk the
-- primary key instead.
WITH open AS MATERIALIZED (
    SELECT hold_id, key_id, state, amount_nanos, reserved_at, finished_at, charge_nanos, absorbed_nanos, request_counted, memo
      FROM ledger_hold WHERE workspace_id = %(workspace_id)s AND state IN (1, 2, 5)
)
SELECT * FROM open
 WHERE hold_id >= %(from_id)s AND hold_id < %(before_id)s
   AND state = ANY (%(states)s)
 ORDER BY hold_id DESC LIMIT %(most)s;

-- name: hold
SELECT hold_id, key_id, state, amount_nanos, reserved_at, finished_at, charge_nanos, absorbed_nanos, request_counted, memo
  FROM ledger_hold WHERE workspace_id = %(workspace_id)s AND hold_id = %(hold_id)s;

-- name: postings
-- Entries that moved a customer account, newest first; the other entries of a call are the operator's.
WITH page AS MATERIALIZED (
    SELECT entry_id, hold_id, debit_account, credit_account, amount_nanos, account_id, before_nanos, after_nanos, recorded_at,
           command_id
      FROM ledger_entry
     WHERE workspace_id = %(workspace_id)s AND entry_id < %(before_id)s AND account_id IS NOT NULL
     ORDER BY entry_id DESC LIMIT %(most)s)
SELECT entry_id, hold_id, debit_account, credit_account, amount_nanos, account_id, before_nanos, after_nanos, page.recorded_at,
       c.reason
  FROM page LEFT JOIN ledger_command c ON c.workspace_id = %(workspace_id)s AND c.command_id = page.command_id
 ORDER BY entry_id DESC;

-- name: posted_before
-- The workspace's balance before an entry: what it is now, less everything since.
SELECT (SELECT coalesce(sum(posted_nanos), 0) FROM ledger_account WHERE workspace_id = %(workspace_id)s)
     - (SELECT coalesce(sum(after_nanos - before_nanos), 0) FROM ledger_entry
         WHERE workspace_id = %(workspace_id)s AND entry_id >= %(before_id)s AND account_id IS NOT NULL);
