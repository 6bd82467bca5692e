-- The fourth schema: authorization servers as the management API changes them. Scopes and claims have ids and an order
-- of their own; servers, claims, policies and rules a status; policies and rules an order that an administrator gives
-- them. Identifiers that rows of the third schema lack are made up here.

ALTER TABLE authorization_servers ADD COLUMN status TEXT NOT NULL DEFAULT 'ACTIVE';

-- `is_published`: whether the metadata names the scope.
CREATE TABLE server_scopes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    server TEXT NOT NULL REFERENCES authorization_servers (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    is_default INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    is_published INTEGER NOT NULL CHECK (is_published IN (0, 1)),
    UNIQUE (server, name)
) STRICT;

INSERT INTO server_scopes (id, server, name, display_name, description, is_default, is_published)
SELECT 'scp' || substr(hex(randomblob(9)), 1, 17), server, name, name, description, is_default, 1
FROM custom_scopes ORDER BY server, name;
DROP TABLE custom_scopes;

-- `scopes`: with which of them the claim is put into a token; with any, if there are none.
CREATE TABLE server_claims (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    server TEXT NOT NULL REFERENCES authorization_servers (id) ON DELETE CASCADE,
    token TEXT NOT NULL,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    value TEXT NOT NULL,
    scopes TEXT NOT NULL,
    status TEXT NOT NULL,
    UNIQUE (server, token, name)
) STRICT;

INSERT INTO server_claims (id, server, token, name, source, value, scopes, status)
SELECT 'ocl' || substr(hex(randomblob(9)), 1, 17), server, token, name, source, value, '[]', 'ACTIVE'
FROM custom_claims ORDER BY server, token, name;
DROP TABLE custom_claims;

ALTER TABLE access_policies ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE access_policies ADD COLUMN priority INTEGER NOT NULL DEFAULT 1;
ALTER TABLE access_policies ADD COLUMN status TEXT NOT NULL DEFAULT 'ACTIVE';
ALTER TABLE access_policies ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE access_policies ADD COLUMN last_updated INTEGER NOT NULL DEFAULT 0;
UPDATE access_policies SET priority = (
    SELECT count(*) FROM access_policies AS before
    WHERE before.server = access_policies.server AND before.number <= access_policies.number
);

ALTER TABLE access_policy_rules ADD COLUMN priority INTEGER NOT NULL DEFAULT 1;
ALTER TABLE access_policy_rules ADD COLUMN status TEXT NOT NULL DEFAULT 'ACTIVE';
ALTER TABLE access_policy_rules ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE access_policy_rules ADD COLUMN last_updated INTEGER NOT NULL DEFAULT 0;
UPDATE access_policy_rules SET priority = (
    SELECT count(*) FROM access_policy_rules AS before
    WHERE before.policy = access_policy_rules.policy AND before.number <= access_policy_rules.number
);
