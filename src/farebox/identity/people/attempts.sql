-- name: count_attempt
INSERT INTO sign_in_attempt (bucket, window_start, attempts) VALUES (%(bucket)s, %(window_start)s, 1)
    ON CONFLICT (bucket, window_start) DO UPDATE SET attempts = sign_in_attempt.attempts + 1
RETURNING attempts;

-- name: forget_attempts
DELETE FROM sign_in_attempt WHERE window_start < %(before)s;
