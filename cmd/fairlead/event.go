package main

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

func (a *app) eventsCommand() *cobra.Command {
	var req wire.EventsRequest
	var action string
	c := &cobra.Command{
		Use: "events", Short: "List who did what to what, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			req.OrganizationPath, req.Action = at, fairlead.Action(action)
			list, err := client.Do(cmd.Context(), c, wire.ListEvents, req)
			if err != nil {
				return err
			}
			return a.show(list, func(w io.Writer) {
				var lines [][]string
				for _, e := range list.Events {
					lines = append(lines, []string{
						e.At.Format("2006-01-02 15:04:05"), strings.TrimSpace(string(e.By.Kind) + " " + e.By.Name), string(e.Action),
						strings.TrimSpace(e.On.Kind + " " + e.On.Name), outcome(e.Allowed), details(e.Detail), e.From,
					})
				}
				rows(w, "Nothing has happened yet.", []string{"TIME (UTC)", "WHO", "DID", "TO", "OUTCOME", "DETAIL", "FROM"}, lines)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&req.Project, "project", "", "only those of a project (OWNER/NAME)")
	f.StringVar(&action, "action", "", "only those of an action, such as lease.pull")
	f.IntVar(&req.Limit, "limit", 0, "how many (default 100)")
	return c
}

func outcome(allowed bool) string {
	if allowed {
		return "allowed"
	}
	return "DENIED"
}

func details(d map[string]string) string {
	var list []string
	for k, v := range d {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
