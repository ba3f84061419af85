package conform

import (
	"context"
	"errors"

	"fairlead.dev/fairlead"
)

// aboutWrite is an event by which a test finds whether a write came about.
func aboutWrite(id string) fairlead.Event {
	return fairlead.Event{Organization: "write", Action: fairlead.OrganizationCreate, On: fairlead.Object{ID: id}}
}

// wrote asks that organization and event of that identifier are both there, or neither.
func (h house) wrote(t tester, what, id string, want bool) {
	t.Helper()
	_, err := h.Organization(t.Context(), fairlead.OrganizationID(id))
	var event bool
	for _, e := range h.where(t, fairlead.EventQuery{Organization: "write"}) {
		event = event || e.On.ID == id
	}
	if changed := err == nil; changed != want || event != want {
		t.Errorf("%s: the change is there: %t, its event: %t, want both %t", what, changed, event, want)
	}
}

// testWrite: change and event together or not at all, however a write ends.
func testWrite(t tester, h house) {
	own, ctxEnd := errors.New("own"), errors.New("cause")
	for name, c := range map[string]struct {
		want error // of the chain; nil is that it is written
		kind fairlead.Kind
		end  func(e fairlead.Event) (fairlead.Event, error)
	}{
		"written": {nil, "", func(e fairlead.Event) (fairlead.Event, error) { return e, nil }},
		"error":   {own, fairlead.Internal, func(e fairlead.Event) (fairlead.Event, error) { return e, own }},
		"own kind": {ctxEnd, fairlead.Denied, func(e fairlead.Event) (fairlead.Event, error) {
			return e, (&fairlead.Error{Kind: fairlead.Denied}).Because(ctxEnd)
		}},
		"unchanged":           {fairlead.ErrUnchanged, fairlead.Internal, func(e fairlead.Event) (fairlead.Event, error) { return e, fairlead.ErrUnchanged }},
		"no event":            {(&fairlead.Error{Kind: fairlead.Internal}), fairlead.Internal, func(fairlead.Event) (fairlead.Event, error) { return fairlead.Event{}, nil }},
		"event of nothing":    {(&fairlead.Error{Kind: fairlead.Internal}), fairlead.Internal, func(e fairlead.Event) (fairlead.Event, error) { e.Action = ""; return e, nil }},
		"event that is there": {(&fairlead.Error{Kind: fairlead.Conflict}), fairlead.Conflict, func(e fairlead.Event) (fairlead.Event, error) { e.ID = "there"; return e, nil }},
	} {
		if name == "event that is there" {
			if err := h.record(t, fairlead.Event{ID: "there", Organization: "write", Action: fairlead.SetUp}); err != nil {
				t.Fatal(err)
			}
		}
		id := newID()
		err := h.Write(t.Context(), func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
			if err := w.AddOrganization(ctx, fairlead.Organization{ID: fairlead.OrganizationID(id), Name: fairlead.Name(id)}); err != nil {
				t.Error(err)
			}
			return c.end(aboutWrite(id))
		})
		if !errors.Is(err, c.want) || fairlead.KindOf(err) != c.kind {
			t.Errorf("%s: the error is %v, want %v", name, err, c.want)
		}
		h.wrote(t, name, id, c.want == nil)
	}

	id := newID()
	func() {
		defer func() { same(t, "the panic", recover(), "of change") }()
		_ = h.Write(t.Context(), func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
			if err := w.AddOrganization(ctx, fairlead.Organization{ID: fairlead.OrganizationID(id), Name: fairlead.Name(id)}); err != nil {
				t.Error(err)
			}
			panic("of change")
		})
	}()
	h.wrote(t, "panic", id, false)
	h.newOrganization(t, "after") // nothing is locked
}

