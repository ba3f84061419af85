package conform

import (
	"context"
	"errors"
	"time"

	"fairlead.dev/fairlead"
)

func (h house) newWebhook(t tester, o fairlead.Organization, name fairlead.Name, events ...fairlead.Action) fairlead.Webhook {
	t.Helper()
	k := fairlead.Webhook{ID: fairlead.WebhookID(newID()), Organization: o.ID, Name: name, URL: "https://example.com/" + string(name), Events: events, Created: at(6)}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error {
		return w.AddWebhook(ctx, k, []byte("\x00sealed\xff"))
	})
	return k
}

func testWebhooks(t tester, h house) {
	o, other := h.newOrganization(t, "o"), h.newOrganization(t, "other")
	same(t, "WebhooksOf nobody", ok(h.WebhooksOf(t.Context(), o.ID))(t), []fairlead.Webhook(nil))
	b := h.newWebhook(t, o, "b", fairlead.ConnectorState, fairlead.ConnectorRotate)
	a := h.newWebhook(t, o, "a")
	same(t, "WebhooksOf", ok(h.WebhooksOf(t.Context(), o.ID))(t), []fairlead.Webhook{a, b})
	same(t, "Webhook", ok(h.Webhook(t.Context(), o.ID, b.ID))(t), b)
	same(t, "WebhookByName", ok(h.WebhookByName(t.Context(), o.ID, "b"))(t), b)
	same(t, "WebhookKey", ok(h.WebhookKey(t.Context(), o.ID, b.ID))(t), []byte("\x00sealed\xff"))
	h.must(t, func(ctx context.Context, w fairlead.Writer) error {
		same(t, "WebhooksOf within", ok(w.WebhooksOf(ctx, o.ID))(t), []fairlead.Webhook{a, b})
		return w.ResealWebhook(ctx, o.ID, b.ID, []byte("again"))
	})
	same(t, "WebhookKey", ok(h.WebhookKey(t.Context(), o.ID, b.ID))(t), []byte("again"))
	h.refused(t, fairlead.Conflict, "", func(ctx context.Context, w fairlead.Writer) error {
		return w.AddWebhook(ctx, fairlead.Webhook{ID: fairlead.WebhookID(newID()), Organization: o.ID, Name: "a", Created: at(0)}, []byte("x"))
	})
	for _, id := range nowhere() {
		k, err := h.Webhook(t.Context(), o.ID, fairlead.WebhookID(id))
		wantMissing(t, k, err)
		k, err = h.WebhookByName(t.Context(), o.ID, fairlead.Name(id))
		wantMissing(t, k, err)
		key, err := h.WebhookKey(t.Context(), o.ID, fairlead.WebhookID(id))
		wantMissing(t, key, err)
	}
	for _, change := range []step{
		func(ctx context.Context, w fairlead.Writer) error { return w.RemoveWebhook(ctx, other.ID, b.ID) },
		func(ctx context.Context, w fairlead.Writer) error {
			return w.ResealWebhook(ctx, other.ID, b.ID, []byte("x"))
		},
		func(ctx context.Context, w fairlead.Writer) error {
			return w.AddDelivery(ctx, fairlead.Delivery{Organization: other.ID, Webhook: b.ID, Event: "e", Created: at(0)})
		},
		func(ctx context.Context, w fairlead.Writer) error {
			return w.AddWebhook(ctx, fairlead.Webhook{ID: "x", Organization: fairlead.OrganizationID(newID()), Name: "x", Created: at(0)}, nil)
		},
	} {
		h.refused(t, fairlead.NotFound, "", change)
	}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveWebhook(ctx, o.ID, b.ID) })
	same(t, "in the end", ok(h.WebhooksOf(t.Context(), o.ID))(t), []fairlead.Webhook{a})
}

// tell writes an event of the organization.
func (h house) tell(t tester, o fairlead.Organization, a fairlead.Action, minute int, with ...func(*fairlead.Event)) fairlead.EventID {
	t.Helper()
	e := fairlead.Event{ID: fairlead.EventID(newID()), At: at(minute), Organization: o.ID, Action: a, Allowed: true, On: fairlead.Object{Kind: "connector", Name: "c"}}
	for _, set := range with {
		set(&e)
	}
	err := h.Write(t.Context(), func(context.Context, fairlead.Writer) (fairlead.Event, error) { return e, nil })
	if err != nil {
		t.Fatal(err)
	}
	return e.ID
}

