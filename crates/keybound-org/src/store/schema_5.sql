-- The fifth schema: origins of pages that may ask the org from a browser. `scopes` is a JSON array of strings.

CREATE TABLE trusted_origins (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    origin TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    status TEXT NOT NULL,
    created INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    last_updated INTEGER NOT NULL,
    last_updated_by TEXT NOT NULL
) STRICT;
