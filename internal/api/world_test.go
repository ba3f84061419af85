package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// names are what requests name. There is a real set of them, and one of the same shape
// that names nothing.
type names struct {
	org, project, scrap, personal, personalScrap, user, invited, removable, newcomer fairlead.Name
	connector, spareConnector, registry, spareRegistry, oldRegistry                  fairlead.Name
	worker, webhook, spareWebhook, stack, spareStack                                 fairlead.Name
	host                                                                             string
	archive                                                                          fairlead.Digest
	output                                                                           string
	run                                                                              fairlead.RunID // held
	fence                                                                            int64
	held, queued, done                                                               int64 // numbers of runs
	token                                                                            fairlead.TokenID
	lookout                                                                          string // that the holder has taken
	// owner and entries are as the API in Valohai's form names organization and registries.
	owner                       int64
	credential, spareCredential fairlead.RegistryID
}

// ghosts name nothing that there is.
func ghosts() names {
	return names{
		org: "ghost", project: "ghost-project", scrap: "ghost-scrap", personal: "ghost-personal", personalScrap: "ghost-personal-scrap", user: "ghost-user",
		invited: "ghost-invited", removable: "ghost-removable", newcomer: "ghost-newcomer",
		connector: "ghost-connector", spareConnector: "ghost-spare-connector", registry: "ghost-registry", spareRegistry: "ghost-spare-registry", oldRegistry: "ghost-old-registry",
		worker: "ghost-worker", webhook: "ghost-webhook", spareWebhook: "ghost-spare-webhook", stack: "ghost-stack", spareStack: "ghost-spare-stack", host: "ghost.example.com", archive: digest("ghost"), output: "ghost.txt",
		run: "01999999-9999-7999-8999-999999999999", fence: 1, held: 901, queued: 902, done: 903,
		token: "01999999-9999-7999-8999-999999999998", lookout: "01999999-9999-7999-8999-999999999995",
		owner: 4242, credential: "01999999-9999-7999-8999-999999999997", spareCredential: "01999999-9999-7999-8999-999999999996",
	}
}

