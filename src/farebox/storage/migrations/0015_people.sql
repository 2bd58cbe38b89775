-- People: who they are, how they prove it, what they may do, and what they did. Moments are microseconds since 1970 UTC.
-- Nothing here is on the path of a call, and nothing of it announces changes: sessions and roles are read from their rows
-- on every request, so that what is taken away is gone with the next one.

CREATE TABLE person (
    person_id  bigint PRIMARY KEY CHECK (person_id > 0),
    name       text   NOT NULL DEFAULT '' CHECK (char_length(name) <= 100), -- '': not said
    status     text   NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    created_at bigint NOT NULL
);

-- What a person can sign in with. A row is never deleted: unlinked_at ends it, and the same thing may be linked again.
CREATE TABLE person_email (
    email_id    bigint PRIMARY KEY,
    person_id   bigint NOT NULL REFERENCES person,
    email       text   NOT NULL CHECK (email = lower(email) AND char_length(email) <= 254),
    linked_at   bigint NOT NULL,
    unlinked_at bigint
);
CREATE UNIQUE INDEX person_email_active ON person_email (email) WHERE unlinked_at IS NULL;
CREATE INDEX person_email_person ON person_email (person_id);

CREATE TABLE person_wallet (
    wallet_id    bigint PRIMARY KEY,
    person_id    bigint NOT NULL REFERENCES person,
    address      text   NOT NULL CHECK (address ~ '^0x[0-9a-f]{40}$'),
    chain_id     bigint CHECK (chain_id > 0),  -- null: proved by its key, so it is the same on every chain; else a
                                               -- contract, which may belong to somebody else on another chain
    name         text   NOT NULL DEFAULT '' CHECK (char_length(name) <= 100),
    linked_at    bigint NOT NULL,
    last_used_at bigint,
    unlinked_at  bigint
);
CREATE UNIQUE INDEX person_wallet_active ON person_wallet (address, coalesce(chain_id, 0)) WHERE unlinked_at IS NULL;
CREATE INDEX person_wallet_person ON person_wallet (person_id);

CREATE TABLE passkey (
    passkey_id    bigint PRIMARY KEY,
    person_id     bigint NOT NULL REFERENCES person,
    credential_id bytea  NOT NULL CHECK (octet_length(credential_id) BETWEEN 1 AND 1023),
    public_key    bytea  NOT NULL,
    sign_count    bigint NOT NULL,
    transports    text[] NOT NULL DEFAULT '{}',
    is_backed_up  boolean NOT NULL,
    name          text   NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    linked_at     bigint NOT NULL,
    last_used_at  bigint,
    unlinked_at   bigint
);
CREATE UNIQUE INDEX passkey_active ON passkey (credential_id) WHERE unlinked_at IS NULL;
CREATE INDEX passkey_person ON passkey (person_id);

CREATE TABLE totp_secret (
    person_id    bigint PRIMARY KEY REFERENCES person,
    sealed       bytea  NOT NULL,              -- like providers' keys; bound to this person
    created_at   bigint NOT NULL,
    confirmed_at bigint,                       -- null: shown, but not yet proved
    last_step    bigint NOT NULL DEFAULT 0     -- of 30 seconds since 1970: a code is used once
);
CREATE TABLE recovery_code (
    person_id  bigint NOT NULL REFERENCES person,
    code_hash  bytea  NOT NULL CHECK (octet_length(code_hash) = 32),
    created_at bigint NOT NULL,
    used_at    bigint,
    PRIMARY KEY (person_id, code_hash)
);

