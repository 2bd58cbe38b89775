-- Stored pools, lanes and keys. None is on the path of a call: processes keep them all in memory.

-- name: load_pools
SELECT p.provider_id, p.pool_id, p.region, p.access, p.max_concurrent,
       ARRAY(SELECT w.workspace_id FROM pool_workspace w
              WHERE (w.provider_id, w.pool_id) = (p.provider_id, p.pool_id) ORDER BY w.workspace_id),
       (SELECT coalesce(json_agg(json_build_array(l.lane_id, l.workspace_id, l.slots, l.lends) ORDER BY l.lane_id), '[]')
          FROM pool_lane l WHERE (l.provider_id, l.pool_id) = (p.provider_id, p.pool_id))::text
  FROM provider_pool p
 ORDER BY p.provider_id, p.pool_id;

-- name: list_credentials
SELECT credential_id, provider_id, pool_id, name, sealed, weight, max_concurrent, requests_per_minute, status,
       created_at, rotated_at
  FROM provider_credential
 ORDER BY provider_id, pool_id, created_at, credential_id;

-- name: credential_named
-- A name may look like another's id: the id goes first.
SELECT credential_id, provider_id, pool_id, name, sealed, weight, max_concurrent, requests_per_minute, status,
       created_at, rotated_at
  FROM provider_credential
 WHERE provider_id = %(provider_id)s AND (credential_id = %(text)s OR name = %(text)s)
 ORDER BY credential_id = %(text)s DESC LIMIT 1;

-- name: count_credentials
SELECT count(*) FROM provider_credential;

-- name: add_credential
INSERT INTO provider_credential (credential_id, provider_id, pool_id, name, sealed, weight, max_concurrent,
                                 requests_per_minute, created_at)
VALUES (%(credential_id)s, %(provider_id)s, %(pool_id)s, %(name)s, %(sealed)s, %(weight)s, %(max_concurrent)s,
        %(requests_per_minute)s, %(now_micros)s);

-- name: rotate_credential
UPDATE provider_credential SET sealed = %(sealed)s, rotated_at = %(now_micros)s
 WHERE credential_id = %(credential_id)s;

-- name: reseal_credential
-- Only if nobody gave it another secret meanwhile. It is the same secret, so this is no rotation.
UPDATE provider_credential SET sealed = %(sealed)s
 WHERE credential_id = %(credential_id)s AND sealed = %(former)s;

-- name: set_credential_status
UPDATE provider_credential SET status = %(status)s
 WHERE credential_id = %(credential_id)s AND status <> %(status)s;

-- name: remove_credential
DELETE FROM provider_credential WHERE credential_id = %(credential_id)s;

-- name: ensure_pool
INSERT INTO provider_pool (provider_id, pool_id, created_at) VALUES (%(provider_id)s, %(pool_id)s, %(now_micros)s)
ON CONFLICT DO NOTHING;

-- name: pools_named
SELECT provider_id FROM provider_pool
 WHERE pool_id = %(pool_id)s AND (%(provider_id)s::text IS NULL OR provider_id = %(provider_id)s) LIMIT 2;

-- name: create_pool
INSERT INTO provider_pool (provider_id, pool_id, region, access, max_concurrent, created_at)
VALUES (%(provider_id)s, %(pool_id)s, %(region)s, %(access)s, %(max_concurrent)s, %(now_micros)s);

-- name: change_pool
UPDATE provider_pool SET region = %(region)s, access = %(access)s, max_concurrent = %(max_concurrent)s
 WHERE provider_id = %(provider_id)s AND pool_id = %(pool_id)s;

-- name: clear_workspaces
DELETE FROM pool_workspace WHERE provider_id = %(provider_id)s AND pool_id = %(pool_id)s;

-- name: add_workspaces
INSERT INTO pool_workspace (provider_id, pool_id, workspace_id)
SELECT %(provider_id)s, %(pool_id)s, unnest(%(workspaces)s::bigint[]);

-- name: remove_pool
DELETE FROM provider_pool WHERE provider_id = %(provider_id)s AND pool_id = %(pool_id)s;

-- name: set_lane
INSERT INTO pool_lane (lane_id, provider_id, pool_id, workspace_id, slots, lends)
VALUES (%(lane_id)s, %(provider_id)s, %(pool_id)s, %(workspace_id)s, %(slots)s, %(lends)s)
ON CONFLICT (provider_id, pool_id, workspace_id) DO UPDATE SET slots = excluded.slots, lends = excluded.lends;

-- name: remove_lane
DELETE FROM pool_lane
 WHERE provider_id = %(provider_id)s AND pool_id = %(pool_id)s AND workspace_id = %(workspace_id)s
RETURNING lane_id;
