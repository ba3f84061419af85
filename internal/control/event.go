package control

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// EventsRequest chooses events of an organization; what isn't set chooses all.
type EventsRequest struct {
	Organization fairlead.Name
	Project      string // full name
	Action       fairlead.Action
	Subject      string // identifier of who did it
	By           string // name of who did it
	On           string // KIND or KIND/NAME of what it was done to
	Outcome      fairlead.EventOutcome
	Since, Until time.Time
	Text         string
	Before       fairlead.EventID
	Limit        int
}

// mostEvents is how many come if no number is asked for.
const mostEvents = 100

// Events lists who did what, newest first.
func (c *Control) Events(ctx context.Context, who fairlead.Caller, q EventsRequest) (fairlead.EventPage, error) {
	o, err := c.Organization(ctx, who, q.Organization, fairlead.EventRead)
	if err != nil {
		return fairlead.EventPage{}, err
	}
	if q.Limit == 0 {
		q.Limit = mostEvents
	}
	where := fairlead.EventQuery{
		Organization: o.ID, Action: q.Action, Subject: q.Subject, By: q.By, Outcome: q.Outcome,
		Since: q.Since, Until: q.Until, Text: q.Text, Before: q.Before, Limit: q.Limit,
	}
	where.On.Kind, where.On.Name, _ = strings.Cut(q.On, "/")
	switch {
	case q.Outcome != "" && q.Outcome != fairlead.EventAllowed && q.Outcome != fairlead.EventDenied:
		return fairlead.EventPage{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "outcome", What: "reading outcome", Why: fmt.Sprintf("%q is none", fairlead.Clip(string(q.Outcome))),
			Remedy: "give allowed or denied, or leave it out",
		}
	case !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until):
		return fairlead.EventPage{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "until", What: "choosing events", Why: "the time ends before it begins",
			Remedy: "give an end after the beginning",
		}
	case q.On != "" && where.On.Kind == "":
		return fairlead.EventPage{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "on", What: "reading what it was done to", Why: fmt.Sprintf("%q has no kind", fairlead.Clip(q.On)),
			Remedy: "give KIND or KIND/NAME, such as registry/main",
		}
	}
	if q.Project != "" {
		owner, name, _ := strings.Cut(q.Project, "/")
		p, err := c.Project(ctx, who, fairlead.Name(owner), fairlead.Name(name), fairlead.ProjectRead)
		if err != nil {
			return fairlead.EventPage{}, err
		}
		where.Project = p.ID
	}
	return c.store.EventsWhere(ctx, where)
}

// mostExported is how many events an export asks for at once.
const mostExported = 1000

// EachEvent gives all events that q chooses, newest first, a page at a time: what there
// is of them may be more than memory holds. The error of do ends it.
func (c *Control) EachEvent(ctx context.Context, who fairlead.Caller, q EventsRequest, do func([]fairlead.Event) error) error {
	q.Limit = mostExported
	for {
		page, err := c.Events(ctx, who, q)
		if err != nil {
			return err
		}
		if err := do(page.Events); err != nil || page.Next == "" {
			return err
		}
		q.Before = page.Next
	}
}

// Refused records that somebody was denied an act. where is what they asked for it on,
// as the request named it. It is an event of the organization that the request named,
// or else of the one that the caller is limited to.
func (c *Control) Refused(ctx context.Context, who fairlead.Caller, a fairlead.Action, org fairlead.Name, where string) error {
	at := fairlead.Place{Organization: who.Only}
	if org != "" {
		o, err := c.store.OrganizationByName(ctx, org)
		if err == nil {
			if _, member := who.Roles[o.ID]; member || who.Only == o.ID {
				at.Organization = o.ID
			}
		}
	}
	return c.store.Write(ctx, func(context.Context, fairlead.Writer) (fairlead.Event, error) {
		noun, _, _ := strings.Cut(string(a), ".")
		ev := who.Event(a, at, fairlead.Object{Kind: noun, Name: fairlead.Clip(where)})
		ev.Allowed = false
		return ev, nil
	})
}