func digest(s string) fairlead.Digest {
	sum := sha256.Sum256([]byte(s))
	return fairlead.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

const (
	archive = "not really an archive"
	robot   = "robot-of-acme"
)

// world is a plane on which acme has one of everything, and who asks about it.
type world struct {
	*fairleadtest.Plane
	names
	clock  *fairleadtest.Clock
	id     fairlead.OrganizationID
	annID  fairlead.UserID
	ann    fairlead.Secret // acme's administrator
	bob    fairlead.Secret // a member
	holder fairlead.Secret // acme's worker, which holds a run
	idle   fairlead.Secret // another worker of acme's, which holds none
	rex    fairlead.Secret // was a member
	eve    fairlead.Secret // administrator of another organization, never here
	other  fairlead.Secret // worker of the other organization
	invite fairlead.Secret // an invitation that waits
}

func newWorld(t *testing.T, options ...fairleadtest.Option) *world {
	t.Helper()
	w := &world{clock: fairleadtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	w.Plane = fairleadtest.Start(t, append(options, fairleadtest.WithClock(w.clock), fairleadtest.WithHold(1000*time.Hour))...)
	w.names = ghosts()
	w.org, w.user = "acme", "bob"
	w.ann = w.login(t, "ann")
	me := fairleadtest.Must(t, w.Ann, wire.ShowOrganization, wire.OrganizationPath{Organization: "acme"})
	w.id = me.ID
	w.people(t)
	w.things(t)
	w.runs(t)
	return w
}

func (w *world) login(t *testing.T, name string) fairlead.Secret {
	t.Helper()
	s := fairleadtest.Must(t, w.Anybody(), wire.Login, wire.LoginRequest{Name: name, Password: hidden(fairleadtest.Password)})
	if name == "ann" {
		w.annID = s.User.ID
	}
	return s.Token.Secret
}

func hidden(s string) wire.Clear { return wire.Clear{Secret: fairlead.SecretText(s)} }

// join invites a user and has them join.
func (w *world) join(t *testing.T, by *client.Client, org, name fairlead.Name, role fairlead.Role) fairlead.Secret {
	t.Helper()
	m := fairleadtest.Must(t, by, wire.AddMember, wire.MemberRequest{OrganizationPath: wire.OrganizationPath{Organization: org}, Name: string(name), Role: role})
	s := fairleadtest.Must(t, w.Anybody(), wire.Join, wire.JoinRequest{Link: m.Link, Password: hidden(fairleadtest.Password)})
	return s.Token.Secret
}

func (w *world) people(t *testing.T) {
	t.Helper()
	acme, other := wire.OrganizationPath{Organization: "acme"}, wire.OrganizationPath{Organization: "evil"}
	w.bob = w.join(t, w.Ann, "acme", "bob", fairlead.Member)
	w.rex = w.join(t, w.Ann, "acme", "rex", fairlead.Admin)
	fairleadtest.Must(t, w.Ann, wire.RemoveMember, wire.MemberPath{OrganizationPath: acme, User: "rex"})
	w.removable, w.invited = "member-to-remove", "member-invited"
	fairleadtest.Must(t, w.Ann, wire.AddMember, wire.MemberRequest{OrganizationPath: acme, Name: string(w.removable), Role: fairlead.Member})
	m := fairleadtest.Must(t, w.Ann, wire.AddMember, wire.MemberRequest{OrganizationPath: acme, Name: string(w.invited), Role: fairlead.Member})
	w.invite = fairlead.SecretText(string(m.Link.Reveal())[bytes.LastIndexByte(m.Link.Reveal(), '#')+1:])

	fairleadtest.Must(t, w.Ann, wire.CreateOrganization, wire.OrganizationRequest{Name: "evil"})
	w.eve = w.join(t, w.Ann, "evil", "eve", fairlead.Admin)
	w.other = w.newWorker(t, w.As(w.eve), "evil", "evil-worker")
	fairleadtest.Must(t, w.As(w.eve), wire.RemoveMember, wire.MemberPath{OrganizationPath: other, User: "ann"})

	w.worker = "worker-idle"
	w.holder, w.idle = w.newWorker(t, w.Ann, "acme", "worker-holder"), w.newWorker(t, w.Ann, "acme", w.worker)
}

func (w *world) newWorker(t *testing.T, by *client.Client, org, name fairlead.Name) fairlead.Secret {
	t.Helper()
	return fairleadtest.Must(t, by, wire.AddWorker, wire.WorkerRequest{OrganizationPath: wire.OrganizationPath{Organization: org}, Name: string(name)}).Token.Secret
}

func (w *world) things(t *testing.T) {
	t.Helper()
	reg := registrytest.New(t, registrytest.Config{
		Auth: registrytest.Bearer, Accounts: []registrytest.Account{{Name: robot, Password: "robot-password", Rights: registrytest.Everything()}},
	})
	w.host = reg.Host()
	acme := wire.OrganizationPath{Organization: "acme"}
	w.registry, w.spareRegistry, w.connector, w.spareConnector = "registry-main", "registry-spare", "registry-main", "connector-spare"
	fields := func() wire.ConnectorFields {
		return wire.ConnectorFields{
			Family: "docker", Method: "basic", Public: map[string]string{"hosts": w.host, "username": robot},
			Secrets: map[string]wire.Clear{"password": hidden("robot-password")},
		}
	}
	own := fields()
	fairleadtest.Must(t, w.Ann, wire.AddRegistry, wire.RegistryRequest{
		OrganizationPath: acme, Name: string(w.registry), Pattern: w.host + "/team/*", Push: true, PlainHTTP: true, NewConnector: &own,
	})
	fairleadtest.Must(t, w.Ann, wire.AddRegistry, wire.RegistryRequest{OrganizationPath: acme, Name: string(w.spareRegistry), Pattern: "spare.example.com/*"})
	registrytest.Push(t, reg, registrytest.RandomImage(t, 100), "team/kept:v1", registrytest.Account{Name: robot, Password: "robot-password", Rights: registrytest.Everything()})
	lines, _, err := client.Get(t.Context(), w.Ann, wire.PrefetchImage, wire.PrefetchRequest{OrganizationPath: acme, Image: w.host + "/team/kept:v1"})
	if err != nil {
		t.Fatal(err)
	}
	drain(t, lines)
	w.credentials(t)
	w.oldRegistry = "registry-old"
	fairleadtest.Must(t, w.Ann, wire.AddRegistry, wire.RegistryRequest{OrganizationPath: acme, Name: string(w.oldRegistry), Pattern: "old.example.com/*"})
	fairleadtest.Must(t, w.Ann, wire.RegisterConnector, wire.ConnectorRequest{OrganizationPath: acme, Name: string(w.spareConnector), ConnectorFields: fields()})
	w.stack, w.spareStack = "stack-main", "stack-spare"
	for _, name := range []fairlead.Name{w.stack, w.spareStack} {
		fairleadtest.Must(t, w.Ann, wire.RegisterStack, wire.StackRequest{
			OrganizationPath: acme, Name: string(name), StackFields: wire.StackFields{Registry: string(w.registry)},
		})
	}
	fairleadtest.Must(t, w.Ann, wire.RotateConnector, wire.RotateRequest{
		ConnectorPath: wire.ConnectorPath{OrganizationPath: acme, Connector: w.connector}, Secrets: own.Secrets,
	})
	w.webhook, w.spareWebhook = "webhook-main", "webhook-spare"
	for _, name := range []fairlead.Name{w.webhook, w.spareWebhook} {
		fairleadtest.Must(t, w.Ann, wire.AddWebhook, wire.WebhookRequest{OrganizationPath: acme, Name: string(name), URL: "http://" + w.host + "/" + string(name)})
	}
	w.project, w.scrap, w.personal = "project-main", "project-scrap", "project-personal"
	for _, name := range []fairlead.Name{w.project, w.scrap} {
		fairleadtest.Must(t, w.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: string(name)})
	}
	w.personalScrap = "project-personal-scrap"
	for _, name := range []fairlead.Name{w.personal, w.personalScrap} {
		fairleadtest.Must(t, w.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "ann", Name: string(name)})
	}
	made := fairleadtest.Must(t, w.Ann, wire.CreateToken, wire.TokenRequest{Name: "spare"})
	w.token = made.Info.ID
}

