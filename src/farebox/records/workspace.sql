-- Named queries about a workspace as a whole.

-- name: counts
-- Keys that work now, and people who belong to it.
SELECT (SELECT count(*) FROM api_key
         WHERE workspace_id = %(workspace_id)s AND status = 'active'
           AND (expires_at IS NULL OR expires_at > %(now_micros)s)),
       (SELECT count(*) FROM member WHERE workspace_id = %(workspace_id)s);
