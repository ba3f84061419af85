package fairlead

import "time"

// WebhookID names a webhook.
type WebhookID string

// Webhook is an address that is told of an organization's events.
type Webhook struct {
	ID           WebhookID      `json:"id"`
	Organization OrganizationID `json:"organization_id"`
	Name         Name           `json:"name" doc:"Unique in the organization."`
	URL          string         `json:"url"`
	Events       []Action       `json:"events" doc:"The actions that it is told of."`
	Created      time.Time      `json:"created"`
}

// Delivery is one event on its way to a webhook.
type Delivery struct {
	Organization OrganizationID `json:"-"`
	Webhook      WebhookID      `json:"-"`
	Event        EventID        `json:"event_id"`
	Action       Action         `json:"action"`
	Created      time.Time      `json:"created"`
	Attempts     int            `json:"attempts" doc:"How often it was tried."`
	// Next is when it is tried again: zero once it is over.
	Next      time.Time `json:"next,omitzero" doc:"When it is tried again."`
	Ended     time.Time `json:"ended,omitzero" doc:"When it was delivered, or given up."`
	Delivered bool      `json:"delivered"`
	// Error is what came of the last try, empty if it went well.
	Error string `json:"error,omitempty" doc:"Why the last try failed."`
}

// ToldByDefault lists the actions that a webhook is told of if nothing else is said.
func ToldByDefault() []Action {
	return []Action{
		ConnectorState, ConnectorRegister, ConnectorUpdate, ConnectorRotate, ConnectorRollback, ConnectorDelete,
		RegistryAdd, RegistryUpdate, RegistryRemove,
	}
}
