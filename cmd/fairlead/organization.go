package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

// org is the organization that a command is about: of the flag or the environment, or
// the only one that the caller belongs to.
func (a *app) org(ctx context.Context, c *client.Client) (fairlead.Name, error) {
	for _, s := range []string{a.organization, a.env("FAIRLEAD_ORGANIZATION")} {
		if s != "" {
			return fairlead.Name(s), nil
		}
	}
	list, err := client.Do(ctx, c, wire.ListOrganizations, wire.None{})
	if err != nil {
		return "", err
	}
	switch len(list.Organizations) {
	case 0:
		return "", &fairlead.Error{
			Kind: fairlead.NotFound, What: "choosing organization", Why: "you belong to none", Remedy: "ask an administrator to add you, or create one with `fairlead organization create NAME`",
		}
	case 1:
		return list.Organizations[0].Name, nil
	default:
		return "", usage("you belong to several organizations: give -O NAME or set FAIRLEAD_ORGANIZATION")
	}
}

// inOrg gives a client and the organization that a command is about.
func (a *app) inOrg(ctx context.Context) (*client.Client, wire.OrganizationPath, error) {
	c, err := a.client()
	if err != nil {
		return nil, wire.OrganizationPath{}, err
	}
	org, err := a.org(ctx, c)
	return c, wire.OrganizationPath{Organization: org}, err
}

func (a *app) organizationCommand() *cobra.Command {
	return parent("organization", "Organizations", []string{"org"}, a.organizationCreate(), a.organizationList(), a.organizationShow(), a.organizationUpdate())
}

func (a *app) organizationCreate() *cobra.Command {
	var forbid bool
	c := &cobra.Command{
		Use: "create NAME", Short: "Create an organization and become its administrator", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			o, err := client.Do(cmd.Context(), c, wire.CreateOrganization, wire.OrganizationRequest{Name: args[0], ForbidPersonal: forbid})
			if err != nil {
				return err
			}
			return a.show(o, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Created organization %s. You are its administrator.\n", o.Name)
			})
		},
	}
	c.Flags().BoolVar(&forbid, "forbid-personal-projects", false, "members may not have personal projects")
	return c
}

func (a *app) organizationList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List your organizations", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			list, err := client.Do(cmd.Context(), c, wire.ListOrganizations, wire.None{})
			if err != nil {
				return err
			}
			return a.show(list, func(w io.Writer) {
				var lines [][]string
				for _, o := range list.Organizations {
					lines = append(lines, []string{string(o.Name), string(o.Role), yesNo(!o.ForbidPersonal), a.ago(o.Created)})
				}
				rows(w, "You belong to no organization. Create one: fairlead organization create NAME", []string{"NAME", "YOUR ROLE", "PERSONAL PROJECTS", "CREATED"}, lines)
			})
		},
	}
}

func (a *app) organizationShow() *cobra.Command {
	return &cobra.Command{
		Use: "show [NAME]", Short: "Show an organization", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.orgArg(cmd.Context(), args)
			if err != nil {
				return err
			}
			o, err := client.Do(cmd.Context(), c, wire.ShowOrganization, at)
			if err != nil {
				return err
			}
			return a.show(o, func(w io.Writer) {
				facts(w, "Name", string(o.Name), "ID", string(o.ID), "Personal projects", allowed(!o.ForbidPersonal), "Created", o.Created.Format("2006-01-02 15:04 MST"))
			})
		},
	}
}

func (a *app) organizationUpdate() *cobra.Command {
	var forbid bool
	c := &cobra.Command{
		Use: "update [NAME]", Short: "Change an organization's settings", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("forbid-personal-projects") {
				return usage("there is nothing to change: give --forbid-personal-projects=true or =false")
			}
			c, at, err := a.orgArg(cmd.Context(), args)
			if err != nil {
				return err
			}
			o, err := client.Do(cmd.Context(), c, wire.UpdateOrganization, wire.OrganizationUpdate{OrganizationPath: at, ForbidPersonal: &forbid})
			if err != nil {
				return err
			}
			return a.show(o, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Personal projects in %s are %s.\n", o.Name, allowed(!o.ForbidPersonal))
			})
		},
	}
	c.Flags().BoolVar(&forbid, "forbid-personal-projects", false, "members may not have personal projects")
	return c
}

// orgArg takes the organization from the argument, if there is one.
func (a *app) orgArg(ctx context.Context, args []string) (*client.Client, wire.OrganizationPath, error) {
	if len(args) > 0 {
		a.organization = args[0]
	}
	return a.inOrg(ctx)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func allowed(b bool) string {
	if b {
		return "allowed"
	}
	return "forbidden"
}
