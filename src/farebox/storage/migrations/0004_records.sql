-- Receipts: one row per call that ended, written in the transaction that ended its hold. Metadata only: no table of
-- this schema has a column for a prompt or an answer.
CREATE TABLE call (
    workspace_id          bigint NOT NULL,
    call_id               uuid   NOT NULL,     -- the hold's id
    key_id                bigint NOT NULL,
    model_id              text   NOT NULL,
    route_id              text   NOT NULL,     -- the route that answered, or the last one tried
    provider_id           text   NOT NULL,
    dialect               text   NOT NULL,
    streamed              boolean NOT NULL,
    status                text   NOT NULL CHECK (status IN ('settled', 'released', 'settled_late', 'written_off')),
    rule                  text   NOT NULL,     -- which settlement rule applied (docs/reference/settlement.md)
    evidence              text   NOT NULL CHECK (evidence IN ('A', 'B', 'C', 'D')),
    error_code            text,
    price_version         text   NOT NULL,
    service_tier          text,
    input_tokens          bigint NOT NULL DEFAULT 0,
    cached_input_tokens   bigint NOT NULL DEFAULT 0,
    cache_write_5m_tokens bigint NOT NULL DEFAULT 0,
    cache_write_1h_tokens bigint NOT NULL DEFAULT 0,
    output_tokens         bigint NOT NULL DEFAULT 0,
    reasoning_tokens      bigint NOT NULL DEFAULT 0,
    requests              bigint NOT NULL DEFAULT 0,
    held_nanos            bigint NOT NULL,
    charge_nanos          bigint NOT NULL,
    absorbed_nanos        bigint NOT NULL DEFAULT 0, -- above the hold and not covered: the operator's
    cost_nanos            bigint NOT NULL,
    request_counted       boolean NOT NULL,
    idempotent            boolean NOT NULL,
    attempts              text   NOT NULL,     -- JSON: [{"route","provider","outcome","status","milliseconds"}]
    started_at            bigint NOT NULL,     -- microseconds since 1970 UTC
    finished_at           bigint NOT NULL,
    first_byte_ms         int,
    PRIMARY KEY (workspace_id, call_id)
) PARTITION BY RANGE (call_id);
CREATE TABLE call_default PARTITION OF call DEFAULT;
