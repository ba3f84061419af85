package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/engine/docker"
	"fairlead.dev/fairlead/internal/imagefile"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

func (a *app) imageCommand() *cobra.Command {
	return parent("image", "Images: push them to the organization's registries", nil, a.imagePush())
}

// pushFlags are what `fairlead image push` is told.
type pushFlags struct {
	project, stack, dockerHost, from string
	platforms                        []string
	create                           bool
}

func (a *app) imagePush() *cobra.Command {
	var f pushFlags
	c := &cobra.Command{
		Use: "push LOCAL [REMOTE]", Short: "Push an image to a registry of the organization, without a login of your own", Args: cobra.RangeArgs(1, 2),
		Long: `Push an image to a registry of the organization. The login is leased for this one
repository, where an administrator allows pushing (fairlead registry update NAME --push).

LOCAL is the name of an image in the Docker engine, a directory with an OCI layout
(oci:DIRECTORY[:TAG]), or an archive that docker save, BuildKit, buildah or skopeo wrote,
compressed or not (docker-archive:FILE[:NAME], oci-archive:FILE[:TAG]); the prefixes can be
left out. REMOTE is where it goes; by default below the repository of the project's
stack, under the last part of its own name. A name without a registry is meant from there.

Layers of a layout are pushed byte for byte. What the registry has already isn't sent.`,
		Example: `  fairlead image push train:v2
  fairlead image push train:v2 registry.example.com/team/train:v2
  fairlead image push oci:build/image:v2 --stack gpu --platform linux/amd64`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.newPush(cmd.Context(), f, args)
			if err != nil {
				return err
			}
			return p.run(cmd.Context())
		},
	}
	fl := c.Flags()
	fl.StringVarP(&f.project, "project", "p", "", "project, [OWNER/]NAME (default: the only one that you may see; FAIRLEAD_PROJECT)")
	fl.StringVar(&f.stack, "stack", "", "stack below whose repository the image goes (default: the project's)")
	fl.StringArrayVar(&f.platforms, "platform", nil, "push only this platform, OS/ARCHITECTURE[/VARIANT] (may be given often)")
	fl.StringVar(&f.dockerHost, "docker-host", "", "Docker engine (default: DOCKER_HOST, or unix:///var/run/docker.sock)")
	fl.StringVar(&f.from, "mount-from", "", "another repository of the registry, such as the base image's, from which it may take layers over")
	fl.BoolVar(&f.create, "create", false, "make the repository at the provider if it isn't there and the provider wants that (administrators)")
	return c
}

// pushing is one `fairlead image push`.
type pushing struct {
	app       *app
	flags     pushFlags
	client    *client.Client
	project   wire.ProjectPath
	local     local
	platforms []oci.Platform
	from      ref.Resource
	remote    string // as it was given
}

func (a *app) newPush(ctx context.Context, f pushFlags, args []string) (*pushing, error) {
	p := &pushing{app: a, flags: f, local: readLocal(args[0])}
	if len(args) == 2 {
		p.remote = args[1]
	}
	for _, s := range f.platforms {
		at := oci.ParsePlatform(s)
		if at.OS == "" || at.Architecture == "" {
			return nil, usage("--platform %s: write it like linux/amd64", s)
		}
		p.platforms = append(p.platforms, at)
	}
	if f.from != "" {
		r, err := ref.ParseResource(f.from)
		if err != nil {
			return nil, err
		}
		p.from = r
	}
	var err error
	if p.client, err = a.client(); err != nil {
		return nil, err
	}
	p.project, err = a.project(ctx, p.client, f.project)
	return p, err
}

