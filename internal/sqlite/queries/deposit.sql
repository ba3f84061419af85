-- name: TakeDuty
INSERT INTO duties (name, holder, address, until) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, address = excluded.address, until = excluded.until
WHERE duties.until <= $5 OR duties.holder = excluded.holder

-- name: Duty
SELECT name, holder, address, until FROM duties WHERE name = $1

-- name: LeaveDuty
DELETE FROM duties WHERE name = $1 AND holder = $2

-- name: SweepDuties
DELETE FROM duties WHERE until < $1

-- name: Deposit
SELECT digest, size, sums, whole, used FROM deposits WHERE digest = $1

-- name: DepositsByUse
SELECT digest, size, whole, used FROM deposits ORDER BY used, digest LIMIT $1

-- name: DepositUsage
SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS bigint) FROM deposits WHERE whole

-- name: PutDeposit
INSERT INTO deposits (digest, size, sums, whole, used) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (digest) DO UPDATE SET size = excluded.size, sums = excluded.sums, whole = deposits.whole OR excluded.whole, used = excluded.used

-- name: UseDeposit
UPDATE deposits SET used = CASE WHEN used < $2 THEN $2 ELSE used END WHERE digest = $1 AND whole

-- name: RemoveDeposit
DELETE FROM deposits WHERE digest = $1 AND used <= $2
