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

func (a *app) connectorCommand() *cobra.Command {
	return parent("connector", "Accounts with which registries are opened", nil,
		a.connectorTypes(), a.connectorRegister(), a.connectorList(), a.connectorDescribe(), a.connectorUpdate(),
		a.connectorRotate(), a.connectorRollback(), a.connectorDelete(),
		a.connectorGuide(), a.connectorVerify(), a.connectorResources(), a.connectorLogin(), a.connectorLogout())
}

func (a *app) connectorTypes() *cobra.Command {
	return &cobra.Command{
		Use: "types [FAMILY]", Short: "List the families of registries and how to log in to each", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			list, err := client.Do(cmd.Context(), c, wire.ListProviders, wire.None{})
			if err != nil {
				return err
			}
			if len(args) > 0 {
				return a.connectorType(list, fairlead.Family(args[0]))
			}
			return a.show(list, func(w io.Writer) {
				var lines [][]string
				for _, p := range list.Providers {
					var methods []string
					for _, m := range p.Methods {
						methods = append(methods, m.Name)
					}
					lines = append(lines, []string{string(p.Family), p.Title, strings.Join(methods, ", "), strings.Join(p.Hosts, ", ")})
				}
				rows(w, "", []string{"FAMILY", "TITLE", "METHODS", "HOSTS"}, lines)
			})
		},
	}
}

func (a *app) connectorType(list wire.Providers, family fairlead.Family) error {
	for _, p := range list.Providers {
		if p.Family == family {
			return a.show(p, func(w io.Writer) { describeFamily(w, p) })
		}
	}
	return &fairlead.Error{
		Kind: fairlead.NotFound, What: "finding family", Why: "there is no family " + fairlead.Clip(string(family)), Remedy: "`fairlead connector types` lists them",
	}
}

func describeFamily(w io.Writer, p fairlead.ProviderInfo) {
	_, _ = fmt.Fprintf(w, "%s: %s\n%s\n", p.Family, p.Title, p.Help)
	for _, m := range p.Methods {
		_, _ = fmt.Fprintf(w, "\nMethod %s: %s\n%s\n", m.Name, m.Title, m.Help)
		var lines [][]string
		for _, f := range m.Fields {
			required := yesNo(f.Required)
			if f.Generated {
				required = "generated"
			}
			lines = append(lines, []string{"--" + flagName(f), f.Title, required, yesNo(f.Secret), f.Help})
		}
		rows(w, "", []string{"FLAG", "TITLE", "REQUIRED", "SECRET", "HELP"}, lines)
	}
}

