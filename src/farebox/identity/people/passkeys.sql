-- name: save_challenge
INSERT INTO passkey_challenge (challenge_id, challenge, purpose, person_id, session_id, created_at, expires_at)
VALUES (%(challenge_id)s, %(challenge)s, %(purpose)s, %(person_id)s, %(session_id)s, %(now_micros)s, %(expires_at)s);

-- name: take_challenge
-- Used up by its first answer, right or wrong; of two answers at once one gets nothing.
UPDATE passkey_challenge SET used_at = %(now_micros)s
 WHERE challenge_id = %(challenge_id)s AND used_at IS NULL AND expires_at > %(now_micros)s
RETURNING challenge, purpose, person_id, session_id;

-- name: passkey_of_credential
SELECT k.passkey_id, k.person_id, k.credential_id, k.public_key, k.sign_count, k.transports, k.is_backed_up, k.name,
       k.linked_at, k.last_used_at
  FROM passkey k JOIN person p USING (person_id)
 WHERE k.credential_id = %(credential_id)s AND k.unlinked_at IS NULL AND p.status = 'active';

-- name: passkeys_of
SELECT passkey_id, person_id, credential_id, public_key, sign_count, transports, is_backed_up, name, linked_at,
       last_used_at
  FROM passkey WHERE person_id = %(person_id)s AND unlinked_at IS NULL ORDER BY linked_at, passkey_id;

-- name: link_passkey
INSERT INTO passkey (passkey_id, person_id, credential_id, public_key, sign_count, transports, is_backed_up, name,
                     linked_at)
VALUES (%(passkey_id)s, %(person_id)s, %(credential_id)s, %(public_key)s, %(sign_count)s, %(transports)s,
        %(is_backed_up)s, %(name)s, %(now_micros)s)
    ON CONFLICT (credential_id) WHERE unlinked_at IS NULL DO NOTHING
RETURNING passkey_id, person_id, credential_id, public_key, sign_count, transports, is_backed_up, name, linked_at,
          last_used_at;

-- name: note_use
-- Only over the count that the signature was checked against: of two uses at once one fails, like a copy would.
UPDATE passkey SET sign_count = %(sign_count)s, is_backed_up = %(is_backed_up)s, last_used_at = %(now_micros)s
 WHERE passkey_id = %(passkey_id)s AND sign_count = %(former_count)s AND unlinked_at IS NULL;

-- name: unlink_passkeys
UPDATE passkey SET unlinked_at = %(now_micros)s WHERE person_id = %(person_id)s AND unlinked_at IS NULL;
