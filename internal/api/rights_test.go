package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

// tap keeps the last reply that went through it.
type tap struct {
	status int
	body   []byte
}

func (p *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	p.status, p.body, resp.Body = resp.StatusCode, b, io.NopCloser(bytes.NewReader(b))
	return resp, err
}

// ask sends a row's request and gives what came back.
func (w *world) ask(t *testing.T, r row, n names, token fairlead.Secret) tap {
	t.Helper()
	p := &tap{}
	c, err := client.New(w.URL, client.WithToken(token), client.WithTransport(p))
	if err != nil {
		t.Fatal(err)
	}
	err = r.call(t.Context(), c, n)
	if (err == nil) != (p.status < 300) {
		t.Errorf("%s: the client says %v to status %d: %s", r, err, p.status, p.body)
	}
	return *p
}

// TestEveryRouteHasARow keeps the table whole: who adds a route adds a row.
func TestEveryRouteHasARow(t *testing.T) {
	t.Parallel()
	have := map[string]int{}
	for _, r := range append(rows(), openRows()...) {
		have[r.route.ID]++
	}
	for _, route := range wire.Routes() {
		if have[route.ID] == 0 {
			t.Errorf("route %s has no row", route.ID)
		}
		delete(have, route.ID)
	}
	for id := range have {
		t.Errorf("row %s is of no route", id)
	}
}

// TestRowsCanBeDone shows that nothing but rights stands in the way of the rows: whoever
// has them succeeds with each.
func TestRowsCanBeDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, r := range rows() {
		token := map[by]fairlead.Secret{byAnn: w.ann, byBob: w.bob, byHolder: w.holder}[r.by]
		if r.route.ID == "logout" {
			token = w.ann // bob's sessions have ended with his password
		}
		got := w.ask(t, r, w.names, token)
		switch {
		case got.status < 300, got.status == r.otherwise && r.variant != "":
		case r.otherwise == http.StatusConflict && got.status == r.otherwise: // create-organization: acme is there
		default:
			t.Errorf("%s: status %d: %s", r, got.status, got.body)
		}
	}
}

// persona is somebody who asks, and what they hold.
type persona struct {
	name  string
	token fairlead.Secret
	// member says that a denial is an event of acme's.
	member bool
}

// personas are all but those whom everything is allowed.
func (w *world) personas(t *testing.T) []persona {
	t.Helper()
	token := func(req wire.TokenRequest) (fairlead.Secret, fairlead.TokenID) {
		req.Name = "limited"
		n := fairleadtest.Must(t, w.As(w.ann), wire.CreateToken, req)
		return n.Token.Secret, n.Info.ID
	}
	scoped, _ := token(wire.TokenRequest{Scopes: []string{"organization.*", "event.read", "run.read"}})
	self, _ := token(wire.TokenRequest{Scopes: []string{"token.*"}})
	expired, _ := token(wire.TokenRequest{Days: 1})
	revoked, id := token(wire.TokenRequest{})
	fairleadtest.Must(t, w.As(w.ann), wire.RevokeToken, wire.TokenPath{Token: id})
	fairleadtest.Must(t, w.As(w.ann), wire.CreateOrganization, wire.OrganizationRequest{Name: "side"})
	w.Identity.Forget()
	elsewhere, _ := token(wire.TokenRequest{Organization: "side"})
	here, _ := token(wire.TokenRequest{Organization: "acme", Scopes: []string{"registry.read"}})
	w.clock.Move(25 * time.Hour)
	return []persona{
		{name: "administrator of another organization", token: w.eve},
		{name: "removed member", token: w.rex},
		{name: "worker of another organization", token: w.other},
		{name: "worker that holds nothing", token: w.idle, member: true},
		{name: "member", token: w.bob, member: true},
		{name: "administrator's token with some scopes", token: scoped, member: true},
		{name: "administrator's token about tokens", token: self, member: true},
		{name: "administrator's token for another organization", token: elsewhere},
		{name: "administrator's token for reading registries here", token: here, member: true},
		{name: "expired token", token: expired},
		{name: "revoked token", token: revoked},
		{name: "invitation", token: w.invite},
		{name: "nobody"},
		{name: "garbage", token: fairlead.SecretText("flt_" + strings.Repeat("A", 43))},
		{name: "short garbage", token: fairlead.SecretText("x")},
	}
}

