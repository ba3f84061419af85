package vault_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/provider"
)

// to is a change to another password.
func to(secret string) provider.Change {
	return provider.Change{Given: provider.Given{Secret: map[string]fairlead.Secret{"password": fairlead.SecretText(secret)}}}
}

// password is what connector main opens to now.
func (r *room) password(t *testing.T) string {
	t.Helper()
	c, err := r.Store.ConnectorByName(t.Context(), r.acme, "main")
	if err != nil {
		t.Fatal(err)
	}
	opened, err := r.open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return string(opened.Secret["password"].Reveal())
}

// TestRotate rotates a connector, back, and forth again.
func TestRotate(t *testing.T) {
	t.Parallel()
	clock := fairleadtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	r := newRoom(t, fairleadtest.WithClock(clock))
	old := r.register(t, r.acme, "main")
	end := clock.Now().Add(90 * 24 * time.Hour)
	if _, err := r.Vault.Update(t.Context(), r.ann, r.acme, "main", provider.Change{Expires: &end}, nil); err != nil {
		t.Fatal(err)
	}
	ch := to("new")
	ch.Given.Public = map[string]string{"username": "robot2"}
	var shown provider.Opened
	done, err := r.Vault.Rotate(t.Context(), r.ann, r.acme, "main", provider.Rotation{Change: ch, Keep: time.Hour}, func(_ context.Context, o provider.Opened) error {
		shown = o
		return nil
	})
	if err != nil || done.Version != 3 || !done.Expires.IsZero() || string(shown.Secret["password"].Reveal()) != "new" || shown.Public["username"] != "robot2" {
		t.Fatalf("%+v, proved with %v: %v", done.Connector, shown.Public, err)
	}
	// Nothing that is stored was opened for it.
	if list, err := r.Store.EventsWhere(t.Context(), fairlead.EventQuery{Organization: r.acme, Limit: 100}); err != nil || len(list.Events) == 0 || list.Events[0].Action != fairlead.ConnectorRotate {
		t.Fatal(list, err)
	} else {
		for _, ev := range list.Events {
			if ev.Action == fairlead.ConnectorOpen || ev.Action == fairlead.ConnectorVerify {
				t.Errorf("there is an event %s", ev.Action)
			}
		}
	}
	if got := r.password(t); got != "new" {
		t.Errorf("it opens to %q", got)
	}
	was, err := r.Store.Previous(t.Context(), r.acme, old.ID, clock.Now())
	want := fairlead.Previous{
		Method: "basic", Public: old.Public, Secrets: []string{"password"}, Expires: end, Replaced: clock.Now(), Until: clock.Now().Add(time.Hour),
	}
	if diff := cmp.Diff(want, was); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}

	back, err := r.Vault.Rollback(t.Context(), r.ann, r.acme, "main", 2*time.Hour)
	if err != nil || back.Version != 4 || !back.Expires.Equal(end) || back.Public["username"] != "robot" {
		t.Fatalf("%+v: %v", back, err)
	}
	if got := r.password(t); got != canary {
		t.Errorf("after the rollback it opens to %q", got)
	}
	clock.Move(time.Hour)
	if _, err := r.Vault.Rollback(t.Context(), r.ann, r.acme, "main", time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := r.password(t); got != "new" {
		t.Errorf("forth again it opens to %q", got)
	}
	clock.Move(time.Hour)
	if _, err := r.Vault.Rollback(t.Context(), r.ann, r.acme, "main", time.Hour); fairlead.KindOf(err) != fairlead.NotFound {
		t.Errorf("after its time: %v", err)
	}
	if _, err := r.Vault.Rotate(t.Context(), r.ann, r.acme, "main", provider.Rotation{Change: to("newer"), Keep: 0}, nil); err != nil {
		t.Fatal(err)
	}
	if f, err := r.Store.PreviousFields(t.Context(), r.acme, old.ID, time.Time{}.Add(1)); err != nil || len(f) != 0 {
		t.Errorf("of what isn't to be kept there are %d fields, %v", len(f), err)
	}
}

