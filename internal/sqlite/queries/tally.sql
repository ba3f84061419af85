-- name: TallyRuns
SELECT (SELECT count(*) FROM runs WHERE state = 'queued'), count(*) FILTER (WHERE state = 'preparing'),
       count(*) FILTER (WHERE state = 'started'), count(*) FILTER (WHERE state = 'stopping')
FROM runs WHERE until IS NOT NULL

-- name: TallyConnectors
SELECT count(*) FILTER (WHERE state = 'unverified'), count(*) FILTER (WHERE state = 'working'),
       count(*) FILTER (WHERE state = 'failing'), count(*) FILTER (WHERE state = 'expiring')
FROM connector_health
