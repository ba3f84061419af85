package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

func (a *app) explainCommand() *cobra.Command {
	var project string
	c := &cobra.Command{
		Use: "explain IMAGE", Short: "Say which registry entry decides about an image, and why no other does", Args: cobra.ExactArgs(1),
		Long: `Say which registry entry decides about an image in a project, and why no other does; who
may pull it, and what their login will be. Nothing is asked of the registry and no secret
is opened: ` + "`fairlead doctor`" + ` does that. The exit code is 1 if there will be no login although
an entry has a connector.`,
		Example: `  fairlead explain registry.example.com/team/train:v2 --project acme/models`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			at, err := a.project(cmd.Context(), c, project)
			if err != nil {
				return err
			}
			x, err := client.Do(cmd.Context(), c, wire.Explain, wire.ExplainRequest{ProjectPath: at, Image: args[0]})
			if err != nil {
				return err
			}
			if err := a.show(x, func(w io.Writer) { a.printExplanation(w, x) }); err != nil {
				return err
			}
			if x.Lease.Error != nil {
				return exitCode(exitFailed)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&project, "project", "p", "", "project, [OWNER/]NAME (default: the only one that you may see; FAIRLEAD_PROJECT)")
	return c
}

func (a *app) printExplanation(w io.Writer, x fairlead.Explanation) {
	l, decides := x.Lease, "none: it is pulled without a login"
	if l.Registry != "" {
		decides = string(l.Registry)
	}
	connector := string(l.Connector)
	if connector != "" {
		connector += fmt.Sprintf(" (%s, %s)", l.Family, l.Method)
	}
	ends := ""
	if !l.Ends.IsZero() {
		ends = l.Ends.UTC().Format(time.RFC3339)
	}
	facts(w, "Image", x.Image, "Project", x.Project, "Organization", string(x.Organization), "Entry", decides, "Connector", connector,
		"Lease", leaseText(l), "Disclosure", string(l.Disclosure), "Secret ends", ends)
	for _, who := range x.MayPull {
		facts(w, "May pull", who)
	}
	_, _ = fmt.Fprintln(w)
	var lines [][]string
	for _, e := range x.Entries {
		mark := ""
		switch {
		case e.Wins:
			mark = "decides"
		case e.Covers:
			mark = "covers"
		}
		lines = append(lines, []string{string(e.Registry), e.Pattern, mark, e.Why})
	}
	rows(w, "There are no registry entries. Add one: fairlead registry add --help", []string{"ENTRY", "PATTERN", "VERDICT", "WHY"}, lines)
	for _, e := range []*fairlead.Error{x.Note, l.Error} {
		if e != nil {
			_, _ = fmt.Fprintf(w, "\n%s\nWhat to do: %s\n", printable(e.Why), printable(e.Remedy))
		}
	}
}

func leaseText(l fairlead.LeaseOutlook) string {
	if l.Power != "" {
		return l.Power
	}
	return string(l.Kind)
}

// doctorFlags are what a diagnosis is told.
type doctorFlags struct {
	project, from string
	push          bool
}

func (f *doctorFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&f.push, "push", false, "ask about the right to push, too: an upload is begun, and taken back")
	c.Flags().StringVar(&f.from, "from", "", "look at the network from this worker (default: from the server)")
}

func (a *app) doctorCommand() *cobra.Command {
	var f doctorFlags
	c := &cobra.Command{
		Use: "doctor [IMAGE]", Short: "Say why an image can or can't be pulled, and what to do", Args: cobra.MaximumNArgs(1),
		Long: `Go the way of an image's pull probe by probe: name, project, registry entry, connector,
proxy, address, connection, TLS, /v2/, clock, token endpoint, login, right, tag, platform,
size, rate limit. The first that fails is the cause, with its remedy. Without IMAGE every
registry entry of the project's organization is tested, as far as that can be done without
one. The exit code is 1 if something failed.`,
		Example: `  fairlead doctor --project acme/models registry.example.com/team/train:v2
  fairlead doctor --from worker-1 registry.example.com/team/train:v2`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			at, err := a.project(cmd.Context(), c, f.project)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return a.doctorAll(cmd.Context(), c, at, f)
			}
			d, err := diagnosed(cmd.Context(), a, c, wire.DiagnoseImage, wire.DoctorRequest{ProjectPath: at, Image: args[0], Push: f.push, From: f.from})
			if err != nil {
				return err
			}
			return a.conclude(d, func() error { return a.show(d, func(w io.Writer) { a.printCause(w, d) }) })
		},
	}
	c.Flags().StringVarP(&f.project, "project", "p", "", "project, [OWNER/]NAME (default: the only one that you may see; FAIRLEAD_PROJECT)")
	f.add(c)
	return c
}

