-- `farebox ledger verify`: each query returns the rows that break one invariant, and nothing in a sound ledger.
-- The first column names the row, the second says what is wrong with it. All run in one REPEATABLE READ snapshot.

-- name: i1_debits_equal_credits
-- An entry is one amount on two sides, so the sums can differ only if an amount is not positive or a side is missing.
SELECT format('entry %s/%s', workspace_id, entry_id), 'it does not move one positive amount between two accounts'
  FROM ledger_entry
 WHERE amount_nanos <= 0 OR debit_account = credit_account OR debit_account = '' OR credit_account = '';

-- name: i2_available_is_never_negative
SELECT format('account %s/%s', workspace_id, account_id), format('posted %s, held %s', posted_nanos, held_nanos)
  FROM ledger_account WHERE held_nanos < 0 OR posted_nanos < held_nanos OR (closed AND posted_nanos <> 0);

-- name: i3_held_equals_the_open_holds
SELECT format('account %s/%s', workspace_id, account_id),
       format('held %s, but its open holds have %s', coalesce(a.held_nanos, 0), coalesce(h.held_nanos, 0))
  FROM ledger_account a
  FULL JOIN (
      SELECT workspace_id, s.account_id, sum(s.nanos) AS held_nanos
        FROM ledger_hold CROSS JOIN unnest(slice_accounts, slice_nanos) AS s (account_id, nanos)
       WHERE state IN (1, 2, 5) GROUP BY 1, 2
  ) h USING (workspace_id, account_id)
 WHERE coalesce(a.held_nanos, 0) <> coalesce(h.held_nanos, 0);

-- name: i3_limit_windows_equal_their_holds
SELECT format('limit window %s/%s/%s/%s', workspace_id, key_id, span, day),
       format('requests used %s held %s, dollars used %s held %s; its holds have %s %s, %s %s',
              w.used_requests - w.seed_requests, w.held_requests, w.used_nanos - w.seed_nanos, w.held_nanos,
              coalesce(h.used_requests, 0), coalesce(h.held_requests, 0), coalesce(h.used_nanos, 0), coalesce(h.held_nanos, 0))
  FROM ledger_window w
  FULL JOIN (
      SELECT workspace_id, CASE leg % 2 WHEN 1 THEN key_id ELSE 0 END AS key_id, (leg / 2 % 4)::smallint AS span,
             leg / 8 AS day,
             count(*) FILTER (WHERE request_counted) AS used_requests,
             count(*) FILTER (WHERE state IN (1, 2, 5)) AS held_requests,
             sum(charge_nanos) AS used_nanos,
             coalesce(sum(amount_nanos) FILTER (WHERE state IN (1, 2, 5)), 0) AS held_nanos
        FROM ledger_hold CROSS JOIN unnest(legs) AS leg GROUP BY 1, 2, 3, 4
  ) h USING (workspace_id, key_id, span, day)
 WHERE (coalesce(w.used_requests - w.seed_requests, 0), coalesce(w.held_requests, 0), coalesce(w.used_nanos - w.seed_nanos, 0),
        coalesce(w.held_nanos, 0))
       IS DISTINCT FROM
       (coalesce(h.used_requests, 0), coalesce(h.held_requests, 0), coalesce(h.used_nanos, 0), coalesce(h.held_nanos, 0));

-- name: i4_balances_equal_the_replayed_journal
SELECT format('account %s/%s', workspace_id, account_id),
       format('posted %s at version %s, but its entries give %s at version %s', coalesce(a.posted_nanos, 0),
              coalesce(a.version, 0), coalesce(e.posted_nanos, 0), coalesce(e.version, 0))
  FROM ledger_account a
  FULL JOIN (
      SELECT workspace_id, account_id, count(*) AS version,
             sum(CASE WHEN credit_account LIKE 'customer\_%' THEN amount_nanos ELSE -amount_nanos END) AS posted_nanos
        FROM ledger_entry WHERE account_id IS NOT NULL GROUP BY 1, 2
  ) e USING (workspace_id, account_id)
 WHERE coalesce(a.posted_nanos, 0) <> coalesce(e.posted_nanos, 0) OR coalesce(a.version, 0) <> coalesce(e.version, 0);

-- name: i4_each_entry_continues_the_one_before
SELECT format('entry %s/%s', workspace_id, entry_id),
       format('before %s after %s at version %s, but the entry before ended at %s', before_nanos, after_nanos, version, previous)
  FROM (
      SELECT *, lag(after_nanos, 1, 0::bigint) OVER w AS previous, row_number() OVER w AS place
        FROM ledger_entry WHERE account_id IS NOT NULL
      WINDOW w AS (PARTITION BY workspace_id, account_id ORDER BY version)
  ) chained
 WHERE before_nanos <> previous OR version <> place OR after_nanos < 0
    OR after_nanos - before_nanos
       <> CASE WHEN credit_account LIKE 'customer\_%' THEN amount_nanos ELSE -amount_nanos END;

