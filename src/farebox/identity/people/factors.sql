-- name: factors_of
-- What a person can give beyond an e-mail code or a wallet's signature.
SELECT EXISTS (SELECT FROM totp_secret WHERE person_id = %(person_id)s AND confirmed_at IS NOT NULL),
       (SELECT count(*) FROM passkey WHERE person_id = %(person_id)s AND unlinked_at IS NULL),
       EXISTS (SELECT FROM person_wallet WHERE person_id = %(person_id)s AND unlinked_at IS NULL);

-- name: end_lesser_sessions
-- Those that never gave a second factor, but one.
UPDATE person_session SET state = 'ended', ended_at = %(now_micros)s, ended_by = 'second_factor'
 WHERE person_id = %(person_id)s AND session_id <> %(but)s AND state <> 'ended' AND second_factor_at IS NULL;

-- name: forget_second_factor
-- What was proved by a factor of somebody who has none any more counts for nothing more.
UPDATE person_session SET second_factor_at = NULL
 WHERE person_id = %(person_id)s AND state <> 'ended'
   AND NOT EXISTS (SELECT FROM totp_secret WHERE person_id = %(person_id)s AND confirmed_at IS NOT NULL)
   AND NOT EXISTS (SELECT FROM passkey WHERE person_id = %(person_id)s AND unlinked_at IS NULL);