func (w *world) path() wire.ProjectPath { return wire.ProjectPath{Owner: "acme", Project: w.project} }

func (w *world) stepfile() string {
	return fmt.Sprintf("- step:\n    name: train\n    image: %s/team/app:v1\n    command: echo hello\n", w.host)
}

// runs makes a run in each state.
func (w *world) runs(t *testing.T) {
	t.Helper()
	w.archive = digest(archive)
	for _, p := range []wire.ProjectPath{w.path(), {Owner: "ann", Project: w.personal}} {
		put := wire.ArchivePath{ProjectPath: p, Digest: w.archive}
		if err := client.Put(t.Context(), w.Ann, wire.PutArchive, put, bytes.NewReader([]byte(archive)), int64(len(archive))); err != nil {
			t.Fatal(err)
		}
	}
	queue := func() int64 {
		return fairleadtest.Must(t, w.Ann, wire.CreateRun, wire.RunRequest{ProjectPath: w.path(), File: w.stepfile(), Step: "train", Archive: w.archive}).Number
	}
	claim := func() wire.HeldPath {
		run := fairleadtest.Must(t, w.As(w.holder), wire.Claim, wire.ClaimRequest{Engine: "docker", Platform: "linux/amd64", Version: "test"}).Run
		return wire.HeldPath{Run: run.ID, Fence: run.Fence}
	}
	begin := func(h wire.HeldPath) {
		fairleadtest.Must(t, w.As(w.holder), wire.Begin, wire.BegunRequest{HeldPath: h, Pulled: fairlead.PullRecord{Image: "i", Lease: fairlead.Anonymous}})
	}
	w.output = "output.txt"
	w.done = queue() // ends well, with an output and a line
	h := claim()
	begin(h)
	out := wire.HeldOutputPath{HeldPath: h, Name: w.output, Digest: digest("output"), Size: 6}
	if err := client.Put(t.Context(), w.As(w.holder), wire.PutOutput, out, bytes.NewReader([]byte("output")), 6); err != nil {
		t.Fatal(err)
	}
	line := []fairlead.LogLine{{Seq: 1, At: w.clock.Now(), Stream: fairlead.Stdout, Text: "hello"}}
	fairleadtest.Must(t, w.As(w.holder), wire.AppendLog, wire.LogLines{HeldPath: h, Lines: line})
	zero, one := 0, 1
	fairleadtest.Must(t, w.As(w.holder), wire.End, wire.EndRequest{HeldPath: h, ExitCode: &zero})

	queue() // fails
	fairleadtest.Must(t, w.As(w.holder), wire.End, wire.EndRequest{HeldPath: claim(), ExitCode: &one})
	stop := func(n int64) {
		fairleadtest.Must(t, w.Ann, wire.StopRun, wire.RunPath{ProjectPath: w.path(), Number: n})
	}
	stop(queue()) // is stopped in the queue
	n := queue()  // is stopping
	claim()
	stop(n)
	queue() // has started
	begin(claim())
	w.held = queue() // is held, and prepared
	h = claim()
	w.run, w.fence = h.Run, h.Fence
	w.queued = queue()
	w.look(t)
	fairleadtest.Must(t, w.Ann, wire.CreateRun, wire.RunRequest{
		ProjectPath: wire.ProjectPath{Owner: "ann", Project: w.personal}, File: w.stepfile(), Step: "train",
	})
}

// caller is the token's owner as the plane sees it.
func (w *world) caller(t *testing.T, token fairlead.Secret) (fairlead.Caller, error) {
	t.Helper()
	return w.Identity.Caller(context.WithoutCancel(t.Context()), token, "", "")
}

// look has the holder take a lookout.
func (w *world) look(t *testing.T) {
	t.Helper()
	list, err := w.Store.WorkersOf(t.Context(), w.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range list {
		if k.Name != "worker-holder" {
			continue
		}
		w.lookout = "0199a1b2-0000-7000-8000-00000000000a"
		at := w.clock.Now()
		l := fairlead.Lookout{ID: w.lookout, Worker: k.ID, Endpoint: fairlead.LookoutEndpoint{Host: "registry.example.com"}, Asked: at}
		if err := w.Store.AddLookout(t.Context(), l, at); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Store.TakeLookout(t.Context(), k.ID, at); err != nil {
			t.Fatal(err)
		}
	}
}

// drain reads a reply to its end.
func drain(t *testing.T, body io.ReadCloser) {
	t.Helper()
	if _, err := io.Copy(io.Discard, body); err != nil {
		t.Fatal(err)
	}
	_ = body.Close()
}