// TestRotateRefused rotates as can't be done: everything stays.
func TestRotateRefused(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register(t, r.acme, "main")
	unproved := errors.New("the registry doesn't take it")
	member := r.ann
	member.Roles = map[fairlead.OrganizationID]fairlead.Role{r.acme: fairlead.Member}
	for name, row := range map[string]struct {
		who   fairlead.Caller
		ch    provider.Change
		keep  time.Duration
		prove func(context.Context, provider.Opened) error
		kind  fairlead.Kind
		field string
	}{
		"a member":                   {who: member, ch: to("new"), kind: fairlead.Denied},
		"a stranger":                 {who: fairlead.Caller{Subject: r.ann.Subject}, ch: to("new"), kind: fairlead.NotFound},
		"not proved":                 {who: r.ann, ch: to("new"), prove: func(context.Context, provider.Opened) error { return unproved }},
		"no secret":                  {who: r.ann, kind: fairlead.Invalid, field: "password"},
		"a field of another":         {who: r.ann, ch: provider.Change{Given: provider.Given{Secret: map[string]fairlead.Secret{"token": fairlead.SecretText("x")}}}, kind: fairlead.Invalid, field: "token"},
		"kept for a year":            {who: r.ann, ch: to("new"), keep: 365 * 24 * time.Hour, kind: fairlead.Invalid, field: "keep"},
		"kept for less than nothing": {who: r.ann, ch: to("new"), keep: -1, kind: fairlead.Invalid, field: "keep"},
		"changed meanwhile":          {who: r.ann, ch: provider.Change{Version: 7}, kind: fairlead.Conflict},
	} {
		_, err := r.Vault.Rotate(t.Context(), row.who, r.acme, "main", provider.Rotation{Change: row.ch, Keep: row.keep}, row.prove)
		if row.prove != nil {
			if !errors.Is(err, unproved) {
				t.Errorf("%s: %v", name, err)
			}
		} else if e := fairlead.AsError("", err); err == nil || e.Kind != row.kind || e.Field != row.field {
			t.Errorf("%s: field %q: %v", name, e.Field, err)
		}
	}
	if _, err := r.Vault.Rollback(t.Context(), r.ann, r.acme, "main", time.Hour); fairlead.KindOf(err) != fairlead.NotFound {
		t.Errorf("rolling back what wasn't rotated: %v", err)
	}
	if got := r.password(t); got != canary {
		t.Errorf("it opens to %q", got)
	}
}

