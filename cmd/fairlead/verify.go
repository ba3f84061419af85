package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

func (a *app) connectorVerify() *cobra.Command {
	var image string
	c := &cobra.Command{
		Use: "verify NAME", Short: "Prove step by step what a connector can do", Args: cobra.ExactArgs(1),
		Long: `Prove step by step what a connector can do: its fields are whole, its provider gives a
login, the registry takes it, an image can be read with it and not without. What was not
proved is said too, with what would prove it. The exit code is 1 if a step failed.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			p, err := client.Do(cmd.Context(), c, wire.VerifyConnector, wire.VerifyRequest{
				ConnectorPath: wire.ConnectorPath{OrganizationPath: at, Connector: fairlead.Name(args[0])}, Image: image,
			})
			if err != nil {
				return err
			}
			if err := a.show(p, func(w io.Writer) { printProof(w, p) }); err != nil {
				return err
			}
			if p.Failed() {
				return exitCode(exitFailed)
			}
			return nil
		},
	}
	c.Flags().StringVar(&image, "image", "", "an image that it should open (default: what its registry entries name)")
	return c
}

func printProof(w io.Writer, p fairlead.Proof) {
	facts(w, "Connector", string(p.Connector), "Tried with", p.Image)
	var proved, open []string
	for _, s := range p.Steps {
		detail, remedy := s.Detail, s.Remedy
		if s.Error != nil {
			detail, remedy = s.Error.Error(), s.Error.Remedy
		}
		_, _ = fmt.Fprintf(w, "%-10s  %s: %s\n", s.Outcome, s.Name, printable(detail))
		if remedy != "" {
			_, _ = fmt.Fprintf(w, "%-10s  What to do: %s\n", "", printable(remedy))
		}
		if s.Outcome == fairlead.StepProved {
			proved = append(proved, s.Name)
		} else {
			open = append(open, s.Name)
		}
	}
	switch {
	case len(open) == 0:
		_, _ = fmt.Fprintf(w, "Proved: %s.\n", strings.Join(proved, ", "))
	case len(proved) == 0:
		_, _ = fmt.Fprintf(w, "Nothing was proved: %s.\n", strings.Join(open, ", "))
	default:
		_, _ = fmt.Fprintf(w, "Proved: %s. Not proved: %s.\n", strings.Join(proved, ", "), strings.Join(open, ", "))
	}
}

func (a *app) connectorResources() *cobra.Command {
	var limit time.Duration
	var of string
	var images int
	c := &cobra.Command{
		Use: "resources [NAME]", Short: "List what connectors reach at their providers", Args: cobra.MaximumNArgs(1),
		Long: `List the registries and repositories that connectors reach at their providers. All are
asked at once, each within the time limit; what goes wrong with one stands in its row, and
the exit code is 1 then. With --of, the images of one repository are listed: opened with
the connector that is named, or as a pull would be.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if of != "" {
				req := wire.ImagesRequest{Repository: of, Limit: images}
				if len(args) == 1 {
					req.Connector = fairlead.Name(args[0])
				}
				return a.listImages(cmd.Context(), req, limit)
			}
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			if limit < time.Second || limit > 5*time.Minute {
				return usage("--timeout %s is out of range: give 1s to 5m", limit)
			}
			req := wire.ResourcesRequest{OrganizationPath: at, Timeout: int((limit + time.Second - 1) / time.Second)}
			if len(args) == 1 {
				req.Connector = fairlead.Name(args[0])
			}
			found, err := client.Do(cmd.Context(), c, wire.ListResources, req)
			if err != nil {
				return err
			}
			if err := a.show(found, func(w io.Writer) { a.printResources(w, found) }); err != nil {
				return err
			}
			for _, r := range found.Connectors {
				if r.Error != nil {
					return exitCode(exitFailed)
				}
			}
			return nil
		},
	}
	c.Flags().DurationVar(&limit, "timeout", 20*time.Second, "how long each connector's provider may take")
	c.Flags().StringVar(&of, "of", "", "list the images of this repository, HOST/PATH")
	imageFlags(c, &images, nil)
	return c
}

func (a *app) printResources(w io.Writer, found wire.Resources) {
	var table [][]string
	for _, c := range found.Connectors {
		for _, r := range c.Resources {
			table = append(table, []string{string(c.Connector), r.Address, string(r.Kind), r.Location, r.Detail})
		}
		switch {
		case c.Error != nil:
			table = append(table, []string{string(c.Connector), "", "FAULT", "", c.Error.Error()})
		case len(c.Resources) == 0:
			table = append(table, []string{string(c.Connector), "", "", "", "it reaches nothing"})
		}
	}
	rows(w, "There are no connectors. A registry entry makes one: fairlead registry add --help", []string{"CONNECTOR", "ADDRESS", "KIND", "LOCATION", "DETAIL"}, table)
	for _, c := range found.Connectors {
		if c.Error != nil && c.Error.Remedy != "" {
			a.hint("What to do about %s: %s", c.Connector, printable(c.Error.Remedy))
		}
	}
}
