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

func (a *app) connectorGuide() *cobra.Command {
	var fields *fieldFlags
	var name string
	c := &cobra.Command{
		Use: "guide [NAME]", Short: "Print how a connector is set up at its provider", Args: cobra.MaximumNArgs(1),
		Long: `Print how a connector is set up at its provider: the commands of the vendor's client and a
Terraform snippet, with the least rights that are enough, filled in with this server's
issuer and the connector's subject. Before there is a connector, say which with --family
and --method, how it is to be called with --name, and its fields as far as they are known.`,
		Example: `  fairlead connector guide main
  fairlead connector guide --family aws-ecr --method federation --name ecr`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			var g wire.ConnectorGuide
			switch about := fields.family != "" || fields.method != "" || name != "" || fields.any(); {
			case len(args) == 1 && about:
				return usage("give the NAME of a connector, or --family and --method of one that isn't there yet")
			case len(args) == 1:
				g, err = client.Do(cmd.Context(), c, wire.GuideConnector, wire.ConnectorPath{OrganizationPath: at, Connector: fairlead.Name(args[0])})
			case fields.family == "":
				return usage("give the NAME of a connector, or --family and --method: `fairlead connector types` lists them")
			default:
				g, err = client.Do(cmd.Context(), c, wire.GuideNewConnector, wire.GuideRequest{
					OrganizationPath: at, Name: name, Family: fairlead.Family(fields.family), Method: fields.method, Public: fields.public(),
				})
			}
			if err != nil {
				return err
			}
			return a.show(g, func(w io.Writer) { printGuide(w, g) })
		},
	}
	fields = a.addPublicFlags(c)
	fields.addFamilyFlag(c)
	c.Flags().StringVar(&name, "name", "", "what the connector is to be called, for one that isn't there yet")
	return c
}

func printGuide(w io.Writer, g wire.ConnectorGuide) {
	_, _ = fmt.Fprintln(w, lines(g.Intro))
	if g.Keyless {
		_, _ = fmt.Fprintln(w)
		issuer := g.Issuer
		if issuer == "" {
			issuer = "none: the server needs a public https address (fairlead serve --public-url https://...)"
		}
		facts(w, "Issuer", issuer, "Subject", g.Subject)
	}
	for i, s := range g.Steps {
		_, _ = fmt.Fprintf(w, "\n%d. %s\n\n%s\n", i+1, printable(s.Title), lines(s.Text))
	}
}

// lines is text of several lines, each made printable.
func lines(s string) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range all {
		all[i] = printable(strings.ReplaceAll(l, "\t", "    "))
	}
	return strings.Join(all, "\n")
}
