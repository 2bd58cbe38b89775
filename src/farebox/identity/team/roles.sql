-- name: memberships_of
SELECT m.workspace_id, w.name, w.status = 'active', m.role, m.joined_at
  FROM member m JOIN workspace w USING (workspace_id)
 WHERE m.person_id = %(person_id)s ORDER BY m.joined_at, m.workspace_id LIMIT %(most)s;

-- name: membership_in
SELECT m.workspace_id, w.name, w.status = 'active', m.role, m.joined_at
  FROM member m JOIN workspace w USING (workspace_id)
 WHERE m.person_id = %(person_id)s AND m.workspace_id = %(workspace_id)s;

-- name: platform_role_of
SELECT role FROM platform_role WHERE person_id = %(person_id)s;
