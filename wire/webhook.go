package wire

import "fairlead.dev/fairlead"

// WebhookRequest adds a webhook.
type WebhookRequest struct {
	OrganizationPath
	Name   string   `json:"name"`
	URL    string   `json:"url" doc:"Where events are sent to: https."`
	Events []string `json:"events,omitempty" doc:"Actions, or a noun with .* for all of its actions; none is a selection about connectors and registries."`
}

// NewWebhook is a webhook with the key that its receiver checks signatures with.
type NewWebhook struct {
	fairlead.Webhook
	Key Clear `json:"key" doc:"The key of its signatures (Standard Webhooks). It is shown this once."`
}

// WebhookPath names a webhook.
type WebhookPath struct {
	OrganizationPath
	Webhook fairlead.Name `path:"webhook" json:"-"`
}

// WebhookList is a list of webhooks.
type WebhookList struct {
	Webhooks []fairlead.Webhook `json:"webhooks"`
}

// WebhookDetail is a webhook and its latest deliveries.
type WebhookDetail struct {
	fairlead.Webhook
	Deliveries []fairlead.Delivery `json:"deliveries" doc:"The latest, the latest first."`
}

// The operations on webhooks.
var (
	ListWebhooks = Operation[OrganizationPath, WebhookList]{
		ID: "list-webhooks", Method: "GET", Path: "/organizations/{organization}/webhooks", Action: fairlead.WebhookRead, Summary: "List webhooks",
	}
	AddWebhook = Operation[WebhookRequest, NewWebhook]{
		ID: "add-webhook", Method: "POST", Path: "/organizations/{organization}/webhooks", Action: fairlead.WebhookAdd,
		Summary: "Add an address that is told of events",
	}
	DescribeWebhook = Operation[WebhookPath, WebhookDetail]{
		ID: "describe-webhook", Method: "GET", Path: "/organizations/{organization}/webhooks/{webhook}", Action: fairlead.WebhookRead,
		Summary: "Describe a webhook and its latest deliveries",
	}
	TestWebhook = Operation[WebhookPath, fairlead.Delivery]{
		ID: "test-webhook", Method: "POST", Path: "/organizations/{organization}/webhooks/{webhook}/test", Action: fairlead.WebhookTest,
		Summary: "Send a webhook an event for the trial",
	}
	RemoveWebhook = Operation[WebhookPath, None]{
		ID: "remove-webhook", Method: "DELETE", Path: "/organizations/{organization}/webhooks/{webhook}", Action: fairlead.WebhookRemove,
		Summary: "Remove a webhook",
	}
)
