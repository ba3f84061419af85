package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

func (a *app) webhookCommand() *cobra.Command {
	return parent("webhook", "Addresses that are told of events", nil,
		a.webhookAdd(), a.webhookList(), a.webhookDescribe(), a.webhookTest(), a.webhookRemove())
}

func (a *app) webhookAdd() *cobra.Command {
	var req wire.WebhookRequest
	c := &cobra.Command{
		Use: "add NAME --url URL", Short: "Add an address that is told of events, and show its key, this once", Args: cobra.ExactArgs(1),
		Long: `Add an address that is told of the organization's events. Messages are signed as Standard
Webhooks has it (standardwebhooks.com); the key to check that with is shown this once.
Each is sent until it is answered with a status of 2xx, for a day.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			if req.URL == "" {
				return usage("give --url: where events are sent to")
			}
			req.OrganizationPath, req.Name = at, args[0]
			made, err := client.Do(cmd.Context(), c, wire.AddWebhook, req)
			if err != nil {
				return err
			}
			return a.show(made, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "%s\n", made.Key.Reveal())
				a.hint("Added webhook %s. Its receiver checks signatures with this key; keep it now: it isn't shown again.", made.Name)
				a.hint("Try it: fairlead webhook test %s", made.Name)
			})
		},
	}
	c.Flags().StringVar(&req.URL, "url", "", "where events are sent to (https)")
	c.Flags().StringSliceVar(&req.Events, "events", nil, "which: noun.verb, or noun.* (default: what happens to connectors and registry entries)")
	return c
}

func (a *app) webhookList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List webhooks", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			list, err := client.Do(cmd.Context(), c, wire.ListWebhooks, at)
			if err != nil {
				return err
			}
			return a.show(list, func(w io.Writer) {
				var lines [][]string
				for _, h := range list.Webhooks {
					lines = append(lines, []string{string(h.Name), h.URL, eventNames(h.Events), a.ago(h.Created)})
				}
				rows(w, "There are no webhooks. Add one: fairlead webhook add NAME --url https://...", []string{"NAME", "URL", "EVENTS", "ADDED"}, lines)
			})
		},
	}
}

func eventNames(list []fairlead.Action) string {
	names := make([]string, 0, len(list))
	for _, e := range list {
		names = append(names, string(e))
	}
	return strings.Join(names, ", ")
}

func (a *app) webhookDescribe() *cobra.Command {
	return &cobra.Command{
		Use: "describe NAME", Short: "Describe a webhook and its latest deliveries", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			d, err := client.Do(cmd.Context(), c, wire.DescribeWebhook, wire.WebhookPath{OrganizationPath: at, Webhook: fairlead.Name(args[0])})
			if err != nil {
				return err
			}
			return a.show(d, func(w io.Writer) {
				last := ""
				for _, one := range d.Deliveries {
					if one.Error != "" {
						last = one.Error
						break
					}
				}
				facts(w, "Name", string(d.Name), "URL", d.URL, "Events", eventNames(d.Events), "Added", a.ago(d.Created), "Last error", last, "ID", string(d.ID))
				_, _ = fmt.Fprintln(w)
				var lines [][]string
				for _, one := range d.Deliveries {
					lines = append(lines, []string{string(one.Action), a.ago(one.Created), a.outcome(one), fmt.Sprint(one.Attempts), one.Error})
				}
				rows(w, "Nothing was sent in the last days.", []string{"EVENT", "AT", "STATE", "TRIES", "ERROR"}, lines)
			})
		},
	}
}

// outcome says how far a delivery is.
func (a *app) outcome(d fairlead.Delivery) string {
	switch {
	case d.Delivered:
		return "delivered"
	case !d.Ended.IsZero():
		return "given up"
	case d.Next.Before(a.now()):
		return "under way"
	default:
		return "again " + a.ago(d.Next)
	}
}

func (a *app) webhookTest() *cobra.Command {
	return &cobra.Command{
		Use: "test NAME", Short: "Send a webhook an event for the trial", Args: cobra.ExactArgs(1),
		Long: `Send a webhook an event of type webhook.test. The exit code is 1 if it wasn't taken; it is
then sent again like any other.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			d, err := client.Do(cmd.Context(), c, wire.TestWebhook, wire.WebhookPath{OrganizationPath: at, Webhook: fairlead.Name(args[0])})
			if err != nil {
				return err
			}
			err = a.show(d, func(w io.Writer) {
				if d.Delivered {
					_, _ = fmt.Fprintf(w, "Webhook %s has taken event %s.\n", args[0], d.Event)
					return
				}
				_, _ = fmt.Fprintf(w, "Webhook %s hasn't taken event %s: %s\n", args[0], d.Event, printable(d.Error))
			})
			if err != nil || d.Delivered {
				return err
			}
			return exitCode(exitFailed)
		},
	}
}

func (a *app) webhookRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Remove a webhook, and what is on its way to it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			if _, err := client.Do(cmd.Context(), c, wire.RemoveWebhook, wire.WebhookPath{OrganizationPath: at, Webhook: fairlead.Name(args[0])}); err != nil {
				return err
			}
			a.done("Removed webhook %s.", args[0])
			return nil
		},
	}
}
