package fairlead

import (
	"maps"
	"time"
)

// Object names what something was done to.
type Object struct {
	Kind string `json:"kind" doc:"The noun, such as registry."`
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty" doc:"Its name at that time."`
}

// Event is who did what to what, when, allowed or not. Events are only ever added. No
// field holds a secret.
type Event struct {
	ID           EventID           `json:"id"`
	At           time.Time         `json:"at"`
	Organization OrganizationID    `json:"organization_id,omitempty"`
	Project      ProjectID         `json:"project_id,omitempty"`
	By           Subject           `json:"by"`
	From         string            `json:"from,omitempty" doc:"The address that the request came from."`
	Request      string            `json:"request,omitempty" doc:"Identifies the request in the server's log."`
	Action       Action            `json:"action"`
	On           Object            `json:"on"`
	Allowed      bool              `json:"allowed"`
	Detail       map[string]string `json:"detail,omitempty"`
}

// Event begins the event of an allowed act of the caller. The store gives it its
// identifier and time if they are not set.
func (c Caller) Event(a Action, at Place, on Object) Event {
	return Event{
		Organization: at.Organization, By: c.Subject, From: c.From, Request: c.Request,
		Action: a, On: on, Allowed: true,
	}
}

// With adds a detail.
func (e Event) With(key, value string) Event {
	detail := make(map[string]string, len(e.Detail)+1)
	maps.Copy(detail, e.Detail)
	detail[key] = value
	e.Detail = detail
	return e
}

// EventOutcome is whether an act was allowed.
type EventOutcome string

// The outcomes.
const (
	EventAllowed EventOutcome = "allowed"
	EventDenied  EventOutcome = "denied"
)

// EventQuery chooses events, newest first. What isn't set chooses all.
type EventQuery struct {
	Organization OrganizationID
	Project      ProjectID
	Action       Action // one, or with ".*" at its end all of a noun: registry.*
	Subject      string // identifier of who did it
	By           string // name of who did it
	On           Object // Kind and Name of what it was done to
	Outcome      EventOutcome
	// Since and Until bound the time at which the store took them in, to the
	// millisecond; Until itself is left out.
	Since, Until time.Time
	// Text is looked for, however its letters A to Z are written, in the names, the
	// action, the address, the request's identifier and the details.
	Text   string
	Before EventID // "" begins at the newest
	Limit  int     // 1 to 1000
	// Depth is how many events are looked at at most to find them; 0 is 50 000.
	Depth int
}

// EventPage is a part of the events that a query chooses.
type EventPage struct {
	Events []Event
	// Next is the query's Before for what follows; "" if nothing does. A page that isn't
	// full has a Next where the query's depth was reached.
	Next EventID
}
