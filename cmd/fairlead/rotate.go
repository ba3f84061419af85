package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/wire"
)

// defaultKeep is how long what is replaced is kept.
const defaultKeep = 24 * time.Hour

func addTrialFlags(c *cobra.Command, t *wire.ConnectorTrial) {
	c.Flags().BoolVar(&t.NoVerify, "no-verify", false, "save it without trying it first")
	c.Flags().StringVar(&t.Image, "image", "", "an image to try it with (default: what its registry entries name)")
}

func (a *app) connectorRotate() *cobra.Command {
	var fields *fieldFlags
	var trial wire.ConnectorTrial
	var keep time.Duration
	c := &cobra.Command{
		Use: "rotate NAME", Short: "Replace a connector's secret, proved first; the old one is kept for a while", Args: cobra.ExactArgs(1),
		Long: `Replace a connector's secret. The new one is proved first: if a step fails, nothing is
changed (--no-verify switches untried). From then on every pull uses the new one. The old
one is kept sealed for a while (--keep-old), so that "fairlead connector rollback" can put it back:
revoke it at the provider when you are sure. All secret fields are given anew; those that
are required are asked for.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			seconds, err := keepSeconds(keep)
			if err != nil {
				return err
			}
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			path := wire.ConnectorPath{OrganizationPath: at, Connector: fairlead.Name(args[0])}
			now, err := client.Do(cmd.Context(), c, wire.DescribeConnector, path)
			if err != nil {
				return err
			}
			req := wire.RotateRequest{ConnectorPath: path, ConnectorTrial: trial, Method: fields.method, Keep: seconds, Version: now.Version}
			if req.Public, req.Secrets, err = fields.rotation(now.Connector); err != nil {
				return err
			}
			if req.Expires, err = fields.expiry(); err != nil {
				return err
			}
			done, err := client.Do(cmd.Context(), c, wire.RotateConnector, req)
			if err != nil {
				return a.unproved(err)
			}
			return a.show(done, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Rotated connector %s. The next pull uses the new secret.\n", done.Name)
				tell(w, done.Facts)
				tellProof(w, done.Proof, trial)
				if keep > 0 {
					_, _ = fmt.Fprintf(w, "The old one is kept for %s: fairlead connector rollback %s\n", span(keep), done.Name)
				}
			})
		},
	}
	fields = a.addFieldFlags(c)
	addTrialFlags(c, &trial)
	c.Flags().DurationVar(&keep, "keep-old", defaultKeep, "how long the old secret is kept for a rollback; 0 is not at all")
	return c
}

func (a *app) connectorRollback() *cobra.Command {
	var keep time.Duration
	c := &cobra.Command{
		Use: "rollback NAME", Short: "Put back the secret from before the last rotation", Args: cobra.ExactArgs(1),
		Long: `Put back what the connector was before its last rotation. The two change places: what it
is now is kept for a while. It isn't tried before.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			seconds, err := keepSeconds(keep)
			if err != nil {
				return err
			}
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			done, err := client.Do(cmd.Context(), c, wire.RollbackConnector, wire.RollbackRequest{
				ConnectorPath: wire.ConnectorPath{OrganizationPath: at, Connector: fairlead.Name(args[0])}, Keep: seconds,
			})
			if err != nil {
				return err
			}
			return a.show(done, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Connector %s is as it was before its last rotation. The next pull uses it so.\nProve it: fairlead connector verify %s\n", done.Name, done.Name)
			})
		},
	}
	c.Flags().DurationVar(&keep, "keep-old", defaultKeep, "how long what it is now is kept for another rollback; 0 is not at all")
	return c
}

func (a *app) connectorDelete() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "delete NAME", Short: "Delete a connector that nothing uses", Args: cobra.ExactArgs(1),
		Long: `Delete a connector that no registry entry uses. If something pulled with it in the last
30 days, that is said first, and asked about (--yes doesn't ask).`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			req := wire.ConnectorRemoval{ConnectorPath: wire.ConnectorPath{OrganizationPath: at, Connector: fairlead.Name(args[0])}, Force: yes}
			_, err = client.Do(cmd.Context(), c, wire.DeleteConnector, req)
			if fairlead.CodeOf(err) == fairlead.CodeRecentlyUsed && a.inTerminal {
				a.hint("%s", printable(fairlead.AsError("", err).Why))
				if err := a.confirm("Delete connector "+args[0]+" all the same", false); err != nil {
					return err
				}
				req.Force = true
				_, err = client.Do(cmd.Context(), c, wire.DeleteConnector, req)
			}
			if err != nil {
				return err
			}
			a.done("Deleted connector %s.", args[0])
			return nil
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return c
}

