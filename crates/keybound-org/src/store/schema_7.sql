-- The seventh schema: admin roles of users, and of groups, whose members have them too; and who may sign in to which app.

CREATE TABLE user_role_assignments (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (user_id, role)
) STRICT;

CREATE TABLE group_role_assignments (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (group_id, role)
) STRICT;

-- `profile` is a JSON object, here and below. `user_name` is what the app calls the user.
CREATE TABLE app_user_assignments (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    client_id TEXT NOT NULL REFERENCES apps (client_id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    user_name TEXT NOT NULL,
    profile TEXT NOT NULL,
    created INTEGER NOT NULL,
    last_updated INTEGER NOT NULL,
    UNIQUE (client_id, user_id)
) STRICT;

CREATE INDEX app_user_assignments_by_user ON app_user_assignments (user_id);

-- The profile of the group with the smallest `priority` counts.
CREATE TABLE app_group_assignments (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    client_id TEXT NOT NULL REFERENCES apps (client_id) ON DELETE CASCADE,
    group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    priority INTEGER NOT NULL,
    profile TEXT NOT NULL,
    last_updated INTEGER NOT NULL,
    UNIQUE (client_id, group_id)
) STRICT;

CREATE INDEX app_group_assignments_by_group ON app_group_assignments (group_id);

-- Whether everybody may sign in to the app, assigned or not. It was kept before to be shown, and decided nothing.
ALTER TABLE apps ADD COLUMN implicit_assignment INTEGER NOT NULL DEFAULT 0 CHECK (implicit_assignment IN (0, 1));
UPDATE apps SET implicit_assignment = 1 WHERE client_id IN (
    SELECT client_id FROM app_presentations WHERE members ->> '$.settings.implicitAssignment' = 1
);
UPDATE app_presentations SET members = json_remove(members, '$.settings.implicitAssignment')
WHERE members -> '$.settings.implicitAssignment' IS NOT NULL;
UPDATE app_presentations SET members = json_remove(members, '$.settings') WHERE members -> '$.settings' = '{}';
