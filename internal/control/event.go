package control

import (
	"context"
	"strings"

	"fairlead.dev/fairlead"
)

// EventsRequest chooses events of an organization; what isn't set chooses all.
type EventsRequest struct {
	Organization fairlead.Name
	Project      string // full name
	Action       fairlead.Action
	Subject      string
	Before       fairlead.EventID
	Limit        int
}

// mostEvents is how many come if no number is asked for.
const mostEvents = 100

// Events lists who did what, newest first.
func (c *Control) Events(ctx context.Context, who fairlead.Caller, q EventsRequest) ([]fairlead.Event, error) {
	o, err := c.Organization(ctx, who, q.Organization, fairlead.EventRead)
	if err != nil {
		return nil, err
	}
	if q.Limit == 0 {
		q.Limit = mostEvents
	}
	where := fairlead.EventQuery{Organization: o.ID, Action: q.Action, Subject: q.Subject, Before: q.Before, Limit: q.Limit}
	if q.Project != "" {
		owner, name, _ := strings.Cut(q.Project, "/")
		p, err := c.Project(ctx, who, fairlead.Name(owner), fairlead.Name(name), fairlead.ProjectRead)
		if err != nil {
			return nil, err
		}
		where.Project = p.ID
	}
	return c.store.EventsWhere(ctx, where)
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
