-- Named queries of video jobs. Only `move` changes a state, and only from the one that its caller saw.

-- name: insert
INSERT INTO video_job (workspace_id, job_id, key_id, model_id, route_id, provider_id, price_version, variant, seconds,
                       idempotent, held_nanos, charge_nanos, cost_nanos, state, boot_id, created_at, next_poll_at,
                       webhook_url, webhook_state, webhook_next_at)
VALUES (%(workspace_id)s, %(job_id)s, %(key_id)s, %(model_id)s, %(route_id)s, %(provider_id)s, %(price_version)s, %(variant)s,
        %(seconds)s, %(idempotent)s, %(held_nanos)s, %(charge_nanos)s, %(cost_nanos)s, 'submitting', %(boot_id)s,
        %(created_at)s, %(next_poll_at)s, %(webhook_url)s, %(webhook_state)s, %(webhook_next_at)s);

-- name: forget
-- An order that never had a hold was never a job.
DELETE FROM video_job
 WHERE workspace_id = %(workspace_id)s AND job_id = %(job_id)s AND (state = 'submitting' OR (state = 'settling' AND %(unheld)s));

-- name: move
-- What is null stays as it is.
UPDATE video_job
   SET state = %(to_state)s,
       upstream_id = coalesce(%(upstream_id)s, upstream_id),
       route_id = coalesce(%(route_id)s, route_id),
       provider_id = coalesce(%(provider_id)s, provider_id),
       price_version = coalesce(%(price_version)s, price_version),
       charge_nanos = coalesce(%(charge_nanos)s, charge_nanos),
       cost_nanos = coalesce(%(cost_nanos)s, cost_nanos),
       unbilled_nanos = coalesce(%(unbilled_nanos)s, unbilled_nanos),
       attempts = coalesce(%(attempts)s, attempts),
       credential_id = coalesce(%(credential_id)s, credential_id),
       routing = coalesce(%(routing)s, routing),
       rule = coalesce(%(rule)s, rule),
       error_code = coalesce(%(error_code)s, error_code),
       provider_code = coalesce(%(provider_code)s, provider_code),
       progress = coalesce(%(progress)s, progress),
       content_uri = coalesce(%(content_uri)s, content_uri),
       ended_at = coalesce(%(ended_at)s, ended_at),
       expires_at = coalesce(%(expires_at)s, expires_at),
       next_poll_at = coalesce(%(next_poll_at)s, next_poll_at),
       misses = coalesce(%(misses)s, misses),
       -- nobody is told of a job that was deleted
       webhook_url = CASE WHEN %(to_state)s = 'deleted' THEN NULL ELSE webhook_url END,
       webhook_state = CASE WHEN %(to_state)s = 'deleted' THEN NULL ELSE webhook_state END
 WHERE workspace_id = %(workspace_id)s AND job_id = %(job_id)s AND state = %(from_state)s
RETURNING *;

-- name: postpone
UPDATE video_job SET next_poll_at = %(next_poll_at)s, misses = %(misses)s
 WHERE workspace_id = %(workspace_id)s AND job_id = %(job_id)s AND state = %(state)s;

-- name: find
SELECT * FROM video_job WHERE workspace_id = %(workspace_id)s AND job_id = %(job_id)s;

-- name: newest
SELECT * FROM video_job
 WHERE workspace_id = %(workspace_id)s AND state <> 'deleted' AND (%(after)s::uuid IS NULL OR job_id < %(after)s)
 ORDER BY job_id DESC LIMIT %(most)s;

-- name: oldest
SELECT * FROM video_job
 WHERE workspace_id = %(workspace_id)s AND state <> 'deleted' AND (%(after)s::uuid IS NULL OR job_id > %(after)s)
 ORDER BY job_id LIMIT %(most)s;

-- name: take_due
-- A lease: who is not done by then leaves the job to the next round. Two pollers never take the same one. Providers that
-- are busy have enough questions open; what asks nobody is taken all the same.
UPDATE video_job j SET next_poll_at = %(leased_until)s, polls = polls + 1
  FROM (SELECT workspace_id, job_id FROM video_job
         WHERE state IN ('submitting', 'queued', 'running', 'settling') AND next_poll_at <= %(now_micros)s
           AND (state IN ('submitting', 'settling') OR provider_id <> ALL(%(busy)s::text[]))
         ORDER BY next_poll_at LIMIT %(most)s FOR UPDATE SKIP LOCKED) due
 WHERE j.workspace_id = due.workspace_id AND j.job_id = due.job_id
RETURNING j.*;

-- name: take_webhooks
-- A lease like that of `take_due`; the attempt counts from here on, so that one which kills its process counts, too.
UPDATE video_job j SET webhook_next_at = %(leased_until)s, webhook_attempts = webhook_attempts + 1
  FROM (SELECT workspace_id, job_id FROM video_job
         WHERE webhook_state = 'pending' AND state IN ('completed', 'failed', 'expired')
           AND webhook_next_at <= %(now_micros)s
           AND (workspace_id, job_id) IN (
               SELECT workspace_id, job_id
                 FROM (SELECT workspace_id, job_id,
                              row_number() OVER (PARTITION BY workspace_id ORDER BY webhook_next_at, job_id) AS place
                         FROM video_job
                        WHERE webhook_state = 'pending' AND state IN ('completed', 'failed', 'expired')
                          AND webhook_next_at <= %(now_micros)s AND workspace_id <> ALL(%(busy)s::bigint[])) ranked
                WHERE place <= %(most_each)s)
         ORDER BY webhook_next_at LIMIT %(most)s FOR UPDATE SKIP LOCKED) due
 WHERE j.workspace_id = due.workspace_id AND j.job_id = due.job_id
RETURNING j.*;

-- name: put_webhook_back
UPDATE video_job SET webhook_next_at = %(next_at)s, webhook_attempts = %(attempts)s
 WHERE workspace_id = %(workspace_id)s AND job_id = %(job_id)s AND webhook_state = 'pending'
   AND webhook_attempts = %(taken)s;

-- name: end_webhook
UPDATE video_job SET webhook_state = %(webhook_state)s, webhook_url = NULL
 WHERE workspace_id = %(workspace_id)s AND job_id = %(job_id)s AND webhook_state = 'pending';

-- name: is_alive
-- Whether a worker may still be at it: its session stood when it was last looked at.
SELECT EXISTS (SELECT 1 FROM ledger_owner WHERE owner_id = %(boot_id)s AND gone_since IS NULL);

-- name: stray_holds
-- Open holds whose job is over, or was never written: what a worker left that was taken for dead and went on.
SELECT h.workspace_id, h.hold_id FROM ledger_hold h
  LEFT JOIN video_job j ON j.workspace_id = h.workspace_id AND j.job_id = h.hold_id
 WHERE h.owner_id = %(owner_id)s AND h.state IN (1, 2, 5) AND h.reserved_at < %(before)s
   AND (j.state IS NULL OR j.state NOT IN ('submitting', 'queued', 'running', 'settling'))
 LIMIT %(most)s;
