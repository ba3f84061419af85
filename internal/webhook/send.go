package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"fairlead.dev/fairlead"
)

// How messages are sent.
const (
	// sendTime is the longest that a receiver may take; hold is how long a replica keeps
	// others from a delivery that it tries, which is longer.
	sendTime = 15 * time.Second
	hold     = time.Minute
	// giveUp is how long a delivery is tried.
	giveUp = 24 * time.Hour
	// atOnce is how many are sent at the same time.
	atOnce = 8
	// keptFor is how long one that is over can be looked at.
	keptFor = 7 * 24 * time.Hour
	// mostReply is how much of a reply is read: nothing in it is looked at.
	mostReply = 64 << 10
)

// message is what a receiver is sent.
type message struct {
	ID             fairlead.EventID        `json:"id"`
	Type           fairlead.Action         `json:"type"`
	At             time.Time               `json:"at"`
	Organization   fairlead.Name           `json:"organization"`
	OrganizationID fairlead.OrganizationID `json:"organization_id"`
	Project        fairlead.ProjectID      `json:"project_id,omitempty"`
	By             fairlead.Subject        `json:"by"`
	On             fairlead.Object         `json:"on"`
	Detail         map[string]string       `json:"detail,omitempty"`
}

// Round tries every delivery that is due. Several replicas share the work: each is
// claimed in the store, and if who claimed it is lost, it is due again.
func (h *Webhooks) Round(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	free := make(chan struct{}, atOnce)
	for ctx.Err() == nil {
		free <- struct{}{}
		now := h.opts.Now()
		d, err := h.store.ClaimDelivery(ctx, now, now.Add(hold))
		if fairlead.KindOf(err) == fairlead.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		all.Go(func() {
			defer func() { <-free }()
			if _, err := h.attempt(ctx, d); err != nil && ctx.Err() == nil {
				h.opts.Log.WarnContext(ctx, "telling webhook", "webhook", string(d.Webhook), "event", string(d.Event), "error", err.Error())
			}
		})
	}
	return nil
}

// Sweep removes what is over for long.
func (h *Webhooks) Sweep(ctx context.Context) error {
	return h.store.SweepDeliveries(ctx, h.opts.Now().Add(-keptFor))
}

// attempt sends a delivery once and stores what came of it.
func (h *Webhooks) attempt(ctx context.Context, d fairlead.Delivery) (fairlead.Delivery, error) {
	k, err := h.store.Webhook(ctx, d.Organization, d.Webhook)
	if fairlead.KindOf(err) == fairlead.NotFound {
		return d, nil // it was removed, and its deliveries with it
	}
	if err != nil {
		return d, err
	}
	gone, sent := h.send(ctx, k, d)
	if ctx.Err() != nil { // the server ends: it is due again when the claim is over
		return d, ctx.Err()
	}
	now := h.opts.Now()
	d.Next, d.Ended, d.Delivered, d.Error = time.Time{}, now, sent == nil, ""
	if sent != nil {
		d.Error = fairlead.Clip(sent.Error())
		next := now.Add(wait(d.Attempts))
		if !gone && next.Before(d.Created.Add(giveUp)) {
			d.Next, d.Ended = next, time.Time{}
		}
	}
	return d, h.store.NoteDelivery(ctx, d)
}

// wait is how long after the given number of tries the next one comes.
func wait(attempts int) time.Duration {
	waits := [...]time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour}
	return waits[min(max(attempts-1, 0), len(waits)-1)]
}

// send sends an event as Standard Webhooks has it. gone is that the receiver wants no
// more of it.
func (h *Webhooks) send(ctx context.Context, k fairlead.Webhook, d fairlead.Delivery) (gone bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	body, err := h.body(ctx, d)
	if err != nil {
		return false, err
	}
	u, err := url.Parse(k.URL)
	if err != nil || u.Scheme != "https" && !h.opts.PlainHTTP(u) {
		return false, fmt.Errorf("its URL is not https, and the operator doesn't allow its host any more")
	}
	// The time is that of the try: a receiver refuses what is old, and so what somebody
	// has recorded.
	at := strconv.FormatInt(h.opts.Now().Unix(), 10)
	signed := append([]byte(string(d.Event)+"."+at+"."), body...)
	mac, err := h.vault.SignWebhook(ctx, d.Organization, k.ID, signed)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, k.URL, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("its URL can't be asked")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", h.opts.UserAgent)
	req.Header.Set("Webhook-Id", string(d.Event))
	req.Header.Set("Webhook-Timestamp", at)
	req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac))
	resp, err := h.opts.HTTP.Do(req)
	if err != nil {
		return false, unsent(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, mostReply)) // so that the connection can be used again
	switch resp.StatusCode / 100 {
	case 2:
		return false, nil
	case 3:
		return false, fmt.Errorf("%s answered %d: redirects are not followed", u.Host, resp.StatusCode)
	default:
		return resp.StatusCode == http.StatusGone, fmt.Errorf("%s answered %d", u.Host, resp.StatusCode)
	}
}

// unsent says why a request wasn't answered, without the URL: its path may be a secret.
func unsent(err error) error {
	for {
		switch e := err.(type) { //nolint:errorlint // The layers are taken off one by one.
		case *url.Error:
			if e.Timeout() {
				return fmt.Errorf("no answer came in %s", sendTime)
			}
			err = e.Err
		default:
			return err
		}
	}
}

// body is the event as a receiver is told it.
func (h *Webhooks) body(ctx context.Context, d fairlead.Delivery) ([]byte, error) {
	e, err := h.store.Event(ctx, d.Organization, d.Event)
	if err != nil {
		return nil, err
	}
	o, err := h.store.Organization(ctx, d.Organization)
	if err != nil {
		return nil, err
	}
	return json.Marshal(message{
		ID: e.ID, Type: e.Action, At: e.At, Organization: o.Name, OrganizationID: o.ID, Project: e.Project, By: e.By, On: e.On, Detail: e.Detail,
	})
}
