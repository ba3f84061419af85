package main

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/issuer"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/server"
)

func (a *app) issuerCommand() *cobra.Command {
	return parent("issuer", "Keys with which subject tokens are signed (on the server's machine)", nil, a.issuerShow(), a.issuerRotate())
}

// issuerKeys is what the two commands tell.
type issuerKeys struct {
	Keys []issuer.KeyInfo `json:"keys"`
}

func (a *app) issuerShow() *cobra.Command {
	var s storeFlags
	c := &cobra.Command{
		Use: "show", Short: "Show the keys that clouds are given, and which one signs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withIssuer(cmd, s, func(*issuer.Issuer, fairlead.Store) error { return nil })
		},
	}
	s.add(c)
	return c
}

func (a *app) issuerRotate() *cobra.Command {
	var s storeFlags
	var algorithm string
	var atOnce bool
	c := &cobra.Command{
		Use: "rotate", Short: "Publish a new key, which signs once clouds have had time to fetch it", Args: cobra.NoArgs,
		Long: `Publish a new key for subject tokens. It signs after 25 hours: clouds keep what they have
fetched for up to a day. Nothing needs to be done at any cloud, and no login fails. Servers
rotate by themselves every 30 days.

With --at-once, for a key that was stolen, the old keys are dropped and the new one signs
immediately: keyless logins fail until servers (a minute) and clouds (up to a day) know it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withIssuer(cmd, s, func(i *issuer.Issuer, store fairlead.Store) error {
				if err := i.Rotate(cmd.Context(), algorithm, atOnce); err != nil {
					return err
				}
				a.warnOfAlgorithm(cmd.Context(), store, algorithm)
				if atOnce {
					a.done("The old keys are dropped. Keyless logins may fail until clouds have fetched the new one.")
				} else {
					a.done("Published a new key. It signs when clouds have had time to fetch it.")
				}
				return nil
			})
		},
	}
	s.add(c)
	c.Flags().StringVar(&algorithm, "algorithm", "RS256", "algorithm of the new key: RS256 or ES256")
	c.Flags().BoolVar(&atOnce, "at-once", false, "drop the old keys and sign with the new one now: for a key that was stolen")
	return c
}

// withIssuer does something with the keys, and shows them then.
func (a *app) withIssuer(cmd *cobra.Command, s storeFlags, do func(*issuer.Issuer, fairlead.Store) error) error {
	return a.withStore(cmd.Context(), s, func(store fairlead.Store, o server.Options) error {
		v, err := newVault(store, o)
		if err != nil {
			return err
		}
		i := issuer.Keeper(v, o.Now)
		if err := do(i, store); err != nil {
			return err
		}
		list, err := i.Stored(cmd.Context())
		if err != nil {
			return err
		}
		return a.show(issuerKeys{Keys: list}, func(w io.Writer) {
			var table [][]string
			for _, k := range list {
				state := "published"
				switch {
				case k.Signs:
					state = "signs"
				case k.From.Before(a.now()):
					state = "kept for what it signed"
				}
				table = append(table, []string{k.ID, k.Algorithm, state, a.ago(k.Published), a.ago(k.From)})
			}
			rows(w, "There is no key yet: a server with a public https address makes the first one when it needs it.", []string{"KEY", "ALGORITHM", "STATE", "PUBLISHED", "SIGNS FROM"}, table)
		})
	})
}

// warnOfAlgorithm names the connectors whose providers can't verify what a key of the
// algorithm signs. That they can't be listed keeps nobody from rotating.
func (a *app) warnOfAlgorithm(ctx context.Context, store fairlead.Store, algorithm string) {
	providers := server.Providers(provider.Tools{})
	orgs, err := store.AllWrappedKeys(ctx)
	if err != nil {
		return
	}
	var names []string
	takes := ""
	for _, keys := range orgs {
		org, err := store.Organization(ctx, keys.Organization)
		if err != nil {
			continue
		}
		connectors, err := store.ConnectorsOf(ctx, keys.Organization)
		if err != nil {
			continue
		}
		for _, c := range connectors {
			p, err := providers.Family(c.Family)
			if err != nil {
				continue
			}
			if v, ok := p.(provider.Verifier); ok && v.Verifies(c.Method) != nil && !slices.Contains(v.Verifies(c.Method), algorithm) {
				names, takes = append(names, string(org.Name)+"/"+string(c.Name)), v.Verifies(c.Method)[0]
			}
		}
	}
	switch {
	case len(names) > 0:
		a.hint("Warning: the providers of %s verify %s alone: their logins fail when the new key signs. Rotate again with --algorithm %s.", strings.Join(names, ", "), takes, takes)
	case algorithm != "RS256":
		a.hint("Note: Microsoft Entra (family azure-container-registry, method federation) verifies RS256 alone.")
	}
}