-- name: i4_an_entry_names_the_account_it_moved
SELECT format('entry %s/%s', workspace_id, entry_id), format('%s to %s', debit_account, credit_account)
  FROM ledger_entry
 WHERE (debit_account LIKE 'customer\_%' OR credit_account LIKE 'customer\_%') IS DISTINCT FROM (account_id IS NOT NULL)
    OR (account_id IS NOT NULL AND CASE account_id WHEN 0 THEN 'customer_cash'
        ELSE 'customer_promotion:' || account_id END NOT IN (debit_account, credit_account));

-- name: i5_the_journal_is_append_only
-- On every partition too: a row trigger can be switched off on one of them alone.
SELECT format('trigger %s on %s', wanted.name, wanted.relation), 'it is missing or disabled'
  FROM (SELECT name, relation::regclass
          FROM (VALUES ('ledger_entry_append_only', 'ledger_entry'), ('ledger_entry_no_truncate', 'ledger_entry'),
                       ('ledger_command_append_only', 'ledger_command'),
                       ('ledger_command_no_truncate', 'ledger_command')) AS whole (name, relation)
         UNION SELECT 'ledger_entry_append_only', relid FROM pg_partition_tree('ledger_entry')) AS wanted
 WHERE NOT EXISTS (
      SELECT 1 FROM pg_trigger WHERE tgrelid = wanted.relation AND tgname = wanted.name AND tgenabled <> 'D');

-- name: i7_a_hold_that_ended_says_how
SELECT format('hold %s/%s', workspace_id, hold_id),
       format('state %s, charged %s, counted %s, finished at %s', state, charge_nanos, request_counted, finished_at)
  FROM ledger_hold
 WHERE (state IN (1, 2, 5)) <> (finished_at IS NULL)
    OR (state IN (1, 2, 5)) <> (request_counted IS NULL)
    OR (state NOT IN (3, 6) AND (charge_nanos <> 0 OR absorbed_nanos <> 0));

-- name: i7_a_hold_ends_once_and_pays_what_its_entries_say
SELECT format('hold %s/%s', workspace_id, hold_id),
       format('charged %s and absorbed %s, but its entries have %s and %s', h.charge_nanos, h.absorbed_nanos,
              coalesce(e.charge_nanos, 0), coalesce(e.absorbed_nanos, 0))
  FROM ledger_hold h
  FULL JOIN (
      SELECT workspace_id, hold_id,
             coalesce(sum(amount_nanos) FILTER (WHERE debit_account LIKE 'customer\_%'
                                                  AND credit_account <> 'promotion_budget'), 0) AS charge_nanos,
             coalesce(sum(amount_nanos) FILTER (WHERE debit_account = 'overrun_absorbed'), 0) AS absorbed_nanos
        FROM ledger_entry WHERE hold_id IS NOT NULL GROUP BY 1, 2
  ) e USING (workspace_id, hold_id)
 WHERE h.hold_id IS NULL OR h.charge_nanos <> coalesce(e.charge_nanos, 0) OR h.absorbed_nanos <> coalesce(e.absorbed_nanos, 0);

-- name: i7_slices_add_up_to_the_hold
SELECT format('hold %s/%s', workspace_id, hold_id), format('its slices do not add up to %s', amount_nanos)
  FROM ledger_hold
 WHERE amount_nanos <> coalesce((SELECT sum(n) FROM unnest(slice_nanos) AS n), 0)
    OR cardinality(slice_accounts) <> cardinality(slice_nanos);

-- name: i8_every_entry_has_its_command
SELECT format('entry %s/%s', e.workspace_id, e.entry_id), format('command %s was never recorded', e.command_id)
  FROM ledger_entry e LEFT JOIN ledger_command c USING (workspace_id, command_id)
 WHERE c.command_id IS NULL;

-- name: i8_every_hold_has_its_command
-- The reserve's command has the hold's own id (low four bits zero).
SELECT format('hold %s/%s', h.workspace_id, h.hold_id), 'no command reserved it'
  FROM ledger_hold h LEFT JOIN ledger_command c ON c.workspace_id = h.workspace_id AND c.command_id = h.hold_id
 WHERE c.command_id IS NULL;

