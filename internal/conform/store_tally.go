package conform

import (
	"context"

	"fairlead.dev/fairlead"
)

func testTally(t tester, h house) {
	o := h.newOrganization(t, "o")
	a, b := h.newConnector(t, o, "a"), h.newConnector(t, o, "b")
	h.must(t, func(ctx context.Context, w fairlead.Writer) error {
		return w.TellHealth(ctx, o.ID, a.ID, fairlead.Failing)
	})
	h.must(t, func(ctx context.Context, w fairlead.Writer) error {
		return w.TellHealth(ctx, o.ID, b.ID, fairlead.Working)
	})
	h.newConnector(t, h.newOrganization(t, "p"), "a")
	p, k := h.newProject(t, o, fairlead.User{}, "p"), h.newWorker(t, o, "k")
	for range 3 {
		h.newRun(t, p)
	}
	ok(h.claim(t, k, 20))(t)
	same(t, "Tally", ok(h.Tally(t.Context()))(t), fairlead.Tally{
		Runs:       map[fairlead.RunState]int64{fairlead.Queued: 2, fairlead.Preparing: 1, fairlead.Started: 0, fairlead.Stopping: 0},
		Connectors: map[fairlead.HealthState]int64{fairlead.Unverified: 1, fairlead.Working: 1, fairlead.Failing: 1, fairlead.Expiring: 0},
	})
}
