package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/dockertest"
	"fairlead.dev/fairlead/internal/registrytest"
)

// node is a server that performs nothing itself, with a private image at a registry that
// knows nothing narrower than its password, which may not leave the server.
type node struct {
	*house
	registry *registrytest.DebianRegistry
	image    string
}

func newNode(t *testing.T, serveArgs ...string) *node {
	t.Helper()
	n := &node{registry: registrytest.Debian(t, registrytest.DebianOptions{Auth: registrytest.Basic, Accounts: accounts()})}
	n.image = n.registry.Host() + "/acme/train:v1"
	publish(t, n.image, python(t))
	n.house = newHouse(t, "", serveArgs...)
	n.env = slices.Clip(n.env)
	n.write("robot.txt", robotPassword)
	n.example(n.image)
	n.write("ann.txt", "correct horse battery")
	listen := freePort(t)
	n.serveArgs = append(n.serveArgs, "--listen", listen)
	n.start()
	n.url = "http://" + listen // whatever the public URL is
	n.ok("setup", "--server", n.url, "--link-file", filepath.Join("data", "setup-link"), "--organization", "acme", "--name", "ann", "--password-file", "ann.txt")
	n.ok("registry", "add", "main", "--pattern", n.registry.Host()+"/acme/*", "--username", "robot", "--password-file", "robot.txt", "--plain-http")
	n.ok("project", "create", "rings")
	if err := os.MkdirAll(filepath.Join(n.dir, "home", "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	n.write("home/w.token", n.ok("worker", "add", "w"))
	return n
}

// worker starts a worker that shares nothing with whoever connected the registry. It may
// go to no loopback address but its server's.
func (n *node) worker(engine string, more ...string) *process {
	n.t.Helper()
	person := n.env
	home := filepath.Join(n.dir, "home")
	n.env = append(slices.Clip(n.env), "HOME="+home, "TMPDIR="+filepath.Join(home, "tmp"), "FAIRLEAD_CONFIG_DIR=")
	defer func() { n.env = person }()
	args := append([]string{"worker", "--server", n.url, "--token-file", "home/w.token", "--dir", "home/w", "--log-level", "debug"}, engineFlags(n.t, engine)...)
	return n.spawn("performs runs of", append(args, more...)...)
}

func (n *node) record(number string) fairlead.Run {
	n.t.Helper()
	var run fairlead.Run
	if err := json.Unmarshal([]byte(n.ok("runs", "show", number, "-o", "json")), &run); err != nil {
		n.t.Fatal(err)
	}
	return run
}

// TestGatewayWorker runs the step of the main job on a node that has the server's token
// and nothing else: no registry's secret, no login that a registry takes, and no way to
// the registry but through the gateway. The image keeps its own name.
func TestGatewayWorker(t *testing.T) {
	t.Parallel()
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			worker := n.worker(engine)
			out := n.ok("run", "train", "--param", "epochs=2")
			digest := skopeoDigest(t, n.image)
			for _, want := range []string{"Pulling image: " + n.image, "Image digest: " + digest, "accuracy on points never seen: 0."} {
				if !strings.Contains(out, want) {
					t.Errorf("the log lacks %q:\n%s", want, out)
				}
			}
			if at := strings.TrimPrefix(n.url, "http://"); strings.Contains(out, at) {
				t.Errorf("the log names the gateway:\n%s", out)
			}
			p := n.record("1").Pulled
			if p == nil || p.Image != n.image || string(p.Digest) != digest || p.Registry != "main" || p.Connector != "main" || p.Lease != fairlead.ThroughGateway {
				t.Errorf("the run's record is %+v", p)
			}
			if events := n.ok("events", "--action", "lease.pull"); !strings.Contains(events, "worker w") || !strings.Contains(events, "main") {
				t.Errorf("no event says that the worker pulled with main:\n%s", events)
			}
			if engine == "docker" {
				list, err := exec.CommandContext(t.Context(), "docker", "--host", dockertest.Host(t), "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").CombinedOutput()
				if err != nil || !strings.Contains(string(list), n.image) {
					t.Errorf("the engine doesn't know the image by its name: %v\n%s", err, list)
				}
			}
			worker.stop(syscall.SIGTERM)
			c := known(robotPassword)
			if found := c.inFiles(filepath.Join(n.dir, "home"), time.Time{}); len(found) > 0 {
				t.Errorf("on the node's disk: %q", found)
			}
			if found := c.in([]byte(worker.output())); len(found) > 0 {
				t.Errorf("in the worker's log: %q", found)
			}
		})
	}
}