-- The moves between states stand in identity/people/session_life.py.
CREATE TABLE person_session (
    session_id       bigint PRIMARY KEY,
    token_hash       bytea  NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32), -- SHA-256; the token is never stored
    person_id        bigint NOT NULL REFERENCES person,
    state            text   NOT NULL CHECK (state IN ('pending', 'active', 'ended')), -- pending: second factor missing
    methods          text[] NOT NULL,          -- by what it was proved, in order
    created_at       bigint NOT NULL,
    seen_at          bigint NOT NULL,          -- written at most once a minute
    proved_at        bigint NOT NULL,          -- of the newest proof; what is delicate wants a fresh one
    second_factor_at bigint,
    expires_at       bigint NOT NULL,          -- however busy it is
    address          text   NOT NULL DEFAULT '',
    user_agent       text   NOT NULL DEFAULT '' CHECK (char_length(user_agent) <= 300),
    ended_at         bigint,
    ended_by         text,
    CHECK ((state = 'ended') = (ended_at IS NOT NULL))
);
-- Of those that are open: ended ones stay for ever, and who signs in for the thousandth time does not read them all.
CREATE INDEX person_session_person ON person_session (person_id, created_at DESC) WHERE state <> 'ended';

-- Challenges: made by the server, used once, even when the answer is wrong (a code may be tried a few times).
CREATE TABLE email_challenge (
    challenge_id uuid   PRIMARY KEY,
    email        text   NOT NULL,
    purpose      text   NOT NULL CHECK (purpose IN ('sign_in', 'link', 'step_up')),
    person_id    bigint,                       -- of link and step_up
    session_id   bigint,                       -- only this session can answer it
    code_hash    bytea  NOT NULL,
    link_hash    bytea  NOT NULL UNIQUE,
    attempts     int    NOT NULL DEFAULT 0,
    created_at   bigint NOT NULL,
    expires_at   bigint NOT NULL,
    used_at      bigint
);
CREATE INDEX email_challenge_old ON email_challenge (expires_at);
CREATE TABLE wallet_challenge (
    challenge_id uuid   PRIMARY KEY,
    nonce        text   NOT NULL UNIQUE,
    message      text   NOT NULL,              -- the very text that is signed
    address      text   NOT NULL,
    chain_id     bigint NOT NULL,
    purpose      text   NOT NULL CHECK (purpose IN ('sign_in', 'link', 'step_up', 'holding')),
    person_id    bigint,
    session_id   bigint,
    workspace_id bigint,                       -- of a holding wallet
    created_at   bigint NOT NULL,
    expires_at   bigint NOT NULL,
    used_at      bigint
);
CREATE INDEX wallet_challenge_old ON wallet_challenge (expires_at);
CREATE TABLE passkey_challenge (
    challenge_id uuid   PRIMARY KEY,
    challenge    bytea  NOT NULL,
    purpose      text   NOT NULL CHECK (purpose IN ('sign_in', 'link', 'step_up')),
    person_id    bigint,
    session_id   bigint,
    created_at   bigint NOT NULL,
    expires_at   bigint NOT NULL,
    used_at      bigint
);
CREATE INDEX passkey_challenge_old ON passkey_challenge (expires_at);

-- How often something was tried, by a hash of whom it concerns or whence it came.
CREATE TABLE sign_in_attempt (
    bucket       bytea  NOT NULL,
    window_start bigint NOT NULL,
    attempts     int    NOT NULL,
    PRIMARY KEY (bucket, window_start)
);
CREATE INDEX sign_in_attempt_old ON sign_in_attempt (window_start);

-- Who belongs to a workspace. One owner each; a workspace that the operator made has none until it is handed over.
CREATE TABLE member (
    workspace_id bigint NOT NULL REFERENCES workspace,
    person_id    bigint NOT NULL REFERENCES person,
    role         text   NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'billing', 'viewer')),
    joined_at    bigint NOT NULL,
    added_by     text   NOT NULL,
    PRIMARY KEY (workspace_id, person_id)
);
CREATE UNIQUE INDEX member_owner ON member (workspace_id) WHERE role = 'owner';
CREATE INDEX member_person ON member (person_id);

CREATE TABLE invitation (
    workspace_id  bigint NOT NULL REFERENCES workspace,
    invitation_id bigint NOT NULL,
    email         text   NOT NULL CHECK (email = lower(email) AND char_length(email) <= 254),
    role          text   NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'billing', 'viewer')),
    token_hash    bytea  NOT NULL UNIQUE,
    invited_by    text   NOT NULL,             -- person_…, or operator; owner only where the workspace has none
    created_at    bigint NOT NULL,
    expires_at    bigint NOT NULL,
    accepted_at   bigint,
    accepted_by   bigint REFERENCES person,
    withdrawn_at  bigint,
    PRIMARY KEY (workspace_id, invitation_id),
    CHECK (accepted_at IS NULL OR withdrawn_at IS NULL)
);
CREATE UNIQUE INDEX invitation_open ON invitation (workspace_id, email) WHERE accepted_at IS NULL AND withdrawn_at IS NULL;
CREATE INDEX invitation_email ON invitation (email);

