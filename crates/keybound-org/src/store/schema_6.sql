-- The sixth schema: what an administrator says of an app for people and for other clients of the management API. Most
-- apps have nothing of it, and nobody who gets a token asks for it, so it has a table of its own.

CREATE TABLE app_presentations (
    client_id TEXT PRIMARY KEY REFERENCES apps (client_id) ON DELETE CASCADE,
    members TEXT NOT NULL CHECK (json_valid(members))
) STRICT;
