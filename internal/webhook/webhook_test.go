package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/wire"
)

// receiver is somebody who is told of events.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []request
}

type request struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusNoContent}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, request{req.Header, body})
		if r.status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(r.status)
		if r.status >= http.StatusBadRequest {
			_, _ = io.WriteString(w, strings.Repeat("what a receiver says ", 10_000))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) all() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.got...)
}

// verify checks a message as the specification has it ("Verifying signatures").
func verify(t *testing.T, key string, q request, now time.Time) {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "whsec_"))
	if err != nil || len(raw) < 24 || len(raw) > 64 {
		t.Fatalf("the key has %d bytes: %v", len(raw), err)
	}
	id, at := q.header.Get("webhook-id"), q.header.Get("webhook-timestamp")
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte(id + "." + at + "." + string(q.body)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if got := q.header.Get("webhook-signature"); got != want || id == "" {
		t.Errorf("the signature of %q is %s, want %s", id, got, want)
	}
	if at != strconv.FormatInt(now.Unix(), 10) {
		t.Errorf("its time is %s, and it is %d", at, now.Unix())
	}
}

type world struct {
	*fairleadtest.Plane
	clock *fairleadtest.Clock
}

func newWorld(t *testing.T, options ...fairleadtest.Option) *world {
	t.Helper()
	w := &world{clock: fairleadtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	w.Plane = fairleadtest.Start(t, append(options, fairleadtest.WithClock(w.clock))...)
	return w
}

func acme() wire.OrganizationPath { return wire.OrganizationPath{Organization: "acme"} }

func hook(name fairlead.Name) wire.WebhookPath {
	return wire.WebhookPath{OrganizationPath: acme(), Webhook: name}
}

func (w *world) add(t *testing.T, name, url string, events ...string) string {
	t.Helper()
	made := fairleadtest.Must(t, w.Ann, wire.AddWebhook, wire.WebhookRequest{OrganizationPath: acme(), Name: name, URL: url, Events: events})
	return string(made.Key.Reveal())
}

func (w *world) round(t *testing.T, after time.Duration) {
	t.Helper()
	w.clock.Move(after)
	if err := w.Webhooks.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// register makes an event that webhooks are told of by default.
func (w *world) register(t *testing.T, name string) {
	t.Helper()
	fairleadtest.Must(t, w.Ann, wire.RegisterConnector, wire.ConnectorRequest{OrganizationPath: acme(), Name: name, ConnectorTrial: wire.ConnectorTrial{NoVerify: true}, ConnectorFields: wire.ConnectorFields{
		Family: "docker", Method: "basic", Public: map[string]string{"hosts": "reg.example.com", "username": "robot"},
		Secrets: map[string]wire.Clear{"password": {Secret: fairlead.SecretText("c4nary-password")}},
	}})
}

// TestDelivery tells a receiver of an event, signed; it answers badly first.
func TestDelivery(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]func(t *testing.T) []fairleadtest.Option{
		"sqlite": func(*testing.T) []fairleadtest.Option { return nil },
		"postgres": func(t *testing.T) []fairleadtest.Option {
			t.Helper()
			return []fairleadtest.Option{fairleadtest.WithDatabase(pgtest.URL(t))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, r := newWorld(t, options(t)...), newReceiver(t)
			key := w.add(t, "ops", r.URL+"/hook")
			w.register(t, "main")
			r.answer(http.StatusInternalServerError)
			w.round(t, 0)
			d := fairleadtest.Must(t, w.Ann, wire.DescribeWebhook, hook("ops"))
			if len(d.Deliveries) != 1 || d.Deliveries[0].Delivered || d.Deliveries[0].Attempts != 1 || !strings.HasSuffix(d.Deliveries[0].Error, "answered 500") {
				t.Fatalf("%+v", d.Deliveries)
			}
			w.round(t, time.Second) // too early
			r.answer(http.StatusFound)
			w.round(t, 5*time.Second)
			r.answer(http.StatusOK)
			w.round(t, 30*time.Second)
			w.round(t, time.Hour) // it is over
			got := r.all()
			if len(got) != 3 { // and no redirect was followed
				t.Fatalf("it was told %d times", len(got))
			}
			verify(t, key, got[2], time.Date(2026, 3, 1, 12, 0, 36, 0, time.UTC))
			if a, b := got[0].header.Get("webhook-id"), got[2].header.Get("webhook-id"); a != b || string(got[0].body) != string(got[2].body) {
				t.Error("a message isn't the same when it is sent again")
			}
			var m struct {
				ID, Type, Organization string
				At                     time.Time
				On                     fairlead.Object
				Detail                 map[string]string
			}
			if err := json.Unmarshal(got[2].body, &m); err != nil || m.Type != "connector.register" || m.Organization != "acme" || m.On.Name != "main" || m.Detail["family"] != "docker" {
				t.Errorf("%v: %s", err, got[2].body)
			}
			if m.ID != got[2].header.Get("webhook-id") || strings.Contains(string(got[2].body), "c4nary") {
				t.Errorf("%s", got[2].body)
			}
			d = fairleadtest.Must(t, w.Ann, wire.DescribeWebhook, hook("ops"))
			if !d.Deliveries[0].Delivered || d.Deliveries[0].Attempts != 3 || d.Deliveries[0].Error != "" {
				t.Errorf("%+v", d.Deliveries)
			}
		})
	}
}

// TestLostReplica has who claimed a delivery be lost: another one sends it.
func TestLostReplica(t *testing.T) {
	t.Parallel()
	w, r := newWorld(t), newReceiver(t)
	w.add(t, "ops", r.URL)
	w.register(t, "main")
	if _, err := w.Store.ClaimDelivery(t.Context(), w.clock.Now(), w.clock.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	w.round(t, 59*time.Second)
	if n := len(r.all()); n != 0 {
		t.Errorf("while it is held, it was sent %d times", n)
	}
	w.round(t, time.Second)
	if n := len(r.all()); n != 1 {
		t.Errorf("afterwards it was sent %d times", n)
	}
}

// TestGivingUp tries for a day, and no longer; and no more if the receiver says so.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	for status, most := range map[int]int{http.StatusServiceUnavailable: 30, http.StatusGone: 1} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			w, r := newWorld(t), newReceiver(t)
			w.add(t, "ops", r.URL)
			w.register(t, "main")
			r.answer(status)
			for range 30 * 60 {
				w.round(t, time.Minute)
			}
			d := fairleadtest.Must(t, w.Ann, wire.DescribeWebhook, hook("ops")).Deliveries[0]
			if n := len(r.all()); n > most || n != d.Attempts || d.Delivered || d.Ended.IsZero() || !d.Next.IsZero() {
				t.Errorf("sent %d times: %+v", n, d)
			}
			if most > 1 && d.Ended.Sub(d.Created) < 20*time.Hour {
				t.Errorf("given up after %s", d.Ended.Sub(d.Created))
			}
		})
	}
}

