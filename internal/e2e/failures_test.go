package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/registrytest"
)

// place is where one failure is produced: an organization of its own, in an installation
// that it shares with the others, and a person at a terminal.
type place struct {
	*house
	engine  string
	org     string
	project string
	// world is a registry that the whole installation trusts, as it does those of the
	// internet: what no entry covers can be asked for there.
	world *registrytest.Registry
	// fake, if there is one, is the registry whose requests belong to the transcript.
	fake *registrytest.Registry
	// connections, if it isn't nil, are those to a server that isn't a registry.
	connections *atomic.Int64
	// names are what is another each time, and what stands for it.
	names []string
}

// installation is a server with its worker, for all the failures on one engine.
func installation(t *testing.T, engine string) *place {
	t.Helper()
	world := registrytest.New(t, registrytest.Config{
		Auth: registrytest.Bearer, TLS: registrytest.GoodTLS, Anonymous: registrytest.Reads("public/"),
		Accounts: append(accounts(),
			registrytest.Account{Name: "north-robot", Password: northPassword, Rights: registrytest.Reads("north/")},
			registrytest.Account{Name: "south-robot", Password: southPassword, Rights: registrytest.Reads("south/")}),
	})
	// What the registry was asked is told below: by pulls, and not by the server's own look.
	h := newHouse(t, engine, "--verify-every", "0", "--slots", "50", "--pull-tries", "3", "--registry-timeout", "4s", "--pull", "direct", "--allow-host", elsewhere(t))
	h.write("world.pem", world.CA())
	// Whatever proxy the machine has, these registries are on it.
	h.env = append(h.env, "SSL_CERT_FILE="+filepath.Join(h.dir, "world.pem"), "HTTPS_PROXY=", "HTTP_PROXY=", "https_proxy=", "http_proxy=")
	h.write("valohai.yaml", "- step:\n    name: hello\n    image: none\n    command: echo hello from the image\n")
	for name, secret := range map[string]string{"robot": robotPassword, "wrong": wrongPassword, "north": northPassword, "south": southPassword} {
		h.write(name+".secret", secret)
	}
	h.env = slices.Clip(h.env) // many commands add to it at the same time, each its own
	h.ownNames()
	h.setUp()
	return &place{house: h, engine: engine, world: world}
}

// ownNames has the binary ask a name server of the test's own, which knows no name:
// whatever that of the machine says, and however long it takes. For that it gets a
// /etc/resolv.conf of its own, in a mount namespace of its own (unshare(1)).
func (h *house) ownNames() {
	h.t.Helper()
	h.write("resolv.conf", "nameserver "+registrytest.NameServer(h.t, registrytest.Names(nil))+"\n")
	script := filepath.Join(h.dir, "fairlead")
	text := fmt.Sprintf("#!/bin/sh\nexec unshare --mount sh -c 'mount --bind %s /etc/resolv.conf && exec \"$@\"' sh %s \"$@\"\n", filepath.Join(h.dir, "resolv.conf"), h.bin)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		h.t.Fatal(err)
	}
	h.bin = script
}

// Passwords that nobody but their registry may see.
const (
	wrongPassword = "c4n4ry-wr0ng-p4ssw0rd"
	northPassword = "c4n4ry-n0rth-p4ssw0rd"
	southPassword = "c4n4ry-s0uth-p4ssw0rd"
)

// at is an organization with a project in the installation, for one test.
func (p *place) at(t *testing.T, org string) *place {
	t.Helper()
	q := p.in(t)
	q.org, q.project, q.names = org, org+"/rings", nil
	q.known(p.world, "public.test:443")
	q.ok("organization", "create", org)
	q.ok("project", "create", q.project)
	return q
}

// known gives a registry's address a name that it keeps.
func (p *place) known(r interface{ Host() string }, name string) {
	p.names = append(p.names, r.Host(), name)
}

// registry starts a registry in the test's own process, which notes what it is asked.
func (p *place) registry(c registrytest.Config) *registrytest.Registry {
	p.t.Helper()
	if c.Accounts == nil {
		c.Accounts = accounts()
	}
	p.fake = registrytest.New(p.t, c)
	p.known(p.fake, "registry.test:5000")
	return p.fake
}

// debian starts Debian's registry.
func (p *place) debian(a registrytest.Auth) *registrytest.DebianRegistry {
	p.t.Helper()
	r := registrytest.Debian(p.t, registrytest.DebianOptions{Auth: a, Accounts: accounts()})
	p.known(r, "registry.test:5000")
	return r
}

// connect adds an entry for images below acme/.
func (p *place) connect(host string, flags ...string) {
	p.t.Helper()
	p.ok(append([]string{"registry", "add", "main", "-O", p.org, "--pattern", host + "/acme/*"}, flags...)...)
}

// robot is the flags of an entry that logs in; open those of one that doesn't.
func robot(password string, more ...string) []string {
	return append([]string{"--username", "robot", "--password-file", password, "--no-verify"}, more...)
}

