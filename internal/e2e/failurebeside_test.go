package e2e

import (
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/registrytest"
)

// success is a pull that works although something is in its way.
type success struct {
	name    string
	arrange func(p *place) string
	check   func(p *place, o outcome)
}

func successes() []success {
	faulty := func(f registrytest.Faults) func(p *place) string {
		return func(p *place) string {
			r := p.registry(registrytest.Config{Auth: registrytest.Bearer})
			registrytest.Push(p.t, r, busybox(p.t), "acme/train:v1", publisher())
			r.Set(func(g *registrytest.Faults) { *g = f })
			p.connect(r.Host(), robot("robot.secret", "--plain-http")...)
			return r.Host() + "/acme/train:v1"
		}
	}
	twice := registrytest.Failure{Path: "/manifests/", Status: http.StatusServiceUnavailable, Times: 2}
	return []success{
		{
			name: "no entry and public",
			arrange: func(p *place) string {
				registrytest.Push(p.t, p.world, busybox(p.t), "public/tools:v1", publisher())
				return p.world.Host() + "/public/tools:v1"
			},
			check: func(p *place, o outcome) {
				p.t.Helper()
				if o.run.Pulled.Lease != fairlead.Anonymous || o.run.Pulled.Registry != "" {
					p.t.Errorf("it was pulled with %+v", *o.run.Pulled)
				}
				if accounts := accountsOf(p.world.Requests(), "public/tools"); len(accounts) > 0 {
					p.t.Errorf("%q logged in for it", accounts)
				}
			},
		},
		{name: "in trouble twice", arrange: faulty(registrytest.Faults{Fail: []registrytest.Failure{twice}}), check: func(p *place, o outcome) {
			p.t.Helper()
			p.triedAgain(o, 2)
		}},
		{name: "busy for two seconds", arrange: faulty(registrytest.Faults{Fail: []registrytest.Failure{busy("2", 1)}}), check: func(p *place, o outcome) {
			p.t.Helper()
			p.triedAgain(o, 1)
			if !strings.Contains(o.out, "Trying again in 2s (2 of 3).") {
				p.t.Errorf("it didn't wait for as long as the registry says:\n%s", o.out)
			}
		}},
		{name: "cut in a layer", arrange: faulty(registrytest.Faults{CutAt: []int64{cutAt, cutAt}}), check: (*place).resumed},
	}
}

// cutAt is within the shell's layer, and after the end of a config.
const cutAt = 300_000

// resumed wants a layer that was cut to be taken up where that was, within one try of the
// pull: runc by itself, and Docker's engine by itself.
func (p *place) resumed(o outcome) {
	p.t.Helper()
	p.triedAgain(o, 0)
	var ranges []string
	for _, r := range p.fake.Requests() {
		if r.Range != "" {
			ranges = append(ranges, r.Range)
		}
	}
	if !slices.ContainsFunc(ranges, func(s string) bool { return strings.HasPrefix(s, "bytes=300000-") }) {
		p.t.Errorf("no request goes on at byte %d: %q", cutAt, ranges)
	}
}

// triedAgain wants the pull to have been tried again so often, with growing pauses.
func (p *place) triedAgain(o outcome, times int) {
	p.t.Helper()
	said := regexp.MustCompile(`Trying again in (\d+)s \((\d) of 3\)`).FindAllStringSubmatch(o.out, -1)
	if len(said) != times {
		p.t.Errorf("the pull was tried again %d times, want %d:\n%s", len(said), times, o.out)
	}
	for i := 1; i < len(said); i++ {
		if said[i][1] <= said[i-1][1] {
			p.t.Errorf("the pauses don't grow: %v", said)
		}
	}
}

// neighbour is the golden file of what somebody is told who names another organization's
// repository.
const neighbour = "another organization's"

// neighbours are two organizations with namespaces at one registry. The person of the
// second is a member of it and of nothing else.
func (p *place) neighbours(t *testing.T) (north, south *place) {
	t.Helper()
	north, south = p.at(t, "north"), p.at(t, "south")
	for _, q := range []*place{north, south} {
		q.ok("registry", "add", q.org, "-O", q.org, "--pattern", p.world.Host()+"/"+q.org+"/*", "--username", q.org+"-robot", "--password-file", q.org+".secret")
		registrytest.Push(t, p.world, busybox(t), q.org+"/train:v1", publisher())
	}
	south.write("bob.link", south.ok("member", "add", "bob", "-O", "south", "--email", "bob@south.example"))
	south.write("bob.txt", "battery horse correct")
	south.env = slices.Clip(append(slices.Clone(south.env), "FAIRLEAD_CONFIG_DIR="+filepath.Join(south.dir, "bob")))
	south.ok("join", "--link-file", "bob.link", "--password-file", "bob.txt")
	return north, south
}

// apart wants each neighbour's run to be opened by its own organization's login and never
// by the other's, and a member of the one who names the other's repository to be refused
// as if nobody had a login for it.
func apart(north, south *place) {
	t, host := north.t, north.world.Host()
	t.Helper()
	ends := map[*place]func() outcome{}
	for _, q := range []*place{north, south} {
		ends[q] = q.begin(host + "/" + q.org + "/train:v1")
	}
	for q, end := range ends {
		o := end()
		if o.code != 0 {
			t.Fatalf("%s: exit code %d\n%s%s", q.org, o.code, o.out, o.err)
		}
		want := fairlead.PullRecord{Registry: fairlead.Name(q.org), Connector: fairlead.Name(q.org), Lease: fairlead.RegistryToken}
		got := fairlead.PullRecord{Registry: o.run.Pulled.Registry, Connector: o.run.Pulled.Connector, Lease: o.run.Pulled.Lease}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s was opened otherwise (-want +got):\n%s", q.org, diff)
		}
	}
	for _, q := range []*place{north, south} {
		if accounts := accountsOf(q.world.Requests(), q.org+"/train"); !slices.Equal(accounts, []string{q.org + "-robot"}) {
			t.Errorf("%s's repository was asked for by %q", q.org, accounts)
		}
	}

	before := len(north.world.Requests())
	image := host + "/north/train:v1"
	o := south.begin(image)()
	south.readable(o)
	south.golden(neighbour, image, o)
	if accounts := accountsOf(north.world.Requests()[before:], "north/train"); len(accounts) > 0 {
		t.Errorf("for bob, %q asked for north's repository", accounts)
	}
	if shown := south.run("registry", "show", "north", "-O", "north"); shown.code == 0 || strings.Contains(shown.out+shown.err, "north-robot") {
		t.Errorf("bob sees north's entry: %s%s", shown.out, shown.err)
	}
}

// accountsOf lists who asked a registry for a repository, or for a token for it, other
// than nobody.
func accountsOf(list []registrytest.Request, repository string) []string {
	var accounts []string
	for _, r := range list {
		query, err := url.QueryUnescape(r.Query)
		if err == nil && r.Account != "" && strings.Contains(r.Path+" "+query, repository) {
			accounts = append(accounts, r.Account)
		}
	}
	slices.Sort(accounts)
	return slices.Compact(accounts)
}
