package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/clientlogin"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

// keptLogin is what `connector login` shows; the login itself never is.
type keptLogin struct {
	clientlogin.Kept
	Connector  fairlead.Name      `json:"connector"`
	Repository string             `json:"repository"`
	Kind       fairlead.LeaseKind `json:"kind"`
}

func (a *app) connectorLogin() *cobra.Command {
	var tool, repository, project string
	c := &cobra.Command{
		Use: "login NAME", Short: "Log your own docker, podman, skopeo or helm in for a while", Args: cobra.ExactArgs(1),
		Long: `Log your own docker, podman, skopeo or helm in to what a connector opens, for as long as
the registry or its provider lets a login live: minutes to hours. The login is leased for
one repository and for pulling, and kept where the tool looks for it; fairlead connector
logout takes it away and puts back what was there before. A stored secret, which would
stay on your disk, is never handed out like this.

A registry's own token can be given to docker only. Docker and helm know one login for a
whole host, podman and skopeo one for each repository.`,
		Example: `  fairlead connector login acme --repository registry.acme.example/team/app
  docker pull registry.acme.example/team/app:v1
  fairlead connector logout acme`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := knownClient(tool); err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			name := fairlead.Name(args[0])
			if repository == "" {
				if repository, err = a.repositoryOf(cmd.Context(), c, name); err != nil {
					return err
				}
			}
			at, err := a.project(cmd.Context(), c, project)
			if err != nil {
				return err
			}
			lease, err := leaseOf(cmd.Context(), c, at, name, repository)
			if err != nil {
				return err
			}
			places, err := a.places()
			if err != nil {
				return err
			}
			kept, err := places.Put(cmd.Context(), clientlogin.Login{
				Server: c.Server(), Connector: name, Client: clientlogin.Client(tool), Resource: ref.Resource{Host: lease.Host, Repository: lease.Repository},
				Username: lease.Username, Password: lease.Password.Secret, Bearer: lease.Bearer.Secret, Expires: lease.Expires,
			})
			if err != nil {
				return err
			}
			return a.show(keptLogin{kept, name, lease.Host + "/" + lease.Repository, lease.Kind}, func(w io.Writer) {
				_, _ = fmt.Fprintf(w, "Logged %s in to %s, for pulling, until %s (%s).\n", tool, kept.Key, kept.Ends.Local().Format("2006-01-02 15:04:05 MST"), a.ago(kept.Ends))
				_, _ = fmt.Fprintf(w, "It is kept in %s. Take it away with: fairlead connector logout %s\n", kept.Store, name)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&tool, "for", "docker", "the tool: docker, podman, skopeo or helm")
	f.StringVar(&repository, "repository", "", "the repository, HOST/PATH (default: the one that a registry entry of the connector names)")
	f.StringVarP(&project, "project", "p", "", "project on whose behalf, [OWNER/]NAME (default: the only one that you may see; FAIRLEAD_PROJECT)")
	return c
}

func knownClient(tool string) error {
	if slices.Contains(clientlogin.Clients(), clientlogin.Client(tool)) {
		return nil
	}
	return usage("--for %q: use docker, podman, skopeo or helm", tool)
}

// places are where the tools of this user keep their logins.
func (a *app) places() (clientlogin.Places, error) {
	state, err := a.configDir()
	return clientlogin.Places{
		Home: a.env("HOME"), DockerConfig: a.env("DOCKER_CONFIG"), AuthFile: a.env("REGISTRY_AUTH_FILE"), RuntimeDir: a.env("XDG_RUNTIME_DIR"),
		ConfigHome: a.env("XDG_CONFIG_HOME"), HelmConfig: a.env("HELM_REGISTRY_CONFIG"), State: state, UID: os.Getuid(),
	}, err
}

// repositoryOf is the one repository that the connector's registry entries name.
func (a *app) repositoryOf(ctx context.Context, c *client.Client, name fairlead.Name) (string, error) {
	org, err := a.org(ctx, c)
	if err != nil {
		return "", err
	}
	list, err := client.Do(ctx, c, wire.ListRegistries, wire.OrganizationPath{Organization: org})
	if err != nil {
		return "", err
	}
	var named, patterns []string
	for _, r := range list.Registries {
		if r.ConnectorName != name {
			continue
		}
		patterns = append(patterns, r.Pattern.String())
		if i, err := ref.Parse(r.Pattern.String()); err == nil {
			named = append(named, i.Resource.String())
		}
	}
	slices.Sort(named)
	named = slices.Compact(named)
	switch {
	case len(patterns) == 0:
		return "", &fairlead.Error{
			Kind: fairlead.NotFound, Field: "repository", What: "choosing repository", Why: "no registry entry is opened with connector " + string(name),
			Remedy: "`fairlead registry list` shows which connector opens what",
		}
	case len(named) == 1:
		return named[0], nil
	}
	return "", usage("a login is for one repository, and connector %s opens %s: name it with --repository HOST/PATH", name, strings.Join(patterns, ", "))
}

// leaseOf leases a login of the connector for a repository, as one that may be kept.
func leaseOf(ctx context.Context, c *client.Client, at wire.ProjectPath, name fairlead.Name, repository string) (wire.Lease, error) {
	lease, err := client.Do(ctx, c, wire.LeaseLogin, wire.LeaseRequest{ProjectPath: at, Image: repository, Verb: fairlead.Pull})
	if err != nil {
		return lease, err
	}
	fail := func(why, remedy string) (wire.Lease, error) {
		return wire.Lease{}, &fairlead.Error{Kind: fairlead.Invalid, Field: "repository", What: "leasing a login for " + repository, Why: why, Remedy: remedy}
	}
	switch {
	case lease.Kind == fairlead.Anonymous && lease.Note != nil:
		return fail(lease.Note.Why, lease.Note.Remedy)
	case lease.Kind == fairlead.Anonymous:
		return fail("registry "+string(lease.Registry)+" is opened without a login", "pull from it as it is")
	case lease.Connector != name:
		return fail("it is opened with connector "+string(lease.Connector), "name that one: `fairlead connector login "+string(lease.Connector)+"`")
	case lease.Kind == fairlead.SecretItself:
		return fail("the registry knows no narrower login than the stored secret of connector "+string(name)+", and that is never written to a disk, from which it could be read for as long as it is good",
			"pull where the secret stays in memory, as in `fairlead run`, or have the registry given a token endpoint")
	}
	return lease, nil
}

// removedLogins is what `connector logout` shows.
type removedLogins struct {
	Removed []clientlogin.Removed `json:"removed"`
}

func (a *app) connectorLogout() *cobra.Command {
	var tool string
	c := &cobra.Command{
		Use: "logout NAME", Short: "Take away what connector login has kept", Args: cobra.ExactArgs(1),
		Long: `Take away the logins that fairlead connector login has kept of a connector, and put back
what was there before. What you have changed since is left as it is.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if tool != "" {
				if err := knownClient(tool); err != nil {
					return err
				}
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			places, err := a.places()
			if err != nil {
				return err
			}
			done, err := places.Remove(cmd.Context(), c.Server(), fairlead.Name(args[0]), clientlogin.Client(tool))
			if err != nil {
				return err
			}
			if done == nil {
				done = []clientlogin.Removed{}
			}
			return a.show(removedLogins{done}, func(w io.Writer) {
				for _, r := range done {
					if r.Note != "" {
						_, _ = fmt.Fprintf(w, "The login of %s to %s in %s: %s.\n", r.Client, r.Key, r.Store, r.Note)
						continue
					}
					_, _ = fmt.Fprintf(w, "Logged %s out of %s (%s).\n", r.Client, r.Key, r.Store)
				}
				if len(done) == 0 {
					_, _ = fmt.Fprintf(w, "Nothing of connector %s is kept here.\n", printable(args[0]))
				}
			})
		},
	}
	c.Flags().StringVar(&tool, "for", "", "only this tool: docker, podman, skopeo or helm")
	return c
}
