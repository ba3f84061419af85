package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/wire"
)

func (a *app) registryCommand() *cobra.Command {
	return parent("registry", "Registries: which images are opened with which connector", nil,
		a.registryAdd(), a.registryList(), a.registryShow(), a.registryUpdate(), a.registryTest(), a.registryRemove(),
		a.registryConnect(), a.registryDisconnect(), a.registryDeploy(), a.registryDestroy(), a.registryImages())
}

func (a *app) registryAdd() *cobra.Command {
	var req wire.RegistryRequest
	var disclosure, caFile string
	var anonymous bool
	var fields *fieldFlags
	c := &cobra.Command{
		Use: "add [NAME]", Short: "Connect a registry", Args: cobra.MaximumNArgs(1),
		Long: `Connect a registry: which images it covers, and the login that opens them. The login
becomes a connector of the same name; --connector uses one that is there, and
--anonymous none. Secrets are read from a file, from standard input, or asked for.

The pattern may also be an address as it is copied from the provider's console or from
a command line; how it was read is said. With --connector and --resource it is that of
something which the connector reaches, and the NAME may be left out.`,
		Example: `  fairlead registry add acme --pattern 'registry.acme.example/*' --username robot --password-file robot.txt
  fairlead registry add hub --pattern 'docker.io/acme/*' --username acme --token-file token.txt
  fairlead registry add --connector cloud --resource europe-docker.pkg.dev/acme/train`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			req.OrganizationPath, req.Disclosure = at, fairlead.Disclosure(disclosure)
			if len(args) == 1 {
				req.Name = args[0]
			}
			if err := a.completeRegistry(&req, fields, anonymous); err != nil {
				return err
			}
			if req.CABundle, err = readCA(caFile); err != nil {
				return err
			}
			r, err := client.Do(cmd.Context(), c, wire.AddRegistry, req)
			if err != nil {
				return a.unproved(err)
			}
			return a.show(r, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Added registry %s: images of %s are opened %s.\n", r.Name, r.Pattern, openedWith(r.Registry))
				noted(w, r.Notes)
				if req.NewConnector != nil {
					tellTried(w, r)
				}
			})
		},
	}
	f := c.Flags()
	f.StringVar(&req.Pattern, "pattern", "", "which images it covers: host[:port]/path[:tag], with *")
	f.StringVar(&req.Connector, "connector", "", "a connector that is there")
	f.StringVar(&req.Resource, "resource", "", "in place of --pattern: the address of something that the connector reaches, or the beginning of one")
	f.BoolVar(&req.Unverified, "unverified", false, "take the resource as it is written, without asking the provider")
	f.BoolVar(&anonymous, "anonymous", false, "pull without a login")
	a.registryFlags(c, &disclosure, &caFile, &req.PlainHTTP, &req.Push)
	addTrialFlags(c, &req.ConnectorTrial)
	fields = a.addFieldFlags(c)
	fields.addFamilyFlag(c)
	return c
}

// completeRegistry asks for what is missing, and refuses what doesn't go together.
func (a *app) completeRegistry(req *wire.RegistryRequest, fields *fieldFlags, anonymous bool) (err error) {
	switch {
	case req.Resource != "" && (req.Pattern != "" || anonymous || fields.any()):
		return usage("--resource goes with --connector, and not with --pattern, --anonymous or the fields of a login")
	case req.Resource != "" && req.Connector == "":
		return usage("--resource is what a connector reaches: name it with --connector")
	case req.Unverified && req.Resource == "":
		return usage("--unverified is about --resource")
	case req.Resource != "":
		return nil
	case req.Name == "":
		return usage("it is used as `fairlead registry add NAME --pattern PATTERN`, or with --connector and --resource")
	case anonymous && (req.Connector != "" || fields.any()), req.Connector != "" && fields.any():
		return usage("--anonymous, --connector and the fields of a login exclude each other")
	}
	if req.Pattern == "" {
		if req.Pattern, err = a.ask("Pattern (such as registry.example.com/team/*)", ""); err != nil {
			return err
		}
	}
	if anonymous || req.Connector != "" {
		return nil
	}
	read, _, err := fields.providers.Read(req.Pattern)
	if err != nil {
		return err
	}
	p, err := pattern.Parse(read)
	if err != nil {
		return err
	}
	req.NewConnector, err = fields.connector(p.Host(), true)
	return err
}

// tellTried says what became of the login that was saved with an entry.
func tellTried(w io.Writer, r wire.RegistrySaved) {
	switch {
	case r.Proof == nil:
		_, _ = fmt.Fprintf(w, "Its login wasn't tried: `fairlead registry test %s` does.\n", r.Name)
	case slices.ContainsFunc(r.Proof.Steps, func(s fairlead.ProofStep) bool {
		return s.Name == "registry" && s.Outcome == fairlead.StepProved
	}):
		_, _ = fmt.Fprintln(w, "The registry takes its login.")
	default:
		tellProof(w, r.Proof, wire.ConnectorTrial{})
	}
}

// noted prints what the server has to say of what was given.
func noted(w io.Writer, notes []string) {
	for _, n := range notes {
		_, _ = fmt.Fprintf(w, "Note: %s\n", printable(n))
	}
}

func (a *app) registryFlags(c *cobra.Command, disclosure, caFile *string, plain, push *bool) {
	f := c.Flags()
	f.StringVar(disclosure, "disclosure", "", "scoped: only logins that the registry limits; secret: the stored secret too, where there is no other (default scoped)")
	f.StringVar(caFile, "ca-file", "", "file with PEM certificates that are trusted for this registry")
	f.BoolVar(push, "push", false, "let projects push images to what it covers, as far as the login may")
	f.BoolVar(plain, "plain-http", false, "speak to this one host without TLS")
}

