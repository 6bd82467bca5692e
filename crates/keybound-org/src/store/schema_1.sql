-- The first schema. A schema that has been released is never changed: the next one is a migration.
-- Times are seconds since 1970.

CREATE TABLE apps (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    client_id TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    dpop_bound_access_tokens INTEGER NOT NULL CHECK (dpop_bound_access_tokens IN (0, 1)),
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE app_keys (
    client_id TEXT NOT NULL REFERENCES apps (client_id) ON DELETE CASCADE,
    key_id TEXT NOT NULL,
    jwk TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (client_id, key_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE app_scopes (
    client_id TEXT NOT NULL REFERENCES apps (client_id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    PRIMARY KEY (client_id, scope)
) STRICT, WITHOUT ROWID;

CREATE TABLE app_roles (
    client_id TEXT NOT NULL REFERENCES apps (client_id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (client_id, role)
) STRICT, WITHOUT ROWID;

-- `number` is the order of pages: users that are created later come later, so that a walk over the pages
-- misses none and sees none twice.
CREATE TABLE users (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    created INTEGER NOT NULL,
    activated INTEGER,
    status_changed INTEGER,
    last_login INTEGER,
    last_updated INTEGER NOT NULL,
    password_changed INTEGER,
    profile TEXT NOT NULL,
    login TEXT NOT NULL COLLATE NOCASE UNIQUE AS (profile ->> 'login') STORED,
    email TEXT NOT NULL COLLATE NOCASE AS (profile ->> 'email') VIRTUAL,
    first_name TEXT NOT NULL COLLATE NOCASE AS (profile ->> 'firstName') VIRTUAL,
    last_name TEXT NOT NULL COLLATE NOCASE AS (profile ->> 'lastName') VIRTUAL
) STRICT;

CREATE INDEX users_by_status ON users (status);

-- What is accepted once, until it expires: client assertions and proofs, as hashes.
CREATE TABLE used_once (
    kind TEXT NOT NULL,
    digest BLOB NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (kind, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX used_once_by_expiry ON used_once (expires);

-- The org's own keys and secrets, each under its name.
CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- When the org was furnished with made-up users; empty until then.
CREATE TABLE furnished (
    at INTEGER NOT NULL
) STRICT;
