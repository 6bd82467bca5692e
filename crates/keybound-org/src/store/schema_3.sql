-- The third schema: authorization servers beside the org's own, keys that rotate, and what users let clients do.
-- `server` is the id of a custom authorization server, and empty for the org's own. Whatever is worth stealing
-- (cookies, codes, refresh tokens) is kept as its SHA-256. Lists are JSON arrays of strings.

CREATE TABLE authorization_servers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    audience TEXT NOT NULL,
    created INTEGER NOT NULL,
    last_updated INTEGER NOT NULL
) STRICT;

CREATE TABLE custom_scopes (
    server TEXT NOT NULL REFERENCES authorization_servers (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    is_default INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    PRIMARY KEY (server, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE custom_claims (
    server TEXT NOT NULL REFERENCES authorization_servers (id) ON DELETE CASCADE,
    token TEXT NOT NULL,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (server, token, name)
) STRICT, WITHOUT ROWID;

-- Without `clients` a policy is for all of them.
CREATE TABLE access_policies (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    server TEXT NOT NULL REFERENCES authorization_servers (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    clients TEXT
) STRICT;

CREATE INDEX access_policies_by_server ON access_policies (server);

-- Without `scopes` a rule is for all of them. Lifetimes are seconds; a refresh token without one ends when it is
-- not used.
CREATE TABLE access_policy_rules (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    policy TEXT NOT NULL REFERENCES access_policies (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    grant_types TEXT NOT NULL,
    scopes TEXT,
    access_token_life INTEGER NOT NULL,
    refresh_token_life INTEGER,
    refresh_token_idle INTEGER NOT NULL
) STRICT;

CREATE INDEX access_policy_rules_by_policy ON access_policy_rules (policy);

-- The server that every org has from the start, with a policy that lets every app do what it may.
INSERT INTO authorization_servers (id, name, description, audience, created, last_updated)
VALUES ('default', 'default', 'Default Authorization Server for your Applications', 'api://default', 0, 0);
INSERT INTO access_policies (id, server, name) VALUES ('00pDefaultPolicy0001', 'default', 'Default Policy');
INSERT INTO access_policy_rules
    (id, policy, name, grant_types, access_token_life, refresh_token_life, refresh_token_idle)
VALUES (
    '0prDefaultRule000001', '00pDefaultPolicy0001', 'Default Policy Rule',
    '["authorization_code","client_credentials","refresh_token","urn:ietf:params:oauth:grant-type:device_code"]',
    3600, NULL, 604800
);

-- `state` is next, active or retired; `since` is when it began to be that.
CREATE TABLE signing_keys (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    server TEXT NOT NULL,
    key_id TEXT NOT NULL,
    pkcs8 TEXT NOT NULL,
    state TEXT NOT NULL,
    since INTEGER NOT NULL,
    UNIQUE (server, key_id)
) STRICT;

CREATE TABLE revoked_tokens (
    jwt_id TEXT PRIMARY KEY,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires);

-- A browser in which a user is signed in.
CREATE TABLE sessions (
    digest BLOB PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    signed_in INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires);

-- What a user let a client do, in one sign-in; all that is given for it refers to it.
CREATE TABLE authorizations (
    id TEXT PRIMARY KEY,
    server TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES apps (client_id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    scopes TEXT NOT NULL,
    signed_in INTEGER NOT NULL,
    nonce TEXT,
    thumbprint TEXT,
    created INTEGER NOT NULL,
    ended INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX authorizations_by_client ON authorizations (client_id);
CREATE INDEX authorizations_by_user ON authorizations (user_id);

CREATE TABLE authorization_codes (
    digest BLOB PRIMARY KEY,
    authorization_id TEXT NOT NULL REFERENCES authorizations (id) ON DELETE CASCADE,
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT,
    expires INTEGER NOT NULL,
    used INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX authorization_codes_by_authorization ON authorization_codes (authorization_id);
CREATE INDEX authorization_codes_by_expiry ON authorization_codes (expires);

CREATE TABLE refresh_tokens (
    digest BLOB PRIMARY KEY,
    authorization_id TEXT NOT NULL REFERENCES authorizations (id) ON DELETE CASCADE,
    jwt_id TEXT NOT NULL,
    issued INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    used INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_by_authorization ON refresh_tokens (authorization_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires);

-- The access tokens that were given for an authorization, to revoke them with it.
CREATE TABLE access_tokens (
    jwt_id TEXT PRIMARY KEY,
    authorization_id TEXT NOT NULL REFERENCES authorizations (id) ON DELETE CASCADE,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX access_tokens_by_authorization ON access_tokens (authorization_id);
CREATE INDEX access_tokens_by_expiry ON access_tokens (expires);

CREATE TABLE pushed_requests (
    digest BLOB PRIMARY KEY,
    server TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES apps (client_id) ON DELETE CASCADE,
    parameters TEXT NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX pushed_requests_by_client ON pushed_requests (client_id);
CREATE INDEX pushed_requests_by_expiry ON pushed_requests (expires);

-- `answer` is pending, denied, approved or used.
CREATE TABLE device_requests (
    digest BLOB PRIMARY KEY,
    server TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES apps (client_id) ON DELETE CASCADE,
    scopes TEXT NOT NULL,
    user_code TEXT NOT NULL UNIQUE,
    expires INTEGER NOT NULL,
    pause INTEGER NOT NULL,
    polled INTEGER,
    answer TEXT NOT NULL,
    authorization_id TEXT REFERENCES authorizations (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX device_requests_by_client ON device_requests (client_id);
CREATE INDEX device_requests_by_authorization ON device_requests (authorization_id);
CREATE INDEX device_requests_by_expiry ON device_requests (expires);
