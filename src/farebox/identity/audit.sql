-- name: record_event
INSERT INTO audit_event (event_id, workspace_id, person_id, actor, action, subject, detail, address, happened_at)
VALUES (%(event_id)s, %(workspace_id)s, %(person_id)s, %(actor)s, %(action)s, %(subject)s, %(detail)s, %(address)s,
        %(now_micros)s);

-- name: record_events
-- Rides in the ledger's transaction. $1: a JSON array of rows.
INSERT INTO audit_event (event_id, workspace_id, person_id, actor, action, subject, detail, address, happened_at)
SELECT r.event_id, r.workspace_id, r.person_id, r.actor, r.action, r.subject, r.detail, r.address, r.happened_at
  FROM json_to_recordset($1::json) AS r (event_id uuid, workspace_id bigint, person_id bigint, actor text, action text,
       subject text, detail jsonb, address text, happened_at bigint);

-- name: list_events
-- To members an address is shown where a key or one of them acted, also one who is gone: where operators work is not
-- theirs to know.
-- To a person theirs, and whence somebody failed to sign in as them: not that of who gave or took a role of theirs.
SELECT event_id, workspace_id, person_id, actor, action, subject, detail,
       CASE WHEN %(for_person)s AND actor <> %(nobody)s AND actor <> %(own)s::text THEN ''
            WHEN NOT %(for_members)s OR actor LIKE 'key\_%%'
              OR EXISTS (SELECT FROM member m WHERE m.workspace_id = audit_event.workspace_id
                                                AND m.person_id = audit_event.person_id)
              OR EXISTS (SELECT FROM audit_event j WHERE j.person_id = audit_event.person_id
                                                     AND j.workspace_id = audit_event.workspace_id
                                                     AND j.action IN ('member.joined', 'workspace.created'))
            THEN address ELSE '' END,
       happened_at
  FROM audit_event
 WHERE (%(workspace_id)s::bigint IS NULL OR workspace_id = %(workspace_id)s)
   AND (%(person_id)s::bigint IS NULL OR person_id = %(person_id)s)
   AND (%(action)s::text IS NULL OR action = %(action)s)
   AND (%(before)s::uuid IS NULL OR event_id < %(before)s)
 ORDER BY event_id DESC LIMIT %(most)s;