// pushReport is what a push came to, as it is shown.
type pushReport struct {
	Image     string          `json:"image"`
	Digest    fairlead.Digest `json:"digest"`
	MediaType string          `json:"media_type"`
	Platforms []string        `json:"platforms"`
	Size      int64           `json:"size"`
	Sent      int64           `json:"sent"`
	Before    fairlead.Digest `json:"before,omitempty"`
	Created   bool            `json:"created_repository,omitempty"`
	Registry  fairlead.Name   `json:"registry"`
	Connector fairlead.Name   `json:"connector"`
	Layers    []pushedLayer   `json:"layers"`
}

type pushedLayer struct {
	Digest fairlead.Digest `json:"digest"`
	Size   int64           `json:"size"`
	State  string          `json:"state"`
}

func (p *pushing) run(ctx context.Context) error {
	// A lease that is refused is refused before anything is read and compressed, where
	// the name doesn't depend on what is read.
	base, err := p.base(ctx)
	if err != nil {
		return err
	}
	to, known, err := p.target(base, "")
	if err != nil {
		return err
	}
	if known {
		if _, err := p.lease(ctx, to); err != nil {
			return err
		}
	}
	image, err := p.read(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = image.Close() }()
	if !known {
		if to, known, err = p.target(base, p.local.within(image.Name)); err != nil {
			return err
		}
		if !known {
			return &fairlead.Error{
				Kind: fairlead.Invalid, What: "choosing where to push", Why: "the image has no name that it could have there",
				Remedy: "name where it goes: `fairlead image push LOCAL REMOTE`",
			}
		}
	}
	if image.Note != "" {
		p.app.hint("Pushing %s.", image.Note)
	}
	return p.push(ctx, to, image)
}

// base is the repository below which a name without a registry is meant; empty if there
// is no stack.
func (p *pushing) base(ctx context.Context) (string, error) {
	stack := fairlead.Name(p.flags.stack)
	if stack == "" {
		if p.remote != "" && !relative(p.remote) {
			return "", nil
		}
		project, err := client.Do(ctx, p.client, wire.ShowProject, p.project)
		if err != nil {
			return "", err
		}
		if stack = project.StackName; stack == "" {
			return "", nil
		}
	}
	s, err := client.Do(ctx, p.client, wire.DescribeStack, wire.StackPath{
		OrganizationPath: wire.OrganizationPath{Organization: p.project.Owner}, Stack: stack,
	})
	if err != nil {
		return "", err
	}
	if s.Repository == "" {
		return "", &fairlead.Error{
			Kind: fairlead.Invalid, What: "choosing where to push", Why: fmt.Sprintf("stack %s has no registry that is pushed to", stack),
			Remedy: "an administrator gives it one (`fairlead stack update`), or name where the image goes: `fairlead image push LOCAL REMOTE`",
		}
	}
	return s.Repository, nil
}

// relative reports whether a name has no registry of its own: nobody pushes Docker's
// official images.
func relative(name string) bool {
	i, err := ref.Parse(name)
	return err == nil && i.Host == "docker.io" && strings.HasPrefix(i.Repository, "library/") && !strings.HasPrefix(name, "docker.io/")
}

// target is where the image goes. It isn't known before the image is read if its name is
// in it alone.
func (p *pushing) target(base, within string) (ref.Image, bool, error) {
	name := p.remote
	switch {
	case name != "" && !relative(name):
	case base == "":
		return ref.Image{}, false, &fairlead.Error{
			Kind: fairlead.Invalid, What: "choosing where to push", Why: fmt.Sprintf("project %s/%s has no stack", p.project.Owner, p.project.Project),
			Remedy: "name where the image goes, such as `fairlead image push LOCAL registry.example.com/team/train:v1`, or have an administrator give the project a stack",
		}
	case name != "":
		name = base + "/" + name
	default:
		tail := p.local.tail(within)
		if tail == "" {
			return ref.Image{}, false, nil
		}
		name = base + "/" + tail
	}
	to, err := ref.Parse(name)
	if err != nil {
		return ref.Image{}, false, err
	}
	if to.Digest != "" {
		return ref.Image{}, false, usage("a digest follows from what is pushed: name a tag, or nothing")
	}
	return to, true, nil
}

