-- The ninth schema: a session has an id, by which an administrator names it and the log tells of it. One that waits for
-- its token to be used has none. Nor had those of before: whoever is in one signs in again.

DELETE FROM sessions;
ALTER TABLE sessions ADD COLUMN id TEXT;
CREATE UNIQUE INDEX sessions_by_id ON sessions (id);

ALTER TABLE events ADD COLUMN session_id TEXT;
