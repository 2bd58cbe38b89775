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
INSERT INTO api_key (workspace_id, key_id, key_hash, visible_prefix, name, scopes, allowed_models, expires_at, created_at)
VALUES (%(workspace_id)s, %(key_id)s, %(key_hash)s, %(visible_prefix)s, %(name)s, %(scopes)s, %(allowed_models)s,
        %(expires_at)s, %(now_micros)s);

-- name: find_key
-- On the path of a call whose key is not in memory: index lookups only. Rules are text, so that no number passes a float.
SELECT k.workspace_id, k.key_id, k.name, k.visible_prefix, k.scopes, k.allowed_models, k.expires_at,
       k.status = 'active', w.status = 'active', of_workspace.body::text, of_key.body::text,
       (SELECT coalesce(json_agg(json_build_array(r.key_id, r.model_id, r.requests_per_minute, r.tokens_per_minute,
                                                  r.concurrent_calls) ORDER BY r.key_id, r.model_id), '[]')::text
          FROM rate_limit r WHERE r.workspace_id = k.workspace_id AND r.key_id IN (0, k.key_id))
  FROM api_key k JOIN workspace w USING (workspace_id)
  LEFT JOIN routing_rule of_workspace ON of_workspace.workspace_id = k.workspace_id AND of_workspace.key_id = 0
  LEFT JOIN routing_rule of_key ON of_key.workspace_id = k.workspace_id AND of_key.key_id = k.key_id
 WHERE k.key_hash = %(key_hash)s;

-- name: list_keys
SELECT k.workspace_id, k.key_id, k.name, k.visible_prefix, k.scopes, k.allowed_models, k.expires_at,
       k.status = 'active', w.status = 'active', k.created_at, k.revoked_at
  FROM api_key k JOIN workspace w USING (workspace_id) WHERE k.workspace_id = %(workspace_id)s
 ORDER BY k.created_at DESC, k.key_id LIMIT %(most)s;

-- name: keys_named
-- By exactly one of the three; two rows are enough to know that it is ambiguous.
SELECT k.workspace_id, k.key_id, k.name, k.visible_prefix, k.scopes, k.allowed_models, k.expires_at,
       k.status = 'active', w.status = 'active', k.created_at, k.revoked_at
  FROM api_key k JOIN workspace w USING (workspace_id)
 WHERE (k.key_hash = %(key_hash)s OR k.visible_prefix = %(visible_prefix)s OR k.key_id = %(key_id)s)
   AND (%(workspace_id)s::bigint IS NULL OR k.workspace_id = %(workspace_id)s)
 LIMIT 2;

-- name: revoke_key
UPDATE api_key SET status = 'revoked', revoked_at = %(now_micros)s
 WHERE workspace_id = %(workspace_id)s AND key_id = %(key_id)s AND status = 'active';