// doctorAll tests every entry of a project's organization.
func (a *app) doctorAll(ctx context.Context, c *client.Client, at wire.ProjectPath, f doctorFlags) error {
	org := wire.OrganizationPath{Organization: at.Owner}
	list, err := client.Do(ctx, c, wire.ListRegistries, org)
	if fairlead.KindOf(err) == fairlead.NotFound {
		return usage("project %s/%s is personal, and has no registry entries: name an image", at.Owner, at.Project)
	}
	if err != nil {
		return err
	}
	all := []fairlead.Diagnosis{}
	failed := false
	for _, r := range list.Registries {
		a.done("Entry %s (%s):", r.Name, r.Pattern)
		d, err := diagnosed(ctx, a, c, wire.TestRegistry, wire.RegistryTestRequest{
			RegistryPath: wire.RegistryPath{OrganizationPath: org, Registry: r.Name}, From: f.from,
		})
		if err != nil {
			return err
		}
		if a.format == "table" {
			a.printCause(a.out, d)
			_, _ = fmt.Fprintln(a.out)
		}
		all, failed = append(all, d), failed || d.Failed()
	}
	err = a.show(map[string]any{"diagnoses": all}, func(w io.Writer) {
		if len(all) == 0 {
			_, _ = fmt.Fprintln(w, "There are no registry entries. Add one: fairlead registry add --help")
		}
	})
	if err == nil && failed {
		return exitCode(exitFailed)
	}
	return err
}

func (a *app) registryTest() *cobra.Command {
	var f doctorFlags
	c := &cobra.Command{
		Use: "test NAME [IMAGE]", Short: "Test a registry entry: what works, what doesn't, and what to do", Args: cobra.RangeArgs(1, 2),
		Long: `Test a registry entry probe by probe, with an image if one is named: how the registry is
reached, whether it takes the login, and what may be read. The first that fails is the
cause, with its remedy; the exit code is 1 then.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			req := wire.RegistryTestRequest{RegistryPath: wire.RegistryPath{OrganizationPath: at, Registry: fairlead.Name(args[0])}, Push: f.push, From: f.from}
			if len(args) == 2 {
				req.Image = args[1]
			}
			d, err := diagnosed(cmd.Context(), a, c, wire.TestRegistry, req)
			if err != nil {
				return err
			}
			return a.conclude(d, func() error { return a.show(d, func(w io.Writer) { a.printCause(w, d) }) })
		},
	}
	f.add(c)
	return c
}

// conclude shows a diagnosis and gives the exit code.
func (a *app) conclude(d fairlead.Diagnosis, show func() error) error {
	if err := show(); err != nil {
		return err
	}
	if d.Failed() {
		return exitCode(exitFailed)
	}
	return nil
}

// diagnosed asks for a diagnosis and shows each probe as it is done.
func diagnosed[In any](ctx context.Context, a *app, c *client.Client, op wire.Stream[In], in In) (fairlead.Diagnosis, error) {
	body, _, err := client.Get(ctx, c, op, in)
	if err != nil {
		return fairlead.Diagnosis{}, err
	}
	defer func() { _ = body.Close() }()
	lines := json.NewDecoder(bufio.NewReader(body))
	for {
		var line wire.DiagnosisLine
		switch err := lines.Decode(&line); {
		case errors.Is(err, io.EOF), err != nil:
			return fairlead.Diagnosis{}, &fairlead.Error{
				Kind: fairlead.Unavailable, What: "diagnosing the pull", Why: "the server's reply broke off", Remedy: "try again; if it stays, look at the server's log",
			}
		case line.Error != nil:
			return fairlead.Diagnosis{}, line.Error
		case line.Probe != nil && a.format == "table":
			a.printProbe(a.out, *line.Probe)
		case line.Diagnosis != nil:
			return *line.Diagnosis, nil
		}
	}
}

func (a *app) printProbe(w io.Writer, p fairlead.Probe) {
	took := ""
	if p.Took >= time.Millisecond {
		took = " (" + p.Took.Round(time.Millisecond).String() + ")"
	}
	_, _ = fmt.Fprintf(w, "%s  %-14s  %s%s\n", a.verdict(p.Verdict), p.Name, printable(p.Detail), took)
}

// printCause says what stands in the way and what to do, in that order.
func (a *app) printCause(w io.Writer, d fairlead.Diagnosis) {
	from := ""
	if d.From != "" {
		from = " The network was looked at from worker " + string(d.From) + "."
	}
	switch {
	case d.Cause == nil && d.Image == "":
		_, _ = fmt.Fprintf(w, "Nothing stands in the way, as far as can be tried without an image.%s\n", from)
		return
	case d.Cause == nil:
		_, _ = fmt.Fprintf(w, "Nothing stands in the way.%s\n", from)
		return
	case d.Failed():
		_, _ = fmt.Fprintf(w, "Cause: %s.%s\n", printable(d.Cause.Error()), from)
	default:
		_, _ = fmt.Fprintf(w, "It works. Warning: %s.%s\n", printable(d.Cause.Error()), from)
	}
	if d.Cause.Remedy != "" {
		_, _ = fmt.Fprintf(w, "What to do: %s\n", printable(d.Cause.Remedy))
	}
}

// verdict is a probe's verdict in its column, in colour if a person sees it and doesn't
// mind.
func (a *app) verdict(v fairlead.Verdict) string {
	text := fmt.Sprintf("%-9s", v)
	if !a.outTerminal || a.env("NO_COLOR") != "" {
		return text
	}
	switch v {
	case fairlead.ProbeOK:
		return "\x1b[32m" + text + "\x1b[0m"
	case fairlead.ProbeWarning:
		return "\x1b[33m" + text + "\x1b[0m"
	case fairlead.ProbeFailed:
		return "\x1b[31;1m" + text + "\x1b[0m"
	case fairlead.ProbeNotTried:
	}
	return text
}