// TestTest sends an event for the trial, and says what came of it.
func TestTest(t *testing.T) {
	t.Parallel()
	w, r := newWorld(t), newReceiver(t)
	key := w.add(t, "ops", r.URL, "run.create")
	if d := fairleadtest.Must(t, w.Ann, wire.TestWebhook, hook("ops")); !d.Delivered || len(r.all()) != 1 {
		t.Fatalf("%+v", d)
	}
	verify(t, key, r.all()[0], w.clock.Now())
	r.Close()
	d := fairleadtest.Must(t, w.Ann, wire.TestWebhook, hook("ops"))
	if d.Delivered || d.Error == "" || d.Next.IsZero() {
		t.Errorf("with nobody there: %+v", d)
	}
	w.round(t, 0)
	if list := fairleadtest.Must(t, w.Ann, wire.DescribeWebhook, hook("ops")).Deliveries; len(list) != 2 {
		t.Errorf("%+v", list)
	}
}

// TestAddRefused adds what isn't taken.
func TestAddRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fairleadtest.AllowHosts("127.0.0.1:1234", "hooks.local"))
	for _, url := range []string{
		"", "hooks.example.com", "http://hooks.example.com/", "http://127.0.0.1:1235/", "ftp://hooks.example.com", "https://ann:secret@hooks.example.com/",
		"https://hooks.example.com/#x", "https:hooks.example.com", "https://" + strings.Repeat("x", 3000), "://",
	} {
		_, err := client.Do(t.Context(), w.Ann, wire.AddWebhook, wire.WebhookRequest{OrganizationPath: acme(), Name: "ops", URL: url})
		if e := fairlead.AsError("", err); e.Kind != fairlead.Invalid || e.Field != "url" || e.Remedy == "" || strings.Contains(e.Error(), "secret") {
			t.Errorf("%.100s: %v", url, err)
		}
	}
	for i, url := range []string{"http://127.0.0.1:1234/x", "http://hooks.local/x", "https://hooks.example.com/?a=b"} {
		w.add(t, "ops"+strconv.Itoa(i), url)
	}
	_, err := client.Do(t.Context(), w.Ann, wire.AddWebhook, wire.WebhookRequest{OrganizationPath: acme(), Name: "ops", URL: "https://hooks.example.com", Events: []string{"connector.fly"}})
	if e := fairlead.AsError("", err); e.Field != "events" {
		t.Errorf("an event that there isn't: %v", err)
	}
	// What isn't an address of the world's isn't reached, whatever its name says.
	w.add(t, "inside", "https://localhost:1/")
	if d := fairleadtest.Must(t, w.Ann, wire.TestWebhook, hook("inside")); d.Delivered || !strings.Contains(d.Error, "localhost") {
		t.Errorf("%+v", d)
	}
	bob := w.User(w.Ann, "acme", "bob", fairlead.Member)
	if _, err := client.Do(t.Context(), bob, wire.ListWebhooks, acme()); fairlead.KindOf(err) != fairlead.Denied {
		t.Errorf("a member: %v", err)
	}
}
