-- name: begin_totp
-- Not over one that is confirmed: that has to be ended first.
INSERT INTO totp_secret (person_id, sealed, created_at) VALUES (%(person_id)s, %(sealed)s, %(now_micros)s)
    ON CONFLICT (person_id) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at, last_step = 0
     WHERE totp_secret.confirmed_at IS NULL;

-- name: lock_totp
SELECT sealed, created_at, confirmed_at, last_step FROM totp_secret WHERE person_id = %(person_id)s FOR UPDATE;

-- name: confirm_totp
UPDATE totp_secret SET confirmed_at = %(now_micros)s, last_step = %(step)s
 WHERE person_id = %(person_id)s AND confirmed_at IS NULL;

-- name: use_step
UPDATE totp_secret SET last_step = %(step)s WHERE person_id = %(person_id)s AND last_step < %(step)s;

-- name: end_totp
DELETE FROM totp_secret WHERE person_id = %(person_id)s;

-- name: sealed_secrets
SELECT person_id, sealed FROM totp_secret ORDER BY person_id;

-- name: reseal
-- Only over what was read: an app that was set up anew meanwhile stays.
UPDATE totp_secret SET sealed = %(sealed)s WHERE person_id = %(person_id)s AND sealed = %(former)s;

-- name: save_codes
INSERT INTO recovery_code (person_id, code_hash, created_at)
SELECT %(person_id)s, code_hash, %(now_micros)s FROM unnest(%(hashes)s::bytea[]) AS code_hash;

-- name: forget_codes
DELETE FROM recovery_code WHERE person_id = %(person_id)s;

-- name: use_code
UPDATE recovery_code SET used_at = %(now_micros)s
 WHERE person_id = %(person_id)s AND code_hash = %(code_hash)s AND used_at IS NULL;

-- name: codes_left
SELECT count(*) FROM recovery_code WHERE person_id = %(person_id)s AND used_at IS NULL;
