package conform

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/pattern"
)

// StoreFaults makes each operation of writes fail in turn, and asks that change and
// event are then both missing. open is as in [Store]; its driver is wrapped by faults.
// again is an error of the driver after which a transaction is run again, nil if it
// has none.
func StoreFaults(t *testing.T, again error, open func(t *testing.T, faults *Faults) fairlead.Store) {
	t.Helper()
	for _, write := range []func(*faultyHouse) func(ctx context.Context, w fairlead.Writer) error{
		(*faultyHouse).connect, (*faultyHouse).perform, (*faultyHouse).rearrange,
	} {
		t.Run("Fail", func(t *testing.T) {
			t.Parallel()
			newFaultyHouse(t, open).failEach(t, write)
		})
		t.Run("Again", func(t *testing.T) {
			t.Parallel()
			if again != nil {
				newFaultyHouse(t, open).repeatEach(t, again, write)
			}
		})
	}
}

// faultyHouse is a furnished store that may fail.
type faultyHouse struct {
	house
	faults *Faults
	o      fairlead.Organization
	u      []fairlead.User
	p      fairlead.Project
	c      fairlead.Connector
	g      fairlead.Registry
	k      fairlead.Worker
	other  pattern.Pattern
}

func newFaultyHouse(t *testing.T, open func(t *testing.T, faults *Faults) fairlead.Store) *faultyHouse {
	t.Helper()
	var f Faults
	h := &faultyHouse{house: house{open(t, &f)}, faults: &f}
	h.o, h.u = h.newOrganization(t, "o"), []fairlead.User{h.newUser(t, "ada"), h.newUser(t, "bob")}
	h.newMember(t, h.o, h.u[0], fairlead.Admin)
	h.p, h.c, h.k = h.newProject(t, h.o, fairlead.User{}, "p"), h.newConnector(t, h.o, "c", "a", "b"), h.newWorker(t, h.o, "k")
	h.g = h.newRegistry(t, h.o, "g", "g.io/*", h.c)
	h.other = parsePattern(t, "other.io/*")
	h.newToken(t, h.u[0], 1, func(k *fairlead.Token) { k.Kind = fairlead.InviteLink })
	h.newRun(t, h.p)
	return h
}

// connect changes connectors and registries.
func (h *faultyHouse) connect() func(ctx context.Context, w fairlead.Writer) error {
	d := fairlead.Connector{ID: fairlead.ConnectorID(newID()), Organization: h.o.ID, Name: "d"}
	r := fairlead.Registry{ID: fairlead.RegistryID(newID()), Organization: h.o.ID, Name: "r", Connector: d.ID, Pattern: h.other}
	k := fairlead.Webhook{ID: fairlead.WebhookID(newID()), Organization: h.o.ID, Name: "k", Events: []fairlead.Action{fairlead.ConnectorState}, Created: at(1)}
	return func(ctx context.Context, w fairlead.Writer) error {
		return inTurn(
			func() error { return w.AddConnector(ctx, d, sealed(1, "x", "y")) },
			func() error { return w.AddRegistry(ctx, r) },
			func() error { return w.ClaimRenewal(ctx, h.c, at(0), at(1)) },
			func() error { return w.RotateConnector(ctx, h.c, sealed(2, "b", "z"), at(9)) },
			func() error { return w.ResealPrevious(ctx, h.o.ID, h.c.ID, sealed(1, "a")) },
			func() error { _, _, err := w.HoldEntry(ctx, h.o.ID, h.g.ID); return err },
			func() error { return w.TellHealth(ctx, h.o.ID, h.c.ID, fairlead.Failing) },
			func() error {
				return w.NoteUse(ctx, fairlead.ConnectorUse{Organization: h.o.ID, Connector: d.ID, Project: h.p.ID, At: at(1)})
			},
			func() error { return w.AddWebhook(ctx, k, []byte("x")) },
			func() error { return w.ResealWebhook(ctx, h.o.ID, k.ID, []byte("y")) },
			func() error {
				return w.AddDelivery(ctx, fairlead.Delivery{Organization: h.o.ID, Webhook: k.ID, Event: "e", Created: at(1)})
			},
			func() error { return w.RemoveRegistry(ctx, h.o.ID, h.g.ID) },
			func() error { return w.RemoveConnector(ctx, h.o.ID, h.c.ID) },
			func() error { return w.PutWrappedKeys(ctx, fairlead.WrappedKeys{Organization: h.o.ID}) },
			func() error { return w.PutHouseSecret(ctx, fairlead.HouseSecret{Name: "s"}) },
		)
	}
}

