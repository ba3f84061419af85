package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/manifest"
	"fairlead.dev/fairlead/wire"
)

func (a *app) stackCommand() *cobra.Command {
	return parent("stack", "Stacks: where a project pushes to, and the engine and queue of its runs", nil,
		a.stackRegister(), a.stackList(), a.stackDescribe(), a.stackUpdate(), a.stackSet(), a.stackDelete(), a.stackExport(), a.stackImport())
}

func (a *app) stackRegister() *cobra.Command {
	var f wire.StackFields
	c := &cobra.Command{
		Use: "register NAME", Short: "Register a stack", Args: cobra.ExactArgs(1),
		Long: `Register a stack: the registry entry that projects push to, and the engine and queue that
their runs use. A project uses it after ` + "`fairlead stack set`" + `.`,
		Example: `  fairlead stack register gpu --registry main --repository registry.example.com/team --engine docker --queue gpu`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			s, err := client.Do(cmd.Context(), c, wire.RegisterStack, wire.StackRequest{OrganizationPath: at, Name: args[0], StackFields: f})
			if err != nil {
				return err
			}
			return a.show(s, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Registered stack %s: %s.\nUse it: fairlead stack set %s --project %s/NAME\n", s.Name, stackText(s), s.Name, at.Organization)
			})
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.Registry, "registry", "", "registry entry that projects push to")
	fl.StringVar(&f.Repository, "repository", "", "prefix under which images are pushed (default: what stands before the /* of the entry's pattern)")
	fl.StringVar(&f.Engine, "engine", "", "engine of runs: "+strings.Join(fairlead.Engines(), " or ")+" (default: any)")
	fl.StringVar(&f.Queue, "queue", "", "queue of runs (default: the queue called default)")
	return c
}

// stackText is what a stack does, in a clause.
func stackText(s fairlead.Stack) string {
	pushes, engine := "projects push nowhere", "any engine"
	if s.Registry != "" {
		pushes = fmt.Sprintf("projects push to %s (registry %s)", s.Repository, s.RegistryName)
	}
	if s.Engine != "" {
		engine = "engine " + s.Engine
	}
	return fmt.Sprintf("%s, runs use %s and the queue %s", pushes, engine, stackQueue(s))
}

func stackQueue(s fairlead.Stack) string {
	return string(fairlead.RunSpec{Queue: s.Queue}.QueueOrDefault())
}

func (a *app) stackList() *cobra.Command {
	var project string
	c := &cobra.Command{
		Use: "list", Short: "List stacks; * marks the project's", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			list, err := client.Do(cmd.Context(), c, wire.ListStacks, at)
			if err != nil {
				return err
			}
			active, err := a.activeStack(cmd.Context(), c, project)
			if err != nil {
				return err
			}
			out := listedStacks{Stacks: []listedStack{}}
			for _, s := range list.Stacks {
				out.Stacks = append(out.Stacks, listedStack{Stack: s, Active: s.ID == active})
			}
			return a.show(out, func(w io.Writer) {
				var lines [][]string
				for _, s := range out.Stacks {
					mark := ""
					if s.Active {
						mark = "*"
					}
					lines = append(lines, []string{string(s.Name), mark, string(s.RegistryName), s.Repository, s.Engine, stackQueue(s.Stack), a.ago(s.Updated)})
				}
				rows(w, "There are no stacks. Register one: fairlead stack register --help", []string{"NAME", "ACTIVE", "REGISTRY", "REPOSITORY", "ENGINE", "QUEUE", "CHANGED"}, lines)
			})
		},
	}
	c.Flags().StringVarP(&project, "project", "p", "", "project whose active stack is marked, [OWNER/]NAME (default: the only one that you may see; FAIRLEAD_PROJECT)")
	return c
}

// listedStacks is what `fairlead stack list` tells.
type listedStacks struct {
	Stacks []listedStack `json:"stacks"`
}

// listedStack is a stack, and whether it is the project's.
type listedStack struct {
	fairlead.Stack
	Active bool `json:"active"`
}

// activeStack is that of the project that was named, or of the only one that there is.
func (a *app) activeStack(ctx context.Context, c *client.Client, name string) (fairlead.StackID, error) {
	if name == "" && a.env("FAIRLEAD_PROJECT") == "" {
		all, err := client.Do(ctx, c, wire.ListProjects, wire.None{})
		if err != nil || len(all.Projects) != 1 {
			return "", err
		}
		return all.Projects[0].Stack, nil
	}
	at, err := a.project(ctx, c, name)
	if err != nil {
		return "", err
	}
	p, err := client.Do(ctx, c, wire.ShowProject, at)
	return p.Stack, err
}