func open(more ...string) []string { return append([]string{"--anonymous"}, more...) }

// authority writes the registry's certificate authority into a file.
func (p *place) authority(r *registrytest.Registry) string {
	p.t.Helper()
	file := p.org + ".pem"
	p.write(file, r.CA())
	return file
}

// outcome is what a person gets to see of a run, and a program.
type outcome struct {
	result
	run fairlead.Run
}

// begin begins to run the step in an image, and gives a function that waits for the end:
// many of them wait at the same time, for pauses that no machine shortens.
func (p *place) begin(image string) func() outcome {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), p.bin, "run", "hello", "--no-code", "--image", image, "-p", p.project)
	cmd.Dir, cmd.Env = p.dir, append(p.env, "FAIRLEAD_SERVER="+p.url)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	return func() outcome {
		p.t.Helper()
		_ = cmd.Wait()
		o := outcome{result: result{out: out.String(), err: errs.String(), code: cmd.ProcessState.ExitCode()}}
		m := regexp.MustCompile(`Run (\d+) of step`).FindStringSubmatch(o.err)
		if m == nil {
			p.t.Fatalf("there was no run: exit code %d\n%s%s", o.code, o.out, o.err)
		}
		if err := json.Unmarshal([]byte(p.ok("runs", "show", m[1], "-o", "json", "-p", p.project)), &o.run); err != nil {
			p.t.Fatal(err)
		}
		return o
	}
}

// in gives the place to a subtest.
func (p *place) in(t *testing.T) *place {
	t.Helper()
	h, q := *p.house, *p
	h.t, q.house = t, &h
	return &q
}

// golden holds a failure against its file, which is the same for each engine unless it
// is about one. Another engine's words are in another file.
func (p *place) golden(name, image string, o outcome) {
	p.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "$ fairlead run hello --image %s\n%s\n# standard error\n%s\n# exit code %d\n", image, o.out, o.err, o.code)
	if f := o.run.Failure; f != nil {
		fmt.Fprintf(&b, "\n# runs show -o json\nstate: %s\nkind:  %s\ncode:  %s\n", o.run.State, f.Kind, f.Code)
		if !f.RetryAt.IsZero() {
			fmt.Fprintf(&b, "retry: %s\n", f.RetryAt.UTC().Format(time.RFC3339))
		}
	}
	if p.fake != nil {
		fmt.Fprintf(&b, "\n# the registry was asked\n%s\n", strings.Join(asked(p.fake.Requests()), "\n"))
	}
	if p.connections != nil {
		fmt.Fprintf(&b, "\n# connections: %d\n", p.connections.Load())
	}
	got := p.steady(b.String())
	file := filepath.Join("testdata", "failures", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		p.t.Errorf("%s (-golden +got; run with -update if that is meant):\n%s", file, diff)
	}
}

// asked is a line for each request.
func asked(list []registrytest.Request) []string {
	var lines []string
	for _, r := range list {
		line := strings.TrimSpace(strings.Join([]string{string(r.Server), r.Method, r.Path, r.Range}, " "))
		if r.Scheme != "" {
			line += " with " + r.Scheme
		}
		if r.Account != "" {
			line += " of " + r.Account
		}
		lines = append(lines, line)
	}
	return lines
}

// steady takes out of a transcript what is another each time.
func (p *place) steady(s string) string {
	s = strings.NewReplacer(p.names...).Replace(s)
	for _, r := range []struct{ from, to string }{
		{`sha256:[0-9a-f]{64}`, "sha256:DIGEST"},
		{`\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?( UTC|Z)`, "TIME"},
		{`Run \d+ of`, "Run N of"},
		{`Trying again in \d+s`, "Trying again in SPAN"},
	} {
		s = regexp.MustCompile(r.from).ReplaceAllString(s, r.to)
	}
	return s
}

// TestFailures produces every failure of a pull for real, on each engine, and holds what
// is seen of it against a golden file: the log, standard error, the exit code, and the
// code for programs. Beside, on the same installation, it tries what must work.
func TestFailures(t *testing.T) {
	t.Parallel()
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			all := installation(t, engine)
			north, south := all.neighbours(t)
			var begun []begun
			for _, f := range failures() {
				if f.only == "" || f.only == engine {
					begun = append(begun, all.at(t, slug(f.name)).start(f.name, f.arrange, func(p *place, image string, o outcome) {
						p.t.Helper()
						p.readable(o)
						p.golden(f.name, image, o)
					}))
				}
			}
			for _, s := range successes() {
				begun = append(begun, all.at(t, slug(s.name)).start(s.name, s.arrange, func(p *place, _ string, o outcome) {
					p.t.Helper()
					if o.code != 0 || !strings.Contains(o.out, "hello from the image") {
						p.t.Fatalf("exit code %d\n%s%s", o.code, o.out, o.err)
					}
					s.check(p, o)
				}))
			}
			t.Run("all", func(t *testing.T) {
				for _, b := range begun {
					t.Run(b.name, func(t *testing.T) {
						t.Parallel()
						b.check(t)
					})
				}
				t.Run("neighbours", func(t *testing.T) {
					t.Parallel()
					apart(north.in(t), south.in(t))
				})
			})
			all.server.stop(syscall.SIGTERM)
			// They shall be nowhere else.
			for _, name := range []string{"robot", "wrong", "north", "south"} {
				if err := os.Remove(filepath.Join(all.dir, name+".secret")); err != nil {
					t.Fatal(err)
				}
			}
			for _, secret := range secrets() {
				all.canary(secret)
			}
		})
	}
}

