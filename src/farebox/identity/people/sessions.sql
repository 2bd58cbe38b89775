-- name: open_session
INSERT INTO person_session (session_id, token_hash, person_id, state, methods, created_at, seen_at, proved_at,
                            second_factor_at, expires_at, address, user_agent)
VALUES (%(session_id)s, %(token_hash)s, %(person_id)s, %(state)s, %(methods)s, %(now_micros)s, %(now_micros)s,
        %(now_micros)s, %(second_factor_at)s, %(expires_at)s, %(address)s, %(user_agent)s)
RETURNING session_id, person_id, state, methods, created_at, seen_at, proved_at, second_factor_at, expires_at, address,
          user_agent,
          EXISTS (SELECT FROM totp_secret t WHERE t.person_id = person_session.person_id AND confirmed_at IS NOT NULL)
          OR EXISTS (SELECT FROM passkey k WHERE k.person_id = person_session.person_id AND unlinked_at IS NULL);

-- name: end_oldest
UPDATE person_session SET state = 'ended', ended_at = %(now_micros)s, ended_by = 'too_many'
 WHERE state <> 'ended' AND session_id IN (
       SELECT session_id FROM person_session WHERE person_id = %(person_id)s AND state <> 'ended'
        ORDER BY created_at DESC, session_id OFFSET %(most)s);

-- name: find_session
-- A few look-ups by unique indexes; who was disabled has no session any more.
SELECT s.session_id, s.person_id, s.state, s.methods, s.created_at, s.seen_at, s.proved_at, s.second_factor_at,
       s.expires_at, s.address, s.user_agent,
       EXISTS (SELECT FROM totp_secret t WHERE t.person_id = s.person_id AND confirmed_at IS NOT NULL)
       OR EXISTS (SELECT FROM passkey k WHERE k.person_id = s.person_id AND unlinked_at IS NULL)
  FROM person_session s JOIN person p USING (person_id)
 WHERE s.token_hash = %(token_hash)s AND s.state <> 'ended' AND s.expires_at > %(now_micros)s
   AND s.seen_at > %(idle_since)s AND p.status = 'active';

-- name: note_seen
UPDATE person_session SET seen_at = greatest(seen_at, %(now_micros)s) WHERE session_id = %(session_id)s;

-- name: prove_session
UPDATE person_session
   SET token_hash = %(token_hash)s, state = %(state)s, proved_at = %(now_micros)s, seen_at = %(now_micros)s,
       methods = CASE WHEN %(method)s = ANY (methods) THEN methods ELSE methods || %(method)s::text END,
       second_factor_at = CASE WHEN %(is_second_factor)s THEN %(now_micros)s ELSE second_factor_at END
 WHERE session_id = %(session_id)s AND state = %(from_state)s
RETURNING session_id, person_id, state, methods, created_at, seen_at, proved_at, second_factor_at, expires_at, address,
          user_agent,
          EXISTS (SELECT FROM totp_secret t WHERE t.person_id = person_session.person_id AND confirmed_at IS NOT NULL)
          OR EXISTS (SELECT FROM passkey k WHERE k.person_id = person_session.person_id AND unlinked_at IS NULL);

-- name: renew_token
UPDATE person_session SET token_hash = %(token_hash)s WHERE session_id = %(session_id)s AND state = %(from_state)s
RETURNING session_id, person_id, state, methods, created_at, seen_at, proved_at, second_factor_at, expires_at, address,
          user_agent,
          EXISTS (SELECT FROM totp_secret t WHERE t.person_id = person_session.person_id AND confirmed_at IS NOT NULL)
          OR EXISTS (SELECT FROM passkey k WHERE k.person_id = person_session.person_id AND unlinked_at IS NULL);

-- name: list_sessions
SELECT session_id, person_id, state, methods, created_at, seen_at, proved_at, second_factor_at, expires_at, address,
       user_agent, false
  FROM person_session
 WHERE person_id = %(person_id)s AND state <> 'ended' AND expires_at > %(now_micros)s AND seen_at > %(idle_since)s
 ORDER BY created_at DESC, session_id LIMIT %(most)s;

-- name: end_session
UPDATE person_session SET state = 'ended', ended_at = %(now_micros)s, ended_by = %(by)s
 WHERE person_id = %(person_id)s AND session_id = %(session_id)s AND state <> 'ended';

-- name: end_sessions
UPDATE person_session SET state = 'ended', ended_at = %(now_micros)s, ended_by = %(by)s
 WHERE person_id = %(person_id)s AND session_id <> %(but)s AND state <> 'ended';

-- name: has_totp
SELECT 1 FROM totp_secret WHERE person_id = %(person_id)s AND confirmed_at IS NOT NULL;
