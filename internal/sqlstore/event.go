package sqlstore

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// How many events one query gives at most, and how many it looks at to find them.
const (
	mostEvents    = 1000
	eventsLooked  = 50_000
	afterAll      = "\U0010FFFF" // is greater than every identifier
	anyOfNoun     = ".*"
	timestampSize = 6 // bytes of a UUID of version 7 (RFC 9562, section 5.7)
)

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

// walk is the index that a query goes along, and what it holds still there.
type walk struct {
	name  string // of the statement
	floor string // of that which says how far a walk has come
	fixed []any
	alone bool // nothing but the index decides
}

// walkOf chooses the index that leaves the least to look at.
func walkOf(where fairlead.EventQuery, noun string) walk {
	filters := 0
	for _, set := range []bool{
		where.Subject != "", where.By != "", where.On.Kind != "", where.On.Name != "", where.Outcome != "",
		where.Project != "", where.Action != "" || noun != "", where.Text != "",
	} {
		if set {
			filters++
		}
	}
	switch {
	case where.On.Kind != "" && where.On.Name != "":
		return walk{"EventsOfObject", "EventFloorOfObject", []any{short(where.On.Kind), short(where.On.Name)}, filters == 2}
	case where.Outcome == fairlead.EventDenied:
		return walk{"EventsDenied", "EventFloorDenied", nil, filters == 1}
	case where.Subject != "":
		return walk{"EventsOfSubject", "EventFloorOfSubject", []any{where.Subject}, filters == 1}
	case where.Action != "":
		return walk{"EventsOfAction", "EventFloorOfAction", []any{where.Action}, filters == 1}
	case where.Project != "":
		return walk{"EventsOfProject", "EventFloorOfProject", []any{where.Project}, filters == 1}
	default:
		return walk{"EventsOf", "EventFloorOf", nil, filters == 0}
	}
}

// EventsWhere gives the events that where chooses, newest first: those of the organization,
// or for "" those of none, such as a personal project's. A limit that isn't between 1
// and 1000 is 1000, and a depth below 1 is 50 000.
func (q reader) EventsWhere(ctx context.Context, where fairlead.EventQuery) (fairlead.EventPage, error) {
	const doing = "reading events"
	limit, depth := where.Limit, where.Depth
	if limit < 1 || limit > mostEvents {
		limit = mostEvents
	}
	if depth < 1 {
		depth = eventsLooked
	}
	before, since := afterAll, firstOf(where.Since)
	if !where.Until.IsZero() {
		before = firstOf(where.Until)
	}
	if where.Before != "" {
		before = min(before, string(where.Before))
	}
	noun := ""
	if prefix, ok := strings.CutSuffix(string(where.Action), anyOfNoun); ok {
		noun, where.Action = prefix+".", ""
	}
	w := walkOf(where, noun)
	floor := ""
	if !w.alone {
		list, err := many(ctx, q.session, doing, w.floor, scanText, append([]any{where.Organization, before, depth - 1}, w.fixed...)...)
		if err != nil {
			return fairlead.EventPage{}, err
		}
		if len(list) == 1 && list[0] > since {
			floor, since = list[0], list[0]
		}
	}
	list, err := many(ctx, q.session, doing, w.name, scanEvent, where.Organization, before, since, limit,
		where.Project, where.Action, noun, where.Subject, where.By, short(where.On.Kind), short(where.On.Name), where.Outcome, lower(where.Text))
	page := fairlead.EventPage{Events: list}
	switch {
	case len(list) == limit:
		page.Next = list[limit-1].ID
	case floor != "":
		page.Next = fairlead.EventID(floor)
	}
	return page, err
}

func scanText(r row) (s string, err error) {
	err = r.Scan(&s)
	return s, err
}

// firstOf is the first identifier that the store can have given at a time: those of
// version 7 begin with it, in milliseconds (RFC 9562, section 5.7). "" is of no time.
func firstOf(t time.Time) string {
	if t.IsZero() || t.UnixMilli() < 0 {
		return ""
	}
	digits := hex.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(t.UnixMilli()))[8-timestampSize:])
	return digits[:8] + "-" + digits[8:]
}

// lower makes A to Z small, as both databases do, and nothing else.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