// testDeliveries follows events to the webhooks that asked for them: with the commit of
// the event, each to one at a time, until it is over.
func testDeliveries(t tester, h house) {
	o, other := h.newOrganization(t, "o"), h.newOrganization(t, "other")
	k := h.newWebhook(t, o, "k", fairlead.ConnectorState, fairlead.ConnectorRotate)
	h.newWebhook(t, other, "k", fairlead.ConnectorState)
	first := h.tell(t, o, fairlead.ConnectorState, 10)
	second := h.tell(t, o, fairlead.ConnectorRotate, 11)
	h.tell(t, o, fairlead.ConnectorVerify, 12)                                                // not asked for
	h.tell(t, o, fairlead.ConnectorRotate, 12, func(e *fairlead.Event) { e.Allowed = false }) // it didn't happen
	h.tell(t, o, fairlead.ConnectorRotate, 12, func(e *fairlead.Event) { e.Organization = "" })
	err := h.Write(t.Context(), func(context.Context, fairlead.Writer) (fairlead.Event, error) {
		return fairlead.Event{Organization: o.ID, Action: fairlead.ConnectorState, Allowed: true}, fairlead.ErrUnchanged
	})
	if !errors.Is(err, fairlead.ErrUnchanged) {
		t.Fatal(err)
	}

	d := func(id fairlead.EventID, a fairlead.Action, minute int) fairlead.Delivery {
		return fairlead.Delivery{Organization: o.ID, Webhook: k.ID, Event: id, Action: a, Created: at(minute), Next: at(minute)}
	}
	one, two := d(first, fairlead.ConnectorState, 10), d(second, fairlead.ConnectorRotate, 11)
	same(t, "DeliveriesOf", ok(h.DeliveriesOf(t.Context(), o.ID, k.ID, 9))(t), []fairlead.Delivery{two, one})
	same(t, "the latest", ok(h.DeliveriesOf(t.Context(), o.ID, k.ID, 1))(t), []fairlead.Delivery{two})
	same(t, "Event", ok(h.Event(t.Context(), o.ID, first))(t).Action, fairlead.ConnectorState)
	e, err := h.Event(t.Context(), other.ID, first)
	wantMissing(t, e, err)

	_, err = h.ClaimDelivery(t.Context(), at(9), at(99))
	wantKind(t, err, fairlead.NotFound, "")
	one.Attempts, one.Next = 1, at(20)
	same(t, "ClaimDelivery", ok(h.ClaimDelivery(t.Context(), at(11), at(20)))(t), one)
	two.Attempts, two.Next = 1, at(21)
	same(t, "ClaimDelivery", ok(h.ClaimDelivery(t.Context(), at(11), at(21)))(t), two)
	_, err = h.ClaimDelivery(t.Context(), at(11), at(99))
	wantKind(t, err, fairlead.NotFound, "")
	one.Error, one.Next = "no answer", at(15)
	two.Next, two.Ended, two.Delivered = time.Time{}, at(12), true
	for _, d := range []fairlead.Delivery{one, two} {
		if err := h.NoteDelivery(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "after NoteDelivery", ok(h.DeliveriesOf(t.Context(), o.ID, k.ID, 9))(t), []fairlead.Delivery{two, one})
	one.Attempts, one.Next = 2, at(30)
	same(t, "again", ok(h.ClaimDelivery(t.Context(), at(15), at(30)))(t), one)

	own := fairlead.Delivery{Organization: o.ID, Webhook: k.ID, Event: fairlead.EventID(newID()), Action: fairlead.WebhookTest, Created: at(40), Next: at(40)}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddDelivery(ctx, own) })
	same(t, "AddDelivery", ok(h.DeliveriesOf(t.Context(), o.ID, k.ID, 9))(t), []fairlead.Delivery{own, two, one})
	for _, sweep := range []struct{ minute, left int }{{12, 3}, {13, 2}} {
		if err := h.SweepDeliveries(t.Context(), at(sweep.minute)); err != nil {
			t.Fatal(err)
		}
		same(t, "after SweepDeliveries", len(ok(h.DeliveriesOf(t.Context(), o.ID, k.ID, 9))(t)), sweep.left)
	}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.RemoveWebhook(ctx, o.ID, k.ID) })
	same(t, "without the webhook", ok(h.DeliveriesOf(t.Context(), o.ID, k.ID, 9))(t), []fairlead.Delivery(nil))
}