-- name: i8_answers_agree_with_their_hold
-- What was answered stands in the record for ever: [available, held, state, amount, charge, absorbed, …].
SELECT format('hold %s/%s', h.workspace_id, h.hold_id),
       format('amount %s, state %s, charged %s, absorbed %s, but the answers were %s and %s', h.amount_nanos, h.state,
              h.charge_nanos, h.absorbed_nanos, reserved.answer, ended.answer)
  FROM ledger_hold h
  JOIN ledger_command reserved ON reserved.workspace_id = h.workspace_id AND reserved.command_id = h.hold_id
  LEFT JOIN ledger_command ended ON ended.workspace_id = h.workspace_id AND h.state NOT IN (1, 2, 5)
        AND ended.command_id = (overlay(h.hold_id::text placing 'f' from 36))::uuid
 WHERE (reserved.answer::json ->> 3)::bigint <> h.amount_nanos
    OR (ended.answer::json ->> 2)::int <> h.state OR (ended.answer::json ->> 4)::bigint <> h.charge_nanos
    OR (ended.answer::json ->> 5)::bigint <> h.absorbed_nanos;

-- name: i8_a_claim_names_a_hold
SELECT format('claim %s/%s', c.workspace_id, c.claim_id), format('hold %s does not exist', c.hold_id)
  FROM ledger_claim c LEFT JOIN ledger_hold h USING (workspace_id, hold_id) WHERE h.hold_id IS NULL;

-- name: i12_promotional_use_leaves_no_net_revenue
SELECT format('hold %s/%s', workspace_id, hold_id),
       format('promotional money spent %s, but discounted %s', spent_nanos, discounted_nanos)
  FROM (
      SELECT workspace_id, hold_id,
             coalesce(sum(amount_nanos) FILTER (WHERE debit_account LIKE 'customer\_promotion:%'
                                                  AND credit_account <> 'promotion_budget'), 0) AS spent_nanos,
             coalesce(sum(amount_nanos) FILTER (WHERE debit_account = 'promotion_discount'), 0) AS discounted_nanos
        FROM ledger_entry WHERE hold_id IS NOT NULL GROUP BY 1, 2
  ) used
 WHERE spent_nanos <> discounted_nanos;

-- name: i13_no_window_admitted_more_than_its_limit
-- Requests: what was admitted since the limit was set fits the highest limit under which a call was admitted. Dollars:
-- likewise, but for the recorded overruns (settlements above their hold).
SELECT format('limit window %s/%s/%s/%s', w.workspace_id, w.key_id, w.span, w.day),
       format('requests %s of %s, nano-dollars %s of %s with overruns of %s', w.used_requests + w.held_requests, w.top_requests,
              w.used_nanos + w.held_nanos, w.top_nanos, coalesce(o.overrun_nanos, 0))
  FROM ledger_window w
  LEFT JOIN (
      SELECT workspace_id, CASE leg % 2 WHEN 1 THEN key_id ELSE 0 END AS key_id, (leg / 2 % 4)::smallint AS span, leg / 8 AS day,
             sum(greatest(0, charge_nanos - amount_nanos)) AS overrun_nanos
        FROM ledger_hold CROSS JOIN unnest(legs) AS leg GROUP BY 1, 2, 3, 4
  ) o USING (workspace_id, key_id, span, day)
 WHERE (w.used_requests + w.held_requests > w.seed_requests
        AND w.used_requests + w.held_requests > w.top_requests)
    OR (w.used_nanos + w.held_nanos > w.seed_nanos
        AND w.used_nanos + w.held_nanos::numeric > w.top_nanos + coalesce(o.overrun_nanos, 0));

-- name: i14_both_limits_move_together
SELECT format('hold %s/%s', workspace_id, hold_id), 'it names a limit window that does not exist'
  FROM ledger_hold h CROSS JOIN unnest(h.legs) AS leg
 WHERE NOT EXISTS (
      SELECT 1 FROM ledger_window w WHERE w.workspace_id = h.workspace_id AND w.span = leg / 2 % 4 AND w.day = leg / 8
         AND w.key_id = CASE leg % 2 WHEN 1 THEN h.key_id ELSE 0 END);

-- name: i15_a_hold_counts_in_the_windows_of_its_own_day
SELECT format('hold %s/%s', workspace_id, hold_id), 'a limit leg is not of the day it was reserved on'
  FROM ledger_hold CROSS JOIN unnest(legs) AS leg
 WHERE (leg / 2 % 4 = 1 AND leg / 8 <> reserved_at / 86400000000)
    OR (leg / 2 % 4 = 2 AND leg / 8 <> (date_trunc('month', to_timestamp(reserved_at / 1000000) AT TIME ZONE 'UTC')::date - date '1970-01-01'))
    OR (leg / 2 % 4 = 3 AND leg / 8 <> 0);

-- name: i17_a_dispatched_hold_was_not_released_by_time
-- Whoever ends a hold does so by a recorded command; a state without one was written by hand.
SELECT format('hold %s/%s', h.workspace_id, h.hold_id), format('state %s without a command that ended it', h.state)
  FROM ledger_hold h
  LEFT JOIN ledger_command c ON c.workspace_id = h.workspace_id
        AND c.command_id = (overlay(h.hold_id::text placing 'f' from 36))::uuid
 WHERE h.state NOT IN (1, 2, 5) AND c.command_id IS NULL;
