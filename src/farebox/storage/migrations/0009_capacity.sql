-- Capacity that workers share: slots of credentials, pools and lanes, and routes' budgets. Each worker takes blocks of it
-- outside the path of a call. Decided in routing/capacity/shares.py, under an advisory lock on the resource's name.

-- What one worker may use of a resource. It counts only while its owner lives (ledger_owner): there is no foreign key,
-- because the ledger forgets owners without asking anybody, and must not wait for this table.
CREATE TABLE capacity_lease (
    resource  text   NOT NULL,                 -- credential:…, pool:…, lane:…, loan:…
    owner_id  bigint NOT NULL,
    granted   bigint NOT NULL CHECK (granted >= 0),
    wanted    bigint NOT NULL CHECK (wanted >= 0),  -- in use by right or waited for: more than granted is a shortage
    called_at bigint,                          -- lanes: when their workspace last called this worker, in microseconds
    PRIMARY KEY (resource, owner_id)
) WITH (fillfactor = 50);                      -- rows change often and in place
CREATE INDEX capacity_lease_owner ON capacity_lease (owner_id);

-- What a route's provider billed in a window, and what workers hold of the rest. A worker that dies leaves its block
-- behind as leased: the route spends less, never more.
CREATE TABLE capacity_budget (
    route_id     text   NOT NULL,
    per          text   NOT NULL CHECK (per IN ('day', 'month')),
    day          int    NOT NULL,              -- first day of the window, in days since 1970 UTC
    spent_nanos  bigint NOT NULL CHECK (spent_nanos >= 0),
    leased_nanos bigint NOT NULL CHECK (leased_nanos >= 0),
    PRIMARY KEY (route_id, per, day)
) WITH (fillfactor = 50);
