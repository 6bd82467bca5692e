-- The second schema: clients of every kind, ids for grants, role assignments and keys, groups, passwords,
-- and the system log. Identifiers that rows of the first schema lack are made up here.

ALTER TABLE apps ADD COLUMN status TEXT NOT NULL DEFAULT 'ACTIVE';
ALTER TABLE apps ADD COLUMN application_type TEXT NOT NULL DEFAULT 'service';
-- Lists are JSON arrays of strings.
ALTER TABLE apps ADD COLUMN redirect_uris TEXT NOT NULL DEFAULT '[]';
ALTER TABLE apps ADD COLUMN post_logout_redirect_uris TEXT NOT NULL DEFAULT '[]';
ALTER TABLE apps ADD COLUMN grant_types TEXT NOT NULL DEFAULT '["client_credentials"]';
ALTER TABLE apps ADD COLUMN response_types TEXT NOT NULL DEFAULT '["token"]';
ALTER TABLE apps ADD COLUMN token_endpoint_auth_method TEXT NOT NULL DEFAULT 'private_key_jwt';
-- SHA-256 of the secret.
ALTER TABLE apps ADD COLUMN client_secret_hash BLOB;
ALTER TABLE apps ADD COLUMN pkce_required INTEGER NOT NULL DEFAULT 0 CHECK (pkce_required IN (0, 1));
ALTER TABLE apps ADD COLUMN last_updated INTEGER NOT NULL DEFAULT 0;
UPDATE apps SET last_updated = created;

CREATE TABLE client_keys (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL REFERENCES apps (client_id) ON DELETE CASCADE,
    key_id TEXT NOT NULL,
    jwk TEXT NOT NULL,
    status TEXT NOT NULL,
    created INTEGER NOT NULL,
    last_updated INTEGER NOT NULL,
    UNIQUE (client_id, key_id)
) STRICT;

INSERT INTO client_keys (id, client_id, key_id, jwk, status, created, last_updated)
SELECT 'pks' || substr(hex(randomblob(9)), 1, 17), client_id, key_id, jwk, 'ACTIVE', created, created
FROM app_keys ORDER BY client_id, created;
DROP TABLE app_keys;

CREATE TABLE scope_grants (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL REFERENCES apps (client_id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (client_id, scope)
) STRICT;

INSERT INTO scope_grants (id, client_id, scope, created)
SELECT 'oag' || substr(hex(randomblob(9)), 1, 17), client_id, scope, apps.created
FROM app_scopes JOIN apps USING (client_id) ORDER BY client_id, scope;
DROP TABLE app_scopes;

CREATE TABLE role_assignments (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL REFERENCES apps (client_id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (client_id, role)
) STRICT;

INSERT INTO role_assignments (id, client_id, role, created)
SELECT 'irb' || substr(hex(randomblob(9)), 1, 17), client_id, role, apps.created
FROM app_roles JOIN apps USING (client_id) ORDER BY client_id, role;
DROP TABLE app_roles;

-- Orders in which users are listed, each with `number` behind it.
CREATE INDEX users_by_creation ON users (created);
CREATE INDEX users_by_update ON users (last_updated);
CREATE INDEX users_by_email ON users (email);
CREATE INDEX users_by_first_name ON users (first_name);
CREATE INDEX users_by_last_name ON users (last_name);

-- Passwords as PBKDF2-HMAC-SHA256 makes them, and how often another one was given since.
CREATE TABLE passwords (
    user_number INTEGER PRIMARY KEY REFERENCES users (number) ON DELETE CASCADE,
    iterations INTEGER NOT NULL,
    salt BLOB NOT NULL,
    hash BLOB NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE groups (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    created INTEGER NOT NULL,
    last_updated INTEGER NOT NULL,
    last_membership_updated INTEGER NOT NULL,
    profile TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE UNIQUE AS (profile ->> 'name') STORED
) STRICT;

-- Of groups that have members of their own. Everyone is in the built-in group without a row here.
CREATE TABLE memberships (
    group_number INTEGER NOT NULL REFERENCES groups (number) ON DELETE CASCADE,
    user_number INTEGER NOT NULL REFERENCES users (number) ON DELETE CASCADE,
    PRIMARY KEY (group_number, user_number)
) STRICT, WITHOUT ROWID;

CREATE INDEX memberships_by_user ON memberships (user_number, group_number);

-- The system log, in the order in which things happened. `published` is milliseconds since 1970.
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid TEXT NOT NULL UNIQUE,
    published INTEGER NOT NULL,
    event_type TEXT NOT NULL,
    severity TEXT NOT NULL,
    display_message TEXT NOT NULL,
    outcome_result TEXT NOT NULL,
    outcome_reason TEXT,
    actor_id TEXT NOT NULL,
    actor_type TEXT NOT NULL,
    actor_alternate_id TEXT NOT NULL,
    actor_display_name TEXT NOT NULL,
    -- A JSON array of objects.
    targets TEXT NOT NULL,
    client_ip TEXT,
    client_user_agent TEXT,
    -- A JSON object.
    debug_data TEXT NOT NULL
) STRICT;

CREATE INDEX events_by_time ON events (published);