// begun is a run on its way, and what is wanted of it.
type begun struct {
	name  string
	check func(t *testing.T)
}

// start arranges a place and begins a run in it.
func (p *place) start(name string, arrange func(*place) string, check func(p *place, image string, o outcome)) begun {
	p.t.Helper()
	image := arrange(p)
	end := p.begin(image)
	return begun{name, func(t *testing.T) {
		t.Helper()
		p := p.in(t)
		check(p, image, end())
	}}
}

func slug(name string) string {
	return strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(name)
}

func failures() []failure { return slices.Concat(refusals(), absences(), troubles(), contents()) }

func secrets() []string { return []string{robotPassword, wrongPassword, northPassword, southPassword} }

// TestNoFailureIsForgotten finds codes of package fairlead's that no golden file has, and
// golden files that no test writes.
func TestNoFailureIsForgotten(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "failures", "*.golden"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	codes := map[fairlead.Code]bool{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".golden"))
		for _, m := range regexp.MustCompile(`(?m)^code:  (\S+)$`).FindAllStringSubmatch(string(b), -1) {
			codes[fairlead.Code(m[1])] = true
		}
	}
	want := []string{neighbour}
	for _, f := range failures() {
		want = append(want, f.name)
	}
	slices.Sort(want)
	slices.Sort(names)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("golden files (-of tests +there):\n%s", diff)
	}
	for _, c := range []fairlead.Code{
		fairlead.CodeNoEntry, fairlead.CodePersonalProject, fairlead.CodeLoginRefused, fairlead.CodeNoRight, fairlead.CodeNoImage, fairlead.CodeRateLimited,
		fairlead.CodeDNS, fairlead.CodeConnect, fairlead.CodeTLS, fairlead.CodeTimeout, fairlead.CodeConnectorExpired, fairlead.CodePlatform,
		fairlead.CodeDisclosure, fairlead.CodeRegistryBroken, fairlead.CodeDigest,
	} {
		if !codes[c] {
			t.Errorf("no failure has the code %s", c)
		}
	}
}

// readable finds what no message may have, whichever it is.
func (p *place) readable(o outcome) {
	p.t.Helper()
	if o.code != 1 || o.run.Failure == nil {
		p.t.Fatalf("the run didn't fail as it should: exit code %d\n%s%s", o.code, o.out, o.err)
	}
	f := o.run.Failure
	if f.Why == "" || f.Remedy == "" || f.Code == "" {
		p.t.Errorf("the failure lacks why, what to do or its code: %+v", f)
	}
	for _, text := range []string{o.out, o.err} {
		for _, never := range append(secrets(), "%!", "dial tcp", "Get \"", "Head \"", "x509:", "tls:", ": : ", "failed to", "<nil>", "context ", "Error response from daemon") {
			if strings.Contains(text, never) {
				p.t.Errorf("it shows %q:\n%s", never, text)
			}
		}
		if m := twice(text); m != "" {
			p.t.Errorf("it says %q twice in a row:\n%s", m, text)
		}
	}
}

// twice finds a word that follows on itself.
func twice(text string) string {
	last := ""
	for word := range strings.FieldsSeq(text) {
		if word == last {
			return word
		}
		last = word
	}
	return ""
}

// busybox is an image with a shell, in a layer that no other has.
func busybox(t *testing.T) v1.Image {
	t.Helper()
	b, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	return registrytest.Image(t, registrytest.Layer(t,
		registrytest.Entry{Name: "bin/busybox", Body: string(b)},
		registrytest.Entry{Name: "bin/sh", Type: '2', Link: "busybox"},
		registrytest.Entry{Name: "tmp/", Type: '5', Mode: 0o777},
		registrytest.Entry{Name: "its-own", Body: rand.Text()},
	))
}

// publisher may push everywhere.
func publisher() registrytest.Account {
	return registrytest.Account{Name: "publisher", Password: publisherPassword}
}

// busy is what a registry says to too many requests.
func busy(after string, times int) registrytest.Failure {
	return registrytest.Failure{
		Path: "/manifests/", Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": after}, Times: times,
		Body: `{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}`,
	}
}
