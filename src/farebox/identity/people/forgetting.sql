-- name: forget_email_challenges
DELETE FROM email_challenge WHERE expires_at < %(before)s;

-- name: forget_wallet_challenges
DELETE FROM wallet_challenge WHERE expires_at < %(before)s;

-- name: forget_passkey_challenges
DELETE FROM passkey_challenge WHERE expires_at < %(before)s;
