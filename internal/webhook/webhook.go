// Package webhook tells addresses of an organization's events: signed, at least once,
// from what the store keeps on its way since the commit of the event.
package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"fairlead.dev/fairlead"
)

// Vault keeps the keys with which messages are signed.
type Vault interface {
	NewWebhookKey(ctx context.Context, w fairlead.Writer, org fairlead.OrganizationID, id fairlead.WebhookID) (fairlead.Secret, []byte, error)
	SignWebhook(ctx context.Context, org fairlead.OrganizationID, id fairlead.WebhookID, message []byte) ([]byte, error)
}

// Options are what can be set.
type Options struct {
	Now func() time.Time
	Log *slog.Logger
	// HTTP sends, under the egress rules. It is told to follow no redirects.
	HTTP *http.Client
	// PlainHTTP says whether an address may be spoken to without TLS: the operator has
	// allowed its host.
	PlainHTTP func(*url.URL) bool
	// UserAgent is what receivers are told.
	UserAgent string
}

// Webhooks keeps webhooks and tells them. It is safe for concurrent use.
type Webhooks struct {
	store fairlead.Store
	vault Vault
	opts  Options
}

// New makes it over a store.
func New(store fairlead.Store, vault Vault, opts Options) *Webhooks {
	direct := *opts.HTTP
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	opts.HTTP = &direct
	return &Webhooks{store: store, vault: vault, opts: opts}
}

// Draft is a webhook that is to be. No events are [fairlead.ToldByDefault].
type Draft struct {
	Name   fairlead.Name
	URL    string
	Events []string
}

// Add adds a webhook, and gives the key that its receiver checks signatures with, which
// is shown this once: [fairlead.Invalid] with the field, [fairlead.Conflict] for a name
// that is taken.
func (h *Webhooks) Add(ctx context.Context, who fairlead.Caller, o fairlead.Organization, d Draft) (fairlead.Webhook, fairlead.Secret, error) {
	var key fairlead.Secret
	at := fairlead.Place{Organization: o.ID}
	if err := who.May(fairlead.WebhookAdd, at); err != nil {
		return fairlead.Webhook{}, key, err
	}
	if err := h.address(d.URL); err != nil {
		return fairlead.Webhook{}, key, err
	}
	events, err := actions(d.Events)
	if err != nil {
		return fairlead.Webhook{}, key, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fairlead.Webhook{}, key, fairlead.AsError("naming webhook", err)
	}
	k := fairlead.Webhook{ID: fairlead.WebhookID(id.String()), Organization: o.ID, Name: d.Name, URL: d.URL, Events: events, Created: h.opts.Now()}
	err = h.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		var sealed []byte
		var err error
		if key, sealed, err = h.vault.NewWebhookKey(ctx, w, o.ID, k.ID); err != nil {
			return fairlead.Event{}, err
		}
		return who.Event(fairlead.WebhookAdd, at, object(k)).With("host", hostOf(k.URL)), w.AddWebhook(ctx, k, sealed)
	})
	return k, key, err
}

// List lists an organization's, by name.
func (h *Webhooks) List(ctx context.Context, who fairlead.Caller, o fairlead.Organization) ([]fairlead.Webhook, error) {
	if err := who.May(fairlead.WebhookRead, fairlead.Place{Organization: o.ID}); err != nil {
		return nil, err
	}
	return h.store.WebhooksOf(ctx, o.ID)
}

// shown is how many deliveries are shown of a webhook.
const shown = 20

// Show gives one and its latest deliveries.
func (h *Webhooks) Show(ctx context.Context, who fairlead.Caller, o fairlead.Organization, name fairlead.Name) (fairlead.Webhook, []fairlead.Delivery, error) {
	k, err := h.find(ctx, who, o, name, fairlead.WebhookRead)
	if err != nil {
		return k, nil, err
	}
	list, err := h.store.DeliveriesOf(ctx, o.ID, k.ID, shown)
	return k, list, err
}

