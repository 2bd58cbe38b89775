-- name: list_emails
SELECT email_id, email, linked_at FROM person_email
 WHERE person_id = %(person_id)s AND unlinked_at IS NULL ORDER BY linked_at, email_id;

-- name: list_wallets
SELECT wallet_id, address, chain_id, name, linked_at, last_used_at FROM person_wallet
 WHERE person_id = %(person_id)s AND unlinked_at IS NULL ORDER BY linked_at, wallet_id;

-- name: list_passkeys
SELECT passkey_id, name, is_backed_up, linked_at, last_used_at FROM passkey
 WHERE person_id = %(person_id)s AND unlinked_at IS NULL ORDER BY linked_at, passkey_id;

-- name: second_factors
SELECT EXISTS (SELECT FROM totp_secret WHERE person_id = %(person_id)s AND confirmed_at IS NOT NULL),
       (SELECT count(*) FROM recovery_code WHERE person_id = %(person_id)s AND used_at IS NULL);

-- name: unlink_email
UPDATE person_email SET unlinked_at = %(now_micros)s
 WHERE person_id = %(person_id)s AND email_id = %(way_id)s AND unlinked_at IS NULL;

-- name: unlink_wallet
UPDATE person_wallet SET unlinked_at = %(now_micros)s
 WHERE person_id = %(person_id)s AND wallet_id = %(way_id)s AND unlinked_at IS NULL;

-- name: unlink_passkey
UPDATE passkey SET unlinked_at = %(now_micros)s
 WHERE person_id = %(person_id)s AND passkey_id = %(way_id)s AND unlinked_at IS NULL;
