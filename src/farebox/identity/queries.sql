-- name: create_workspace
INSERT INTO workspace (workspace_id, name, kind, created_at)
VALUES (%(workspace_id)s, %(name)s, %(kind)s, %(now_micros)s)
RETURNING workspace_id, name, kind, status, created_at;

-- name: workspace_by_id
SELECT workspace_id, name, kind, status, created_at FROM workspace WHERE workspace_id = %(workspace_id)s;

-- name: workspaces_by_name
-- Two are enough to know that the name is ambiguous.
SELECT workspace_id, name, kind, status, created_at FROM workspace WHERE name = %(name)s LIMIT 2;

-- name: list_workspaces
SELECT workspace_id, name, kind, status, created_at FROM workspace
 ORDER BY created_at DESC, workspace_id LIMIT %(most)s;

-- name: set_status
-- Unchanged rows are not written, so nothing is announced for them.
UPDATE workspace SET status = %(status)s WHERE workspace_id = %(workspace_id)s AND status <> %(status)s;

-- name: create_key
INSERT INTO api_key (workspace_id, key_id, key_hash, visible_prefix, name, scopes, allowed_models, expires_at, created_at,
                     department, project, customer, ip_allow, first_key_id, created_by)
VALUES (%(workspace_id)s, %(key_id)s, %(key_hash)s, %(visible_prefix)s, %(name)s, %(scopes)s, %(allowed_models)s,
        %(expires_at)s, %(now_micros)s, %(department)s, %(project)s, %(customer)s, %(ip_allow)s,
        %(first_key_id)s, %(created_by)s);

-- name: count_working_keys
-- A count that two who make a key at once both see as too small lets one more pass; nothing depends on it.
SELECT count(*) FROM api_key
 WHERE workspace_id = %(workspace_id)s AND status = 'active' AND (expires_at IS NULL OR expires_at > %(now_micros)s);

-- name: find_key
-- On the path of a call whose key is not in memory: index lookups only. Rules are text, so that no number passes a float.
SELECT k.workspace_id, k.key_id, k.name, k.visible_prefix, k.scopes, k.allowed_models, k.expires_at,
       k.status = 'active', w.status = 'active', k.ip_allow, k.department, k.project, k.customer, k.first_key_id,
       of_workspace.body::text, of_key.body::text,
       (SELECT coalesce(json_agg(json_build_array(r.key_id, r.model_id, r.requests_per_minute, r.tokens_per_minute,
                                                  r.concurrent_calls) ORDER BY r.key_id, r.model_id), '[]')::text
          FROM rate_limit r WHERE r.workspace_id = k.workspace_id AND r.key_id IN (0, coalesce(k.first_key_id, k.key_id)))
  FROM api_key k JOIN workspace w USING (workspace_id)
  LEFT JOIN routing_rule of_workspace ON of_workspace.workspace_id = k.workspace_id AND of_workspace.key_id = 0
  LEFT JOIN routing_rule of_key ON of_key.workspace_id = k.workspace_id
                               AND of_key.key_id = coalesce(k.first_key_id, k.key_id)
 WHERE k.key_hash = %(key_hash)s;

-- name: list_keys
-- The newest first, from a place in the list on. What has become of a key is told as in the model's `status_at`.
SELECT k.workspace_id, k.key_id, k.name, k.visible_prefix, k.scopes, k.allowed_models, k.expires_at,
       k.status = 'active', w.status = 'active', k.ip_allow, k.department, k.project, k.customer, k.first_key_id,
       k.created_at, k.revoked_at, k.last_used_at, k.rolled_to, k.created_by
  FROM api_key k JOIN workspace w USING (workspace_id)
 WHERE k.workspace_id = %(workspace_id)s
   AND (%(after_created_at)s::bigint IS NULL OR k.created_at < %(after_created_at)s
        OR (k.created_at = %(after_created_at)s AND k.key_id > %(after_key_id)s))
   AND (%(status)s::text IS NULL OR %(status)s =
        CASE WHEN k.status <> 'active' THEN 'revoked' WHEN k.expires_at <= %(now_micros)s THEN 'expired'
             WHEN k.rolled_to IS NOT NULL THEN 'rolled' ELSE 'active' END)
   AND (%(department)s::text IS NULL OR k.department = %(department)s)
   AND (%(project)s::text IS NULL OR k.project = %(project)s)
   AND (%(customer)s::text IS NULL OR k.customer = %(customer)s)
 ORDER BY k.created_at DESC, k.key_id LIMIT %(most)s;