// testWriteReads: what a write reads is what it has changed so far; others see it when
// it is committed.
func testWriteReads(t tester, h house) {
	o := h.newOrganization(t, "o")
	c := fairlead.Connector{ID: fairlead.ConnectorID(newID()), Organization: o.ID, Name: "c"}
	u := fairlead.User{ID: fairlead.UserID(newID()), Name: "ada", Created: at(0)}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error {
		if err := errors.Join(w.AddConnector(ctx, c, sealed(1, "a")), w.AddUser(ctx, u)); err != nil {
			return err
		}
		want := c
		want.Version, want.Secrets = 1, []string{"a"}
		same(t, "Connector within", ok(w.Connector(ctx, o.ID, c.ID))(t), want)
		same(t, "ConnectorsOf within", ok(w.ConnectorsOf(ctx, o.ID))(t), []fairlead.Connector{want})
		same(t, "SealedFields within", ok(w.SealedFields(ctx, o.ID, c.ID))(t), sealed(1, "a"))
		same(t, "UserByName within", ok(w.UserByName(ctx, "ada"))(t), u)
		same(t, "IsSetUp within", ok(w.IsSetUp(ctx))(t), true)
		same(t, "IsSetUp outside", ok(h.IsSetUp(ctx))(t), false)
		got, err := h.Connector(ctx, o.ID, c.ID)
		wantMissing(t, got, err)

		want.Method, want.Name = "keys", "d"
		if err := w.UpdateConnector(ctx, want, nil); err != nil {
			return err
		}
		want.Version, want.Secrets = 2, nil
		same(t, "ConnectorByName within", ok(w.ConnectorByName(ctx, o.ID, "d"))(t), want)
		return nil
	})
	same(t, "IsSetUp afterwards", ok(h.IsSetUp(t.Context()))(t), true)
}

// testWriteRefused: a write doesn't come about once something in it was refused, even
// if change passes over it. That a thing isn't there may be passed over.
func testWriteRefused(t tester, h house) {
	o := h.newOrganization(t, "taken")
	c := h.newConnector(t, o, "c")
	h.newRegistry(t, o, "g", "g.io/*", c)
	c.Version = 7
	for name, refused := range map[string]step{
		"taken": func(ctx context.Context, w fairlead.Writer) error {
			return w.AddUser(ctx, fairlead.User{ID: "u", Name: "taken"})
		},
		"stale":  func(ctx context.Context, w fairlead.Writer) error { return w.UpdateConnector(ctx, c, nil) },
		"in use": func(ctx context.Context, w fairlead.Writer) error { return w.RemoveConnector(ctx, o.ID, c.ID) },
	} {
		id := newID()
		err := h.Write(t.Context(), func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
			if err := w.AddOrganization(ctx, fairlead.Organization{ID: fairlead.OrganizationID(id), Name: fairlead.Name(id)}); err != nil {
				return fairlead.Event{}, err
			}
			if refused(ctx, w) == nil {
				t.Errorf("%s: it isn't refused", name)
			}
			return aboutWrite(id), nil
		})
		if fairlead.KindOf(err) != fairlead.Conflict {
			t.Errorf("%s: the error is %v", name, err)
		}
		h.wrote(t, name, id, false)
	}

	id := newID()
	err := h.Write(t.Context(), func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		_, err := w.LockRun(ctx, "nowhere")
		wantKind(t, err, fairlead.NotFound, "")
		_, err = w.ClaimRun(ctx, fairlead.Worker{}, at(0), at(1))
		same(t, "claim of nothing", errors.Is(err, fairlead.ErrUnchanged), true)
		wantKind(t, w.RemoveToken(ctx, "nobody", "nothing"), fairlead.NotFound, "")
		return aboutWrite(id), w.AddOrganization(ctx, fairlead.Organization{ID: fairlead.OrganizationID(id), Name: fairlead.Name(id)})
	})
	same(t, "passed over", err, nil)
	h.wrote(t, "passed over", id, true)
}

func testCancelled(t tester, h house) {
	id := newID()
	ctx, cancel := context.WithCancel(t.Context())
	err := h.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		err := w.AddOrganization(ctx, fairlead.Organization{ID: fairlead.OrganizationID(id), Name: fairlead.Name(id)})
		cancel()
		return aboutWrite(id), err
	})
	wantKind(t, err, fairlead.Unavailable, "")
	h.wrote(t, "cancelled within", id, false)

	wantKind(t, h.Write(ctx, func(context.Context, fairlead.Writer) (fairlead.Event, error) {
		t.Error("change was run")
		return fairlead.Event{}, nil
	}), fairlead.Unavailable, "")
	_, err = h.OrganizationByName(ctx, "o")
	wantKind(t, err, fairlead.Unavailable, "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	wantKind(t, h.TouchToken(ctx, "t", at(0)), fairlead.Unavailable, "")
	h.newOrganization(t, "after")
	if err := h.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
