-- Where to tell of the end of a film, if its customer wants to be told, and how far that came. The address is a customer's
-- own: it is forgotten as soon as it is not needed any more.

ALTER TABLE video_job
    ADD COLUMN webhook_url      text,               -- null: nobody, or nobody any more
    ADD COLUMN webhook_state    text CHECK (webhook_state IN ('pending', 'delivered', 'failed')),
    ADD COLUMN webhook_attempts int  NOT NULL DEFAULT 0,
    ADD COLUMN webhook_next_at  bigint,             -- microseconds since 1970 UTC
    ADD CHECK (webhook_state IS DISTINCT FROM 'pending' OR (webhook_url IS NOT NULL AND webhook_next_at IS NOT NULL));
-- What has to be delivered: always few rows.
CREATE INDEX video_job_webhook ON video_job (webhook_next_at)
    WHERE webhook_state = 'pending' AND state IN ('completed', 'failed', 'expired');