// keepSeconds checks how long something is to be kept.
func keepSeconds(keep time.Duration) (*int64, error) {
	const most = 30 * 24 * time.Hour
	if keep < 0 || keep > most {
		return nil, usage("--keep-old %s is out of range: give 0 to %s", keep, most)
	}
	seconds := int64(keep / time.Second)
	return &seconds, nil
}

// rotation reads the fields of a connector's new secrets: from the flags, and what is
// required beside them from the terminal.
func (f *fieldFlags) rotation(c fairlead.Connector) (public map[string]string, secrets map[string]wire.Clear, err error) {
	p, err := f.providers.Family(c.Family)
	if err != nil {
		return nil, nil, err
	}
	method := c.Method
	if f.method != "" {
		method = f.method
	}
	m, err := provider.MethodOf(p.Info(), method)
	if err != nil {
		return nil, nil, err
	}
	public, secrets = map[string]string{}, map[string]wire.Clear{}
	if method == c.Method {
		maps.Copy(public, c.Public) // isn't asked for
	}
	if err := f.read(m, public, secrets, true); err != nil {
		return nil, nil, err
	}
	return public, secrets, f.leftOver(m)
}

// unproved shows the steps of a proof that failed, before the error.
func (a *app) unproved(err error) error {
	r, ok := errors.AsType[*client.Refusal](err)
	if !ok || r.Reply.Proof == nil {
		return err
	}
	if a.format != "table" {
		return errors.Join(a.show(r.Reply.Proof, nil), err)
	}
	printProof(a.err, *r.Reply.Proof)
	return err
}

// tellProof says of a connector that was saved what wasn't proved.
func tellProof(w io.Writer, p *fairlead.Proof, t wire.ConnectorTrial) {
	switch {
	case p == nil && !t.NoVerify:
		return // nothing was changed that could be tried
	case p == nil:
		_, _ = fmt.Fprintln(w, "It wasn't tried: `fairlead connector verify` proves it.")
		return
	}
	for _, s := range p.Steps {
		if s.Outcome == fairlead.StepNotProved {
			_, _ = fmt.Fprintf(w, "  not proved: %s: %s\n", s.Name, printable(s.Detail))
		}
	}
}

// printConnector is `connector describe` for people.
func (a *app) printConnector(w io.Writer, d wire.ConnectorDetail) {
	users := make([]string, 0, len(d.UsedBy))
	for _, n := range d.UsedBy {
		users = append(users, string(n))
	}
	previous := ""
	if p := d.Previous; p != nil {
		previous = fmt.Sprintf("kept until %s (fairlead connector rollback %s)", p.Until.UTC().Format(time.RFC3339), d.Name)
	}
	facts(w, "Name", string(d.Name), "Family", string(d.Family), "Method", d.Method, "Fields", describeFields(d.Connector), "A lease", d.Power,
		"State", string(d.Health.State), "Why", d.Health.Why, "Checked", a.ago(d.Health.Checked), "Used", a.ago(d.Health.Used),
		"Expires", a.expires(d.Connector), "Previous secret", previous,
		"Used by", strings.Join(users, ", "), "Version", fmt.Sprint(d.Version), "Changed", a.ago(d.Updated), "ID", string(d.ID))
	if len(d.Uses) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w, "\nPulls of the last 30 days:")
	lines := make([][]string, 0, len(d.Uses))
	for _, u := range d.Uses {
		run := ""
		if u.Number > 0 {
			run = fmt.Sprint(u.Number)
		}
		lines = append(lines, []string{u.ProjectName, run, a.ago(u.At)})
	}
	rows(w, "", []string{"PROJECT", "RUN", "LAST"}, lines)
}
