package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/manifest"
	"fairlead.dev/fairlead/wire"
)

// applyFlags are what `fairlead apply` is told.
type applyFlags struct {
	file               string
	dryRun, prune, yes bool
	noVerify           bool
}

func (a *app) applyCommand() *cobra.Command {
	var f applyFlags
	c := &cobra.Command{
		Use: "apply -f FILE", Short: "Make an organization as a file says", Args: cobra.NoArgs,
		Long: `Make an organization as a file says: its settings, connectors, registries, stacks and
projects. What has to change is shown and done; a second time there is nothing to do.
What the file doesn't name stays, but for --prune. Secrets are not in the file: it says
which file (fromFile, from the file's own directory) or environment variable (fromEnv)
holds each. ` + "`fairlead export`" + ` writes a file to begin with.`,
		Example: `  fairlead apply -f fairlead.yaml --dry-run
  fairlead apply -f fairlead.yaml --prune --yes`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.file == "" {
				return usage("give the file with -f FILE, or -f - for standard input")
			}
			return a.apply(cmd.Context(), f)
		},
	}
	fl := c.Flags()
	fl.StringVarP(&f.file, "file", "f", "", "the file, - for standard input")
	fl.BoolVar(&f.dryRun, "dry-run", false, "show what would change, and change nothing")
	fl.BoolVar(&f.prune, "prune", false, "remove what the file doesn't name, of the kinds that it has")
	fl.BoolVar(&f.yes, "yes", false, "don't ask before something is removed")
	fl.BoolVar(&f.noVerify, "no-verify", false, "save connectors untried")
	return c
}

