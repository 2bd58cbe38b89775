-- name: keep_letter
INSERT INTO demo_letter (recipient, subject, body, sent_at) VALUES (%(recipient)s, %(subject)s, %(body)s, %(sent_at)s);

-- name: drop_oldest
DELETE FROM demo_letter WHERE letter_id <= (SELECT max(letter_id) FROM demo_letter) - %(most)s;

-- name: list_letters
SELECT letter_id, recipient, subject, body, sent_at FROM demo_letter ORDER BY letter_id DESC LIMIT %(most)s;