// place is where a row's thing lives, for a caller.
func (w *world) place(n need, who fairlead.Caller) fairlead.Place {
	switch {
	case n.at == inAcme, n.at == heldRun:
		return fairlead.Place{Organization: w.id}
	case n.at == withAnn:
		return fairlead.Place{Owner: w.annID}
	case n.action == fairlead.RunPerform:
		return fairlead.Place{Organization: who.Only}
	default:
		return fairlead.Place{}
	}
}

// expected is the status that the rights table gives, 0 if it allows.
func (w *world) expected(r row, who fairlead.Caller, unknown error) int {
	if unknown != nil {
		return http.StatusUnauthorized
	}
	if r.at == heldRun && who.Kind != fairlead.WorkerSubject {
		return http.StatusNotFound // a run under its identifier is there for workers only
	}
	needs := r.needs
	if !r.alone {
		needs = append([]need{{r.route.Action, r.at}}, needs...)
	}
	for _, n := range needs {
		if n.action == "" {
			continue
		}
		if err := who.May(n.action, w.place(n, who)); err != nil {
			return wire.Status(fairlead.KindOf(err))
		}
	}
	if r.at == heldRun {
		return http.StatusConflict // a worker of acme's that doesn't hold it
	}
	if r.route.ID == wire.CreateOrganization.ID && who.Only != "" {
		return http.StatusForbidden // a token that is limited to one makes no other
	}
	if r.route.ID == wire.RevokeToken.ID && who.ID == string(w.annID) && who.Only == "" {
		return 0 // it is hers
	}
	return r.otherwise
}

// TestRights asks everything as everybody: the answer is what the rights table says,
// whoever has nothing to do with acme can't tell its things from none, and nothing
// changes.
func TestRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	personas := w.personas(t)
	mine := w.words(t)
	for _, p := range personas {
		before := w.dump(t)
		for _, r := range rows() {
			w.probe(t, p, r, mine)
		}
		if diff := cmp.Diff(before, w.dump(t)); diff != "" {
			t.Errorf("%s has changed something (-before +after):\n%s", p.name, diff)
		}
	}
}

func (w *world) probe(t *testing.T, p persona, r row, mine []string) {
	t.Helper()
	who, unknown := w.caller(t, p.token)
	want := w.expected(r, who, unknown)
	if want == 0 && r.route.Method != http.MethodGet {
		return // allowed, and it would change something
	}
	before := w.denials(t, who)
	got := w.ask(t, r, w.names, p.token)
	if want == 0 && got.status < 300 {
		want = got.status
	}
	if got.status != want {
		t.Errorf("%s as %s: status %d, want %d: %s", r, p.name, got.status, want, got.body)
	}
	if !p.member {
		w.blind(t, p, r, got, mine)
	}
	if got.status == http.StatusForbidden && p.member && r.at == inAcme {
		w.recorded(t, p, r, who, before)
	}
}

// blind asks for the same of what isn't there, and compares.
func (w *world) blind(t *testing.T, p persona, r row, got tap, mine []string) {
	t.Helper()
	for _, word := range mine {
		if strings.Contains(string(got.body), word) {
			t.Errorf("%s as %s: the reply shows %s: %s", r, p.name, word, got.body)
		}
	}
	if got.status == http.StatusNoContent || got.status < 300 {
		return
	}
	ghost := w.ask(t, r, ghosts(), p.token)
	if diff := cmp.Diff(anonymous(w.names, ghost), anonymous(w.names, got)); diff != "" {
		t.Errorf("%s as %s: what isn't there is answered otherwise (-missing +acme's):\n%s", r, p.name, diff)
	}
}

