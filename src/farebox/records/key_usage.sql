-- Named queries of what keys used. All but the check read `usage_day` alone, which the trigger of `call` keeps.

-- name: by_key
-- The keys that used something, those that cost most this month first. A key that is not stored any more has no name.
SELECT u.key_id, coalesce(k.name, ''), coalesce(k.visible_prefix, ''), u.today_requests, u.today_nanos, u.month_requests,
       u.month_nanos, u.all_requests, u.all_nanos
  FROM (
      SELECT key_id,
             coalesce(sum(requests) FILTER (WHERE day = %(today)s), 0)::bigint AS today_requests,
             coalesce(sum(charge_nanos) FILTER (WHERE day = %(today)s), 0)::bigint AS today_nanos,
             coalesce(sum(requests) FILTER (WHERE day >= %(month)s AND day < %(next_month)s), 0)::bigint AS month_requests,
             coalesce(sum(charge_nanos) FILTER (WHERE day >= %(month)s AND day < %(next_month)s), 0)::bigint AS month_nanos,
             sum(requests)::bigint AS all_requests, sum(charge_nanos)::bigint AS all_nanos
        FROM usage_day
       WHERE workspace_id = %(workspace_id)s AND (%(key_ids)s::bigint[] IS NULL OR key_id = ANY (%(key_ids)s::bigint[]))
       GROUP BY key_id
  ) u LEFT JOIN api_key k ON k.workspace_id = %(workspace_id)s AND k.key_id = u.key_id
 ORDER BY u.month_nanos DESC, u.all_nanos DESC, u.key_id LIMIT %(most)s;

-- name: by_label
-- The same by a label as the keys bear it now; '' is those without. How many keys of a label used something comes second.
SELECT coalesce(CASE %(label)s WHEN 'department' THEN k.department WHEN 'project' THEN k.project
                               WHEN 'customer' THEN k.customer END, '') AS shown,
       count(*), sum(u.today_requests)::bigint, sum(u.today_nanos)::bigint, sum(u.month_requests)::bigint,
       sum(u.month_nanos)::bigint AS month_nanos, sum(u.all_requests)::bigint, sum(u.all_nanos)::bigint AS all_nanos
  FROM (
      SELECT key_id,
             coalesce(sum(requests) FILTER (WHERE day = %(today)s), 0) AS today_requests,
             coalesce(sum(charge_nanos) FILTER (WHERE day = %(today)s), 0) AS today_nanos,
             coalesce(sum(requests) FILTER (WHERE day >= %(month)s AND day < %(next_month)s), 0) AS month_requests,
             coalesce(sum(charge_nanos) FILTER (WHERE day >= %(month)s AND day < %(next_month)s), 0) AS month_nanos,
             sum(requests) AS all_requests, sum(charge_nanos) AS all_nanos
        FROM usage_day WHERE workspace_id = %(workspace_id)s GROUP BY key_id
  ) u LEFT JOIN api_key k ON k.workspace_id = %(workspace_id)s AND k.key_id = u.key_id
 GROUP BY shown ORDER BY month_nanos DESC, all_nanos DESC, shown LIMIT %(most)s;

-- name: in_all
-- The sums over all keys, those that are not stored any more too.
SELECT coalesce(sum(requests) FILTER (WHERE day = %(today)s), 0)::bigint,
       coalesce(sum(charge_nanos) FILTER (WHERE day = %(today)s), 0)::bigint,
       coalesce(sum(requests) FILTER (WHERE day >= %(month)s AND day < %(next_month)s), 0)::bigint,
       coalesce(sum(charge_nanos) FILTER (WHERE day >= %(month)s AND day < %(next_month)s), 0)::bigint,
       coalesce(sum(requests), 0)::bigint, coalesce(sum(charge_nanos), 0)::bigint
  FROM usage_day WHERE workspace_id = %(workspace_id)s;

-- name: breaches
-- The days whose sums are not those of their receipts: nothing in a sound database. Days before the oldest receipt are
-- passed over, so that old months of receipts can be dropped. Reads all receipts.
WITH counted AS (
    SELECT workspace_id, key_id, (started_at / 86400000000)::int AS day, count(*) FILTER (WHERE request_counted) AS requests,
           sum(charge_nanos) AS charge_nanos
      FROM call GROUP BY 1, 2, 3
)
SELECT format('usage %%s/%%s/%%s', workspace_id, key_id, day),
       format('requests %%s, charged %%s, but its receipts have %%s, %%s', coalesce(u.requests, 0), coalesce(u.charge_nanos, 0),
              coalesce(c.requests, 0), coalesce(c.charge_nanos, 0))
  FROM usage_day u FULL JOIN counted c USING (workspace_id, key_id, day)
 WHERE (coalesce(u.requests, 0), coalesce(u.charge_nanos, 0)) IS DISTINCT FROM (coalesce(c.requests, 0), coalesce(c.charge_nanos, 0))
   AND day >= (SELECT min(day) FROM counted)
 ORDER BY 1 LIMIT %(most)s;
