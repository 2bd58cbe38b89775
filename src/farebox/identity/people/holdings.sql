-- name: lock_address
-- Until the transaction ends nobody else links this address; it need not have a row yet.
SELECT pg_advisory_xact_lock(hashtextextended(%(address)s, 4362));

-- name: overlapping
-- What a wallet holds counts once: one that its key proved counts on every chain, so it leaves no chain for a contract
-- at the same address.
SELECT workspace_id FROM holding_wallet
 WHERE address = %(address)s AND unlinked_at IS NULL
   AND (chain_id IS NULL OR %(chain_id)s::bigint IS NULL OR chain_id = %(chain_id)s)
 LIMIT 1;

-- name: link_holding
INSERT INTO holding_wallet (workspace_id, wallet_id, address, chain_id, linked_at, linked_by)
VALUES (%(workspace_id)s, %(wallet_id)s, %(address)s, %(chain_id)s, %(now_micros)s, %(linked_by)s);

-- name: count_holdings
SELECT count(*) FROM holding_wallet WHERE workspace_id = %(workspace_id)s AND unlinked_at IS NULL;

-- name: list_holdings
-- Those that count come first, then the history, both the newest first.
SELECT wallet_id, address, chain_id, linked_at, linked_by, unlinked_at
  FROM holding_wallet WHERE workspace_id = %(workspace_id)s
 ORDER BY unlinked_at IS NOT NULL, coalesce(unlinked_at, linked_at) DESC, wallet_id
 LIMIT %(most)s;

-- name: unlink_holding
UPDATE holding_wallet SET unlinked_at = %(now_micros)s
 WHERE workspace_id = %(workspace_id)s AND wallet_id = %(wallet_id)s AND unlinked_at IS NULL
RETURNING wallet_id, address, chain_id, linked_at, linked_by, unlinked_at;
