-- name: one_at_a_time
-- Who asks waits for whoever of the same workspace asks already, so that the count below holds.
SELECT pg_advisory_xact_lock(hashtextextended('farebox requests', %(workspace_id)s));

-- name: count_waiting
SELECT count(*) FROM review_request WHERE workspace_id = %(workspace_id)s AND status = 'waiting';

-- name: make_request
INSERT INTO review_request (request_id, workspace_id, kind, title, detail, created_at, created_by)
VALUES (%(request_id)s, %(workspace_id)s, %(kind)s, %(title)s, %(detail)s, %(now_micros)s, %(created_by)s);

-- name: read_request
SELECT r.request_id, r.workspace_id, w.name, r.kind, r.title, r.detail, r.status, r.created_at, r.created_by,
       r.decided_at, r.decided_by, r.reason
  FROM review_request r JOIN workspace w USING (workspace_id)
 WHERE r.request_id = %(request_id)s
   AND (%(workspace_id)s::bigint IS NULL OR r.workspace_id = %(workspace_id)s)
   FOR NO KEY UPDATE OF r;

-- name: end_request
UPDATE review_request SET status = %(status)s, decided_at = %(now_micros)s, decided_by = %(decided_by)s,
       reason = %(reason)s
 WHERE request_id = %(request_id)s AND status = 'waiting';

-- name: list_oldest_first
-- Who has waited longest comes first.
SELECT r.request_id, r.workspace_id, w.name, r.kind, r.title, r.detail, r.status, r.created_at, r.created_by,
       r.decided_at, r.decided_by, r.reason
  FROM review_request r JOIN workspace w USING (workspace_id)
 WHERE r.status = 'waiting'
   AND (%(workspace_id)s::bigint IS NULL OR r.workspace_id = %(workspace_id)s)
   AND (%(kind)s::text IS NULL OR r.kind = %(kind)s)
   AND (%(created_at)s::bigint IS NULL OR (r.created_at, r.request_id) > (%(created_at)s, %(request_id)s))
 ORDER BY r.created_at, r.request_id LIMIT %(most)s;

-- name: list_newest_first
SELECT r.request_id, r.workspace_id, w.name, r.kind, r.title, r.detail, r.status, r.created_at, r.created_by,
       r.decided_at, r.decided_by, r.reason
  FROM review_request r JOIN workspace w USING (workspace_id)
 WHERE (%(status)s::text IS NULL OR r.status = %(status)s)
   AND (%(workspace_id)s::bigint IS NULL OR r.workspace_id = %(workspace_id)s)
   AND (%(kind)s::text IS NULL OR r.kind = %(kind)s)
   AND (%(created_at)s::bigint IS NULL OR (r.created_at, r.request_id) < (%(created_at)s, %(request_id)s))
 ORDER BY r.created_at DESC, r.request_id DESC LIMIT %(most)s;
