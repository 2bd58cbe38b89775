-- Named queries of the catalog. None is on the path of a call: processes keep the catalog in memory.

-- name: lock_applies
-- One apply at a time; until the end of the transaction.
SELECT pg_advisory_xact_lock(%(lock)s);

-- name: next_moment
-- Read after the lock, from the one clock all appliers share, and never twice the same: the order of applies is the
-- order of their moments, even where the clock is set back.
SELECT greatest(clock_timestamp(), max(applied_at) + interval '1 microsecond') FROM catalog_apply;

-- name: rows_from
-- The row current at a moment for each id, and all rows that take effect later. `effective_applies` numbers the
-- state at that moment: applies are never dated back, so the count grows with every state.
SELECT r.kind, r.id, r.version, r.apply_id, r.effective_at, r.body::text,
       (SELECT count(*) FROM catalog_apply WHERE effective_at <= %(moment)s) AS effective_applies
  FROM (
        (SELECT DISTINCT ON (kind, id) *
           FROM catalog_row
          WHERE effective_at <= %(moment)s
          ORDER BY kind, id, effective_at DESC, version DESC)
        UNION ALL
        SELECT * FROM catalog_row WHERE effective_at > %(moment)s
       ) AS r
 ORDER BY r.effective_at, r.version, r.kind, r.id;

-- name: scheduled_moments
SELECT count(DISTINCT effective_at) FROM catalog_apply
 WHERE effective_at > %(moment)s AND effective_at <> %(effective_at)s;

-- name: insert_apply
INSERT INTO catalog_apply (applied_at, effective_at, source_sha256, actor)
VALUES (%(applied_at)s, %(effective_at)s, %(source_sha256)s, %(actor)s)
RETURNING apply_id;

-- name: insert_rows
-- Each becomes the next version of its id; a null body removes it.
INSERT INTO catalog_row (kind, id, version, apply_id, effective_at, body)
SELECT n.kind, n.id,
       coalesce((SELECT max(o.version) FROM catalog_row o WHERE o.kind = n.kind AND o.id = n.id), 0) + 1,
       %(apply_id)s, %(effective_at)s, n.body::jsonb
  FROM unnest(%(kinds)s::text[], %(ids)s::text[], %(bodies)s::text[]) AS n (kind, id, body);

-- name: price_row
SELECT body::text FROM catalog_row WHERE kind = 'price' AND id = %(route_id)s AND version = %(version)s;

-- name: any_apply
SELECT EXISTS (SELECT 1 FROM catalog_apply);
