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

// EventQuery chooses events, newest first.
type EventQuery struct {
	Organization OrganizationID
	Project      ProjectID // "" is all
	Action       Action    // "" is all
	Subject      string    // identifier of who did it; "" is all
	Before       EventID   // "" begins at the newest
	Limit        int       // 1 to 1000
}