// TestGatewayAway has workers whose server has no gateway, or one that can't be reached.
func TestGatewayAway(t *testing.T) {
	t.Parallel()
	away := []string{"--public-url", "http://127.0.0.1:1"} // nobody listens there
	for _, row := range []struct {
		name          string
		serve, worker []string
		disclose      bool
		code          int
		says          []string
		silent        string
	}{
		{
			name: "none", serve: []string{"--gateway=false"}, worker: []string{"--pull", "auto"}, disclose: true,
			says: []string{"accuracy on points never seen"}, silent: "gateway",
		},
		{
			name: "none, and no other way", serve: []string{"--gateway=false"}, worker: []string{"--pull", "gateway"}, disclose: true, code: 1,
			says: []string{"this server has none", "What to do: pull directly, or start the server with its gateway"},
		},
		{
			name: "out of reach", serve: away, worker: []string{"--pull", "auto"}, disclose: true,
			says: []string{"The gateway at 127.0.0.1:1 doesn't give the image", "directly.", "accuracy on points never seen"},
		},
		{
			name: "out of reach, and the password stays inside", serve: away, worker: []string{"--pull", "auto", "--pull-tries", "1"}, code: 1,
			says: []string{"The gateway at 127.0.0.1:1 doesn't give the image", "nothing listens at 127.0.0.1:1; and directly it isn't pulled: "},
		},
		{
			name: "out of reach, and no other way", serve: away, worker: []string{"--pull", "gateway", "--pull-tries", "1"}, disclose: true, code: 1,
			says: []string{"nothing listens at 127.0.0.1:1"},
		},
		{
			name: "not wanted", worker: []string{"--pull", "direct"}, disclose: true,
			says: []string{"accuracy on points never seen"}, silent: "gateway",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, row.serve...)
			if row.disclose {
				n.ok("registry", "update", "main", "--disclosure", "secret")
			}
			worker := n.worker("runc", append(row.worker, "--allow-host", n.registry.Host())...)
			r := n.run("run", "train", "--param", "epochs=2")
			if r.code != row.code {
				t.Errorf("the run ended with %d:\n%s%s", r.code, r.out, r.err)
			}
			for _, want := range row.says {
				if !strings.Contains(r.out+r.err, want) {
					t.Errorf("%q isn't said:\n%s%s", want, r.out, r.err)
				}
			}
			if row.silent != "" && strings.Contains(r.out, row.silent) {
				t.Errorf("%q is said:\n%s", row.silent, r.out)
			}
			if p := n.record("1").Pulled; row.code == 0 && p.Lease != fairlead.SecretItself {
				t.Errorf("the run's record is %+v", p)
			}
			worker.stop(syscall.SIGTERM)
		})
	}
}

// TestGatewaySaysWhy has a registry that refuses: through the gateway, what is said is what
// the registry says, and with what code.
func TestGatewaySaysWhy(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write("wrong.txt", "another-password")
	worker := n.worker("runc", "--pull-tries", "2")
	for _, row := range []struct {
		name   string
		before func()
		image  string
		code   fairlead.Code
		says   string
	}{
		{"no such tag", nil, n.registry.Host() + "/acme/train:v9", fairlead.CodeNoImage, "v9"},
		{"no such repository", nil, n.registry.Host() + "/acme/nothing:v1", fairlead.CodeNoImage, "acme/nothing"},
		{"no entry", nil, n.registry.Host() + "/other/train:v1", fairlead.CodeEgress, "no registry entry of the organization covers it"},
		{"a wrong password", func() {
			n.ok("registry", "update", "main", "--username", "robot", "--password-file", "wrong.txt", "--no-verify")
		}, n.image, fairlead.CodeLoginRefused, "connector main"},
	} {
		if row.before != nil {
			row.before()
		}
		r := n.run("run", "train", "--image", row.image)
		if r.code != 1 || !strings.Contains(r.out+r.err, row.says) {
			t.Errorf("%s: the run ended with %d:\n%s%s", row.name, r.code, r.out, r.err)
		}
		var runs struct{ Runs []fairlead.Run }
		if err := json.Unmarshal([]byte(n.ok("runs", "list", "-o", "json")), &runs); err != nil {
			t.Fatal(err)
		}
		if f := runs.Runs[0].Failure; f == nil || f.Code != row.code {
			t.Errorf("%s: the failure is %+v", row.name, f)
		}
	}
	worker.stop(syscall.SIGTERM)
}
