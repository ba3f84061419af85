package conform

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"fairlead.dev/fairlead"
)

// record writes an event with a change that does nothing else.
func (h house) record(t tester, e fairlead.Event) error {
	t.Helper()
	return h.Write(t.Context(), func(context.Context, fairlead.Writer) (fairlead.Event, error) { return e, nil })
}

func (h house) where(t tester, q fairlead.EventQuery) []fairlead.Event {
	t.Helper()
	return ok(h.EventsWhere(t.Context(), q))(t).Events
}

func testEvents(t tester, h house) {
	org := fairlead.OrganizationID(newID()) // events have no foreign keys
	same(t, "EventsWhere nothing", h.where(t, fairlead.EventQuery{Organization: org, Limit: 10}), []fairlead.Event(nil))
	for i, text := range strange() {
		e := fairlead.Event{
			ID: fairlead.EventID(newID()), At: fine(at(i)), Organization: org, Project: "p", By: fairlead.Subject{Kind: fairlead.UserSubject, ID: text, Name: text},
			From: text, Request: text, Action: fairlead.RegistryAdd, On: fairlead.Object{Kind: "registry", ID: text, Name: text},
			Allowed: i%2 == 0, Detail: map[string]string{text: text},
		}
		if err := h.record(t, e); err != nil {
			t.Fatal(err)
		}
		e.At = at(i)
		e.By.ID, e.On.Name = text[:min(len(text), 1024)], text[:min(len(text), 1024)] // as much as an index holds
		same(t, "event", h.where(t, fairlead.EventQuery{Organization: org, Limit: 1}), []fairlead.Event{e})
	}

	// What is left out is filled in, and what is empty comes back as nil.
	bare := fairlead.Event{Organization: "bare", Action: fairlead.SetUp, Detail: map[string]string{}}
	if err := h.record(t, bare); err != nil {
		t.Fatal(err)
	}
	got := h.where(t, fairlead.EventQuery{Organization: "bare"})
	if len(got) != 1 {
		t.Fatalf("there are %d events", len(got))
	}
	if id, err := uuid.Parse(string(got[0].ID)); err != nil || id.Version() != 7 {
		t.Errorf("the identifier is %s", got[0].ID)
	}
	same(t, "bare", got[0], fairlead.Event{ID: got[0].ID, At: Now(), Organization: "bare", Action: fairlead.SetUp})

	// Text that no database keeps as it is doesn't stop the act that it tells of.
	if err := h.record(t, fairlead.Event{Organization: "foreign", Action: fairlead.SessionBegin, From: "a\x00b\xffc"}); err != nil {
		t.Fatal(err)
	}
	same(t, "foreign", h.where(t, fairlead.EventQuery{Organization: "foreign"})[0].From, "a\uFFFDb\uFFFDc")
	wantKind(t, h.record(t, got[0]), fairlead.Conflict, "")
	if got[0].At.Location() != time.UTC {
		t.Errorf("the time is in %s", got[0].At.Location())
	}
}

