-- name: lock_workspace
SELECT FROM workspace WHERE workspace_id = %(workspace_id)s FOR NO KEY UPDATE;
