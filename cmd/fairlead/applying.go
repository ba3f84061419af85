package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/manifest"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/wire"
)

// applying makes an organization as a file says.
type applying struct {
	*app
	c   *client.Client
	at  wire.OrganizationPath
	now manifest.State
	// trial says whether connectors are proved before they are saved.
	trial wire.ConnectorTrial
	// secrets are those of connectors that were read, by field.
	secrets map[fairlead.Name]map[string]wire.Clear
	// moves are the stacks that the plan changes.
	moves map[fairlead.Name]bool
}

// readSecrets reads the secrets that the file names the places of, and asks the server
// which of them it has already. A variable that isn't set leaves a secret as it is, where
// there is one.
func (x *applying) readSecrets(ctx context.Context, m manifest.Manifest, dir string) (manifest.Secrets, error) {
	known := manifest.Secrets{}
	for _, c := range m.Connectors {
		stored := map[string]bool{}
		for _, now := range x.now.Connectors {
			for _, field := range now.Secrets {
				stored[field] = stored[field] || now.Name == c.Name
			}
		}
		states, values, compare := map[string]manifest.SecretState{}, map[string]wire.Clear{}, map[string]wire.Clear{}
		for field, from := range c.Secrets {
			s, err := x.secret(c, field, from, dir, stored[field])
			if err != nil {
				return nil, err
			}
			switch {
			case s.IsZero():
				states[field] = manifest.SecretSame
			case stored[field]:
				compare[field], values[field] = wire.Clear{Secret: s}, wire.Clear{Secret: s}
			default:
				states[field], values[field] = manifest.SecretNew, wire.Clear{Secret: s}
			}
		}
		if len(compare) > 0 {
			path := wire.ConnectorPath{OrganizationPath: x.at, Connector: c.Name}
			got, err := client.Do(ctx, x.c, wire.CompareSecrets, wire.SecretsComparison{ConnectorPath: path, Secrets: compare})
			if err != nil {
				return nil, err
			}
			for _, field := range got.Same {
				states[field] = manifest.SecretSame
			}
			for _, field := range got.Different {
				states[field] = manifest.SecretDifferent
			}
		}
		known[c.Name], x.secrets[c.Name] = states, values
	}
	return known, nil
}

// secret reads one; the zero secret is to keep what is stored.
func (x *applying) secret(c manifest.Connector, field string, from manifest.Source, dir string, stored bool) (fairlead.Secret, error) {
	what := "secret " + field + " of connector " + string(c.Name)
	if from.File != "" {
		file := from.File
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		return x.readSecret(file, what)
	}
	s := fairlead.SecretText(x.env(from.Env))
	switch {
	case !s.IsZero():
		return s, nil
	case stored:
		x.hint("The %s is kept: the %s is not set.", what, from)
		return s, nil
	default:
		return s, &fairlead.Error{
			Kind: fairlead.Invalid, Field: field, What: "reading " + what, Why: "the " + from.String() + " is not set, and no secret is stored",
			Remedy: "set it, or name a file with fromFile",
		}
	}
}

// all does the changes in order. After the first that fails nothing more is done: what
// follows may need it.
func (x *applying) all(ctx context.Context, list []applyOutcome) error {
	var failure error
	for i := range list {
		o := &list[i]
		if failure != nil {
			o.State = "skipped"
			continue
		}
		if err := x.one(ctx, o.Change); err != nil {
			e := *fairlead.AsError("applying", err)
			o.State, o.Error = "failed", &e
			failure = fmt.Errorf("%s %s: %w", o.Kind, o.Name, err)
			continue
		}
		o.State = "done"
		x.progress(*o)
	}
	return failure
}

// progress reports a change that was done, for people.
func (x *applying) progress(o applyOutcome) {
	done := map[manifest.Action]string{manifest.Add: "Added", manifest.Alter: "Changed", manifest.Remove: "Removed"}
	x.done("%s %s %s.", done[o.Action], o.Kind, o.Name)
}

func (x *applying) one(ctx context.Context, ch manifest.Change) error {
	if ch.Action == manifest.Remove {
		return x.remove(ctx, ch)
	}
	switch wanted := ch.Wanted.(type) {
	case *manifest.Organization:
		_, err := client.Do(ctx, x.c, wire.UpdateOrganization, wire.OrganizationUpdate{OrganizationPath: x.at, ForbidPersonal: wanted.ForbidPersonal})
		return err
	case *manifest.Connector:
		return x.connector(ctx, wanted, ch.Was)
	case *manifest.Registry:
		return x.registry(ctx, wanted, ch.Was)
	case *manifest.Stack:
		return x.stack(ctx, wanted, ch.Was)
	case *manifest.Project:
		return x.project(ctx, wanted, ch.Was)
	default:
		return errors.New("there is no way to do this")
	}
}