-- name: keys_named
-- By any of the four; two rows are enough to know that it is ambiguous.
SELECT k.workspace_id, k.key_id, k.name, k.visible_prefix, k.scopes, k.allowed_models, k.expires_at,
       k.status = 'active', w.status = 'active', k.ip_allow, k.department, k.project, k.customer, k.first_key_id,
       k.created_at, k.revoked_at, k.last_used_at, k.rolled_to, k.created_by
  FROM api_key k JOIN workspace w USING (workspace_id)
 WHERE (k.key_hash = %(key_hash)s OR k.visible_prefix = %(visible_prefix)s OR k.key_id = %(key_id)s)
   AND (%(workspace_id)s::bigint IS NULL OR k.workspace_id = %(workspace_id)s)
 LIMIT 2;

-- name: keys_called
-- By id, visible prefix or name within a workspace.
SELECT k.workspace_id, k.key_id, k.name, k.visible_prefix, k.scopes, k.allowed_models, k.expires_at,
       k.status = 'active', w.status = 'active', k.ip_allow, k.department, k.project, k.customer, k.first_key_id,
       k.created_at, k.revoked_at, k.last_used_at, k.rolled_to, k.created_by
  FROM api_key k JOIN workspace w USING (workspace_id)
 WHERE k.workspace_id = %(workspace_id)s
   AND (k.key_id = %(key_id)s OR k.visible_prefix = %(text)s OR k.name = %(text)s)
 LIMIT 2;

-- name: read_key
SELECT k.workspace_id, k.key_id, k.name, k.visible_prefix, k.scopes, k.allowed_models, k.expires_at,
       k.status = 'active', w.status = 'active', k.ip_allow, k.department, k.project, k.customer, k.first_key_id,
       k.created_at, k.revoked_at, k.last_used_at, k.rolled_to, k.created_by
  FROM api_key k JOIN workspace w USING (workspace_id)
 WHERE k.workspace_id = %(workspace_id)s AND k.key_id = %(key_id)s;

-- name: lock_key
-- Until the transaction ends nobody else changes it.
SELECT FROM api_key WHERE workspace_id = %(workspace_id)s AND key_id = %(key_id)s FOR NO KEY UPDATE;

-- name: update_key
UPDATE api_key SET name = %(name)s, scopes = %(scopes)s, allowed_models = %(allowed_models)s, expires_at = %(expires_at)s,
       department = %(department)s, project = %(project)s, customer = %(customer)s, ip_allow = %(ip_allow)s
 WHERE workspace_id = %(workspace_id)s AND key_id = %(key_id)s;

-- name: end_rolled_key
UPDATE api_key SET rolled_to = %(rolled_to)s, expires_at = least(expires_at, %(ends_at)s)
 WHERE workspace_id = %(workspace_id)s AND key_id = %(key_id)s;

-- name: revoke_key
UPDATE api_key SET status = 'revoked', revoked_at = %(now_micros)s
 WHERE workspace_id = %(workspace_id)s AND key_id = %(key_id)s AND status = 'active';

-- name: note_uses
-- Locked in one order, so that two processes never wait for each other.
WITH used AS (
    SELECT k.workspace_id, k.key_id, u.used_at
      FROM unnest(%(workspace_ids)s::bigint[], %(key_ids)s::bigint[], %(moments)s::bigint[])
           AS u (workspace_id, key_id, used_at)
      JOIN api_key k USING (workspace_id, key_id)
     WHERE k.last_used_at IS NULL OR k.last_used_at < u.used_at
     ORDER BY k.workspace_id, k.key_id
       FOR NO KEY UPDATE OF k)
UPDATE api_key k SET last_used_at = greatest(k.last_used_at, used.used_at)
  FROM used WHERE k.workspace_id = used.workspace_id AND k.key_id = used.key_id;
