-- name: one_at_a_time
-- Two people who change a workspace's limits at the same moment would each put back what the other has just changed.
SELECT pg_advisory_xact_lock(hashtextextended('farebox limits', %(workspace_id)s));