// perform changes runs.
func (h *faultyHouse) perform() func(ctx context.Context, w fairlead.Writer) error {
	n := runOf(h.p)
	return func(ctx context.Context, w fairlead.Writer) error {
		var r fairlead.Run
		return inTurn(
			func() error { return w.AddArchive(ctx, h.p.ID, "sha256:1", 1, at(0)) },
			func() (err error) { _, err = w.AddRun(ctx, n); return err },
			func() (err error) { r, err = w.ClaimRun(ctx, h.k, at(0), at(1)); return err },
			func() (err error) { r, err = w.LockRun(ctx, r.ID); return err },
			func() error { return w.AddOutput(ctx, r.ID, r.Fence, fairlead.Output{Name: "model"}) },
			func() error { r.State = fairlead.Complete; return w.UpdateRun(ctx, r) },
			func() (err error) { r, err = w.ClaimRun(ctx, h.k, at(0), at(1)); return err },
			func() (err error) { _, err = w.LoseRun(ctx, at(2)); return err },
		)
	}
}

// rearrange changes people, projects and workers.
func (h *faultyHouse) rearrange() func(ctx context.Context, w fairlead.Writer) error {
	o := fairlead.Organization{ID: fairlead.OrganizationID(newID()), Name: "o2"}
	moved := h.p
	moved.Organization = o.ID
	return func(ctx context.Context, w fairlead.Writer) error {
		return inTurn(
			func() error { return w.AddOrganization(ctx, o) },
			func() error {
				return w.PutMember(ctx, fairlead.Membership{Organization: h.o.ID, User: h.u[1].ID, Role: fairlead.Admin})
			},
			func() error { return w.RemoveMember(ctx, h.o.ID, h.u[0].ID) },
			func() error { return w.UpdateUser(ctx, fairlead.User{ID: h.u[1].ID, Name: "eve"}) },
			func() error { return w.MoveProject(ctx, moved) },
			func() error { return w.RemoveWorker(ctx, h.o.ID, h.k.ID) },
			func() (err error) { _, err = w.TakeLink(ctx, hashOf(1)); return err },
		)
	}
}

