-- name: lock_roles
-- Who gives or takes a role waits for whoever does so already: of two superadmins who take each other's role at once,
-- the second finds that the first is the last one.
SELECT pg_advisory_xact_lock(hashtextextended('farebox platform roles', 0));

-- name: grant_role
INSERT INTO platform_role (person_id, role, granted_at, granted_by)
VALUES (%(person_id)s, %(role)s, %(now_micros)s, %(granted_by)s)
ON CONFLICT (person_id) DO UPDATE SET role = excluded.role, granted_at = excluded.granted_at,
    granted_by = excluded.granted_by;

-- name: take_role
DELETE FROM platform_role WHERE person_id = %(person_id)s RETURNING role;

-- name: count_others
-- Superadmins who can sign in, but for one person.
SELECT count(*) FROM platform_role r JOIN person p USING (person_id)
 WHERE r.role = 'superadmin' AND p.status = 'active' AND r.person_id <> %(person_id)s;

-- name: list_holders
SELECT r.person_id, p.name, p.status = 'active', r.role, r.granted_at, r.granted_by,
       ARRAY(SELECT e.email FROM person_email e WHERE e.person_id = r.person_id AND e.unlinked_at IS NULL
              ORDER BY e.linked_at, e.email_id),
       EXISTS (SELECT FROM totp_secret t WHERE t.person_id = r.person_id AND t.confirmed_at IS NOT NULL)
         OR EXISTS (SELECT FROM passkey k WHERE k.person_id = r.person_id AND k.unlinked_at IS NULL)
  FROM platform_role r JOIN person p USING (person_id)
 WHERE %(person_id)s::bigint IS NULL OR r.person_id = %(person_id)s
 ORDER BY r.granted_at, r.person_id LIMIT %(most)s;
