package conform

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

// EngineKind is an engine under test, and where it may differ from others.
type EngineKind struct {
	// Place gives where an engine of the test's own lives: a directory, an address.
	// Engines that one place may have at a time have it in common.
	Place func(tb testing.TB) string
	// Open opens an engine. It reaches registries on this machine.
	Open func(ctx context.Context, place string) (engine.Engine, error)
	// Files lists the directories that the engine at a place writes to.
	Files func(place string) []string
	// Zstd says that it takes layers of that compression.
	Zstd bool
	// Layers is how many it lays over each other at least.
	Layers int
	// Capabilities is the bounding set of its containers, as /proc/self/status has it.
	Capabilities string
}

// Engine holds an engine to what [engine.Engine] says. The test binary's TestMain calls
// [EngineMain] first.
func Engine(t *testing.T, kind EngineKind) {
	t.Helper()
	s := newShop(t, kind)
	for _, c := range []struct {
		name string
		test func(t *testing.T, s *shop)
	}{
		{"Output", testOutput},
		{"ExitCode", testExitCode},
		{"Args", testArgs},
		{"NoProgram", testNoProgram},
		{"Env", testEnv},
		{"Dir", testDir},
		{"User", testUser},
		{"NoUser", testNoUser},
		{"Mounts", testMounts},
		{"NoSource", testNoSource},
		{"CPUs", testCPUs},
		{"BadCPUs", testBadCPUs},
		{"Sandbox", testSandbox},
		{"Setuid", testSetuid},
		{"Apart", testApart},
		{"TwoAtOnce", testTwoAtOnce},
		{"Grace", testGrace},
		{"Ended", testEnded},
		{"EndedEarly", testEndedEarly},
		{"Children", testChildren},
		{"Conflict", testConflict},
		{"LostWriter", testLostWriter},
		{"Sweep", testSweep},
		{"Trees", testTrees},
		{"HostileLayers", testHostileLayers},
		{"ManyLayers", testManyLayers},
		{"Zstd", testZstd},
		{"Formats", testFormats},
		{"Leases", testLeases},
		{"LeaseOfDebian", testLeaseOfDebian},
		{"Asked", testAsked},
		{"NoRightToTheCache", testNoRightToTheCache},
		{"RefusedOnce", testRefusedOnce},
		{"NoLoginInFiles", testNoLoginInFiles},
		{"Platforms", testPlatforms},
		{"WrongPlatform", testWrongPlatform},
		{"PullFaults", testPullFaults},
		{"PullCancelled", testPullCancelled},
		{"Progress", testProgress},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, s)
		})
	}
}

// shop is an engine with what its tests need.
type shop struct {
	kind     EngineKind
	place    string
	owner    string
	engine   engine.Engine
	registry *registrytest.Registry
	// base is an image with busybox, pulled.
	base engine.Pulled
}

func newShop(t *testing.T, kind EngineKind) *shop {
	t.Helper()
	s := &shop{kind: kind, place: kind.Place(t), owner: name(), registry: registrytest.New(t, registrytest.Config{})}
	s.engine = s.open(t, s.place)
	s.base = s.pull(t, s.push(t, busybox(t)))
	return s
}

