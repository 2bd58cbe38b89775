-- name: read_rules
-- The workspace's own rule (key 0) and one key's; as text, so that nothing is read through a float.
SELECT key_id, body::text FROM routing_rule
 WHERE workspace_id = %(workspace_id)s AND key_id = ANY (ARRAY[0, %(key_id)s::bigint]);

-- name: write_rule
-- Unchanged rules are not written, so nothing is announced for them.
INSERT INTO routing_rule AS known (workspace_id, key_id, body, updated_at)
VALUES (%(workspace_id)s, %(key_id)s, %(body)s::jsonb, %(now_micros)s)
    ON CONFLICT (workspace_id, key_id) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at
 WHERE known.body <> excluded.body;

-- name: clear_rule
DELETE FROM routing_rule WHERE workspace_id = %(workspace_id)s AND key_id = %(key_id)s;
