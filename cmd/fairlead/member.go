package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

func (a *app) memberCommand() *cobra.Command {
	return parent("member", "Members of an organization", nil, a.memberAdd(), a.memberList(), a.memberUpdate(), a.memberRemove())
}

func (a *app) memberAdd() *cobra.Command {
	var role, email string
	c := &cobra.Command{
		Use: "add NAME", Short: "Add a member, or invite a new user", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			m, err := client.Do(cmd.Context(), c, wire.AddMember, wire.MemberRequest{OrganizationPath: at, Name: args[0], Email: email, Role: fairlead.Role(role)})
			if err != nil {
				return err
			}
			return a.show(m, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Added %s to %s as %s.\n", m.Member.Name, at.Organization, m.Member.Role)
				if !m.Link.IsZero() {
					_, _ = fmt.Fprintf(w, "Give them this link, which holds once and until %s:\n  %s\n", m.Expires.Format("2006-01-02 15:04 MST"), m.Link.Reveal())
				}
			})
		},
	}
	c.Flags().StringVar(&role, "role", string(fairlead.Member), "admin or member")
	c.Flags().StringVar(&email, "email", "", "a new user's e-mail address")
	return c
}

func (a *app) memberList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List members", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			list, err := client.Do(cmd.Context(), c, wire.ListMembers, at)
			if err != nil {
				return err
			}
			return a.show(list, func(w io.Writer) {
				var lines [][]string
				for _, m := range list.Members {
					state := "joined"
					if m.Invited {
						state = "invited"
					}
					lines = append(lines, []string{string(m.Name), string(m.Role), state, m.Email, a.ago(m.Since)})
				}
				rows(w, "There are no members.", []string{"NAME", "ROLE", "STATE", "E-MAIL", "SINCE"}, lines)
			})
		},
	}
}

func (a *app) memberUpdate() *cobra.Command {
	var role string
	c := &cobra.Command{
		Use: "update NAME", Short: "Change a member's role", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			path := wire.MemberPath{OrganizationPath: at, User: fairlead.Name(args[0])}
			if _, err := client.Do(cmd.Context(), c, wire.UpdateMember, wire.MemberUpdate{MemberPath: path, Role: fairlead.Role(role)}); err != nil {
				return err
			}
			a.done("%s is %s of %s now.", args[0], role, at.Organization)
			return nil
		},
	}
	c.Flags().StringVar(&role, "role", "", "admin or member")
	_ = c.MarkFlagRequired("role")
	return c
}

func (a *app) memberRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Remove a member", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			if _, err := client.Do(cmd.Context(), c, wire.RemoveMember, wire.MemberPath{OrganizationPath: at, User: fairlead.Name(args[0])}); err != nil {
				return err
			}
			a.done("Removed %s from %s.", args[0], at.Organization)
			return nil
		},
	}
}
