package conform

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
)

func testRotate(t tester, h house) {
	o := h.newOrganization(t, "o")
	c := h.newConnector(t, o, "c", "a", "b")
	_, err := h.Previous(t.Context(), o.ID, c.ID, at(0))
	wantKind(t, err, fairlead.NotFound, "")
	next := c
	next.Method, next.Public, next.Expires, next.Updated = "keys", map[string]string{"user": "you"}, at(90), at(10)
	rotate := func(c fairlead.Connector, until time.Time, secrets ...fairlead.SealedField) step {
		return func(ctx context.Context, w fairlead.Writer) error { return w.RotateConnector(ctx, c, secrets, until) }
	}
	h.must(t, rotate(next, fine(at(20)), sealed(2, "k")...))
	next.Version, next.Secrets = 2, []string{"k"}
	same(t, "Connector", ok(h.Connector(t.Context(), o.ID, c.ID))(t), next)
	same(t, "SealedFields", ok(h.SealedFields(t.Context(), o.ID, c.ID))(t), sealed(2, "k"))
	was := fairlead.Previous{Method: c.Method, Public: c.Public, Secrets: []string{"a", "b"}, Replaced: at(10), Until: at(20)}
	same(t, "Previous", ok(h.Previous(t.Context(), o.ID, c.ID, at(20).Add(-time.Microsecond)))(t), was)
	same(t, "PreviousFields", ok(h.PreviousFields(t.Context(), o.ID, c.ID, at(19)))(t), sealed(1, "a", "b"))

	// It is over at once, whether or not somebody has swept.
	_, err = h.Previous(t.Context(), o.ID, c.ID, at(20))
	wantKind(t, err, fairlead.NotFound, "")
	same(t, "PreviousFields in the end", ok(h.PreviousFields(t.Context(), o.ID, c.ID, at(20)))(t), []fairlead.SealedField(nil))

	h.refused(t, fairlead.Conflict, fairlead.CodeStale, rotate(c, at(30), sealed(1, "x")...))
	h.refused(t, fairlead.NotFound, "", rotate(fairlead.Connector{ID: fairlead.ConnectorID(newID()), Organization: o.ID, Version: 1}, at(30)))
	same(t, "what a refusal leaves", ok(h.PreviousFields(t.Context(), o.ID, c.ID, at(0)))(t), sealed(1, "a", "b"))

	again := []fairlead.SealedField{{Field: "a", Version: 1, Sealed: []byte("again")}}
	reseal := func(f ...fairlead.SealedField) step {
		return func(ctx context.Context, w fairlead.Writer) error { return w.ResealPrevious(ctx, o.ID, c.ID, f) }
	}
	h.must(t, reseal(again...))
	same(t, "resealed", ok(h.PreviousFields(t.Context(), o.ID, c.ID, at(0)))(t), append(again, sealed(1, "b")...))
	h.refused(t, fairlead.Conflict, fairlead.CodeStale, reseal(sealed(2, "a")...))

	h.must(t, rotate(next, at(40), sealed(1, "a", "b")...)) // back: they swap
	same(t, "PreviousFields", ok(h.PreviousFields(t.Context(), o.ID, c.ID, at(0)))(t), sealed(2, "k"))
	same(t, "SealedFields", ok(h.SealedFields(t.Context(), o.ID, c.ID))(t), sealed(1, "a", "b"))

	for _, sweep := range []struct{ minute, left int }{{39, 1}, {40, 0}} {
		if err := h.SweepConnectors(t.Context(), at(sweep.minute), at(0)); err != nil {
			t.Fatal(err)
		}
		same(t, "after SweepConnectors", len(ok(h.PreviousFields(t.Context(), o.ID, c.ID, at(0)))(t)), sweep.left)
	}
	next.Version = 3
	h.must(t, rotate(next, at(50)))
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveConnector(ctx, o.ID, c.ID) })
	_, err = h.Previous(t.Context(), o.ID, c.ID, at(0))
	wantKind(t, err, fairlead.NotFound, "")
}