func (a *app) stackDescribe() *cobra.Command {
	return &cobra.Command{
		Use: "describe NAME", Short: "Describe a stack and what uses it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			d, err := client.Do(cmd.Context(), c, wire.DescribeStack, wire.StackPath{OrganizationPath: at, Stack: fairlead.Name(args[0])})
			if err != nil {
				return err
			}
			return a.show(d, func(w io.Writer) {
				var users []string
				for _, n := range d.UsedBy {
					users = append(users, string(n))
				}
				facts(w, "Name", string(d.Name), "Registry", string(d.RegistryName), "Repository", d.Repository, "Engine", d.Engine, "Queue", stackQueue(d.Stack),
					"Used by", strings.Join(users, ", "), "Version", fmt.Sprint(d.Version), "Changed", a.ago(d.Updated), "ID", string(d.ID))
			})
		},
	}
}

func (a *app) stackUpdate() *cobra.Command {
	var name, registry, repository, engine, queue string
	c := &cobra.Command{
		Use: "update NAME", Short: "Change a stack; runs that are there stay where they are", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			up := wire.StackUpdate{Name: name}
			changed := name != ""
			for flag, to := range map[string]struct {
				field **string
				value *string
			}{"registry": {&up.Registry, &registry}, "repository": {&up.Repository, &repository}, "engine": {&up.Engine, &engine}, "queue": {&up.Queue, &queue}} {
				if cmd.Flags().Changed(flag) {
					*to.field, changed = to.value, true
				}
			}
			if !changed {
				return usage("there is nothing to change: give --registry, --repository, --engine, --queue or --name")
			}
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			up.StackPath = wire.StackPath{OrganizationPath: at, Stack: fairlead.Name(args[0])}
			s, err := client.Do(cmd.Context(), c, wire.UpdateStack, up)
			if err != nil {
				return err
			}
			return a.show(s, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Changed stack %s: %s. The next run uses it as it is now.\n", s.Name, stackText(s))
			})
		},
	}
	fl := c.Flags()
	fl.StringVar(&name, "name", "", "a new name")
	fl.StringVar(&registry, "registry", "", "registry entry that projects push to; empty is none")
	fl.StringVar(&repository, "repository", "", "prefix under which images are pushed; empty takes the default")
	fl.StringVar(&engine, "engine", "", "engine of runs: "+strings.Join(fairlead.Engines(), " or ")+"; empty is any")
	fl.StringVar(&queue, "queue", "", "queue of runs; empty is the queue called default")
	return c
}

func (a *app) stackSet() *cobra.Command {
	var project string
	var none bool
	c := &cobra.Command{
		Use: "set NAME", Short: "Make a stack the project's active one", Args: cobra.MaximumNArgs(1),
		Long:    `Make a stack the project's active one. Its new runs use it; those that are there stay where they are.`,
		Example: "  fairlead stack set gpu --project acme/train\n  fairlead stack set --none --project acme/train",
		RunE: func(cmd *cobra.Command, args []string) error {
			if none == (len(args) == 1) {
				return usage("name a stack, or give --none")
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			at, err := a.project(cmd.Context(), c, project)
			if err != nil {
				return err
			}
			p, err := client.Do(cmd.Context(), c, wire.SetProjectStack, wire.ProjectStack{ProjectPath: at, Stack: strings.Join(args, "")})
			if err != nil {
				return err
			}
			return a.show(p, func(w io.Writer) {
				if none {
					_, _ = fmt.Fprintf(w, "Project %s has no stack now: its runs go to any worker of the queue %s.\n", p.FullName(), fairlead.DefaultQueue)
					return
				}
				_, _ = fmt.Fprintf(w, "Project %s uses stack %s now.\n", p.FullName(), p.StackName)
			})
		},
	}
	c.Flags().StringVarP(&project, "project", "p", "", "project, [OWNER/]NAME (default: the only one that you may see; FAIRLEAD_PROJECT)")
	c.Flags().BoolVar(&none, "none", false, "let the project have no stack")
	return c
}

func (a *app) stackDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a stack that no project uses", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			if _, err := client.Do(cmd.Context(), c, wire.DeleteStack, wire.StackPath{OrganizationPath: at, Stack: fairlead.Name(args[0])}); err != nil {
				return err
			}
			a.done("Deleted stack %s.", args[0])
			return nil
		},
	}
}

