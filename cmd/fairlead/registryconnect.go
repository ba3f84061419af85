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

func (a *app) registryConnect() *cobra.Command {
	var connector string
	c := &cobra.Command{
		Use: "connect NAME --connector CONNECTOR", Short: "Open a registry with another connector", Args: cobra.ExactArgs(1),
		Long: `Open a registry with another connector from now on. Whether the connector may be used for
the registry's host is checked; fairlead connector verify proves that it opens an image.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if connector == "" {
				return usage("name the connector with --connector; `fairlead connector list` shows them")
			}
			_, r, err := a.reconnect(cmd.Context(), args[0], connector)
			if err != nil {
				return err
			}
			return a.show(r, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Connected registry %s: images of %s are opened %s. The next pull uses it.\n", r.Name, r.Pattern, openedWith(r.Registry))
				_, _ = fmt.Fprintf(w, "Prove that it opens them: fairlead connector verify %s\n", r.ConnectorName)
			})
		},
	}
	c.Flags().StringVar(&connector, "connector", "", "the connector")
	return c
}

func (a *app) registryDisconnect() *cobra.Command {
	return &cobra.Command{
		Use: "disconnect NAME", Short: "Open a registry without a login", Args: cobra.ExactArgs(1),
		Long: `Open a registry without a login from now on. The entry stays, and so does its connector:
fairlead registry connect undoes it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			before, r, err := a.reconnect(cmd.Context(), args[0], "")
			if err != nil {
				return err
			}
			return a.show(r, func(w io.Writer) {
				if before.Connector == "" {
					_, _ = fmt.Fprintf(w, "Registry %s had no connector: images of %s are opened without a login.\n", r.Name, r.Pattern)
					return
				}
				_, _ = fmt.Fprintf(w, "Disconnected registry %s: images of %s are opened without a login from now on, and private ones aren't.\n", r.Name, r.Pattern)
				_, _ = fmt.Fprintf(w, "Connector %s stays; undo it with: fairlead registry connect %s --connector %s\n", before.ConnectorName, r.Name, before.ConnectorName)
			})
		},
	}
}

// reconnect gives an entry another connector, "" for none, unless somebody changes it
// meanwhile. It gives the entry as it was and as it is.
func (a *app) reconnect(ctx context.Context, name, connector string) (before fairlead.Registry, now wire.RegistrySaved, err error) {
	c, at, err := a.inOrg(ctx)
	if err != nil {
		return before, now, err
	}
	path := wire.RegistryPath{OrganizationPath: at, Registry: fairlead.Name(name)}
	if before, err = client.Do(ctx, c, wire.ShowRegistry, path); err != nil {
		return before, now, err
	}
	now, err = client.Do(ctx, c, wire.UpdateRegistry, wire.RegistryUpdate{RegistryPath: path, Connector: &connector, Version: before.Version})
	return before, now, err
}
