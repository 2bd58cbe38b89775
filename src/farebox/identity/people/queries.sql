-- name: create_person
INSERT INTO person (person_id, name, created_at) VALUES (%(person_id)s, %(name)s, %(now_micros)s)
RETURNING person_id, name, status = 'active', created_at;

-- name: read_person
SELECT person_id, name, status = 'active', created_at FROM person WHERE person_id = %(person_id)s;

-- name: person_of_email
SELECT p.person_id, p.name, p.status = 'active', p.created_at
  FROM person_email e JOIN person p USING (person_id)
 WHERE e.email = %(email)s AND e.unlinked_at IS NULL;

-- name: emails_of
SELECT email FROM person_email WHERE person_id = %(person_id)s AND unlinked_at IS NULL ORDER BY linked_at, email_id;

-- name: rename_person
UPDATE person SET name = %(name)s WHERE person_id = %(person_id)s;

-- name: lock_person
SELECT FROM person WHERE person_id = %(person_id)s FOR NO KEY UPDATE;

-- name: count_ways_in
SELECT (SELECT count(*) FROM person_email WHERE person_id = %(person_id)s AND unlinked_at IS NULL)
     + (SELECT count(*) FROM person_wallet WHERE person_id = %(person_id)s AND unlinked_at IS NULL)
     + (SELECT count(*) FROM passkey WHERE person_id = %(person_id)s AND unlinked_at IS NULL);