func inTurn(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// picture is all that a write may have changed.
func (h *faultyHouse) picture(t tester) []any {
	t.Helper()
	var list []any
	see := func(v any, err error) {
		if err != nil && fairlead.KindOf(err) != fairlead.NotFound {
			t.Fatal(err)
		}
		list = append(list, v, err != nil)
	}
	ctx := t.Context()
	for _, o := range []fairlead.Name{"o", "o2"} {
		v, err := h.OrganizationByName(ctx, o)
		see(v, err)
		n, err := h.Revision(ctx, v.ID)
		see(n, err)
	}
	for _, u := range []fairlead.Name{"ada", "bob", "eve"} {
		v, err := h.UserByName(ctx, u)
		see(v, err)
	}
	members, err := h.MembersOf(ctx, h.o.ID)
	see(members, err)
	project, err := h.Project(ctx, h.p.ID)
	see(project, err)
	runs, err := h.RunsOf(ctx, h.p.ID, 0, 100)
	see(runs, err)
	for _, r := range runs {
		outputs, err := h.OutputsOf(ctx, r.ID)
		see(outputs, err)
	}
	archive, err := h.HasArchive(ctx, h.p.ID, "sha256:1")
	see(archive, err)
	connectors, err := h.ConnectorsOf(ctx, h.o.ID)
	see(connectors, err)
	for _, c := range connectors {
		fields, err := h.SealedFields(ctx, h.o.ID, c.ID)
		see(fields, err)
	}
	healths, err := h.HealthsOf(ctx, h.o.ID)
	see(healths, err)
	hooks, err := h.WebhooksOf(ctx, h.o.ID)
	see(hooks, err)
	registries, err := h.RegistriesOf(ctx, h.o.ID)
	see(registries, err)
	workers, err := h.WorkersOf(ctx, h.o.ID)
	see(workers, err)
	token, err := h.TokenByHash(ctx, hashOf(1))
	see(token, err)
	keys, err := h.WrappedKeys(ctx, h.o.ID)
	see(keys, err)
	events, err := h.EventsWhere(ctx, fairlead.EventQuery{})
	see(events, err)
	return list
}

func samePicture(a, b []any) bool {
	return cmp.Equal(a, b, cmp.Comparer(func(a, b pattern.Pattern) bool { return a == b }), cmpopts.IgnoreUnexported(fairlead.Error{}))
}

// failEach lets the first operation fail, then the second, until all go well; once with
// an error, once because the request ends.
func (h *faultyHouse) failEach(t tester, write func(*faultyHouse) func(ctx context.Context, w fairlead.Writer) error) {
	before := h.picture(t)
	change := write(h)
	injected := errors.New("injected")
	for n := 0; ; n++ {
		h.faults.arm(n, func() error { return injected })
		err := h.do(t, change)
		failed := h.faults.disarm()
		if !failed {
			if err != nil {
				t.Fatal(err)
			}
			t.Log(n, "operations")
			break
		}
		if err == nil || fairlead.KindOf(err) != fairlead.Internal {
			t.Errorf("operation %d failed, and the error is %v", n, err)
		}
		if !samePicture(h.picture(t), before) {
			t.Fatalf("operation %d failed, and something is changed", n)
		}
		if h.endAt(t, n, change, before) { // too late
			break
		}
	}
	if samePicture(h.picture(t), before) {
		t.Error("nothing is changed")
	}
}

// endAt ends the request at operation n, which then goes on, and reports whether the
// write came about all the same.
func (h *faultyHouse) endAt(t tester, n int, change step, before []any) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h.faults.arm(n, func() error { cancel(); return nil })
	err := h.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return fairlead.Event{Action: fairlead.SetUp}, change(ctx, w)
	})
	h.faults.disarm()
	changed := !samePicture(h.picture(t), before)
	if changed != (err == nil) {
		t.Fatalf("the request ended at operation %d: something is changed: %t, the error is %v", n, changed, err)
	}
	return changed
}

// repeatEach lets each operation of a write lose against another transaction.
func (h *faultyHouse) repeatEach(t tester, again error, write func(*faultyHouse) func(ctx context.Context, w fairlead.Writer) error) {
	h.faults.arm(0, func() error { return again })
	h.newOrganization(t, "begin-again")
	h.faults.disarm()
	before := h.picture(t)
	for n := 1; ; n++ { // after the beginning
		change, runs := write(h), 0
		h.faults.arm(n, func() error { return again })
		err := h.Write(t.Context(), func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
			if runs++; runs > 1 {
				err := change(ctx, w)
				return fairlead.Event{}, errors.Join(err, errRolledBack)
			}
			return fairlead.Event{Action: fairlead.SetUp}, change(ctx, w)
		})
		failed := h.faults.disarm()
		switch {
		case !failed:
			same(t, "the last write", []any{err, runs}, []any{nil, 1})
			return
		case !errors.Is(err, errRolledBack) || runs != 2:
			t.Fatalf("operation %d is to be run again; change was run %d times, and the error is %v", n, runs, err)
		case !samePicture(h.picture(t), before):
			t.Fatalf("operation %d: something is changed", n)
		}
	}
}

var errRolledBack = errors.New("rolled back")
