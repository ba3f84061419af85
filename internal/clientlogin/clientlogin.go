// Package clientlogin keeps leased logins where a person's own tools look for them, and
// takes them away again: Docker's configuration, the auth file of Podman and Skopeo,
// Helm's. What was there before is put back. A stored secret is never kept so: whatever is
// written here ends by itself.
package clientlogin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// Client is a tool of whoever logs in.
type Client string

// The clients.
const (
	Docker Client = "docker"
	Podman Client = "podman"
	Skopeo Client = "skopeo" // reads Podman's file
	Helm   Client = "helm"
)

// Clients lists them.
func Clients() []Client { return []Client{Docker, Podman, Skopeo, Helm} }

// Places are where the clients of this user keep logins. Empty is not set.
type Places struct {
	Home string
	// DockerConfig is a directory (DOCKER_CONFIG); AuthFile a file (REGISTRY_AUTH_FILE);
	// RuntimeDir and ConfigHome are directories (XDG_RUNTIME_DIR, XDG_CONFIG_HOME); HelmConfig is a
	// file (HELM_REGISTRY_CONFIG).
	DockerConfig, AuthFile, RuntimeDir, ConfigHome, HelmConfig string
	// State is Fairlead's own directory, in which it remembers what it wrote.
	State string
	UID   int
}

// Login is a leased login for a client.
type Login struct {
	Server    string // Fairlead's
	Connector fairlead.Name
	Client    Client
	Resource  ref.Resource
	// Username and Password, or Bearer, are what the registry takes.
	Username         string
	Password, Bearer fairlead.Secret
	Expires          time.Time
}

// Kept says where a login is kept.
type Kept struct {
	Client Client    `json:"client"`
	Store  string    `json:"store"` // a file, or a helper's name
	Key    string    `json:"key"`   // what the login is kept under
	Ends   time.Time `json:"expires,omitzero"`
}

const hubKey = "https://index.docker.io/v1/"

// key is what a client looks a login up by: Docker and Helm by the host alone, Podman and
// Skopeo by host and path (containers-auth.json(5)).
func (l Login) key() string {
	switch {
	case l.Client == Podman || l.Client == Skopeo:
		return l.Resource.String()
	case l.Resource.Host == "docker.io" && l.Client == Docker:
		return hubKey
	}
	return l.Resource.Host
}

// entry is the login as a file holds it. A registry's own token has a field that Docker
// hands on to its engine and shows to the registry as it is.
func (l Login) entry() ([]byte, error) {
	fields := map[string]string{}
	if l.Bearer.IsZero() {
		fields["auth"] = base64.StdEncoding.EncodeToString([]byte(l.Username + ":" + string(l.Password.Reveal())))
	} else {
		fields["registrytoken"] = string(l.Bearer.Reveal())
	}
	return json.Marshal(fields)
}

// check refuses what the client can't be given.
func (l Login) check() error {
	refuse := func(why, remedy string) error {
		return &fairlead.Error{Kind: fairlead.Invalid, Field: "for", What: "logging in " + string(l.Client), Why: why, Remedy: remedy}
	}
	switch {
	case l.Client != Docker && l.Client != Podman && l.Client != Skopeo && l.Client != Helm:
		return refuse("it isn't a client that Fairlead knows", fmt.Sprintf("use one of %v", Clients()))
	case l.Expires.IsZero():
		return refuse("the login doesn't end by itself, and such a secret isn't written to a disk", "pull where the login stays in memory, as in `fairlead run`")
	case !l.Bearer.IsZero() && l.Client != Docker:
		return refuse("the login is a token of the registry "+l.Resource.Host+" itself, and "+string(l.Client)+" can't be given one",
			"use --for docker, or pull where the login stays in memory, as in `fairlead run`")
	case l.Bearer.IsZero() && (l.Username == "" || l.Password.IsZero() || strings.Contains(l.Username, ":")):
		return refuse("the lease holds no user name and password", "ask for it again")
	}
	return nil
}

// Put keeps a login. What it replaces is remembered, and put back by [Places.Remove].
// [fairlead.Invalid] for a login that the client can't be given, [fairlead.Conflict] for
// one that would take the place of another in a store from which that couldn't be put back.
func (p Places) Put(ctx context.Context, l Login) (Kept, error) {
	if err := l.check(); err != nil {
		return Kept{}, err
	}
	file, err := p.file(l.Client)
	if err != nil {
		return Kept{}, err
	}
	s, err := p.openState()
	if err != nil {
		return Kept{}, err
	}
	defer s.close()
	r := record{Server: l.Server, Connector: l.Connector, Client: l.Client, File: file, Key: l.key(), Ends: l.Expires}
	doc, err := readDocument(file, p.UID)
	if err != nil {
		return Kept{}, err
	}
	if l.Client == Docker {
		if r.Helper, err = doc.helper(r.Key); err != nil {
			return Kept{}, err
		}
	}
	entry, err := l.entry()
	if err != nil {
		return Kept{}, fairlead.AsError("writing login", err)
	}
	switch {
	case r.Helper != "" && l.Bearer.IsZero():
		err = p.putHelper(ctx, s, &r, l)
	case r.Helper != "":
		// A helper holds no tokens of registries. Docker takes them from the file, and what
		// the helper has for the host beside; an engine prefers the token.
		r.Helper = ""
		err = putFile(doc, s, &r, entry)
	default:
		err = putFile(doc, s, &r, entry)
	}
	return r.kept(), err
}

// putFile writes the record first: what is written must never be forgotten.
func putFile(doc *document, s *state, r *record, entry []byte) error {
	r.Before = doc.Auths[r.Key]
	if old, ok := s.find(*r); ok && old.mine(r.Before) {
		r.Before = old.Before
	}
	r.Wrote = sum(entry)
	if err := s.put(*r); err != nil {
		return err
	}
	doc.Auths[r.Key] = entry
	return doc.write()
}

// Removed is what became of one login.
type Removed struct {
	Kept
	// Note says why it was left, if it was.
	Note string `json:"note,omitempty"`
}

// Remove takes away what was kept of a connector, for one client or, if that is empty, for
// all. What somebody has changed since is left.
func (p Places) Remove(ctx context.Context, server string, connector fairlead.Name, client Client) ([]Removed, error) {
	s, err := p.openState()
	if err != nil {
		return nil, err
	}
	defer s.close()
	var list []Removed
	for _, r := range s.of(server, connector, client) {
		done := Removed{Kept: r.kept()}
		if r.Helper != "" {
			done.Note, err = eraseHelper(ctx, r)
		} else {
			done.Note, err = p.restore(r)
		}
		if err != nil {
			return list, err
		}
		if err := s.drop(r); err != nil {
			return list, err
		}
		list = append(list, done)
	}
	return list, nil
}

// restore puts back what was in a file.
func (p Places) restore(r record) (note string, err error) {
	doc, err := readDocument(r.File, p.UID)
	if err != nil {
		return "", err
	}
	now, there := doc.Auths[r.Key]
	switch {
	case !there:
		return "it was gone already", nil
	case !r.mine(now):
		return "it was changed since, and is left as it is", nil
	case len(r.Before) > 0:
		doc.Auths[r.Key] = r.Before
	default:
		delete(doc.Auths, r.Key)
	}
	return "", doc.write()
}
