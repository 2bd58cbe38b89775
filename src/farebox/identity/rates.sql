-- Rate limits as they are stored.

-- name: read_rates
-- Of a workspace and all of its keys.
SELECT key_id, model_id, requests_per_minute, tokens_per_minute, concurrent_calls
  FROM rate_limit WHERE workspace_id = %(workspace_id)s
 ORDER BY key_id, model_id LIMIT %(most)s;

-- name: count_rates
SELECT count(*) FROM rate_limit
 WHERE workspace_id = %(workspace_id)s AND key_id = %(key_id)s AND model_id <> %(model_id)s;

-- name: write_rate
-- Unchanged rows are not written, so nothing is announced for them.
INSERT INTO rate_limit AS r
       (workspace_id, key_id, model_id, requests_per_minute, tokens_per_minute, concurrent_calls)
VALUES (%(workspace_id)s, %(key_id)s, %(model_id)s, %(requests_per_minute)s, %(tokens_per_minute)s,
        %(concurrent_calls)s)
ON CONFLICT (workspace_id, key_id, model_id) DO UPDATE
   SET requests_per_minute = excluded.requests_per_minute,
       tokens_per_minute = excluded.tokens_per_minute,
       concurrent_calls = excluded.concurrent_calls
 WHERE (r.requests_per_minute, r.tokens_per_minute, r.concurrent_calls) IS DISTINCT FROM
       (excluded.requests_per_minute, excluded.tokens_per_minute, excluded.concurrent_calls);

-- name: clear_rate
DELETE FROM rate_limit
 WHERE workspace_id = %(workspace_id)s AND key_id = %(key_id)s AND model_id = %(model_id)s;