func (x *applying) remove(ctx context.Context, ch manifest.Change) error {
	var err error
	switch ch.Kind {
	case manifest.ProjectKind:
		_, err = client.Do(ctx, x.c, wire.DeleteProject, wire.ProjectPath{Owner: x.at.Organization, Project: ch.Name})
	case manifest.StackKind:
		_, err = client.Do(ctx, x.c, wire.DeleteStack, wire.StackPath{OrganizationPath: x.at, Stack: ch.Name})
	case manifest.RegistryKind:
		_, err = client.Do(ctx, x.c, wire.RemoveRegistry, wire.RegistryRemoval{RegistryPath: wire.RegistryPath{OrganizationPath: x.at, Registry: ch.Name}})
	case manifest.ConnectorKind:
		_, err = client.Do(ctx, x.c, wire.DeleteConnector, wire.ConnectorRemoval{
			ConnectorPath: wire.ConnectorPath{OrganizationPath: x.at, Connector: ch.Name}, Force: true, // whoever prunes was asked
		})
	case manifest.OrganizationKind:
	}
	return err
}

// connector registers or changes one. A change gives all the secrets that were read, so
// that it may also say anew where they go.
func (x *applying) connector(ctx context.Context, c *manifest.Connector, was any) error {
	until, err := c.Until()
	if err != nil {
		return err
	}
	old, there := was.(fairlead.Connector)
	if !there {
		_, err := client.Do(ctx, x.c, wire.RegisterConnector, wire.ConnectorRequest{
			OrganizationPath: x.at, Name: string(c.Name), ConnectorTrial: x.trial,
			ConnectorFields: wire.ConnectorFields{Family: c.Family, Method: c.Method, Public: c.Fields, Secrets: x.secrets[c.Name], Expires: until},
		})
		return err
	}
	public := map[string]string{}
	for name := range old.Public {
		if c.Method == old.Method {
			public[name] = "" // goes, unless the file has it
		}
	}
	maps.Copy(public, c.Fields)
	_, err = client.Do(ctx, x.c, wire.UpdateConnector, wire.ConnectorUpdate{
		ConnectorPath: wire.ConnectorPath{OrganizationPath: x.at, Connector: c.Name}, ConnectorTrial: x.trial, Method: c.Method, Public: public, Secrets: x.secrets[c.Name],
		Expires: &until, Version: old.Version,
	})
	return err
}

func (x *applying) registry(ctx context.Context, g *manifest.Registry, was any) error {
	old, there := was.(fairlead.Registry)
	if !there {
		_, err := client.Do(ctx, x.c, wire.AddRegistry, wire.RegistryRequest{
			OrganizationPath: x.at, Name: string(g.Name), Pattern: g.Pattern, Connector: string(g.Connector), Disclosure: g.Disclosure,
			Push: g.Push, PlainHTTP: g.PlainHTTP, CABundle: g.CABundle,
		})
		return err
	}
	if err := x.detach(ctx, old, g.Pattern); err != nil {
		return err
	}
	connector := string(g.Connector)
	_, err := client.Do(ctx, x.c, wire.UpdateRegistry, wire.RegistryUpdate{
		RegistryPath: wire.RegistryPath{OrganizationPath: x.at, Registry: g.Name}, Pattern: g.Pattern, Connector: &connector, Disclosure: g.Disclosure,
		Push: &g.Push, PlainHTTP: &g.PlainHTTP, CABundle: &g.CABundle, Version: old.Version,
	})
	return err
}

// detach takes a registry from the stacks that push where its new pattern doesn't reach,
// if the plan gives them another place later.
func (x *applying) detach(ctx context.Context, g fairlead.Registry, next string) error {
	p, err := pattern.Parse(next)
	if err != nil {
		return err
	}
	none := ""
	for i, s := range x.now.Stacks {
		if s.Registry != g.ID || p.CoversUnder(s.Repository) || !x.moves[s.Name] {
			continue
		}
		changed, err := client.Do(ctx, x.c, wire.UpdateStack, wire.StackUpdate{
			StackPath: wire.StackPath{OrganizationPath: x.at, Stack: s.Name}, Registry: &none, Version: s.Version,
		})
		if err != nil {
			return err
		}
		x.now.Stacks[i] = changed
	}
	return nil
}

func (x *applying) stack(ctx context.Context, s *manifest.Stack, was any) error {
	registry, queue := string(s.Registry), string(s.Queue)
	if was == nil {
		_, err := client.Do(ctx, x.c, wire.RegisterStack, wire.StackRequest{
			OrganizationPath: x.at, Name: string(s.Name),
			StackFields: wire.StackFields{Registry: registry, Repository: s.Repository, Engine: s.Engine, Queue: queue},
		})
		return err
	}
	up := wire.StackUpdate{
		StackPath: wire.StackPath{OrganizationPath: x.at, Stack: s.Name}, Registry: &registry, Repository: &s.Repository, Engine: &s.Engine, Queue: &queue,
	}
	for _, now := range x.now.Stacks { // detach may have changed it
		if now.Name == s.Name {
			up.Version = now.Version
		}
	}
	_, err := client.Do(ctx, x.c, wire.UpdateStack, up)
	return err
}

func (x *applying) project(ctx context.Context, p *manifest.Project, was any) error {
	path := wire.ProjectPath{Owner: x.at.Organization, Project: p.Name}
	if was == nil {
		if _, err := client.Do(ctx, x.c, wire.CreateProject, wire.ProjectRequest{Owner: string(path.Owner), Name: string(p.Name)}); err != nil {
			return err
		}
		if p.Stack == "" {
			return nil
		}
	}
	_, err := client.Do(ctx, x.c, wire.SetProjectStack, wire.ProjectStack{ProjectPath: path, Stack: string(p.Stack)})
	return err
}
