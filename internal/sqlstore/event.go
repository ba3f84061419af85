package sqlstore

import (
	"context"

	"fairlead.dev/fairlead"
)

// mostEvents is the greatest number of events that one query gives.
const mostEvents = 1000

// afterAll is greater than every identifier.
const afterAll = "\U0010FFFF"

func scanEvent(r row) (e fairlead.Event, err error) {
	err = r.Scan(&e.ID, stamp{&e.At}, &e.Organization, &e.Project, &e.By.Kind, &e.By.ID, &e.By.Name,
		&e.From, &e.Request, &e.Action, &e.On.Kind, &e.On.ID, &e.On.Name, &e.Allowed, document{&e.Detail})
	e.Detail = mapOrNil(e.Detail)
	return e, err
}

// Event reads one of the organization: NotFound.
func (q reader) Event(ctx context.Context, org fairlead.OrganizationID, id fairlead.EventID) (fairlead.Event, error) {
	return one(ctx, q.session, "reading event", "Event", scanEvent, org, id)
}

// EventsWhere gives the events that where chooses, newest first: those of the organization,
// or for "" those of none, such as a personal project's. A limit that isn't between 1
// and 1000 is 1000.
func (q reader) EventsWhere(ctx context.Context, where fairlead.EventQuery) ([]fairlead.Event, error) {
	before, limit := string(where.Before), where.Limit
	if before == "" {
		before = afterAll
	}
	if limit < 1 || limit > mostEvents {
		limit = mostEvents
	}
	name, args := "EventsOf", []any{where.Organization, before, limit}
	switch {
	case where.Subject != "":
		name, args = "EventsOfSubject", append(args, where.Subject, where.Project, where.Action)
	case where.Project != "":
		name, args = "EventsOfProject", append(args, where.Project, where.Action)
	case where.Action != "":
		name, args = "EventsOfAction", append(args, where.Action)
	}
	return many(ctx, q.session, "reading events", name, scanEvent, args...)
}
