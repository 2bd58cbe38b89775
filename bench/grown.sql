-- A database as it is after many settled calls: every row that the ledger and the records would have written, so that
-- `farebox ledger verify` finds nothing. Calls are spread evenly over time; half of them belong to the first workspace.

-- name: calls
-- The calls to be, with their ids: UUIDv7 of their moment whose low four bits are zero.
CREATE UNLOGGED TABLE bench_call AS
SELECT (%(workspaces)s::bigint[])[place] AS workspace_id, turn, micros, tail AS shown,
       (lpad(to_hex(micros / 1000), 12, '0') || '7' || substr(tail, 1, 3) || '8' || substr(tail, 4, 13)) AS stem
  FROM (
      SELECT CASE WHEN n %% 2 = 0 THEN 1 ELSE 2 + (n / 2) %% (cardinality(%(workspaces)s::bigint[]) - 1) END AS place,
             CASE WHEN n %% 2 = 0 THEN n / 2 ELSE 1 + n / 2 / (cardinality(%(workspaces)s::bigint[]) - 1) END AS turn,
             %(from_micros)s::bigint + (n::numeric * %(span_micros)s / %(calls)s)::bigint AS micros,
             md5(n::text) AS tail
        FROM generate_series(1, %(calls)s::bigint) AS n
  ) AS made;

-- name: holds
INSERT INTO ledger_hold (workspace_id, hold_id, key_id, state, amount_nanos, slice_accounts, slice_nanos, legs, owner_id,
                         attempt, reserved_at, finished_at, charge_nanos, absorbed_nanos, request_counted, memo)
SELECT workspace_id, (stem || '00')::uuid, 3, 3, %(hold_nanos)s, '{0}', ARRAY[%(hold_nanos)s::bigint], '{}', 1, 1, micros,
       micros + 1000000, %(charge_nanos)s, 0, true, %(memo)s
  FROM bench_call;

-- name: revenue
INSERT INTO ledger_entry (workspace_id, entry_id, command_id, hold_id, debit_account, credit_account, amount_nanos,
                          account_id, version, before_nanos, after_nanos, recorded_at)
SELECT workspace_id, (stem || '0f')::uuid, (stem || '0f')::uuid, (stem || '00')::uuid, 'customer_cash',
       'usage_revenue:bench-1', %(charge_nanos)s, 0, 1 + turn, %(credit_nanos)s - (turn - 1) * %(charge_nanos)s,
       %(credit_nanos)s - turn * %(charge_nanos)s, micros + 1000000
  FROM bench_call;

-- name: costs
INSERT INTO ledger_entry (workspace_id, entry_id, command_id, hold_id, debit_account, credit_account, amount_nanos,
                          recorded_at)
SELECT workspace_id, (stem || '1f')::uuid, (stem || '0f')::uuid, (stem || '00')::uuid, 'provider_cost:bench',
       'provider_payable:bench', %(cost_nanos)s, micros + 1000000
  FROM bench_call;

-- name: commands
INSERT INTO ledger_command (workspace_id, command_id, body_hash, answer, recorded_at)
SELECT workspace_id, (stem || ending)::uuid, shown::uuid, %(answer)s, micros
  FROM bench_call CROSS JOIN (VALUES ('00'), ('0f')) AS step (ending);

-- name: receipts
INSERT INTO call (workspace_id, call_id, key_id, model_id, route_id, provider_id, dialect, streamed, status, rule, evidence,
                  price_version, input_tokens, output_tokens, requests, held_nanos, charge_nanos, cost_nanos,
                  request_counted, idempotent, attempts, started_at, finished_at, first_byte_ms)
SELECT workspace_id, (stem || '00')::uuid, 3, 'bench-1', 'bench/bench-1', 'bench', 'openai_chat', turn %% 2 = 0, 'settled',
       'usage_reported', 'A', '2025-01-01T00:00:00Z', 20, 270, 1, %(hold_nanos)s, %(charge_nanos)s, %(cost_nanos)s, true,
       false, %(attempts)s, micros, micros + 1000000, 350
  FROM bench_call;

-- name: balances
UPDATE ledger_account a SET posted_nanos = posted_nanos - turns * %(charge_nanos)s, version = version + turns
  FROM (SELECT workspace_id, count(*) AS turns FROM bench_call GROUP BY 1) AS spent
 WHERE a.workspace_id = spent.workspace_id AND a.account_id = 0;

-- name: done
DROP TABLE bench_call;
