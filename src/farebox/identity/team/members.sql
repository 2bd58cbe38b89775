-- name: lock_team
-- Whoever changes who belongs to a workspace waits for whoever is doing so: two transfers, or an acceptance and a
-- removal, follow each other and each sees what the other did.
SELECT pg_advisory_xact_lock(hashtextextended('farebox team', %(workspace_id)s));

-- name: add_member
INSERT INTO member (workspace_id, person_id, role, joined_at, added_by)
VALUES (%(workspace_id)s, %(person_id)s, %(role)s, %(now_micros)s, %(added_by)s)
    ON CONFLICT (workspace_id, person_id) DO NOTHING;

-- name: list_members
-- The owner first, then in the order in which they came.
SELECT m.person_id, p.name,
       (SELECT e.email FROM person_email e WHERE e.person_id = m.person_id AND e.unlinked_at IS NULL
         ORDER BY e.linked_at, e.email_id LIMIT 1),
       m.role, m.joined_at, m.added_by
  FROM member m JOIN person p USING (person_id)
 WHERE m.workspace_id = %(workspace_id)s
   AND (%(person_id)s::bigint IS NULL OR m.person_id = %(person_id)s)
 ORDER BY m.role <> 'owner', m.joined_at, m.person_id LIMIT %(most)s;

-- name: set_role
UPDATE member SET role = %(role)s WHERE workspace_id = %(workspace_id)s AND person_id = %(person_id)s;

-- name: remove_member
DELETE FROM member WHERE workspace_id = %(workspace_id)s AND person_id = %(person_id)s;

-- name: count_owned
SELECT count(*) FROM member WHERE person_id = %(person_id)s AND role = 'owner';

-- name: has_owner
SELECT 1 FROM member WHERE workspace_id = %(workspace_id)s AND role = 'owner';

-- name: working_keys_by
SELECT key_id, name, visible_prefix FROM api_key
 WHERE workspace_id = %(workspace_id)s AND created_by = %(created_by)s AND status = 'active'
   AND (expires_at IS NULL OR expires_at > %(now_micros)s)
 ORDER BY created_at DESC, key_id LIMIT %(most)s;

-- name: rename_workspace
UPDATE workspace SET name = %(name)s WHERE workspace_id = %(workspace_id)s AND name <> %(name)s;

-- name: note_unopened
INSERT INTO unopened_workspace (workspace_id, created_at) VALUES (%(workspace_id)s, %(now_micros)s);

-- name: note_opened
DELETE FROM unopened_workspace WHERE workspace_id = %(workspace_id)s;

-- name: list_unopened
SELECT workspace_id FROM unopened_workspace WHERE created_at <= %(before)s ORDER BY created_at LIMIT %(most)s;
