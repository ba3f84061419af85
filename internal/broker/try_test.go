package broker_test

import (
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// TestTry makes leases that are remembered nowhere, under the same rules as those that are.
func TestTry(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	r.add(t, "main", "*", func(req *wire.RegistryRequest) {
		req.NewConnector.Expires, req.Push = r.clock.Now().Add(time.Hour), true
	})
	r.ann.Roles[r.project.Organization] = fairlead.Admin
	ask := fairlead.Asker{Who: r.ann, Project: r.project}
	r.mustLease(t, "team/app")
	for range 2 {
		before := r.trades.count.Load()
		l, err := r.Try(t.Context(), ask, r.scope("team/app"))
		if err != nil || l.Kind != fairlead.RegistryToken || r.trades.count.Load() != before+1 {
			t.Errorf("%s, %v, after %d trades", l.Kind, err, r.trades.count.Load()-before)
		}
	}
	before := r.trades.count.Load()
	r.mustLease(t, "team/app")
	if n := r.trades.count.Load(); n != before {
		t.Error("a lease that was remembered is made anew after a trial")
	}
	push := r.scope("team/app")
	push.Verb = fairlead.Push
	if l, err := r.Try(t.Context(), ask, push); err != nil || l.For.Verb != fairlead.Push || l.Bearer.IsZero() {
		t.Errorf("to push: %+v, %v", l.For, err)
	}
	if l, err := r.Try(t.Context(), fairlead.Asker{Who: r.ann, Project: r.newProject(t, r.Ann, "ann", "mine")}, r.scope("team/app")); err != nil ||
		l.Kind != fairlead.Anonymous || l.Note == nil || l.Note.Code != fairlead.CodePersonalProject {
		t.Errorf("for a personal project: %+v, %v", l, err)
	}
	worker := fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.WorkerSubject, ID: "w", Name: "w"}, Only: r.project.Organization}
	if _, err := r.Try(t.Context(), fairlead.Asker{Who: worker, Project: r.project}, r.scope("team/app")); fairlead.KindOf(err) != fairlead.Denied {
		t.Errorf("for a worker without a run: %v", err)
	}
	r.clock.Move(2 * time.Hour)
	if _, err := r.Try(t.Context(), ask, r.scope("team/app")); fairlead.CodeOf(err) != fairlead.CodeConnectorExpired {
		t.Errorf("after the connector's end: %v", err)
	}
}