// open opens another engine.
func (s *shop) open(t *testing.T, place string) engine.Engine {
	t.Helper()
	e, err := s.kind.Open(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// name is a name that nothing else has.
func name() string { return "conform-" + strings.ToLower(rand.Text()) }

// push pushes an image to a repository of its own.
func (s *shop) push(t *testing.T, image v1.Image) ref.Image {
	t.Helper()
	return pushTo(t, s.registry, image, registrytest.Account{})
}

func pushTo(t *testing.T, to registrytest.Pushable, image v1.Image, as registrytest.Account) ref.Image {
	t.Helper()
	repository := "team/" + name()
	digest := registrytest.Push(t, to, image, repository+":v1", as)
	return ref.Image{Resource: ref.Resource{Host: to.Host(), Repository: repository}, Tag: "v1", Digest: digest}
}

// pull pulls an image without a login.
func (s *shop) pull(t *testing.T, i ref.Image) engine.Pulled {
	t.Helper()
	p, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: keys(anonymous())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return p
}

// image pulls busybox with another configuration and with more layers.
func (s *shop) image(t *testing.T, change func(*v1.Config), layers ...v1.Layer) engine.Pulled {
	t.Helper()
	return s.pull(t, s.push(t, configured(t, change, busybox(t, layers...))))
}

// container is one that runs a script.
func (s *shop) container(script string) engine.Container {
	return engine.Container{
		ID: name(), Owner: s.owner, Image: s.base, Args: []string{"/bin/sh", "-c", script, "sh"}, Grace: 30 * time.Second,
	}
}

// outcome is what came of a container.
type outcome struct {
	code      int
	out, errs string
	err       error
}

func (s *shop) run(ctx context.Context, c engine.Container) outcome {
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	code, err := s.engine.Run(ctx, c)
	return outcome{code, out.String(), errs.String(), err}
}

// output runs a container that goes well, and gives what it writes.
func (s *shop) output(t *testing.T, c engine.Container) string {
	t.Helper()
	o := s.run(t.Context(), c)
	if o.err != nil || o.code != 0 || o.errs != "" {
		t.Fatalf("%d %v\n%s%s", o.code, o.err, o.out, o.errs)
	}
	return o.out
}

// started is a container that runs beside the test.
type started struct {
	outcome
	done   chan struct{}
	cancel context.CancelCauseFunc
	c      engine.Container
}

// errEnough ends containers.
var errEnough = errors.New("it is enough")

// start starts a container. It ends with the test.
func (s *shop) start(t *testing.T, c engine.Container) *started {
	t.Helper()
	return s.startOn(t, s.engine, c)
}

func (s *shop) startOn(t *testing.T, e engine.Engine, c engine.Container) *started {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(t.Context()))
	r := &started{done: make(chan struct{}), cancel: cancel, c: c}
	on := *s
	on.engine = e
	go func() {
		defer close(r.done)
		r.outcome = on.run(ctx, c)
	}()
	t.Cleanup(func() {
		cancel(errEnough)
		<-r.done
	})
	return r
}

func (r *started) wait() outcome {
	<-r.done
	return r.outcome
}

// meeting is a directory in which a container and the test wait for each other.
type meeting struct{ dir string }

func newMeeting(t *testing.T, fifos ...string) meeting {
	t.Helper()
	m := meeting{t.TempDir()}
	for _, f := range fifos {
		mkfifo(t, filepath.Join(m.dir, f))
	}
	return m
}

// mount has containers find the directory as /meet.
func (m meeting) mount() engine.Mount { return engine.Mount{Source: m.dir, Target: "/meet"} }

// up waits until the container writes to the FIFO up. ended says that it never will.
func (m meeting) up(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	// Opened for both, so that to open it waits for nobody.
	f, err := os.OpenFile(filepath.Join(m.dir, "up"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-ended:
			_ = f.Close()
		case <-stop:
		}
	})
	_, err = f.Read(make([]byte, 100))
	close(stop)
	watching.Wait()
	_ = f.Close()
	if err != nil {
		t.Fatalf("the container ended: %v", err)
	}
}

// engineKeys is a keychain that is told what to give.
type engineKeys struct {
	mu      sync.Mutex
	leases  []fairlead.Lease // given in turn, the last again and again
	err     error
	asked   []fairlead.Scope
	refused []string // IDs
}

func keys(leases ...fairlead.Lease) *engineKeys { return &engineKeys{leases: leases} }

func (k *engineKeys) Lease(_ context.Context, s fairlead.Scope) (fairlead.Lease, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, s)
	if k.err != nil {
		return fairlead.Lease{}, k.err
	}
	l := k.leases[0]
	if len(k.leases) > 1 {
		k.leases = k.leases[1:]
	}
	l.For = s
	return l, nil
}

func (k *engineKeys) Refused(_ context.Context, l fairlead.Lease) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refused = append(k.refused, l.ID)
}

func anonymous() fairlead.Lease {
	return fairlead.Lease{ID: "anonymous", Kind: fairlead.Anonymous, PlainHTTP: true}
}

func withPassword(name, password string) fairlead.Lease {
	return fairlead.Lease{ID: password, Kind: fairlead.ShortLogin, Username: name, Password: fairlead.SecretText(password), PlainHTTP: true}
}

func withToken(token string) fairlead.Lease {
	return fairlead.Lease{ID: token, Kind: fairlead.RegistryToken, Bearer: fairlead.SecretText(token), PlainHTTP: true}
}