func testHealth(t tester, h house) {
	o := h.newOrganization(t, "o")
	b, a := h.newConnector(t, o, "b"), h.newConnector(t, o, "a")
	fresh := func(c fairlead.Connector) fairlead.Health {
		return fairlead.Health{Connector: c.ID, Verdict: fairlead.Unverified, State: fairlead.Unverified}
	}
	same(t, "HealthsOf", ok(h.HealthsOf(t.Context(), o.ID))(t), []fairlead.Health{fresh(b), fresh(a)})
	note := func(version int64, verdict fairlead.HealthState, minute int) {
		t.Helper()
		err := h.NoteTrial(t.Context(), o.ID, fairlead.Health{Connector: a.ID, Version: version, Verdict: verdict, Checked: fine(at(minute)), Why: "why"}, at(minute+60))
		if err != nil {
			t.Fatal(err)
		}
	}
	note(1, fairlead.Working, 10)
	note(1, fairlead.Failing, 9) // it was tried earlier
	note(0, fairlead.Failing, 20)
	want := fairlead.Health{Connector: a.ID, Version: 1, Verdict: fairlead.Working, State: fairlead.Unverified, Checked: at(10), Why: "why"}
	same(t, "Health", ok(h.Health(t.Context(), o.ID, a.ID))(t), want)
	h.must(t, func(ctx context.Context, w fairlead.Writer) error {
		same(t, "LockHealth", ok(w.LockHealth(ctx, o.ID, a.ID))(t), want)
		return w.TellHealth(ctx, o.ID, a.ID, fairlead.Failing)
	})
	for _, minute := range []int{5, 3} {
		if err := h.TouchConnector(t.Context(), o.ID, a.ID, fine(at(minute))); err != nil {
			t.Fatal(err)
		}
	}
	want.State, want.Used = fairlead.Failing, at(5)
	same(t, "Health", ok(h.Health(t.Context(), o.ID, a.ID))(t), want)

	before := ok(h.Revision(t.Context(), o.ID))(t)
	note(1, fairlead.Working, 30)
	same(t, "the revision", ok(h.Revision(t.Context(), o.ID))(t), before)
	nobody := fairlead.ConnectorID(newID())
	_, err := h.Health(t.Context(), o.ID, nobody)
	wantKind(t, err, fairlead.NotFound, "")
	wantKind(t, h.TouchConnector(t.Context(), o.ID, nobody, at(0)), fairlead.NotFound, "")
	h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
		return w.TellHealth(ctx, o.ID, nobody, fairlead.Failing)
	})
}

// testTrials claims trials: each is given to one, and again when its time has come.
func testTrials(t tester, h house) {
	o := h.newOrganization(t, "o")
	a, b := h.newConnector(t, o, "a"), h.newConnector(t, o, "b") // of minute 4
	claim := func(due, until int) fairlead.ConnectorID {
		t.Helper()
		c, err := h.ClaimTrial(t.Context(), at(due), at(until))
		if err != nil {
			wantKind(t, err, fairlead.NotFound, "")
		}
		return c.ID
	}
	same(t, "before its time", claim(3, 99), fairlead.ConnectorID(""))
	first, second := claim(4, 20), claim(4, 21)
	if first == second || first == "" || second == "" {
		t.Errorf("claimed %q and %q", first, second)
	}
	same(t, "while both are held", claim(19, 99), fairlead.ConnectorID(""))
	same(t, "when the first is let go", claim(20, 99), first)
	if err := h.NoteTrial(t.Context(), o.ID, fairlead.Health{Connector: second, Version: 1, Verdict: fairlead.Working, Checked: at(21)}, at(50)); err != nil {
		t.Fatal(err)
	}
	same(t, "after it was tried", claim(49, 99), fairlead.ConnectorID(""))
	same(t, "and again", claim(50, 200), second)
	changed := a
	if second == b.ID {
		changed = b
	}
	changed.Updated = at(60)
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.UpdateConnector(ctx, changed, nil) })
	same(t, "after it was changed", claim(60, 201), second)
}

