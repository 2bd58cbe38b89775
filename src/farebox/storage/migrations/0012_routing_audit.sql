-- How a call's route was chosen, on its receipt: JSON of farebox/records/call.py's RouteAudit. Null: ended before this
-- was recorded, or without its worker.
ALTER TABLE call ADD COLUMN routing text;
-- Which credential ordered a job: the provider knows the job in that account only. Null: there was but one.
ALTER TABLE video_job ADD COLUMN credential_id text;
-- The same audit, until the job ends and its receipt is written.
ALTER TABLE video_job ADD COLUMN routing text;
