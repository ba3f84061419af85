package sqlstore

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
)

func scanWebhook(r row) (h fairlead.Webhook, err error) {
	err = r.Scan(&h.Organization, &h.ID, &h.Name, &h.URL, document{&h.Events}, stamp{&h.Created})
	h.Events = orNil(h.Events)
	return h, err
}

// Webhook reads one of the organization: NotFound.
func (q reader) Webhook(ctx context.Context, org fairlead.OrganizationID, id fairlead.WebhookID) (fairlead.Webhook, error) {
	return one(ctx, q.session, "reading webhook", "Webhook", scanWebhook, org, id)
}

// WebhookByName reads one of the organization: NotFound.
func (q reader) WebhookByName(ctx context.Context, org fairlead.OrganizationID, name fairlead.Name) (fairlead.Webhook, error) {
	return one(ctx, q.session, "reading webhook", "WebhookByName", scanWebhook, org, name)
}

// WebhooksOf lists an organization's, by name.
func (q reader) WebhooksOf(ctx context.Context, org fairlead.OrganizationID) ([]fairlead.Webhook, error) {
	return many(ctx, q.session, "reading webhooks", "WebhooksOf", scanWebhook, org)
}

// WebhookKey gives the sealed key of one: NotFound.
func (q reader) WebhookKey(ctx context.Context, org fairlead.OrganizationID, id fairlead.WebhookID) ([]byte, error) {
	return value[[]byte](ctx, q.session, "reading webhook", "WebhookKey", org, id)
}

// AddWebhook adds one: Conflict if the name is taken, NotFound without the organization.
func (w *writer) AddWebhook(ctx context.Context, h fairlead.Webhook, key []byte) error {
	const doing = "adding webhook"
	if err := w.bump(ctx, doing, h.Organization); err != nil {
		return err
	}
	events := h.Events
	if events == nil {
		events = []fairlead.Action{}
	}
	if err := w.run(ctx, doing, "AddWebhook", h.Organization, h.ID, h.Name, h.URL, document{events}, key, h.Created); err != nil {
		return err
	}
	for _, a := range h.Events {
		if err := w.run(ctx, doing, "AddWebhookAction", h.Organization, a, h.ID); err != nil {
			return err
		}
	}
	return nil
}

// RemoveWebhook removes one with what is on its way to it: NotFound.
func (w *writer) RemoveWebhook(ctx context.Context, org fairlead.OrganizationID, id fairlead.WebhookID) error {
	const doing = "removing webhook"
	if err := w.bump(ctx, doing, org); err != nil {
		return err
	}
	return w.exactly(ctx, doing, "webhook", "RemoveWebhook", org, id)
}

// ResealWebhook replaces a sealed key: NotFound.
func (w *writer) ResealWebhook(ctx context.Context, org fairlead.OrganizationID, id fairlead.WebhookID, key []byte) error {
	const doing = "sealing webhook"
	if err := w.bump(ctx, doing, org); err != nil {
		return err
	}
	return w.exactly(ctx, doing, "webhook", "ResealWebhook", org, id, key)
}

func scanDelivery(r row) (d fairlead.Delivery, err error) {
	err = r.Scan(&d.Organization, &d.Webhook, &d.Event, &d.Action, stamp{&d.Created}, &d.Attempts, stamp{&d.Next}, stamp{&d.Ended}, &d.Delivered, &d.Error)
	return d, err
}

// DeliveriesOf lists a webhook's, the latest event first.
func (q reader) DeliveriesOf(ctx context.Context, org fairlead.OrganizationID, id fairlead.WebhookID, limit int) ([]fairlead.Delivery, error) {
	return many(ctx, q.session, "reading deliveries", "DeliveriesOf", scanDelivery, org, id, limit)
}

// AddDelivery adds one: NotFound without the webhook, Conflict if the event is on its
// way there already.
func (w *writer) AddDelivery(ctx context.Context, d fairlead.Delivery) error {
	return w.run(ctx, "adding delivery", "AddDelivery", d.Organization, d.Webhook, d.Event, d.Action, d.Created, d.Attempts, when(d.Next))
}

// ClaimDelivery gives the one whose next try has been due the longest: NotFound if none
// is.
func (s *Store) ClaimDelivery(ctx context.Context, now, until time.Time) (fairlead.Delivery, error) {
	return one(ctx, s.write, "claiming delivery", "ClaimDelivery", scanDelivery, now, until)
}

// NoteDelivery stores what came of a try, if the webhook is still there.
func (s *Store) NoteDelivery(ctx context.Context, d fairlead.Delivery) error {
	_, err := s.write.change(ctx, "noting delivery", "NoteDelivery", d.Organization, d.Webhook, d.Event, when(d.Next), when(d.Ended), d.Delivered, d.Error)
	return err
}

// SweepDeliveries removes those that ended before a time.
func (s *Store) SweepDeliveries(ctx context.Context, before time.Time) error {
	_, err := s.write.change(ctx, "sweeping deliveries", "SweepDeliveries", before)
	return err
}
