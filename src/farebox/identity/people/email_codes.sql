-- name: make_challenge
INSERT INTO email_challenge (challenge_id, email, purpose, person_id, session_id, code_hash, link_hash, created_at,
                             expires_at)
VALUES (%(challenge_id)s, %(email)s, %(purpose)s, %(person_id)s, %(session_id)s, %(code_hash)s, %(link_hash)s,
        %(now_micros)s, %(expires_at)s);

-- name: find_challenge
-- Looks and uses nothing up.
SELECT challenge_id, email, purpose, person_id, session_id
  FROM email_challenge
 WHERE challenge_id = %(challenge_id)s AND used_at IS NULL AND expires_at > %(now_micros)s;

-- name: find_link
-- As find_challenge, by the link.
SELECT challenge_id, email, purpose, person_id, session_id
  FROM email_challenge
 WHERE link_hash = %(link_hash)s AND used_at IS NULL AND expires_at > %(now_micros)s;

-- name: try_code
-- Counts the try before anybody compares, and holds the row until the end of the transaction: tries that come at the
-- same moment are as many as those that come one after the other.
UPDATE email_challenge SET attempts = attempts + 1
 WHERE challenge_id = %(challenge_id)s AND used_at IS NULL AND expires_at > %(now_micros)s AND attempts < %(most)s
RETURNING challenge_id, email, purpose, person_id, session_id, code_hash;

-- name: use_challenge
UPDATE email_challenge SET used_at = %(now_micros)s WHERE challenge_id = %(challenge_id)s AND used_at IS NULL;

-- name: use_link
-- Opened in a browser that cannot answer it, a link stays good for the one that can.
UPDATE email_challenge SET used_at = %(now_micros)s
 WHERE link_hash = %(link_hash)s AND used_at IS NULL AND expires_at > %(now_micros)s
   AND (session_id IS NULL OR session_id = %(session_id)s)
RETURNING challenge_id, email, purpose, person_id, session_id;

-- name: lock_email
-- Until the transaction ends nobody else makes that address a way to sign in.
SELECT pg_advisory_xact_lock(hashtextextended('e-mail ' || %(email)s, 0));

-- name: standing_of
-- One row whatever there is, so that it costs the same for everybody.
SELECT p.person_id, p.status = 'active',
       EXISTS (SELECT FROM invitation i
                WHERE i.email = %(email)s AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL
                  AND i.expires_at > %(now_micros)s)
  FROM (VALUES (1)) AS always (one)
  LEFT JOIN person_email e ON e.email = %(email)s AND e.unlinked_at IS NULL
  LEFT JOIN person p ON p.person_id = e.person_id;

-- name: link_email
INSERT INTO person_email (email_id, person_id, email, linked_at)
VALUES (%(email_id)s, %(person_id)s, %(email)s, %(now_micros)s);
