package runs_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

// TestStop asks for a run's end in each of its states.
func TestStop(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	zero, one := 0, 1
	begin := func(h *wire.HeldPath) {
		fairleadtest.Must(t, y.one, wire.Begin, wire.BegunRequest{HeldPath: *h, Pulled: fairlead.PullRecord{Image: "i", Lease: fairlead.Anonymous}})
	}
	end := func(h *wire.HeldPath, code *int) {
		fairleadtest.Must(t, y.one, wire.End, wire.EndRequest{HeldPath: *h, ExitCode: code})
	}
	for _, row := range []struct {
		state fairlead.RunState
		reach func()
		want  fairlead.RunState
		// told says whether the worker hears of it.
		told bool
	}{
		{fairlead.Queued, func() {}, fairlead.Stopped, false},
		{fairlead.Preparing, func() { y.claim(t, y.one) }, fairlead.Stopping, true},
		{fairlead.Started, func() { begin(y.claim(t, y.one)) }, fairlead.Stopping, true},
		{fairlead.Complete, func() { end(y.claim(t, y.one), &zero) }, fairlead.Complete, false},
		{fairlead.Failed, func() { end(y.claim(t, y.one), &one) }, fairlead.Failed, false},
	} {
		run := y.queue(t)
		row.reach()
		at := wire.RunPath{ProjectPath: path(), Number: run.Number}
		if got := fairleadtest.Must(t, y.Ann, wire.ShowRun, at); got.State != row.state {
			t.Fatalf("the run is %s, want %s", got.State, row.state)
		}
		before := y.events(t)
		got := fairleadtest.Must(t, y.Ann, wire.StopRun, at)
		stored := fairleadtest.Must(t, y.Ann, wire.ShowRun, at)
		if got.State != row.want || stored.State != row.want {
			t.Errorf("%s, stopped: the reply says %s, the store %s, want %s", row.state, got.State, stored.State, row.want)
		}
		if changed := row.want != row.state; changed != (y.events(t) > before) || changed != (stored.StopBy != nil && stored.StopBy.Name == "ann") {
			t.Errorf("%s, stopped: by %+v, with %d events", row.state, stored.StopBy, y.events(t)-before)
		}
		again := fairleadtest.Must(t, y.Ann, wire.StopRun, at)
		if diff := cmp.Diff(stored, again, cmpopts.IgnoreUnexported(fairlead.Error{})); diff != "" {
			t.Errorf("%s, stopped twice:\n%s", row.state, diff)
		}
		if row.told {
			h := wire.HeldPath{Run: stored.ID, Fence: stored.Fence}
			if r := fairleadtest.Must(t, y.one, wire.Renew, wire.RenewRequest{HeldPath: h}); !r.Stop {
				t.Errorf("%s, stopped: the worker isn't told", row.state)
			}
			fairleadtest.Must(t, y.one, wire.End, wire.EndRequest{HeldPath: h, Stopped: true})
			if got := fairleadtest.Must(t, y.Ann, wire.StopRun, at); got.State != fairlead.Stopped {
				t.Errorf("%s, stopped and ended: %s", row.state, got.State)
			}
		}
	}
}

func (y *yard) events(t *testing.T) int {
	t.Helper()
	return len(fairleadtest.Must(t, y.Ann, wire.ListEvents, wire.EventsRequest{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Limit: 1000}).Events)
}

// TestStoppingAndLost loses the worker of a run that somebody wants stopped.
func TestStoppingAndLost(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	run := y.queue(t)
	y.claim(t, y.one)
	fairleadtest.Must(t, y.Ann, wire.StopRun, wire.RunPath{ProjectPath: path(), Number: run.Number})
	y.clock.Move(hold * 2)
	if y.claim(t, y.other) != nil {
		t.Error("a run that was to stop is claimed again")
	}
	if got := y.show(t, run.Number); got.State != fairlead.Stopped {
		t.Errorf("the run is %s", got.State)
	}
}

// TestEndings says how runs end.
func TestEndings(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	zero, three := 0, 3
	failure := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeNoEntry, What: "opening x", Why: "why", Remedy: "remedy"}
	for _, row := range []struct {
		name  string
		end   wire.EndRequest
		state fairlead.RunState
		code  fairlead.Code
	}{
		{"exit 0", wire.EndRequest{ExitCode: &zero}, fairlead.Complete, ""},
		{"exit 3", wire.EndRequest{ExitCode: &three}, fairlead.Failed, fairlead.CodeExit},
		{"nothing said", wire.EndRequest{}, fairlead.Failed, fairlead.CodeExit},
		{"a failure", wire.EndRequest{Failure: failure}, fairlead.Failed, fairlead.CodeNoEntry},
		{"a failure after exit 0", wire.EndRequest{ExitCode: &zero, Failure: failure}, fairlead.Failed, fairlead.CodeNoEntry},
		{"stopped", wire.EndRequest{Stopped: true, ExitCode: &three}, fairlead.Stopped, ""},
	} {
		run := y.queue(t)
		row.end.HeldPath = *y.claim(t, y.one)
		row.end.Pulled = &fairlead.PullRecord{Image: "image", Digest: digest("x"), Lease: fairlead.RegistryToken}
		fairleadtest.Must(t, y.one, wire.End, row.end)
		got := y.show(t, run.Number)
		var code fairlead.Code
		if got.Failure != nil {
			code = got.Failure.Code
		}
		if got.State != row.state || code != row.code || got.Ended.IsZero() || got.Pulled == nil || got.Progress != nil {
			t.Errorf("%s: %s %q, want %s %q: %+v", row.name, got.State, code, row.state, row.code, got)
		}
	}
}

// TestTransferredRun moves a project away while a run of it waits and one is held: the
// workers of its former organization get no login of the new one's.
func TestTransferredRun(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	fairleadtest.Must(t, y.Ann, wire.CreateOrganization, wire.OrganizationRequest{Name: "other"})
	y.queue(t)
	h := y.claim(t, y.one)
	y.queue(t)
	fairleadtest.Must(t, y.Ann, wire.TransferProject, wire.ProjectTransfer{ProjectPath: path(), To: "other"})
	lease := func(h *wire.HeldPath) error {
		return do(t, y.one, wire.LeaseHeld, wire.HeldLeaseRequest{HeldPath: *h, Host: "docker.io", Repository: "library/busybox"})
	}
	if err := lease(h); fairlead.KindOf(err) != fairlead.NotFound {
		t.Errorf("the worker of the former owner leases: %v", err)
	}
	if h := y.claim(t, y.one); h != nil {
		if err := lease(h); fairlead.KindOf(err) != fairlead.NotFound {
			t.Errorf("the worker of the former owner claims and leases: %v", err)
		}
	}
	moved := wire.RunPath{ProjectPath: wire.ProjectPath{Owner: "other", Project: "models"}, Number: 1}
	before := y.events(t)
	fairleadtest.Must(t, y.Ann, wire.StopRun, moved)
	if y.events(t) != before {
		t.Error("what is done in the new organization is told to the former one")
	}
	theirs := fairleadtest.Must(t, y.Ann, wire.ListEvents, wire.EventsRequest{OrganizationPath: wire.OrganizationPath{Organization: "other"}, Action: fairlead.RunStop})
	if len(theirs.Events) != 1 {
		t.Errorf("the new organization has the events %+v", theirs.Events)
	}
}
