-- Named queries of the records. All but `record_call` are reads, off the path of a call.

-- name: record_call
-- Rides in the ledger's transaction. $1: a JSON array of rows. A trigger adds them to `usage_day` in this statement.
INSERT INTO call (workspace_id, call_id, key_id, model_id, route_id, provider_id, dialect, streamed, status, rule, evidence,
                  error_code, price_version, service_tier, input_tokens, cached_input_tokens, cache_write_5m_tokens,
                  cache_write_1h_tokens, output_tokens, reasoning_tokens, requests, held_nanos, charge_nanos,
                  absorbed_nanos, cost_nanos, request_counted, idempotent, attempts, started_at, finished_at, first_byte_ms,
                  units, routing)
SELECT r.workspace_id, r.call_id, r.key_id, r.model_id, r.route_id, r.provider_id, r.dialect, r.streamed, r.status, r.rule,
       r.evidence, r.error_code, r.price_version, r.service_tier, r.input_tokens, r.cached_input_tokens,
       r.cache_write_5m_tokens, r.cache_write_1h_tokens, r.output_tokens, r.reasoning_tokens, r.requests, r.held_nanos,
       r.charge_nanos, r.absorbed_nanos, r.cost_nanos, r.request_counted, r.idempotent, r.attempts, r.started_at,
       r.finished_at, r.first_byte_ms, r.units, r.routing
  FROM json_to_recordset($1::json) AS r (
       workspace_id bigint, call_id uuid, key_id bigint, model_id text, route_id text, provider_id text, dialect text,
       streamed boolean, status text, rule text, evidence text, error_code text, price_version text, service_tier text,
       input_tokens bigint, cached_input_tokens bigint, cache_write_5m_tokens bigint, cache_write_1h_tokens bigint,
       output_tokens bigint, reasoning_tokens bigint, requests bigint, held_nanos bigint, charge_nanos bigint,
       absorbed_nanos bigint, cost_nanos bigint, request_counted boolean, idempotent boolean, attempts text,
       started_at bigint, finished_at bigint, first_byte_ms int, units text, routing text);

-- name: calls
-- Newest first along the primary key. The ids carry the moment, so a range of dates is a range of ids and reads only
-- its partitions.
SELECT workspace_id, call_id, key_id, model_id, route_id, provider_id, dialect, streamed, status, rule, evidence, error_code,
       price_version, service_tier, input_tokens, cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
       output_tokens, reasoning_tokens, requests, held_nanos, charge_nanos, absorbed_nanos, cost_nanos, request_counted,
       idempotent, attempts, started_at, finished_at, first_byte_ms, units, routing
  FROM call
 WHERE workspace_id = %(workspace_id)s AND call_id >= %(from_id)s AND call_id < %(before_id)s
   AND (%(model_id)s::text IS NULL OR model_id = %(model_id)s)
   AND (%(key_id)s::bigint IS NULL OR key_id = %(key_id)s)
   AND (%(status)s::text IS NULL OR status = %(status)s)
   AND (%(streamed)s::boolean IS NULL OR streamed = %(streamed)s)
 ORDER BY call_id DESC LIMIT %(most)s;

-- name: scan_floor
-- The id at which a filtered page stops looking, so that a filter which matches nothing costs no more than one that
-- matches everything; no row when fewer are left.
SELECT call_id FROM call
 WHERE workspace_id = %(workspace_id)s AND call_id >= %(from_id)s AND call_id < %(before_id)s
 ORDER BY call_id DESC OFFSET %(scan)s LIMIT 1;

-- name: call
SELECT workspace_id, call_id, key_id, model_id, route_id, provider_id, dialect, streamed, status, rule, evidence, error_code,
       price_version, service_tier, input_tokens, cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
       output_tokens, reasoning_tokens, requests, held_nanos, charge_nanos, absorbed_nanos, cost_nanos, request_counted,
       idempotent, attempts, started_at, finished_at, first_byte_ms, units, routing
  FROM call WHERE workspace_id = %(workspace_id)s AND call_id = %(call_id)s;

-- name: workspace_of_call
-- An operator names a call without its workspace. One primary-key lookup for each workspace, rather than a walk over a
-- month of calls.
SELECT w.workspace_id
  FROM workspace w
 WHERE EXISTS (SELECT FROM call c WHERE c.workspace_id = w.workspace_id AND c.call_id = %(call_id)s)
    OR EXISTS (SELECT FROM ledger_hold h WHERE h.workspace_id = w.workspace_id AND h.hold_id = %(call_id)s)
 LIMIT 1;
