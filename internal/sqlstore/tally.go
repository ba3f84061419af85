package sqlstore

import (
	"context"

	"fairlead.dev/fairlead"
)

// Tally counts runs and connectors by their states.
func (q reader) Tally(ctx context.Context) (fairlead.Tally, error) {
	runs, err := one(ctx, q.session, "counting runs", "TallyRuns", scanFour)
	if err != nil {
		return fairlead.Tally{}, err
	}
	connectors, err := one(ctx, q.session, "counting connectors", "TallyConnectors", scanFour)
	return fairlead.Tally{
		Runs: map[fairlead.RunState]int64{
			fairlead.Queued: runs[0], fairlead.Preparing: runs[1], fairlead.Started: runs[2], fairlead.Stopping: runs[3],
		},
		Connectors: map[fairlead.HealthState]int64{
			fairlead.Unverified: connectors[0], fairlead.Working: connectors[1], fairlead.Failing: connectors[2], fairlead.Expiring: connectors[3],
		},
	}, err
}

func scanFour(r row) (n [4]int64, err error) {
	err = r.Scan(&n[0], &n[1], &n[2], &n[3])
	return n, err
}