func (a *app) exportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "export [FILE]", Short: "Write what an organization is, as `fairlead apply` reads it", Args: cobra.MaximumNArgs(1),
		Long: `Write an organization's settings, connectors, registries, stacks and projects as YAML, to
standard output or a file. In the place of each secret stands the environment variable
from which it would be read; while that isn't set, the secret stays as it is.`,
		Example: `  fairlead export -O acme > fairlead.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			now, err := present(cmd.Context(), c, at)
			if err != nil {
				return err
			}
			b, err := manifest.Write(manifest.Export(now))
			if err != nil {
				return err
			}
			return a.writeFile(args, b)
		},
	}
}

// applied is what `fairlead apply` tells.
type applied struct {
	Organization fairlead.Name  `json:"organization"`
	DryRun       bool           `json:"dry_run"`
	Changes      []applyOutcome `json:"changes"`
}

// applyOutcome is a change and what became of it.
type applyOutcome struct {
	manifest.Change
	// State is planned, done, failed or skipped.
	State string          `json:"state" enum:"planned,done,failed,skipped"`
	Error *fairlead.Error `json:"error,omitempty"`
}

func (a *app) apply(ctx context.Context, f applyFlags) error {
	x, changes, err := a.plan(ctx, f)
	if err != nil {
		return err
	}
	out := applied{Organization: x.at.Organization, DryRun: f.dryRun, Changes: []applyOutcome{}}
	for _, ch := range changes {
		out.Changes = append(out.Changes, applyOutcome{Change: ch, State: "planned"})
	}
	if len(changes) == 0 || f.dryRun {
		return a.show(out, func(w io.Writer) {
			if len(changes) == 0 {
				_, _ = fmt.Fprintf(w, "Nothing to change: %s is as %s says.\n", x.at.Organization, f.file)
				return
			}
			a.showPlan(w, changes)
			_, _ = fmt.Fprintln(w, "Nothing was changed: this was a dry run.")
		})
	}
	if a.format == "table" {
		a.showPlan(a.out, changes)
	}
	if n := removals(changes); n > 0 {
		if err := a.confirm(fmt.Sprintf("Remove %s from %s", counted(n, "thing"), x.at.Organization), f.yes); err != nil {
			return err
		}
	}
	failure := x.all(ctx, out.Changes)
	if err := a.show(out, func(w io.Writer) { x.summary(w, out.Changes) }); err != nil {
		return err
	}
	return failure
}

// plan reads the file and finds what has to change.
func (a *app) plan(ctx context.Context, f applyFlags) (*applying, []manifest.Change, error) {
	b, err := a.readManifest(f.file)
	if err != nil {
		return nil, nil, err
	}
	m, problems := manifest.Parse(f.file, b)
	if err := a.problems(f.file, problems); err != nil {
		return nil, nil, err
	}
	if m.Organization != nil && m.Organization.Name != "" && a.organization == "" && a.env("FAIRLEAD_ORGANIZATION") == "" {
		a.organization = string(m.Organization.Name)
	}
	c, at, err := a.inOrg(ctx)
	if err != nil {
		return nil, nil, err
	}
	now, err := present(ctx, c, at)
	if err != nil {
		return nil, nil, err
	}
	x := &applying{app: a, c: c, at: at, now: now, trial: wire.ConnectorTrial{NoVerify: f.noVerify}, secrets: map[fairlead.Name]map[string]wire.Clear{}, moves: map[fairlead.Name]bool{}}
	known, err := x.readSecrets(ctx, m, filepath.Dir(f.file))
	if err != nil {
		return nil, nil, err
	}
	changes, problems := manifest.Plan(f.file, m, now, known, f.prune)
	if err := a.problems(f.file, problems); err != nil {
		return nil, nil, err
	}
	for _, ch := range changes {
		x.moves[ch.Name] = x.moves[ch.Name] || ch.Kind == manifest.StackKind && ch.Action == manifest.Alter
	}
	return x, changes, nil
}

// present is what an organization is now.
func present(ctx context.Context, c *client.Client, at wire.OrganizationPath) (now manifest.State, err error) {
	if now.Organization, err = client.Do(ctx, c, wire.ShowOrganization, at); err != nil {
		return now, err
	}
	connectors, err := client.Do(ctx, c, wire.ListConnectors, at)
	if err != nil {
		return now, err
	}
	registries, err := client.Do(ctx, c, wire.ListRegistries, at)
	if err != nil {
		return now, err
	}
	stacks, err := client.Do(ctx, c, wire.ListStacks, at)
	if err != nil {
		return now, err
	}
	projects, err := client.Do(ctx, c, wire.ListProjects, wire.None{})
	if err != nil {
		return now, err
	}
	providers, err := client.Do(ctx, c, wire.ListProviders, wire.None{})
	for _, p := range projects.Projects {
		if p.Organization == now.Organization.ID {
			now.Projects = append(now.Projects, p)
		}
	}
	for _, k := range connectors.Connectors {
		now.Connectors = append(now.Connectors, k.Connector)
	}
	now.Registries, now.Stacks, now.Providers = registries.Registries, stacks.Stacks, providers.Providers
	return now, err
}

func removals(changes []manifest.Change) int {
	n := 0
	for _, ch := range changes {
		if ch.Action == manifest.Remove {
			n++
		}
	}
	return n
}

// showPlan writes what is to change: + what is new, ~ what is another, - what goes.
func (a *app) showPlan(w io.Writer, changes []manifest.Change) {
	count := map[manifest.Action]int{}
	for _, ch := range changes {
		count[ch.Action]++
		sign, colour := "~", "33"
		switch ch.Action {
		case manifest.Add:
			sign, colour = "+", "32"
		case manifest.Remove:
			sign, colour = "-", "31"
		case manifest.Alter:
		}
		_, _ = fmt.Fprintln(w, a.coloured(colour, fmt.Sprintf("%s %s %s", sign, ch.Kind, ch.Name)))
		for _, d := range ch.Details {
			_, _ = fmt.Fprintf(w, "    %s\n", printable(detailText(ch.Action, d)))
		}
	}
	_, _ = fmt.Fprintf(w, "To add: %d. To change: %d. To remove: %d.\n", count[manifest.Add], count[manifest.Alter], count[manifest.Remove])
}

// coloured colours text of the output, if a person sees it and doesn't mind
// (no-color.org).
func (a *app) coloured(colour, s string) string {
	if !a.outTerminal || a.env("NO_COLOR") != "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

func detailText(action manifest.Action, d manifest.Detail) string {
	switch {
	case d.Secret:
		return fmt.Sprintf("secret %s: %s", d.Field, d.Is)
	case action == manifest.Add:
		return fmt.Sprintf("%s: %s", d.Field, d.Is)
	default:
		return fmt.Sprintf("%s: %s -> %s", d.Field, orNone(d.Was), orNone(d.Is))
	}
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// summary says what became of a plan of which something wasn't done, or that all was.
func (x *applying) summary(w io.Writer, list []applyOutcome) {
	of := map[string][]string{}
	for _, o := range list {
		of[o.State] = append(of[o.State], fmt.Sprintf("%s %s", o.Kind, o.Name))
	}
	if len(of["done"]) == len(list) {
		_, _ = fmt.Fprintf(w, "Done: %s is as the file says.\n", x.at.Organization)
		return
	}
	for _, part := range []struct{ state, text string }{{"done", "Done"}, {"failed", "Failed"}, {"skipped", "Not done"}} {
		if len(of[part.state]) > 0 {
			_, _ = fmt.Fprintf(w, "%s: %s.\n", part.text, strings.Join(of[part.state], ", "))
		}
	}
}