func (p *pushing) keychain(to ref.Image) *client.Keychain {
	return p.client.ProjectKeychain(p.project.Owner, p.project.Project, to, p.app.now)
}

func (p *pushing) lease(ctx context.Context, to ref.Image) (fairlead.Lease, error) {
	return p.keychain(to).Lease(ctx, fairlead.Scope{Resource: to.Resource, Verb: fairlead.Push})
}

// read reads the image from where it is.
func (p *pushing) read(ctx context.Context) (*imagefile.Image, error) {
	o := imagefile.Options{Name: p.local.name, Platforms: p.platforms, Told: func(what string) {
		if !p.app.errTerminal {
			p.app.hint("%s", what)
		}
	}}
	if p.local.path != "" {
		return imagefile.Open(ctx, p.local.path, o)
	}
	host := p.flags.dockerHost
	if host == "" {
		host = p.app.env("DOCKER_HOST")
	}
	o.Name = "" // what it saves is this one
	r, size, err := docker.Save(ctx, host, p.local.name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	o.Lenient = true
	b := p.app.bar("reading "+p.local.name, size)
	defer b.done()
	return imagefile.Read(ctx, b.reader(r), p.local.name, o)
}

// push sends it, and makes the repository first if that is what it takes.
func (p *pushing) push(ctx context.Context, to ref.Image, image *imagefile.Image) error {
	// The host was named by a person here or an administrator: it may be on this machine.
	registries, err := oci.New(oci.Options{
		Egress: oci.Egress{Allow: []string{to.Host}}, Proxy: http.ProxyFromEnvironment, Now: p.app.now, UserAgent: server.UserAgent(version()),
	})
	if err != nil {
		return err
	}
	defer registries.Close()
	kc := p.keychain(to)
	lease, err := kc.Lease(ctx, fairlead.Scope{Resource: to.Resource, Verb: fairlead.Push})
	if err != nil {
		return err
	}
	view := p.app.newPushView()
	o := oci.PushOptions{From: p.from, Told: view.told}
	result, err := registries.Push(ctx, kc, to, image, o)
	view.close()
	created := false
	if fairlead.CodeOf(err) == fairlead.CodeNoRepository {
		if err = p.create(ctx, to, lease, err); err == nil {
			created = true
			view = p.app.newPushView()
			o.Told = view.told
			result, err = registries.Push(ctx, kc, to, image, o)
			view.close()
		}
	}
	if err != nil {
		return err
	}
	return p.report(to, image, result, view, pushReport{Created: created, Registry: lease.RegistryName, Connector: lease.ConnectorName})
}

// create makes the repository at the provider, if that is wanted.
func (p *pushing) create(ctx context.Context, to ref.Image, lease fairlead.Lease, missing error) error {
	e := *fairlead.AsError("", missing)
	e.Remedy = "an administrator makes it: push with --create, or `fairlead registry deploy " + to.Resource.String() + "`"
	if !p.flags.create {
		if !p.app.inTerminal {
			return &e
		}
		if p.app.confirm("There is no repository "+to.Resource.String()+". Make it?", false) != nil {
			return &e
		}
	}
	req := wire.RepositoryRequest{
		ConnectorPath: wire.ConnectorPath{OrganizationPath: wire.OrganizationPath{Organization: p.project.Owner}, Connector: lease.ConnectorName},
		Address:       to.Resource.String(),
	}
	plan, err := client.Do(ctx, p.client, wire.PlanRepository, req)
	if err != nil {
		return err
	}
	for _, s := range plan.Steps {
		p.app.hint("Making the repository: %s", printable(s))
	}
	_, err = client.Do(ctx, p.client, wire.DeployRepository, req)
	return err
}

func (p *pushing) report(to ref.Image, image *imagefile.Image, result oci.PushResult, view *pushView, r pushReport) error {
	r.Image, r.Digest, r.MediaType, r.Before, r.Sent = to.String(), result.Digest, result.MediaType, result.Before, result.Sent
	r.Platforms = append([]string{}, image.Platforms...)
	r.Layers = []pushedLayer{}
	sent := 0
	for _, l := range image.Layers {
		state := string(view.states[l.Digest])
		if state == string(oci.Pushed) {
			sent++
		}
		r.Size += l.Size
		r.Layers = append(r.Layers, pushedLayer{Digest: l.Digest, Size: l.Size, State: state})
	}
	return p.app.show(r, func(w io.Writer) {
		moved := ""
		switch r.Before {
		case "":
		case r.Digest:
			moved = "was there already"
		default:
			moved = "stood for " + string(r.Before) + " before"
		}
		layers := fmt.Sprintf("%d (%d sent, %d there already), %s", len(r.Layers), sent, len(r.Layers)-sent, byteCount(r.Size))
		facts(w, "Platforms", strings.Join(r.Platforms, ", "), "Layers", layers, "Tag", moved)
		_, _ = fmt.Fprintf(w, "Pushed %s\nDigest: %s\n", r.Image, r.Digest)
	})
}

// local is an image on this machine: a path, with the name of one image in it, or the name
// of an image in the Docker engine.
type local struct{ path, name string }

// readLocal reads what a person calls an image. What there is on the disk comes before
// the engine.
func readLocal(s string) local {
	for _, scheme := range []string{"oci:", "oci-archive:", "docker-archive:"} {
		if rest, ok := strings.CutPrefix(s, scheme); ok {
			return readPath(rest)
		}
	}
	for _, scheme := range []string{"docker:", "docker-daemon:"} {
		if rest, ok := strings.CutPrefix(s, scheme); ok {
			return engineName(rest)
		}
	}
	if l := readPath(s); isImage(l.path) {
		return l
	}
	return engineName(s)
}

// engineName is an image of the engine, which would give all tags of one without a tag.
func engineName(s string) local {
	if i, err := ref.Parse(s); err == nil && i.Tag == "latest" && !strings.HasSuffix(s, ":latest") {
		s += ":latest"
	}
	return local{name: s}
}

// readPath takes PATH:NAME apart. A path may have colons, if it is there.
func readPath(s string) local {
	for i := len(s); i > 0; i = strings.LastIndexByte(s[:i], ':') {
		if _, err := os.Stat(s[:i]); err == nil {
			return local{path: s[:i], name: strings.TrimPrefix(s[i:], ":")}
		}
	}
	path, name, _ := strings.Cut(s, ":")
	return local{path: path, name: name}
}

// isImage reports whether a path can be an image: a directory can only be one that has a
// layout in it, so that ./train isn't taken for the image train.
func isImage(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return err == nil
	}
	_, err = os.Stat(filepath.Join(path, "index.json"))
	return err == nil
}

// tail is the last part of the image's name, with its tag. within is what the image calls
// itself.
func (l local) tail(within string) string {
	name := within
	if l.path == "" || strings.Contains(l.name, "/") {
		name = l.name
	}
	i, err := ref.Parse(name)
	if err != nil || i.Tag == "" {
		return "" // an image's ID, or a digest, is no name
	}
	return i.Repository[strings.LastIndexByte(i.Repository, '/')+1:] + ":" + i.Tag
}

// within is what an image calls itself, or what its file is called.
func (l local) within(name string) string {
	if name != "" || l.path == "" {
		return name
	}
	abs, err := filepath.Abs(l.path)
	if err != nil {
		return ""
	}
	name = strings.ToLower(filepath.Base(abs))
	for _, ext := range []string{".gz", ".tgz", ".zst", ".tar"} {
		name = strings.TrimSuffix(name, ext)
	}
	if l.name != "" {
		name += ":" + l.name
	}
	return name
}