-- Workspaces that somebody has made and whose book, limits and welcome are still to be made: the ledger works in
-- transactions of its own. Whoever finds a row here that is not quite new does what is left (access/new_workspace.py).
CREATE TABLE unopened_workspace (
    workspace_id bigint PRIMARY KEY REFERENCES workspace,
    created_at   bigint NOT NULL
);

CREATE TABLE platform_role (
    person_id  bigint PRIMARY KEY REFERENCES person,
    role       text   NOT NULL CHECK (role IN ('superadmin', 'finance', 'support', 'auditor')),
    granted_at bigint NOT NULL,
    granted_by text   NOT NULL
);

-- Wallets whose holdings count for a workspace: never the same thing as a wallet that a person signs in with.
CREATE TABLE holding_wallet (
    workspace_id bigint NOT NULL REFERENCES workspace,
    wallet_id    bigint NOT NULL,
    address      text   NOT NULL CHECK (address ~ '^0x[0-9a-f]{40}$'),
    chain_id     bigint CHECK (chain_id > 0),
    linked_at    bigint NOT NULL,
    linked_by    text   NOT NULL,
    unlinked_at  bigint,
    PRIMARY KEY (workspace_id, wallet_id)
);
CREATE UNIQUE INDEX holding_wallet_active ON holding_wallet (address, coalesce(chain_id, 0)) WHERE unlinked_at IS NULL;

-- What people wait for the operator to decide.
CREATE TABLE review_request (
    request_id   bigint PRIMARY KEY,
    workspace_id bigint NOT NULL REFERENCES workspace,
    kind         text   NOT NULL CHECK (kind IN ('purchase', 'deposit')),
    title        text   NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    detail       jsonb  NOT NULL,
    status       text   NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'accepted', 'declined', 'withdrawn')),
    created_at   bigint NOT NULL,
    created_by   text   NOT NULL,
    decided_at   bigint,
    decided_by   text,
    reason       text   NOT NULL DEFAULT '' CHECK (char_length(reason) <= 1000),
    CHECK ((status = 'waiting') = (decided_at IS NULL))
);
CREATE INDEX review_request_waiting ON review_request (created_at, request_id) WHERE status = 'waiting';
CREATE INDEX review_request_workspace ON review_request (workspace_id, created_at DESC);

-- Every security event, for ever: signing in and failing to, ways to sign in, sessions, members, keys, what operators do.
CREATE TABLE audit_event (
    event_id     uuid   PRIMARY KEY,           -- UUIDv7: in the order of time
    workspace_id bigint,                       -- null: of a person, or of the platform
    person_id    bigint,                       -- whose way in, session or role it is; null: of no person
    actor        text   NOT NULL,              -- person_…, key_…, operator, or nobody
    action       text   NOT NULL,              -- a name of identity/audit.py
    subject      text   NOT NULL DEFAULT '',   -- the id of what it was done to
    detail       jsonb  NOT NULL DEFAULT '{}', -- never a secret, a code, or a whole address of e-mail of somebody else
    address      text   NOT NULL DEFAULT '',
    happened_at  bigint NOT NULL
);
CREATE INDEX audit_event_workspace ON audit_event (workspace_id, event_id DESC);
CREATE INDEX audit_event_person ON audit_event (person_id, event_id DESC);
CREATE FUNCTION audit_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_rewrite();
CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_rewrite();

-- Of a demo only: letters that would have been sent.
CREATE TABLE demo_letter (
    letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient text   NOT NULL,
    subject   text   NOT NULL,
    body      text   NOT NULL,
    sent_at   bigint NOT NULL
);
