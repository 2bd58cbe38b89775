-- name: find_people
-- Those with such a text in their name or an address of theirs, the newest first.
SELECT p.person_id, p.name, p.status, p.created_at,
       ARRAY (SELECT email FROM person_email e WHERE e.person_id = p.person_id AND unlinked_at IS NULL
               ORDER BY linked_at, email_id),
       (SELECT count(*) FROM person_wallet w WHERE w.person_id = p.person_id AND unlinked_at IS NULL),
       (SELECT count(*) FROM passkey k WHERE k.person_id = p.person_id AND unlinked_at IS NULL),
       EXISTS (SELECT FROM totp_secret t WHERE t.person_id = p.person_id AND confirmed_at IS NOT NULL),
       (SELECT count(*) FROM recovery_code c WHERE c.person_id = p.person_id AND used_at IS NULL),
       (SELECT count(*) FROM person_session s WHERE s.person_id = p.person_id AND state <> 'ended'
                                                AND expires_at > %(now_micros)s AND seen_at > %(idle_since)s),
       (SELECT count(*) FROM member m WHERE m.person_id = p.person_id),
       (SELECT role FROM platform_role r WHERE r.person_id = p.person_id)
  FROM person p
 WHERE (%(person_id)s::bigint IS NULL OR p.person_id = %(person_id)s)
   AND (%(text)s = '' OR position(%(text)s IN lower(p.name)) > 0
        OR EXISTS (SELECT FROM person_email e WHERE e.person_id = p.person_id AND unlinked_at IS NULL
                                                AND position(%(text)s IN email) > 0))
 ORDER BY p.created_at DESC, p.person_id LIMIT %(most)s;

-- name: set_status
UPDATE person SET status = %(status)s WHERE person_id = %(person_id)s AND status <> %(status)s;
