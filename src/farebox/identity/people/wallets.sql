-- name: keep_challenge
INSERT INTO wallet_challenge (challenge_id, nonce, message, address, chain_id, purpose, person_id, session_id,
                              workspace_id, created_at, expires_at)
VALUES (%(challenge_id)s, %(nonce)s, %(message)s, %(address)s, %(chain_id)s, %(purpose)s, %(person_id)s,
        %(session_id)s, %(workspace_id)s, %(created_at)s, %(expires_at)s);

-- name: use_challenge
-- One statement decides: of two answers at the same moment one finds it used up.
UPDATE wallet_challenge SET used_at = %(now_micros)s
 WHERE challenge_id = %(challenge_id)s AND used_at IS NULL AND expires_at > %(now_micros)s
RETURNING challenge_id, nonce, message, address, chain_id, purpose, person_id, session_id, workspace_id, created_at,
          expires_at;

-- name: give_back
UPDATE wallet_challenge SET used_at = NULL WHERE challenge_id = %(challenge_id)s;

-- name: lock_address
-- Until the transaction ends nobody else links this address; it need not have a row yet.
SELECT pg_advisory_xact_lock(hashtextextended(%(address)s, 4361));

-- name: wallet_of
-- A contract is the same account on its own chain only; what a key proved (null) is so on every chain.
SELECT w.wallet_id, w.person_id, p.status = 'active'
  FROM person_wallet w JOIN person p USING (person_id)
 WHERE w.address = %(address)s AND coalesce(w.chain_id, 0) = coalesce(%(chain_id)s, 0) AND w.unlinked_at IS NULL;

-- name: note_used
UPDATE person_wallet SET last_used_at = greatest(last_used_at, %(now_micros)s) WHERE wallet_id = %(wallet_id)s;

-- name: link_wallet
INSERT INTO person_wallet (wallet_id, person_id, address, chain_id, linked_at, last_used_at)
VALUES (%(wallet_id)s, %(person_id)s, %(address)s, %(chain_id)s, %(now_micros)s, %(now_micros)s)
ON CONFLICT (address, coalesce(chain_id, 0)) WHERE unlinked_at IS NULL DO NOTHING;

-- name: count_wallets
SELECT count(*) FROM person_wallet WHERE person_id = %(person_id)s AND unlinked_at IS NULL;
