package fairlead

import "context"

// Tally is how many things of a sort there are in which state, of all organizations.
type Tally struct {
	// Runs are those that haven't ended, by state.
	Runs map[RunState]int64
	// Connectors are counted by the state that was last told of them.
	Connectors map[HealthState]int64
}

// Tallies counts.
type Tallies interface {
	Tally(ctx context.Context) (Tally, error)
}
