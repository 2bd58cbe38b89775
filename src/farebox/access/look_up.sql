-- name: find_workspaces
-- The newest first, from a place in the list on; each condition counts where it is asked for. Whose name holds the text
-- is found by reading the names: operators search a few times a day, in a table that fits in memory.
SELECT w.workspace_id, w.name, w.kind, w.status, w.created_at,
       (SELECT count(*) FROM member m WHERE m.workspace_id = w.workspace_id),
       (SELECT coalesce(sum(a.posted_nanos - a.held_nanos), 0)::bigint FROM ledger_account a
         WHERE a.workspace_id = w.workspace_id AND NOT a.closed
           AND (a.account_id = 0 OR a.expires_at IS NULL OR a.expires_at > %(now_micros)s)),
       (SELECT max(k.last_used_at) FROM api_key k WHERE k.workspace_id = w.workspace_id)
  FROM workspace w
 WHERE (%(workspace_id)s::bigint IS NULL OR w.workspace_id = %(workspace_id)s)
   AND (%(name_like)s::text IS NULL OR w.name ILIKE %(name_like)s
        OR (%(email_like)s::text IS NOT NULL AND w.workspace_id IN
            (SELECT m.workspace_id FROM member m JOIN person_email e USING (person_id)
              WHERE e.unlinked_at IS NULL AND e.email LIKE %(email_like)s)))
   AND (%(key_id)s::bigint IS NULL OR w.workspace_id IN
        (SELECT k.workspace_id FROM api_key k WHERE k.key_id = %(key_id)s))
   AND (%(prefix_like)s::text IS NULL OR w.workspace_id IN
        (SELECT k.workspace_id FROM api_key k WHERE k.visible_prefix LIKE %(prefix_like)s))
   AND (%(status)s::text IS NULL OR w.status = %(status)s)
   AND (%(before_created_at)s::bigint IS NULL OR (w.created_at, w.workspace_id)
        < (%(before_created_at)s, %(before_workspace_id)s))
 ORDER BY w.created_at DESC, w.workspace_id DESC LIMIT %(most)s;

-- name: members
-- The owner first, then by their time.
SELECT m.person_id, p.name, p.status = 'active', m.role, m.joined_at,
       ARRAY(SELECT e.email FROM person_email e WHERE e.person_id = m.person_id AND e.unlinked_at IS NULL
              ORDER BY e.linked_at, e.email_id)
  FROM member m JOIN person p USING (person_id)
 WHERE m.workspace_id = %(workspace_id)s
 ORDER BY m.role <> 'owner', m.joined_at, m.person_id LIMIT %(most)s;

-- name: people_called
SELECT p.person_id, coalesce(nullif(p.name, ''),
       (SELECT e.email FROM person_email e WHERE e.person_id = p.person_id AND e.unlinked_at IS NULL
         ORDER BY e.linked_at, e.email_id LIMIT 1))
  FROM person p WHERE p.person_id = ANY (%(person_ids)s);