// testEventPages compares each combination of filters with a filter in memory.
func testEventPages(t tester, h house) {
	org, none := fairlead.OrganizationID(newID()), fairlead.OrganizationID("")
	var all []fairlead.Event // newest first
	for i := range 60 {
		e := fairlead.Event{
			ID: fairlead.EventID(newID()), At: at(-i), // the time may be set to anything; the identifier gives the order
			Organization: []fairlead.OrganizationID{org, none}[i%5/4], Project: []fairlead.ProjectID{"p", "q", ""}[i%3],
			Action: []fairlead.Action{fairlead.RunCreate, fairlead.RunStop, fairlead.RegistryAdd}[i%3],
			By:     fairlead.Subject{ID: []string{"ada", "bob", ""}[i%7%3], Name: []string{"Ada", "Bob"}[i%7%2]},
			On:     fairlead.Object{Kind: []string{"run", "registry"}[i%2], Name: []string{"main", "x%_"}[i%4/2]}, Allowed: i%6 != 0,
			Detail: map[string]string{"image": []string{"reg.io/Team/App", "reg.io/other"}[i%4/3]},
		}
		if err := h.record(t, e); err != nil {
			t.Fatal(err)
		}
		all = slices.Insert(all, 0, e)
	}
	for _, o := range []fairlead.OrganizationID{org, none, "other"} {
		for _, p := range []fairlead.ProjectID{"", "p", "r"} {
			for _, a := range []fairlead.Action{"", fairlead.RunStop, "run.*", fairlead.SetUp} {
				for _, s := range []string{"", "ada", "eve"} {
					pages(t, h, all, fairlead.EventQuery{Organization: o, Project: p, Action: a, Subject: s})
				}
			}
		}
	}
	for _, q := range []fairlead.EventQuery{
		{On: fairlead.Object{Kind: "registry"}},
		{On: fairlead.Object{Kind: "registry", Name: "main"}},
		{On: fairlead.Object{Name: "x%_"}, By: "Ada"},
		{On: fairlead.Object{Kind: "run", Name: "x%_"}, Outcome: fairlead.EventDenied},
		{Outcome: fairlead.EventDenied},
		{Outcome: fairlead.EventDenied, Project: "p", Text: "TEAM/app"},
		{Outcome: fairlead.EventAllowed, Action: "run.*"},
		{By: "Bob"},
		{Text: "team/app"},
		{Text: "X%_"},
		{Text: "nowhere"},
		{Text: "bob", Subject: "ada"},
	} {
		q.Organization = org
		pages(t, h, all, q)
		for _, depth := range []int{1, 5, 47} {
			q.Depth = depth
			pages(t, h, all, q)
		}
	}
	for _, limit := range []int{0, -1, 1000, 1 << 30} {
		same(t, "without a limit", len(h.where(t, fairlead.EventQuery{Organization: org, Limit: limit})), 48)
	}
}

// testEventTimes bounds the time by what the identifiers say.
func testEventTimes(t tester, h house) {
	org := fairlead.OrganizationID(newID())
	first, last := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 1, 0, 0, 2, 0, time.UTC)
	for i, id := range []fairlead.EventID{"019ca6b1-dbff-7fff-bfff-ffffffffffff", "019ca6b1-dc00-7000-8000-000000000000", "019ca6b1-e3cf-7fff-bfff-ffffffffffff", "019ca6b1-e3d0-7000-8000-000000000000"} {
		if err := h.record(t, fairlead.Event{ID: id, At: at(i), Organization: org, Action: fairlead.RunCreate}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		since, until time.Time
		want         int
	}{
		{first, time.Time{}, 3},
		{time.Time{}, first, 1},
		{first, last, 2},
		{last, time.Time{}, 1},
		{time.Time{}, last, 3},
		{last, first, 0},
		{first.AddDate(-300, 0, 0), time.Time{}, 4},
	} {
		for _, q := range []fairlead.EventQuery{{}, {Action: "run.*"}, {Action: fairlead.RunCreate, Outcome: fairlead.EventDenied}} {
			q.Organization, q.Since, q.Until = org, c.since, c.until
			same(t, "between times", len(h.where(t, q)), c.want)
		}
	}
}

// chosen says in memory what a query chooses.
func chosen(e fairlead.Event, q fairlead.EventQuery) bool {
	noun, isNoun := strings.CutSuffix(string(q.Action), "*")
	text := strings.ToLower(fmt.Sprint(e.By.Name, " ", e.Action, " ", e.On.Kind, " ", e.On.Name, " ", e.Detail))
	return e.Organization == q.Organization && (q.Project == "" || q.Project == e.Project) &&
		(q.Action == "" || q.Action == e.Action || isNoun && strings.HasPrefix(string(e.Action), noun)) &&
		(q.Subject == "" || q.Subject == e.By.ID) && (q.By == "" || q.By == e.By.Name) &&
		(q.On.Kind == "" || q.On.Kind == e.On.Kind) && (q.On.Name == "" || q.On.Name == e.On.Name) &&
		(q.Outcome == "" || (q.Outcome == fairlead.EventAllowed) == e.Allowed) &&
		strings.Contains(text, strings.ToLower(q.Text))
}

// pages walks a query in pages and compares it with what it should find of all.
func pages(t tester, h house, all []fairlead.Event, q fairlead.EventQuery) {
	t.Helper()
	var want, got []fairlead.Event
	for _, e := range all {
		if chosen(e, q) {
			want = append(want, e)
		}
	}
	q.Limit = 7
	for range 200 { // more than any query's pages
		page := ok(h.EventsWhere(t.Context(), q))(t)
		got = append(got, page.Events...)
		if q.Before = page.Next; q.Before == "" {
			break
		}
	}
	same(t, "pages", got, want)
}