// anonymous is a reply without the request's identifier and what the request named.
func anonymous(actual names, p tap) string {
	text := regexp.MustCompile(`"request":"[0-9a-f]+"`).ReplaceAllString(string(p.body), "")
	g := ghosts()
	pairs := map[string]string{"ann": string(g.org), "1": fmt.Sprint(g.done)}
	for _, pair := range [][2]any{
		{actual.org, g.org},
		{actual.project, g.project},
		{actual.scrap, g.scrap},
		{actual.personal, g.personal},
		{actual.personalScrap, g.personalScrap},
		{actual.user, g.user},
		{actual.run, g.run},
		{actual.token, g.token},
	} {
		pairs[fmt.Sprint(pair[0])] = fmt.Sprint(pair[1])
	}
	texts := make([]string, 0, len(pairs))
	for from := range pairs {
		texts = append(texts, regexp.QuoteMeta(from))
	}
	slices.SortFunc(texts, func(a, b string) int { return len(b) - len(a) })
	named := regexp.MustCompile(`(^|[^-\w])(` + strings.Join(texts, "|") + `)([^-\w]|$)`)
	for range 2 { // names that share what is between them
		text = named.ReplaceAllStringFunc(text, func(m string) string {
			parts := named.FindStringSubmatch(m)
			return parts[1] + pairs[parts[2]] + parts[3]
		})
	}
	return fmt.Sprintf("%d %s", p.status, text)
}

// recorded asks that a denial has become an event of acme's.
func (w *world) recorded(t *testing.T, p persona, r row, who fairlead.Caller, before int) {
	t.Helper()
	q := fairlead.EventQuery{Organization: w.id, Subject: who.ID, Limit: 1}
	page, err := w.Store.EventsWhere(t.Context(), q)
	events := page.Events
	if err != nil {
		t.Fatal(err)
	}
	if after := w.denials(t, who); after != before+1 || len(events) != 1 || events[0].Allowed || events[0].Action != r.route.Action {
		t.Errorf("%s as %s: %d denials were recorded, want one more than %d: %+v", r, p.name, after, before, events)
	}
}

func (w *world) denials(t *testing.T, who fairlead.Caller) int {
	t.Helper()
	if who.ID == "" {
		return 0
	}
	page, err := w.Store.EventsWhere(t.Context(), fairlead.EventQuery{Organization: w.id, Subject: who.ID, Limit: 1000})
	events := page.Events
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, e := range events {
		if !e.Allowed {
			count++
		}
	}
	return count
}

// TestOpenRoutes asks what needs no proof, with and without one.
func TestOpenRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, r := range openRows() {
		before := w.dump(t)
		if got := w.ask(t, r, w.names, fairlead.Secret{}); got.status != r.otherwise {
			t.Errorf("%s: status %d, want %d: %s", r, got.status, r.otherwise, got.body)
		}
		if diff := cmp.Diff(before, w.dump(t)); diff != "" {
			t.Errorf("%s has changed something:\n%s", r, diff)
		}
	}
}

// TestServed asks every route without a proof and with nothing in it: what is served
// answers, and only what is in the table is served.
func TestServed(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Open(t)
	fill := regexp.MustCompile(`\{[^}]*\}`)
	for _, route := range wire.Routes() {
		want := http.StatusUnauthorized
		if route.Open {
			want = http.StatusUnprocessableEntity
		}
		status, body := send(t, p, route.Method, fill.ReplaceAllString(route.Path, "1"), "{}")
		if status != want || body.Error.What == "finding route" {
			t.Errorf("%s: status %d, want %d: %+v", route.ID, status, want, body.Error)
		}
	}
	if diff := cmp.Diff(routesOfTable(), routesOfDocument(t, p)); diff != "" {
		t.Errorf("the document has other operations than the table (-table +document):\n%s", diff)
	}
}

func send(t *testing.T, p *fairleadtest.Plane, method, path, body string) (int, wire.ErrorReply) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var reply wire.ErrorReply
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil {
		t.Errorf("%s %s: the reply is no JSON: %v", method, path, err)
	}
	return resp.StatusCode, reply
}
