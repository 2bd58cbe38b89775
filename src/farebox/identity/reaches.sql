-- What keys hold beside their own rows. Keys that took over from one another hold it together, under the first's id.

-- name: one_manager_at_a_time
-- Keys that change each other at the same moment would each be judged by what the other had before.
SELECT pg_advisory_xact_lock(hashtextextended('farebox keys', %(workspace_id)s));

-- name: rules_of
-- As text, so that nothing is read through a float.
SELECT key_id, body::text FROM routing_rule
 WHERE workspace_id = %(workspace_id)s AND key_id = ANY (%(key_ids)s::bigint[]);

-- name: rates_of
SELECT key_id, model_id, requests_per_minute, tokens_per_minute, concurrent_calls
  FROM rate_limit WHERE workspace_id = %(workspace_id)s AND key_id = ANY (%(key_ids)s::bigint[])
 ORDER BY key_id, model_id;