func (a *app) stackExport() *cobra.Command {
	return &cobra.Command{
		Use: "export NAME [FILE]", Short: "Write a stack as a file that another organization can import", Args: cobra.RangeArgs(1, 2),
		Long: `Write a stack as YAML, to standard output or a file. It names the registry entry that it
needs, and holds no identifier and no secret.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			d, err := client.Do(cmd.Context(), c, wire.DescribeStack, wire.StackPath{OrganizationPath: at, Stack: fairlead.Name(args[0])})
			if err != nil {
				return err
			}
			var entry *fairlead.Registry
			if d.Registry != "" {
				r, err := client.Do(cmd.Context(), c, wire.ShowRegistry, wire.RegistryPath{OrganizationPath: at, Registry: d.RegistryName})
				if err != nil {
					return err
				}
				entry = &r
			}
			b, err := manifest.WriteStack(d.Stack, entry)
			if err != nil {
				return err
			}
			return a.writeFile(args[1:], b)
		},
	}
}

// writeFile writes to the file that is named, or to standard output.
func (a *app) writeFile(file []string, b []byte) error {
	if len(file) == 0 || file[0] == "-" {
		_, err := a.out.Write(b)
		return err
	}
	if err := os.WriteFile(file[0], b, 0o644); err != nil { //nolint:gosec // It holds no secret, and is to be shared.
		return &fairlead.Error{Kind: fairlead.Unavailable, What: "writing " + file[0], Why: reason(err), Remedy: "name a file that can be written"}
	}
	a.hint("Wrote %s.", file[0])
	return nil
}

func (a *app) stackImport() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "import FILE", Short: "Register a stack that was exported", Args: cobra.ExactArgs(1),
		Long: `Register a stack that was exported, here or elsewhere. The registry entry that it names
has to be there.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.readStack(args[0])
			if err != nil {
				return err
			}
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			req := wire.StackRequest{OrganizationPath: at, Name: string(s.Name), StackFields: wire.StackFields{Repository: s.Repository, Engine: s.Engine, Queue: string(s.Queue)}}
			if name != "" {
				req.Name = name
			}
			if s.Registry != nil {
				req.Registry = string(s.Registry.Name)
				_, err := client.Do(cmd.Context(), c, wire.ShowRegistry, wire.RegistryPath{OrganizationPath: at, Registry: s.Registry.Name})
				if fairlead.KindOf(err) == fairlead.NotFound {
					return &fairlead.Error{
						Kind: fairlead.NotFound, Field: "registry", What: "importing stack " + req.Name, Why: "there is no registry " + req.Registry + " in " + string(at.Organization),
						Remedy: fmt.Sprintf("add it, then import again: `fairlead registry add %s --pattern '%s'` with a login, or --anonymous", req.Registry, s.Registry.Pattern),
					}
				}
				if err != nil {
					return err
				}
			}
			made, err := client.Do(cmd.Context(), c, wire.RegisterStack, req)
			if err != nil {
				return err
			}
			return a.show(made, func(w io.Writer) { _, _ = fmt.Fprintf(w, "Imported stack %s: %s.\n", made.Name, stackText(made)) })
		},
	}
	c.Flags().StringVar(&name, "name", "", "another name for it")
	return c
}

func (a *app) readStack(file string) (manifest.PortableStack, error) {
	b, err := a.readManifest(file)
	if err != nil {
		return manifest.PortableStack{}, err
	}
	s, problems := manifest.ParseStack(file, b)
	return s, a.problems(file, problems)
}

// readManifest reads a file, or standard input if its name is "-".
func (a *app) readManifest(file string) ([]byte, error) {
	in := a.in
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // The user names the file.
		if err != nil {
			return nil, readError("file", file, err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, manifest.MaxFile+1)) // one more is too many, which the parser says
	if err != nil {
		return nil, readError("file", file, err)
	}
	return b, nil
}

// problems shows what is wrong in a file; nil if nothing is.
func (a *app) problems(file string, list []manifest.Problem) error {
	if len(list) == 0 {
		return nil
	}
	for _, p := range list {
		a.hint("%s", printable(p.String()))
	}
	return &fairlead.Error{
		Kind: fairlead.Invalid, What: "reading " + file, Why: "it has " + counted(len(list), "mistake"), Remedy: "correct the places above",
	}
}
