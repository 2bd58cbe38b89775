-- Films take minutes to hours, so what a job needs to be polled, settled and shown stands in a row of its own. No prompt
-- and no picture: they went to the provider and are not kept. Its hold has the same id and outlives every worker.

CREATE TABLE video_job (
    workspace_id   bigint   NOT NULL,
    job_id         uuid     NOT NULL,           -- the call's id, which is the hold's
    key_id         bigint   NOT NULL,
    model_id       text     NOT NULL,
    route_id       text     NOT NULL,
    provider_id    text     NOT NULL,
    upstream_id    text,                        -- the provider's name for it; null: not accepted yet
    price_version  text     NOT NULL,           -- of the moment of the order, whatever the catalog says later
    variant        text     NOT NULL,           -- the size, by which films are priced
    seconds        int      NOT NULL CHECK (seconds > 0),
    idempotent     boolean  NOT NULL,
    attempts       text     NOT NULL DEFAULT '[]',
    held_nanos     bigint   NOT NULL CHECK (held_nanos >= 0),
    charge_nanos   bigint   NOT NULL CHECK (charge_nanos BETWEEN 0 AND held_nanos), -- what a film costs the customer
    cost_nanos     bigint   NOT NULL CHECK (cost_nanos >= 0),   -- what it costs the operator
    unbilled_nanos bigint   NOT NULL DEFAULT 0 CHECK (unbilled_nanos >= 0), -- what the provider may bill for no film
    state          text     NOT NULL,           -- dataplane/jobs/states.py is the only place that knows the moves
    rule           text,                        -- how it is settled; null: not decided yet
    error_code     text,
    provider_code  text,                        -- the provider's own word for the error, if it is a plain one
    progress       smallint NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    content_uri    text,                        -- where the film is, if not at the job's own address
    boot_id        bigint   NOT NULL,           -- of the worker that submits it
    created_at     bigint   NOT NULL,           -- microseconds since 1970 UTC, like every moment here
    ended_at       bigint,                      -- when it was decided how it ended
    expires_at     bigint,                      -- until when the provider keeps the film
    next_poll_at   bigint   NOT NULL,
    polls          int      NOT NULL DEFAULT 0,
    misses         int      NOT NULL DEFAULT 0, -- how often in a row the provider did not know it
    PRIMARY KEY (workspace_id, job_id),
    CHECK (state IN ('submitting', 'queued', 'running', 'settling', 'completed', 'failed', 'expired', 'deleted')),
    CHECK (state IN ('submitting', 'queued', 'running') OR (rule IS NOT NULL AND ended_at IS NOT NULL))
);
-- What has to be looked after: always few rows.
CREATE INDEX video_job_due ON video_job (next_poll_at) WHERE state IN ('submitting', 'queued', 'running', 'settling');