func testUses(t tester, h house) {
	o, other := h.newOrganization(t, "o"), h.newOrganization(t, "other")
	c := h.newConnector(t, o, "c")
	p, q := h.newProject(t, o, fairlead.User{}, "p"), h.newProject(t, o, fairlead.User{}, "q")
	r := h.newRun(t, p)
	use := func(project fairlead.ProjectID, run fairlead.RunID, minute int) {
		t.Helper()
		h.must(t, func(ctx context.Context, w fairlead.Writer) error {
			return w.NoteUse(ctx, fairlead.ConnectorUse{Organization: o.ID, Connector: c.ID, Project: project, Run: run, At: fine(at(minute))})
		})
	}
	use(p.ID, r.ID, 1)
	use(p.ID, "", 2)
	use(q.ID, "", 3)
	use(p.ID, "", 4)
	use(fairlead.ProjectID(newID()), "", 5) // of none that is there
	of := func(p fairlead.Project, run fairlead.RunID, number int64, minute int) fairlead.ConnectorUse {
		return fairlead.ConnectorUse{Organization: o.ID, Connector: c.ID, Project: p.ID, ProjectName: "o/" + string(p.Name), Run: run, Number: number, At: at(minute)}
	}
	all := []fairlead.ConnectorUse{of(p, "", 0, 4), of(q, "", 0, 3), of(p, r.ID, r.Number, 1)}
	same(t, "UsesOf", ok(h.UsesOf(t.Context(), o.ID, c.ID, at(1), 9))(t), all)
	same(t, "the latest", ok(h.UsesOf(t.Context(), o.ID, c.ID, at(1), 2))(t), all[:2])
	same(t, "since", ok(h.UsesOf(t.Context(), o.ID, c.ID, at(3), 9))(t), all[:2])
	same(t, "of another", ok(h.UsesOf(t.Context(), other.ID, c.ID, at(0), 9))(t), []fairlead.ConnectorUse(nil))
	h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
		return w.NoteUse(ctx, fairlead.ConnectorUse{Organization: o.ID, Connector: fairlead.ConnectorID(newID()), Project: p.ID, At: at(0)})
	})
	moved := q
	moved.Organization, moved.Owner = other.ID, other.Name
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.MoveProject(ctx, moved) })
	same(t, "without what was given away", ok(h.UsesOf(t.Context(), o.ID, c.ID, at(0), 9))(t), []fairlead.ConnectorUse{all[0], all[2]})
	if err := h.SweepConnectors(t.Context(), at(0), at(4)); err != nil {
		t.Fatal(err)
	}
	same(t, "after SweepConnectors", ok(h.UsesOf(t.Context(), o.ID, c.ID, at(0), 9))(t), all[:1])
}

func testHoldEntry(t tester, h house) {
	o := h.newOrganization(t, "o")
	c := h.newConnector(t, o, "c")
	g, bare := h.newRegistry(t, o, "g", "g.io/*", c), h.newRegistry(t, o, "bare", "bare.io/*", fairlead.Connector{})
	want := func(g fairlead.Registry, registry, connector int64) {
		t.Helper()
		h.must(t, func(ctx context.Context, w fairlead.Writer) error {
			r, c, err := w.HoldEntry(ctx, o.ID, g.ID)
			same(t, "HoldEntry", []int64{r, c}, []int64{registry, connector})
			return err
		})
	}
	want(g, 1, 1)
	want(bare, 1, 0)
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.UpdateConnector(ctx, c, nil) })
	want(g, 1, 2)
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.UpdateRegistry(ctx, g) })
	want(g, 2, 2)
	h.refused(t, fairlead.NotFound, "", func(ctx context.Context, w fairlead.Writer) error {
		_, _, err := w.HoldEntry(ctx, o.ID, fairlead.RegistryID(newID()))
		return err
	})
}

// testRaceEntry changes a connector while its entry is held: the change waits.
func testRaceEntry(t tester, h house) {
	o := h.newOrganization(t, "o")
	c := h.newConnector(t, o, "c")
	g := h.newRegistry(t, o, "g", "g.io/*", c)
	held, changed := make(chan struct{}), make(chan error, 1)
	go func() {
		<-held
		changed <- h.Write(t.Context(), func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
			return fairlead.Event{Action: fairlead.ConnectorUpdate, On: fairlead.Object{Name: "change"}}, w.UpdateConnector(ctx, c, nil)
		})
	}()
	begun := false
	err := h.Write(t.Context(), func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		_, first, err := w.HoldEntry(ctx, o.ID, g.ID)
		if err != nil {
			return fairlead.Event{}, err
		}
		if !begun {
			begun = true
			close(held)
		}
		for range 20 { // as long as this write goes on, it stays what it is
			_, now, err := w.HoldEntry(ctx, o.ID, g.ID)
			if err != nil {
				return fairlead.Event{}, err
			}
			same(t, "the version while it is held", now, first)
		}
		return fairlead.Event{Action: fairlead.LeasePull, On: fairlead.Object{Name: "hold"}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	same(t, "in the end", ok(h.Connector(t.Context(), o.ID, c.ID))(t).Version, int64(2))
}