func openedWith(r fairlead.Registry) string {
	if r.Connector == "" {
		return "without a login"
	}
	return "with connector " + string(r.ConnectorName)
}

func readCA(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file) //nolint:gosec // The user names the file.
	if err != nil {
		return "", readError("CA certificates", file, err)
	}
	return string(b), nil
}

func (a *app) registryList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List registries", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			list, err := client.Do(cmd.Context(), c, wire.ListRegistries, at)
			if err != nil {
				return err
			}
			return a.show(list, func(w io.Writer) {
				var lines [][]string
				for _, r := range list.Registries {
					lines = append(lines, []string{string(r.Name), r.Pattern.String(), string(r.ConnectorName), string(r.Disclosure), a.ago(r.Updated)})
				}
				rows(w, "No registry is connected. Connect one: fairlead registry add --help", []string{"NAME", "PATTERN", "CONNECTOR", "DISCLOSURE", "CHANGED"}, lines)
			})
		},
	}
}

func (a *app) registryShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a registry", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			r, err := client.Do(cmd.Context(), c, wire.ShowRegistry, wire.RegistryPath{OrganizationPath: at, Registry: fairlead.Name(args[0])})
			if err != nil {
				return err
			}
			return a.show(r, func(w io.Writer) {
				http, ca, push := "", "", ""
				if r.Push {
					push = "allowed"
				}
				if r.PlainHTTP {
					http = "yes"
				}
				if r.CABundle != "" {
					ca = "own"
				}
				facts(w, "Name", string(r.Name), "Pattern", r.Pattern.String(), "Opened", openedWith(r), "Disclosure", string(r.Disclosure), "Pushing", push,
					"Plain HTTP", http, "CA certificates", ca, "Version", fmt.Sprint(r.Version), "Changed", a.ago(r.Updated), "ID", string(r.ID))
			})
		},
	}
}

func (a *app) registryUpdate() *cobra.Command {
	var up wire.RegistryUpdate
	var disclosure, caFile, connector string
	var plain, push, anonymous bool
	var fields *fieldFlags
	c := &cobra.Command{
		Use: "update NAME", Short: "Change a registry; secrets that aren't given are kept", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !changes(cmd) {
				return usage("nothing to change was given: see `fairlead registry update --help`")
			}
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			up.RegistryPath = wire.RegistryPath{OrganizationPath: at, Registry: fairlead.Name(args[0])}
			now, err := client.Do(cmd.Context(), c, wire.ShowRegistry, up.RegistryPath)
			if err != nil {
				return err
			}
			up.Version, up.Disclosure = now.Version, fairlead.Disclosure(disclosure)
			set := cmd.Flags().Changed
			switch {
			case set("connector") && anonymous:
				return usage("--connector and --anonymous exclude each other")
			case set("connector"), anonymous:
				up.Connector = &connector
			}
			if set("plain-http") {
				up.PlainHTTP = &plain
			}
			if set("push") {
				up.Push = &push
			}
			if set("ca-file") {
				ca, err := readCA(caFile)
				if err != nil {
					return err
				}
				up.CABundle = &ca
			}
			if fields.any() {
				if err := a.changeLogin(cmd, c, at, now, fields, &up); err != nil {
					return err
				}
			}
			r, err := client.Do(cmd.Context(), c, wire.UpdateRegistry, up)
			if err != nil {
				return a.unproved(err)
			}
			return a.show(r, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Changed registry %s: images of %s are opened %s. The next pull uses it as it is now.\n", r.Name, r.Pattern, openedWith(r.Registry))
				noted(w, r.Notes)
				if fields.any() {
					tellTried(w, r)
				}
			})
		},
	}
	f := c.Flags()
	f.StringVar(&up.Name, "name", "", "a new name")
	f.StringVar(&up.Pattern, "pattern", "", "which images it covers: host[:port]/path[:tag], with *")
	f.StringVar(&connector, "connector", "", "another connector")
	f.BoolVar(&anonymous, "anonymous", false, "pull without a login")
	a.registryFlags(c, &disclosure, &caFile, &plain, &push)
	addTrialFlags(c, &up.ConnectorTrial)
	fields = a.addFieldFlags(c)
	return c
}

// changes reports whether a flag of the command itself was given.
func changes(cmd *cobra.Command) bool {
	given := false
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { given = given || f.Changed })
	return given
}

// changeLogin reads the fields that were given, for the entry's own connector.
func (a *app) changeLogin(cmd *cobra.Command, c *client.Client, at wire.OrganizationPath, now fairlead.Registry, fields *fieldFlags, up *wire.RegistryUpdate) error {
	if now.Connector == "" {
		return usage("registry %s has no connector whose login could be changed: give --connector NAME", now.Name)
	}
	d, err := client.Do(cmd.Context(), c, wire.DescribeConnector, wire.ConnectorPath{OrganizationPath: at, Connector: now.ConnectorName})
	if err != nil {
		return err
	}
	up.Public, up.Secrets, err = fields.changes(d.Connector)
	return err
}

func (a *app) registryRemove() *cobra.Command {
	var with bool
	c := &cobra.Command{
		Use: "remove NAME", Short: "Remove a registry", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			path := wire.RegistryPath{OrganizationPath: at, Registry: fairlead.Name(args[0])}
			if _, err := client.Do(cmd.Context(), c, wire.RemoveRegistry, wire.RegistryRemoval{RegistryPath: path, WithConnector: with}); err != nil {
				return err
			}
			a.done("Removed registry %s. Its images are pulled without a login from now on.", args[0])
			return nil
		},
	}
	c.Flags().BoolVar(&with, "with-connector", false, "remove its connector too, if no other registry uses it")
	return c
}
