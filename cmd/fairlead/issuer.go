package main

import (
	"io"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/issuer"
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
			return a.withIssuer(cmd, s, func(*issuer.Issuer) error { return nil })
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
			return a.withIssuer(cmd, s, func(i *issuer.Issuer) error {
				if err := i.Rotate(cmd.Context(), algorithm, atOnce); err != nil {
					return err
				}
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
func (a *app) withIssuer(cmd *cobra.Command, s storeFlags, do func(*issuer.Issuer) error) error {
	return a.withStore(cmd.Context(), s, func(store fairlead.Store, o server.Options) error {
		v, err := newVault(store, o)
		if err != nil {
			return err
		}
		i := issuer.Keeper(v, o.Now)
		if err := do(i); err != nil {
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