func (a *app) connectorRegister() *cobra.Command {
	var fields *fieldFlags
	var trial wire.ConnectorTrial
	var found foundFlags
	c := &cobra.Command{
		Use: "register [NAME]", Short: "Register an account", Args: cobra.MaximumNArgs(1),
		Long: `Register an account with which registries are opened. Secrets are read from a file, from
standard input, or asked for; they are kept sealed and never shown again. It is proved
first, as far as that can be done: if a step fails, nothing is saved (--no-verify saves it
untried).

With --auto-configure, the account is one that a vendor's client is logged in with on this
machine: what is found is shown, without secrets, and the one that is chosen is sent. With
--from-file, it is described in a file, or the file is a key as the vendor gives it out:
of a Google service account, an access key of AWS (CSV), the output of az ad sp
create-for-rbac or az acr token create, a token of JFrog, a Docker config.json.`,
		Example: `  fairlead connector register main --family docker --hosts registry.example.com --username robot --password-file password
  fairlead connector register --auto-configure
  fairlead connector register ecr --auto-configure --family aws-ecr --profile ml
  fairlead connector register gar --from-file key.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			name, f, err := found.connector(cmd.Context(), args)
			if err != nil {
				return err
			}
			made, err := client.Do(cmd.Context(), c, wire.RegisterConnector, wire.ConnectorRequest{
				OrganizationPath: at, Name: name, ConnectorFields: *f, ConnectorTrial: trial,
			})
			if err != nil {
				return a.unproved(err)
			}
			return a.show(made, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Registered connector %s (%s, %s).\n", made.Name, made.Family, made.Method)
				tell(w, made.Facts)
				tellProof(w, made.Proof, trial)
				_, _ = fmt.Fprintf(w, "Use it: fairlead registry add NAME --pattern ... --connector %s\n", made.Name)
			})
		},
	}
	fields = a.addFieldFlags(c)
	fields.addFamilyFlag(c)
	addTrialFlags(c, &trial)
	found.fields = fields
	found.add(c)
	return c
}

func (a *app) connectorList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List connectors", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			list, err := client.Do(cmd.Context(), c, wire.ListConnectors, at)
			if err != nil {
				return err
			}
			return a.show(list, func(w io.Writer) {
				var lines [][]string
				for _, c := range list.Connectors {
					lines = append(lines, []string{
						string(c.Name), string(c.Family), c.Method, string(c.Health.State), a.ago(c.Health.Checked), a.ago(c.Health.Used), a.expires(c.Connector), a.ago(c.Updated),
					})
				}
				rows(w, "There are no connectors. A registry entry makes one: fairlead registry add --help",
					[]string{"NAME", "FAMILY", "METHOD", "STATE", "CHECKED", "USED", "EXPIRES", "CHANGED"}, lines)
			})
		},
	}
}

func (a *app) expires(c fairlead.Connector) string {
	switch {
	case c.Expires.IsZero():
		return "never"
	case c.Expired(a.now()):
		return "EXPIRED"
	default:
		return a.ago(c.Expires)
	}
}

func (a *app) connectorDescribe() *cobra.Command {
	return &cobra.Command{
		Use: "describe NAME", Short: "Describe a connector and what uses it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			d, err := client.Do(cmd.Context(), c, wire.DescribeConnector, wire.ConnectorPath{OrganizationPath: at, Connector: fairlead.Name(args[0])})
			if err != nil {
				return err
			}
			return a.show(d, func(w io.Writer) {
				a.printConnector(w, d)
			})
		},
	}
}

func (a *app) connectorUpdate() *cobra.Command {
	var fields *fieldFlags
	var name string
	var trial wire.ConnectorTrial
	c := &cobra.Command{
		Use: "update NAME", Short: "Change a connector; secrets that aren't given are kept", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			path := wire.ConnectorPath{OrganizationPath: at, Connector: fairlead.Name(args[0])}
			now, err := client.Do(cmd.Context(), c, wire.DescribeConnector, path)
			if err != nil {
				return err
			}
			up := wire.ConnectorUpdate{ConnectorPath: path, Name: name, Method: fields.method, Version: now.Version, ConnectorTrial: trial}
			if up.Public, up.Secrets, err = fields.changes(now.Connector); err != nil {
				return err
			}
			if up.Expires, err = fields.expiry(); err != nil {
				return err
			}
			if !fields.any() && name == "" && fields.method == "" && up.Expires == nil {
				return usage("there is nothing to change: give a field, --name, --method or --expires")
			}
			changed, err := client.Do(cmd.Context(), c, wire.UpdateConnector, up)
			if err != nil {
				return a.unproved(err)
			}
			return a.show(changed, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Changed connector %s. The next pull uses it as it is now.\n", changed.Name)
				tell(w, changed.Facts)
				tellProof(w, changed.Proof, trial)
			})
		},
	}
	fields = a.addFieldFlags(c)
	c.Flags().StringVar(&name, "name", "", "a new name")
	addTrialFlags(c, &trial)
	return c
}

// tell prints what secrets say of themselves.
func tell(w io.Writer, list []fairlead.Fact) {
	for _, f := range list {
		_, _ = fmt.Fprintf(w, "  %s: %s\n", printable(f.Name), printable(f.Value))
	}
}