// TestPreviousIsResealed rotates the keys between a rotation and its rollback, and then
// those that wrap them.
func TestPreviousIsResealed(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	c := r.register(t, r.acme, "main")
	if _, err := r.Vault.Rotate(t.Context(), r.ann, r.acme, "main", provider.Rotation{Change: to("new"), Keep: time.Hour}, nil); err != nil {
		t.Fatal(err)
	}
	before, err := r.Store.PreviousFields(t.Context(), r.acme, c.ID, time.Time{}.Add(1))
	if err != nil || len(before) != 1 {
		t.Fatal(before, err)
	}
	if err := r.Vault.RotateDataKeys(t.Context(), system(), r.acme); err != nil {
		t.Fatal(err)
	}
	after, err := r.Store.PreviousFields(t.Context(), r.acme, c.ID, time.Time{}.Add(1))
	if err != nil || len(after) != 1 || string(after[0].Sealed) == string(before[0].Sealed) || after[0].Version != before[0].Version {
		t.Fatal(after, err)
	}
	if _, err := r.Vault.Rollback(t.Context(), r.ann, r.acme, "main", time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := r.password(t); got != canary {
		t.Errorf("it opens to %q", got)
	}
}

// TestMovedPrevious has somebody who can write to the database move what is only kept to
// where a rollback would open it for another: everything fails closed.
func TestMovedPrevious(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(t *testing.T, r *room, mine, theirs fairlead.Connector){
		"the bytes of another connector": func(t *testing.T, r *room, mine, theirs fairlead.Connector) {
			t.Helper()
			r.tamper(t, "UPDATE previous_fields SET sealed = (SELECT sealed FROM sealed_fields WHERE connector_id = ?) WHERE connector_id = ?", theirs.ID, mine.ID)
		},
		"to another version": func(t *testing.T, r *room, mine, _ fairlead.Connector) {
			t.Helper()
			r.tamper(t, "UPDATE previous_fields SET version = version + 1 WHERE connector_id = ?", mine.ID)
		},
		"to another field": func(t *testing.T, r *room, mine, _ fairlead.Connector) {
			t.Helper()
			r.tamper(t, "UPDATE previous_fields SET field = 'token' WHERE connector_id = ?", mine.ID)
		},
		"gone": func(t *testing.T, r *room, mine, _ fairlead.Connector) {
			t.Helper()
			r.tamper(t, "DELETE FROM previous_fields WHERE connector_id = ?", mine.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			mine, theirs := r.register(t, r.acme, "mine"), r.register(t, r.side, "theirs")
			if _, err := r.Vault.Rotate(t.Context(), r.ann, r.acme, "mine", provider.Rotation{Change: to("new"), Keep: time.Hour}, nil); err != nil {
				t.Fatal(err)
			}
			move(t, r, mine, theirs)
			back, err := r.Vault.Rollback(t.Context(), r.ann, r.acme, "mine", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			opened, err := r.open(t.Context(), back)
			if err == nil || len(opened.Secret) != 0 || strings.Contains(err.Error(), canary) {
				t.Errorf("it opens to %d secrets, %v", len(opened.Secret), err)
			}
		})
	}
}

// TestUpdateProves asks about a change as it would be, with the secrets that are kept,
// and about none that the registry wouldn't notice.
func TestUpdateProves(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register(t, r.acme, "main")
	asked := 0
	update := func(ch provider.Change) error {
		_, err := r.Vault.Update(t.Context(), r.ann, r.acme, "main", ch, func(_ context.Context, o provider.Opened) error {
			asked++
			if string(o.Secret["password"].Reveal()) != canary || o.Public["username"] != "other" {
				t.Errorf("it is asked about %v", o.Public)
			}
			return errors.New("no")
		})
		return err
	}
	end := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := update(provider.Change{Expires: &end}); err != nil || asked != 0 {
		t.Errorf("about a date it is asked %d times, %v", asked, err)
	}
	if err := update(provider.Change{Given: provider.Given{Public: map[string]string{"username": "other"}}}); err == nil || asked != 1 {
		t.Errorf("about another user it is asked %d times, %v", asked, err)
	}
	if c, err := r.Store.ConnectorByName(t.Context(), r.acme, "main"); err != nil || c.Public["username"] != "robot" {
		t.Errorf("what wasn't taken is saved: %v, %v", c.Public, err)
	}
}

// TestWebhookKey signs with a key, before and after the data keys are rotated.
func TestWebhookKey(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	var key fairlead.Secret
	k := fairlead.Webhook{ID: "k", Organization: r.acme, Name: "k", URL: "https://example.com", Created: time.Now()}
	err := r.Store.Write(t.Context(), func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		var sealed []byte
		var err error
		if key, sealed, err = r.Vault.NewWebhookKey(ctx, w, r.acme, k.ID); err != nil {
			return fairlead.Event{}, err
		}
		return fairlead.Event{Action: fairlead.WebhookAdd}, w.AddWebhook(ctx, k, sealed)
	})
	if err != nil || !strings.HasPrefix(string(key.Reveal()), "whsec_") {
		t.Fatal(err)
	}
	first, err := r.Vault.SignWebhook(t.Context(), r.acme, k.ID, []byte("message"))
	if err != nil || len(first) != 32 {
		t.Fatal(first, err)
	}
	if err := r.Vault.RotateDataKeys(t.Context(), system(), r.acme); err != nil {
		t.Fatal(err)
	}
	again, err := r.Vault.SignWebhook(t.Context(), r.acme, k.ID, []byte("message"))
	if err != nil || string(again) != string(first) {
		t.Errorf("after a rotation of the keys it signs otherwise: %v", err)
	}
	r.tamper(t, "UPDATE webhooks SET id = 'other' WHERE id = 'k'")
	if mac, err := r.Vault.SignWebhook(t.Context(), r.acme, "other", []byte("message")); err == nil {
		t.Errorf("the key of another webhook signs: %x", mac)
	}
}
