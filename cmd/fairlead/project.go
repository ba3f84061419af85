package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

func (a *app) projectCommand() *cobra.Command {
	return parent("project", "Projects", nil, a.projectCreate(), a.projectList(), a.projectShow(), a.projectRename(), a.projectTransfer(), a.projectDelete())
}

// projectNamed reads OWNER/NAME, or a NAME in the organization that the command is
// about.
func (a *app) projectNamed(ctx context.Context, c *client.Client, s string) (wire.ProjectPath, error) {
	if owner, name, ok := strings.Cut(s, "/"); ok {
		return wire.ProjectPath{Owner: fairlead.Name(owner), Project: fairlead.Name(name)}, nil
	}
	org, err := a.org(ctx, c)
	return wire.ProjectPath{Owner: org, Project: fairlead.Name(s)}, err
}

// project is the project that a command is about: of the flag or the environment, or
// the only one that the caller may see.
func (a *app) project(ctx context.Context, c *client.Client, flag string) (wire.ProjectPath, error) {
	for _, s := range []string{flag, a.env("FAIRLEAD_PROJECT")} {
		if s != "" {
			return a.projectNamed(ctx, c, s)
		}
	}
	list, err := client.Do(ctx, c, wire.ListProjects, wire.None{})
	if err != nil {
		return wire.ProjectPath{}, err
	}
	switch len(list.Projects) {
	case 0:
		return wire.ProjectPath{}, &fairlead.Error{
			Kind: fairlead.NotFound, What: "choosing project", Why: "there is none that you may see", Remedy: "create one with `fairlead project create NAME`",
		}
	case 1:
		return wire.ProjectPath{Owner: list.Projects[0].Owner, Project: list.Projects[0].Name}, nil
	default:
		return wire.ProjectPath{}, usage("there are several projects: give --project OWNER/NAME or set FAIRLEAD_PROJECT")
	}
}

func (a *app) projectCreate() *cobra.Command {
	var personal bool
	c := &cobra.Command{
		Use: "create [OWNER/]NAME", Short: "Create a project", Args: cobra.ExactArgs(1),
		Long: `Create a project of an organization. With --personal it is your own instead; a personal
project can't use an organization's registries.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			var at wire.ProjectPath
			if personal && !strings.Contains(args[0], "/") {
				me, err := client.Do(cmd.Context(), c, wire.Whoami, wire.None{})
				if err != nil {
					return err
				}
				at = wire.ProjectPath{Owner: fairlead.Name(me.Subject.Name), Project: fairlead.Name(args[0])}
			} else if at, err = a.projectNamed(cmd.Context(), c, args[0]); err != nil {
				return err
			}
			p, err := client.Do(cmd.Context(), c, wire.CreateProject, wire.ProjectRequest{Owner: string(at.Owner), Name: string(at.Project)})
			if err != nil {
				return err
			}
			return a.show(p, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Created project %s.\n", p.FullName())
				if p.Personal() {
					_, _ = fmt.Fprintf(w, "It is personal: it can't use an organization's registries. `fairlead project transfer %s --to ORGANIZATION` changes that.\n", p.FullName())
				}
			})
		},
	}
	c.Flags().BoolVar(&personal, "personal", false, "make it your own")
	return c
}

func (a *app) projectList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List projects", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			list, err := client.Do(cmd.Context(), c, wire.ListProjects, wire.None{})
			if err != nil {
				return err
			}
			return a.show(list, func(w io.Writer) {
				var lines [][]string
				for _, p := range list.Projects {
					lines = append(lines, []string{p.FullName(), ownership(p), string(p.StackName), a.ago(p.Created)})
				}
				rows(w, "There are no projects. Create one: fairlead project create NAME", []string{"PROJECT", "OWNED BY", "STACK", "CREATED"}, lines)
			})
		},
	}
}

func ownership(p fairlead.Project) string {
	if p.Personal() {
		return "user"
	}
	return "organization"
}

func (a *app) projectShow() *cobra.Command {
	return &cobra.Command{
		Use: "show [OWNER/]NAME", Short: "Show a project", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inProject(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			p, err := client.Do(cmd.Context(), c, wire.ShowProject, at)
			if err != nil {
				return err
			}
			return a.show(p, func(w io.Writer) {
				facts(w, "Project", p.FullName(), "Owned by", ownership(p)+" "+string(p.Owner), "Stack", string(p.StackName), "ID", string(p.ID), "Created", p.Created.Format("2006-01-02 15:04 MST"))
			})
		},
	}
}

func (a *app) inProject(ctx context.Context, name string) (*client.Client, wire.ProjectPath, error) {
	c, err := a.client()
	if err != nil {
		return nil, wire.ProjectPath{}, err
	}
	at, err := a.projectNamed(ctx, c, name)
	return c, at, err
}

func (a *app) projectRename() *cobra.Command {
	return &cobra.Command{
		Use: "rename [OWNER/]NAME NEW-NAME", Short: "Rename a project", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inProject(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			p, err := client.Do(cmd.Context(), c, wire.UpdateProject, wire.ProjectUpdate{ProjectPath: at, Name: args[1]})
			if err != nil {
				return err
			}
			return a.show(p, func(w io.Writer) { _, _ = fmt.Fprintf(w, "Renamed to %s.\n", p.FullName()) })
		},
	}
}

func (a *app) projectTransfer() *cobra.Command {
	var to string
	c := &cobra.Command{
		Use: "transfer [OWNER/]NAME --to OWNER", Short: "Give a project to an organization, or take it back", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inProject(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			p, err := client.Do(cmd.Context(), c, wire.TransferProject, wire.ProjectTransfer{ProjectPath: at, To: to})
			if err != nil {
				return err
			}
			return a.show(p, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "The project is %s now, owned by %s.\n", p.FullName(), ownership(p))
			})
		},
	}
	c.Flags().StringVar(&to, "to", "", "the new owner: an organization, or your own name")
	_ = c.MarkFlagRequired("to")
	return c
}

func (a *app) projectDelete() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "delete [OWNER/]NAME", Short: "Delete a project with its runs", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inProject(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			full := string(at.Owner) + "/" + string(at.Project)
			if err := a.confirm("Delete "+full+" with all of its runs", yes); err != nil {
				return err
			}
			if _, err := client.Do(cmd.Context(), c, wire.DeleteProject, at); err != nil {
				return err
			}
			a.done("Deleted %s.", full)
			return nil
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return c
}
