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

func (a *app) tokenCommand() *cobra.Command {
	return parent("token", "Create and revoke API tokens", nil, a.tokenCreate(), a.tokenList(), a.tokenRevoke())
}

func (a *app) tokenCreate() *cobra.Command {
	var scopes []string
	var days int
	var limited bool
	c := &cobra.Command{
		Use: "create NAME", Short: "Create a token and show it, this once", Args: cobra.ExactArgs(1),
		Long: `Create an API token of yours. It can be limited to actions (--scope run.create, or a
whole noun: --scope run.*) and to one organization (--limit, with -O).`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("days") && days < 1 {
				return usage("--days %d: a token holds for a day at least; leave --days out for 90", days)
			}
			req := wire.TokenRequest{Name: args[0], Scopes: scopes, Days: days}
			if limited {
				org, err := a.org(cmd.Context(), c)
				if err != nil {
					return err
				}
				req.Organization = string(org)
			}
			t, err := client.Do(cmd.Context(), c, wire.CreateToken, req)
			if err != nil {
				return err
			}
			return a.show(t, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "%s\n", t.Token.Reveal())
				a.hint("Keep it now: it isn't shown again. It holds until %s.", t.Info.Expires.Format("2006-01-02"))
			})
		},
	}
	c.Flags().StringSliceVar(&scopes, "scope", nil, "limit it to an action, or to a noun's actions with .* (may be given often)")
	c.Flags().IntVar(&days, "days", 0, "days that it holds (default 90)")
	c.Flags().BoolVar(&limited, "limit", false, "limit it to the organization")
	return c
}

func (a *app) tokenList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List your tokens and sessions", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			list, err := client.Do(cmd.Context(), c, wire.ListTokens, wire.None{})
			if err != nil {
				return err
			}
			return a.show(list, func(w io.Writer) {
				var lines [][]string
				for _, t := range list.Tokens {
					var scopes []string
					for _, s := range t.Scopes {
						scopes = append(scopes, string(s))
					}
					lines = append(lines, []string{string(t.ID), string(t.Kind), t.Name, strings.Join(scopes, ","), a.ago(t.LastUsed), a.ago(t.Expires)})
				}
				rows(w, "You have no tokens.", []string{"ID", "KIND", "NAME", "SCOPES", "LAST USED", "EXPIRES"}, lines)
			})
		},
	}
}

func (a *app) tokenRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke a token or session", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if _, err := client.Do(cmd.Context(), c, wire.RevokeToken, wire.TokenPath{Token: fairlead.TokenID(args[0])}); err != nil {
				return err
			}
			a.done("Revoked %s. It ends within a second.", args[0])
			return nil
		},
	}
}
