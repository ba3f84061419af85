package api

import (
	"context"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/webhook"
	"fairlead.dev/fairlead/wire"
)

func (a *API) webhookRoutes() {
	serve(a, wire.ListWebhooks, func(ctx context.Context, who fairlead.Caller, in wire.OrganizationPath) (wire.WebhookList, error) {
		o, err := a.Control.Organization(ctx, who, in.Organization, fairlead.WebhookRead)
		if err != nil {
			return wire.WebhookList{}, err
		}
		list, err := a.Webhooks.List(ctx, who, o)
		return wire.WebhookList{Webhooks: filled(list)}, err
	})
	serve(a, wire.AddWebhook, a.addWebhook)
	serve(a, wire.DescribeWebhook, func(ctx context.Context, who fairlead.Caller, in wire.WebhookPath) (wire.WebhookDetail, error) {
		o, err := a.Control.Organization(ctx, who, in.Organization, fairlead.WebhookRead)
		if err != nil {
			return wire.WebhookDetail{}, err
		}
		k, list, err := a.Webhooks.Show(ctx, who, o, in.Webhook)
		return wire.WebhookDetail{Webhook: k, Deliveries: filled(list)}, err
	})
	serve(a, wire.TestWebhook, func(ctx context.Context, who fairlead.Caller, in wire.WebhookPath) (fairlead.Delivery, error) {
		o, err := a.Control.Organization(ctx, who, in.Organization, fairlead.WebhookTest)
		if err != nil {
			return fairlead.Delivery{}, err
		}
		return a.Webhooks.Test(ctx, who, o, in.Webhook)
	})
	serve(a, wire.RemoveWebhook, func(ctx context.Context, who fairlead.Caller, in wire.WebhookPath) (wire.None, error) {
		o, err := a.Control.Organization(ctx, who, in.Organization, fairlead.WebhookRemove)
		if err != nil {
			return wire.None{}, err
		}
		return wire.None{}, a.Webhooks.Remove(ctx, who, o, in.Webhook)
	})
}

func (a *API) addWebhook(ctx context.Context, who fairlead.Caller, in wire.WebhookRequest) (wire.NewWebhook, error) {
	o, err := a.Control.Organization(ctx, who, in.Organization, fairlead.WebhookAdd)
	if err != nil {
		return wire.NewWebhook{}, err
	}
	name, err := fairlead.ParseName("name", in.Name)
	if err != nil {
		return wire.NewWebhook{}, err
	}
	k, key, err := a.Webhooks.Add(ctx, who, o, webhook.Draft{Name: name, URL: in.URL, Events: in.Events})
	return wire.NewWebhook{Webhook: k, Key: wire.Clear{Secret: key}}, err
}
