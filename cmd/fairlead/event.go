package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/eventfile"
	"fairlead.dev/fairlead/wire"
)

// eventFlags choose events.
type eventFlags struct {
	action, since, until string
	allowed, denied      bool
	all                  bool
	format               string
	req                  wire.EventsRequest
}

func (a *app) eventsCommand() *cobra.Command {
	var f eventFlags
	c := &cobra.Command{
		Use: "events", Short: "List who did what to what, newest first", Args: cobra.NoArgs,
		Long: "List who did what to what, newest first.\n\nA search looks at 50 000 events and says where to continue. --format csv or jsonl\nwrites all that were chosen to standard output, however many there are.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.read(a.now()); err != nil {
				return err
			}
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			f.req.OrganizationPath = at
			if f.format != "" {
				return a.exportEvents(cmd.Context(), c, f)
			}
			list, err := client.Do(cmd.Context(), c, wire.ListEvents, f.req)
			if err != nil {
				return err
			}
			for f.all && list.Next != "" {
				f.req.Before = list.Next
				more, err := client.Do(cmd.Context(), c, wire.ListEvents, f.req)
				if err != nil {
					return err
				}
				list.Events, list.Next = append(list.Events, more.Events...), more.Next
			}
			if err := a.show(list, func(w io.Writer) { eventTable(w, list.Events) }); err != nil {
				return err
			}
			if list.Next != "" {
				a.hint("There may be more: go on with --before %s, or take --all.", list.Next)
			}
			return nil
		},
	}
	f.add(c)
	return c
}

func (f *eventFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.req.Project, "project", "", "only those of a project (OWNER/NAME)")
	flags.StringVar(&f.action, "action", "", "only those of an action, such as lease.pull, or of all of a noun: registry.*")
	flags.StringVar(&f.req.By, "by", "", "only what was done by that name")
	flags.StringVar(&f.req.On, "on", "", "only what was done to KIND or KIND/NAME, such as registry/main")
	flags.BoolVar(&f.allowed, "allowed", false, "only what was allowed")
	flags.BoolVar(&f.denied, "denied", false, "only what was denied")
	flags.StringVar(&f.since, "since", "", "only those since a time: 24h (ago), 2006-01-02 or RFC 3339")
	flags.StringVar(&f.until, "until", "", "only those before a time, written likewise")
	flags.StringVar(&f.req.Text, "search", "", "only those with this text in a name, the action, the address, the request or the details")
	flags.StringVar((*string)(&f.req.Before), "before", "", "go on below this event")
	flags.IntVar(&f.req.Limit, "limit", 0, "how many (default 100)")
	flags.BoolVar(&f.all, "all", false, "all pages")
	flags.StringVar(&f.format, "format", "", "write all that are chosen as csv or jsonl")
}

// read makes a request of what was given.
func (f *eventFlags) read(now time.Time) error {
	f.req.Action = fairlead.Action(f.action)
	switch {
	case f.allowed && f.denied:
		return usage("--allowed and --denied leave nothing: give one of them")
	case f.format != "" && f.req.Limit != 0:
		return usage("--format writes all that are chosen: leave out --limit")
	case f.allowed:
		f.req.Outcome = string(fairlead.EventAllowed)
	case f.denied:
		f.req.Outcome = string(fairlead.EventDenied)
	}
	if f.format != "" {
		if _, err := eventfile.ParseFormat(f.format); err != nil {
			return usage("there is no format %q: use csv or jsonl", f.format)
		}
	}
	var err error
	if f.req.Since, err = moment("--since", f.since, now); err != nil {
		return err
	}
	f.req.Until, err = moment("--until", f.until, now)
	return err
}

// moment reads a time: so long ago, a day, or a time of a day.
func moment(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage("%s %q is no time: write it like 24h (ago), 2027-01-31 or 2027-01-31T12:00:00Z", flag, s)
}

// exportEvents writes all that were chosen, page by page.
func (a *app) exportEvents(ctx context.Context, c *client.Client, f eventFlags) error {
	const most = 1000
	w, err := eventfile.NewWriter(a.out, eventfile.Format(f.format))
	if err != nil {
		return err
	}
	f.req.Limit = most
	for {
		page, err := client.Do(ctx, c, wire.ListEvents, f.req)
		if err != nil {
			return err
		}
		if err := w.Write(page.Events); err != nil || page.Next == "" {
			return err
		}
		f.req.Before = page.Next
	}
}

func eventTable(w io.Writer, list []fairlead.Event) {
	var lines [][]string
	for _, e := range list {
		lines = append(lines, []string{
			e.At.Format("2006-01-02 15:04:05"), strings.TrimSpace(string(e.By.Kind) + " " + e.By.Name), string(e.Action),
			strings.TrimSpace(e.On.Kind + " " + e.On.Name), outcome(e.Allowed), eventfile.Details(e.Detail), e.From,
		})
	}
	rows(w, "No event was found.", []string{"TIME (UTC)", "WHO", "DID", "TO", "OUTCOME", "DETAIL", "FROM"}, lines)
}

func outcome(allowed bool) string {
	if allowed {
		return "allowed"
	}
	return "DENIED"
}
