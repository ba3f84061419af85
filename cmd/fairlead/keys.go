package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/seal"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/internal/vault"
)

func (a *app) keysCommand() *cobra.Command {
	return parent("keys", "Keys with which secrets are sealed (on the server's machine)", nil, a.keysStatus(), a.keysRotate(), a.keysPrune())
}

// keysStatus is what `fairlead keys status` tells.
type keysStatus struct {
	KeyFile       string              `json:"key_file"`
	Primary       string              `json:"primary"`
	Keys          []string            `json:"keys"`
	Organizations map[string][]string `json:"organizations" doc:"By key: the organizations whose data keys it wraps."`
}

func (a *app) keysStatus() *cobra.Command {
	var s storeFlags
	c := &cobra.Command{
		Use: "status", Short: "Show which keys wrap what", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), s, func(store fairlead.Store, o server.Options) error {
				st, err := a.status(cmd.Context(), store, o, s)
				if err != nil {
					return err
				}
				return a.show(st, func(w io.Writer) {
					var lines [][]string
					for _, id := range st.Keys {
						use := "not in use"
						if id == st.Primary {
							use = "primary"
						}
						lines = append(lines, []string{id, use, fmt.Sprint(len(st.Organizations[id]))})
					}
					facts(w, "Key file", st.KeyFile)
					rows(w, "", []string{"KEY", "STATE", "ORGANIZATIONS"}, lines)
				})
			})
		},
	}
	s.add(c)
	return c
}

func (a *app) status(ctx context.Context, store fairlead.Store, o server.Options, s storeFlags) (keysStatus, error) {
	file, _ := a.keyFile(s)
	ring, err := o.Keys()
	if err != nil {
		return keysStatus{}, err
	}
	all, err := store.AllWrappedKeys(ctx)
	st := keysStatus{KeyFile: file, Primary: ring.Primary(), Keys: ring.IDs(), Organizations: map[string][]string{}}
	for _, w := range all {
		st.Organizations[w.KEK] = append(st.Organizations[w.KEK], string(w.Organization))
	}
	return st, err
}

// withStore opens the database beside a server that may be running.
func (a *app) withStore(ctx context.Context, s storeFlags, do func(fairlead.Store, server.Options) error) error {
	hideMemory()
	if err := s.check(); err != nil {
		return err
	}
	o := a.serverOptions(s)
	store, err := server.OpenStore(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(do(store, o), store.Close())
}

func (a *app) keysRotate() *cobra.Command {
	var s storeFlags
	var prepare, wrapOnly bool
	var dataOf string
	c := &cobra.Command{
		Use: "rotate", Short: "Wrap all data keys with a new key, while servers go on", Args: cobra.NoArgs,
		Long: `Add a new key to the key file and wrap every organization's data keys with it. Servers go
on meanwhile: they read the key file again when they meet a key that they don't know.
Where several servers have copies of the key file: run it with --prepare once, bring the
file to all of them, then run it with --wrap. The old keys stay in the file until
` + "`fairlead keys prune`" + ` takes them out.

With --data-keys ORGANIZATION the organization's data key itself is replaced, and all of
its secrets are sealed anew.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if prepare && wrapOnly {
				return usage("--prepare and --wrap exclude each other")
			}
			return a.withStore(cmd.Context(), s, func(store fairlead.Store, o server.Options) error {
				if dataOf != "" {
					return a.rotateData(cmd.Context(), store, o, fairlead.Name(dataOf))
				}
				return a.rotate(cmd.Context(), store, o, s, !wrapOnly, !prepare)
			})
		},
	}
	s.add(c)
	c.Flags().BoolVar(&prepare, "prepare", false, "only add the new key to the file")
	c.Flags().BoolVar(&wrapOnly, "wrap", false, "only wrap with the newest key that is in the file")
	c.Flags().StringVar(&dataOf, "data-keys", "", "replace the data key of an organization instead")
	return c
}

func (a *app) rotate(ctx context.Context, store fairlead.Store, o server.Options, s storeFlags, add, wrap bool) error {
	file, own := a.keyFile(s)
	if add && !own {
		return &fairlead.Error{
			Kind: fairlead.Invalid, What: "rotating keys", Why: "the key file " + file + " comes from systemd and can't be written",
			Remedy: "copy it, run `fairlead keys rotate --prepare --key-file COPY`, give systemd the copy, restart, and run `fairlead keys rotate --wrap`",
		}
	}
	ring, err := o.Keys()
	if err != nil {
		return err
	}
	if add {
		if ring, err = ring.WithFresh(); err != nil {
			return err
		}
		if err := seal.WriteKeyFile(file, ring); err != nil {
			return err
		}
	}
	count := 0
	if wrap {
		v, err := newVault(store, o)
		if err != nil {
			return err
		}
		if count, err = v.Rewrap(ctx, fairlead.System()); err != nil {
			return err
		}
	}
	out := map[string]any{"primary": ring.Primary(), "wrapped": count}
	return a.show(out, func(w io.Writer) {
		if !wrap {
			_, _ = fmt.Fprintf(w, "Added key %s to %s. Bring the file to every server, then run `fairlead keys rotate --wrap`.\n", ring.Primary(), file)
			return
		}
		_, _ = fmt.Fprintf(w, "Wrapped the data keys of %s with key %s. Back up %s.\n", counted(count, "organization"), ring.Primary(), file)
	})
}

func newVault(store fairlead.Store, o server.Options) (*vault.Vault, error) {
	ring, err := vault.NewRing(o.Keys)
	if err != nil {
		return nil, err
	}
	return vault.New(store, server.Providers(provider.Tools{}), ring, o.Now), nil
}

func (a *app) rotateData(ctx context.Context, store fairlead.Store, o server.Options, name fairlead.Name) error {
	org, err := store.OrganizationByName(ctx, name)
	if err != nil {
		return err
	}
	v, err := newVault(store, o)
	if err != nil {
		return err
	}
	if err := v.RotateDataKeys(ctx, fairlead.System(), org.ID); err != nil {
		return err
	}
	a.done("Sealed all secrets of %s with a new data key.", name)
	return nil
}

func (a *app) keysPrune() *cobra.Command {
	var s storeFlags
	c := &cobra.Command{
		Use: "prune", Short: "Take keys out of the key file that wrap nothing any more", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), s, func(store fairlead.Store, o server.Options) error {
				st, err := a.status(cmd.Context(), store, o, s)
				if err != nil {
					return err
				}
				for id := range st.Organizations {
					if id != st.Primary {
						return &fairlead.Error{
							Kind: fairlead.Conflict, Code: fairlead.CodeInUse, What: "pruning keys", Why: "key " + id + " still wraps data keys", Remedy: "run `fairlead keys rotate --wrap` first",
						}
					}
				}
				ring, err := o.Keys()
				if err != nil {
					return err
				}
				if ring, err = ring.Only(); err != nil {
					return err
				}
				if err := seal.WriteKeyFile(st.KeyFile, ring); err != nil {
					return err
				}
				a.done("The key file holds %s.", strings.Join(ring.IDs(), ", "))
				return nil
			})
		},
	}
	s.add(c)
	return c
}
