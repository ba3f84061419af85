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

// deployed is what `registry deploy` shows.
type deployed struct {
	wire.RepositoryDeployed
	Registry *wire.RegistrySaved `json:"registry,omitempty"`
}

func (a *app) registryDeploy() *cobra.Command {
	var connector, add string
	var yes bool
	c := &cobra.Command{
		Use: "deploy ADDRESS --connector CONNECTOR", Short: "Make a repository at the provider", Args: cobra.ExactArgs(1),
		Long: `Make a repository at the provider, with a connector whose account may: a repository of
AWS ECR, of Google Artifact Registry or of Artifactory, a registry of Azure. What will be
done is shown first and has to be confirmed. What is there already is left as it is.`,
		Example: `  fairlead registry deploy 123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/train --connector cloud
  fairlead registry deploy europe-docker.pkg.dev/acme/train --connector cloud --yes --add train`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, req, err := a.repositoryRequest(cmd.Context(), connector, args[0])
			if err != nil {
				return err
			}
			plan, err := client.Do(cmd.Context(), c, wire.PlanRepository, req)
			if err != nil {
				return err
			}
			if a.format == "table" {
				printPlan(a.out, plan)
			}
			if err := a.confirm("Make "+plan.Address, yes); err != nil {
				return err
			}
			var d deployed
			if d.RepositoryDeployed, err = client.Do(cmd.Context(), c, wire.DeployRepository, req); err != nil {
				return err
			}
			a.done("%s", madeRepository(d.RepositoryDeployed))
			if add == "" && a.format == "table" && a.inTerminal {
				if add, err = a.ask("Name of a registry entry for it (empty for none)", ""); err != nil {
					return err
				}
			}
			if add != "" {
				r, err := client.Do(cmd.Context(), c, wire.AddRegistry, wire.RegistryRequest{
					OrganizationPath: req.OrganizationPath, Name: add, Pattern: d.Pattern, Connector: connector,
				})
				if err != nil {
					return err
				}
				d.Registry = &r
			}
			return a.show(d, func(w io.Writer) {
				if d.Registry == nil {
					_, _ = fmt.Fprintf(w, "Use it: fairlead registry add NAME --pattern '%s' --connector %s\n", d.Pattern, connector)
					return
				}
				_, _ = fmt.Fprintf(w, "Added registry %s: images of %s are opened %s.\n", d.Registry.Name, d.Registry.Pattern, openedWith(d.Registry.Registry))
			})
		},
	}
	c.Flags().StringVar(&connector, "connector", "", "the connector with whose account it is made")
	c.Flags().StringVar(&add, "add", "", "add a registry entry of this name for it")
	c.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return c
}

// repositoryRequest is about a repository at the provider of a connector.
func (a *app) repositoryRequest(ctx context.Context, connector, address string) (*client.Client, wire.RepositoryRequest, error) {
	if connector == "" {
		return nil, wire.RepositoryRequest{}, usage("name the connector whose account does it with --connector; `fairlead connector list` shows them")
	}
	c, at, err := a.inOrg(ctx)
	return c, wire.RepositoryRequest{ConnectorPath: wire.ConnectorPath{OrganizationPath: at, Connector: fairlead.Name(connector)}, Address: address}, err
}

func printPlan(w io.Writer, plan wire.RepositoryPlan) {
	noted(w, plan.Notes)
	_, _ = fmt.Fprintf(w, "To make %s, this will be done:\n", plan.Address)
	for _, step := range plan.Steps {
		_, _ = fmt.Fprintf(w, "- %s\n", printable(step))
	}
}

func madeRepository(d wire.RepositoryDeployed) string {
	if d.Existed {
		return d.Address + " was there already, and was left as it is."
	}
	return "Made " + d.Address + "."
}

func (a *app) registryDestroy() *cobra.Command {
	var connector string
	var yes, force bool
	c := &cobra.Command{
		Use: "destroy ADDRESS --connector CONNECTOR", Short: "Remove a repository at the provider, with its images", Args: cobra.ExactArgs(1),
		Long: `Remove a repository at the provider, with all that is in it. It has to be confirmed by
typing the address. While registry entries are for it, it isn't removed without --force.
AWS removes only repositories without images.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, req, err := a.repositoryRequest(cmd.Context(), connector, args[0])
			if err != nil {
				return err
			}
			if err := a.confirmTyped("Remove "+args[0]+" at its provider, with all of its images", args[0], yes); err != nil {
				return err
			}
			removal := wire.RepositoryRemoval{ConnectorPath: req.ConnectorPath, Address: args[0], Force: force}
			if _, err := client.Do(cmd.Context(), c, wire.DestroyRepository, removal); err != nil {
				return err
			}
			a.done("Removed %s.", args[0])
			return nil
		},
	}
	c.Flags().StringVar(&connector, "connector", "", "the connector with whose account it is removed")
	c.Flags().BoolVar(&yes, "yes", false, "don't ask")
	c.Flags().BoolVar(&force, "force", false, "remove it although registry entries are for it")
	return c
}