// Test puts an event on its way to one webhook, whatever it asked for, tries it at once,
// and gives what came of that.
func (h *Webhooks) Test(ctx context.Context, who fairlead.Caller, o fairlead.Organization, name fairlead.Name) (fairlead.Delivery, error) {
	k, err := h.find(ctx, who, o, name, fairlead.WebhookTest)
	if err != nil {
		return fairlead.Delivery{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fairlead.Delivery{}, fairlead.AsError("naming event", err)
	}
	now := h.opts.Now()
	ev := who.Event(fairlead.WebhookTest, fairlead.Place{Organization: o.ID}, object(k))
	ev.ID, ev.At = fairlead.EventID(id.String()), now
	d := fairlead.Delivery{Organization: o.ID, Webhook: k.ID, Event: ev.ID, Action: ev.Action, Created: now, Attempts: 1, Next: now.Add(hold)}
	err = h.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return ev, w.AddDelivery(ctx, d)
	})
	if err != nil {
		return d, err
	}
	return h.attempt(ctx, d)
}

// Remove removes one, and what is on its way to it.
func (h *Webhooks) Remove(ctx context.Context, who fairlead.Caller, o fairlead.Organization, name fairlead.Name) error {
	k, err := h.find(ctx, who, o, name, fairlead.WebhookRemove)
	if err != nil {
		return err
	}
	return h.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return who.Event(fairlead.WebhookRemove, fairlead.Place{Organization: o.ID}, object(k)), w.RemoveWebhook(ctx, o.ID, k.ID)
	})
}

func (h *Webhooks) find(ctx context.Context, who fairlead.Caller, o fairlead.Organization, name fairlead.Name, a fairlead.Action) (fairlead.Webhook, error) {
	if err := who.May(a, fairlead.Place{Organization: o.ID}); err != nil {
		return fairlead.Webhook{}, err
	}
	k, err := h.store.WebhookByName(ctx, o.ID, name)
	if fairlead.KindOf(err) == fairlead.NotFound {
		e := fairlead.Missing(a)
		e.Why, e.Remedy = "there is no webhook "+fairlead.Clip(string(name)), "`fairlead webhook list` shows those that there are"
		return k, e
	}
	return k, err
}

func object(k fairlead.Webhook) fairlead.Object {
	return fairlead.Object{Kind: "webhook", ID: string(k.ID), Name: string(k.Name)}
}

// mostURL is the longest address that is taken.
const mostURL = 2000

// address checks where messages are to go. What the name resolves to is checked by the
// egress rules, each time.
func (h *Webhooks) address(text string) error {
	refuse := func(why, remedy string) error {
		return &fairlead.Error{Kind: fairlead.Invalid, Field: "url", What: "adding webhook", Why: why, Remedy: remedy}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || len(text) > mostURL:
		return refuse("it is not a URL", "write it like https://hooks.example.com/fairlead")
	case u.User != nil:
		return refuse("it has a user name or a password in it, which every administrator could read", "leave them out: what is sent is signed")
	case u.Fragment != "":
		return refuse("it has a fragment (#), which is never sent", "leave it out")
	case u.Scheme == "https", u.Scheme == "http" && h.opts.PlainHTTP(u):
		return nil
	case u.Scheme == "http":
		return refuse("it is plain http, and anybody on the way could read it", "use https; for a host of this machine, have the operator allow it: --allow-host "+u.Host)
	default:
		return refuse("its scheme is "+fairlead.Clip(u.Scheme), "use https")
	}
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

// actions checks what a webhook asks for: actions, or a noun with ".*".
func actions(events []string) ([]fairlead.Action, error) {
	if len(events) == 0 {
		return fairlead.ToldByDefault(), nil
	}
	var list []fairlead.Action
	for _, text := range events {
		found := false
		for _, a := range fairlead.Actions() {
			noun, isNoun := strings.CutSuffix(text, ".*")
			if text == string(a) || isNoun && strings.HasPrefix(string(a), noun+".") {
				list, found = append(list, a), true
			}
		}
		if !found {
			return nil, &fairlead.Error{
				Kind: fairlead.Invalid, Field: "events", What: "adding webhook", Why: "there is no event " + fairlead.Clip(text),
				Remedy: "use noun.verb, such as connector.state, or a whole noun, such as connector.*",
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}
