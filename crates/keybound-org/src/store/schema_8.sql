-- The eighth schema: the group Everyone is assigned to each app that users sign in to, as it is to a new one. Before there
-- were assignments everybody could sign in. An app may be older than the group.

INSERT INTO groups (id, type, created, last_updated, last_membership_updated, profile)
SELECT '00g' || substr(hex(randomblob(9)), 1, 17), 'BUILT_IN', unixepoch(), unixepoch(), unixepoch(),
    '{"description":"All users in your organization","name":"Everyone"}'
WHERE EXISTS (SELECT 1 FROM apps WHERE application_type <> 'service')
    AND NOT EXISTS (SELECT 1 FROM groups WHERE type = 'BUILT_IN');

INSERT INTO app_group_assignments (client_id, group_id, priority, profile, last_updated)
SELECT client_id, groups.id, 0, '{}', apps.last_updated
FROM apps, groups WHERE application_type <> 'service' AND groups.type = 'BUILT_IN' ORDER BY apps.number;
