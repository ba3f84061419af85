package e2e

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/registrytest"
)

var update = flag.Bool("update", false, "write the output of the documents' commands anew")

// docs are the documents whose commands are run, each from its beginning in a place of
// its own. A document that begins behind the set-up, or behind the connecting of a
// registry, is given them.
func docs() map[string]struct{ setUp, connected bool } {
	return map[string]struct{ setUp, connected bool }{
		"README.md":              {},
		"docs/administrators.md": {setUp: true},
		"docs/ml-engineers.md":   {setUp: true, connected: true},
		"docs/operators.md":      {},
		"docs/registries.md":     {setUp: true},
	}
}

// TestDocs runs every command of the documents, in order, and compares what it prints
// with what the document says that it prints.
func TestDocs(t *testing.T) {
	t.Parallel()
	for name, how := range docs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoc(t, name)
			if how.setUp {
				d.house.setUp()
			}
			if how.connected {
				d.house.ok("registry", "add", "given", "--pattern", d.registry+"/*", "--username", "robot", "--password-file", "robot.txt", "--plain-http", "--push")
			}
			d.runAll()
		})
	}
}

// TestDocsAreAll finds documents whose commands nobody runs.
func TestDocsAreAll(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, ok := docs()["docs/"+filepath.Base(f)]; !ok {
			t.Errorf("nobody runs the commands of %s", f)
		}
	}
}

// doc is a document on its way.
type doc struct {
	t        *testing.T
	house    *house
	file     string
	lines    []string
	registry string
	postgres string
}

func newDoc(t *testing.T, name string) *doc {
	t.Helper()
	who := accounts()
	who[0].Rights = []registrytest.Right{{Prefix: "acme/", Actions: []string{"pull", "push"}}}
	registry := registrytest.Debian(t, registrytest.DebianOptions{Auth: registrytest.Bearer, Accounts: who})
	publish(t, registry.Host()+"/acme/train:v1", python(t))
	h := newHouse(t, "docker", "--preflight=true")
	h.example(registry.Host() + "/acme/train:v1")
	h.write("ann.txt", "correct horse battery")
	h.write("robot.txt", robotPassword)
	writeLayout(t, filepath.Join(h.dir, "build", "train"), "v2")
	h.write("hub-token.txt", hubToken)
	h.write(".gitignore", "*\n!train.py\n!valohai.yaml\n")
	file := filepath.Join("..", "..", name)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return &doc{t: t, house: h, file: file, lines: strings.Split(string(b), "\n"), registry: registry.Host(), postgres: bare(pgtest.URL(t))}
}

// writeLayout writes an image as builders leave it.
func writeLayout(t *testing.T, dir, tag string) {
	t.Helper()
	p, err := layout.Write(dir, empty.Index)
	if err == nil {
		err = p.AppendImage(busybox(t), layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag}))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// runAll runs the console blocks. With -update, the document gets what was printed.
func (d *doc) runAll() {
	d.t.Helper()
	var out []string
	for i := 0; i < len(d.lines); i++ {
		out = append(out, d.lines[i])
		if d.lines[i] != "```console" {
			continue
		}
		for i++; i < len(d.lines) && d.lines[i] != "```"; {
			command := d.lines[i]
			if !strings.HasPrefix(command, "$ ") {
				d.t.Fatalf("%s:%d: a console block holds a line that belongs to no command", d.file, i+1)
			}
			out = append(out, command)
			var want []string
			for i++; i < len(d.lines) && d.lines[i] != "```" && !strings.HasPrefix(d.lines[i], "$ "); i++ {
				want = append(want, d.lines[i])
			}
			got := d.run(command[2:])
			if *update {
				out = append(out, shorten(got, len(want))...)
			} else {
				d.compare(command, want, got)
			}
		}
		out = append(out, "```")
	}
	if *update {
		if err := os.WriteFile(d.file, []byte(strings.Join(out, "\n")), 0o600); err != nil {
			d.t.Fatal(err)
		}
	}
}

// shorten keeps as many lines as the document showed: it may show the first ones only.
func shorten(got []string, n int) []string { return got[:min(n, len(got))] }

// compare holds the lines that the document shows against the first that were printed,
// but for what is another each time.
func (d *doc) compare(command string, want, got []string) {
	d.t.Helper()
	got = shorten(got, len(want))
	for i := range want {
		want[i] = steady(want[i])
	}
	for i := range got {
		got[i] = steady(got[i])
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		d.t.Errorf("%s: %s (-document +printed; run with -update to write it anew):\n%s", d.file, command, diff)
	}
}

// steady takes out of a line what is another each time.
func steady(line string) string {
	for _, r := range []struct{ from, to string }{
		{` \(\d+(\.\d+)?m?s\)$`, ""}, // how long something took is shown only if it took long
		{`sha256:[0-9a-f]{64}`, "DIGEST"},
		{`\b[0-9a-f]{12}\b`, "DIGEST"},
		{`fl[a-z]_[A-Za-z0-9_-]{43}`, "TOKEN"},
		{`\b[0-9a-f]{8}\b`, "KEY"},
		{`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+`, "ID"},
		{`\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?( UTC)?`, "TIME"},
		{`\b(now|\d+ (s|m|h) ago|in \d+ [smhd])\b`, "WHEN"},
		{`\b\d+ (s|ms)\b|\b\d+(\.\d+)?(ms|s)\b`, "SPAN"},
		{`Fairlead \S+ is|Worker \S+ performs`, "VERSION"},
		{`\(devel\)|v\d\S*|\b[0-9a-f]{7}(-dirty)?\b`, "VERSION"},
		{`\d+(\.\d+)? (B|kB|MB)|\(\d+ bytes\)`, "SIZE"},
		{`(\s|-){2,}`, " "},
	} {
		line = regexp.MustCompile(r.from).ReplaceAllString(line, r.to)
	}
	return strings.TrimSpace(line)
}

// run runs one command line with the names of this test in the place of the document's,
// and gives what it printed with the document's again.
func (d *doc) run(line string) []string {
	d.t.Helper()
	d.t.Log("$", line)
	line = strings.NewReplacer("registry.acme.example", d.registry, "http://127.0.0.1:8480", d.house.url,
		"postgres://fairlead@db.acme.example/fairlead", "'"+d.postgres+"'").Replace(line)
	if background, ok := strings.CutSuffix(line, " &"); ok {
		return d.printed(d.background(strings.Fields(background)))
	}
	switch adds := strings.HasPrefix(line, "fairlead registry add"); {
	case adds && strings.Contains(line, "docker.io"):
		line += " --no-verify" // it isn't there
	case adds:
		line += " --plain-http" // the test's registry has no certificate that the world trusts
	}
	cmd := exec.CommandContext(context.Background(), "/bin/sh", "-c", line)
	cmd.Dir = d.house.dir
	cmd.Env = append(d.house.env, "PATH="+filepath.Dir(d.house.bin)+":"+os.Getenv("PATH"), "FAIRLEAD_SERVER="+d.house.url)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		d.t.Fatalf("%s: %s: %v\n%s%s", d.file, line, err, out.String(), errs.String())
	}
	return d.printed(out.String())
}

// background starts a server or a worker.
func (d *doc) background(args []string) string {
	d.t.Helper()
	if args[1] == "worker" {
		p := d.house.spawn("performs runs of", append(args[1:], "--engine", "docker", "--docker-host", dockerHost(d.t), "--allow-host", "127.0.0.0/8")...)
		return p.output()
	}
	for i, a := range args {
		args[i] = strings.Trim(a, "'")
	}
	if d.house.server != nil {
		d.house.server.stop(15)
	}
	h := newHouse(d.t, "docker", "--preflight=true")
	d.house.serveArgs = append(h.serveArgs, args[2:]...)
	if !strings.Contains(strings.Join(args, " "), "--data ") {
		d.house.serveArgs = append(d.house.serveArgs, "--data", "fairlead-data")
	}
	d.house.start()
	return d.house.server.output()
}

// printed gives output lines with the document's names.
func (d *doc) printed(text string) []string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	text = regexp.MustCompile(`(fl[a-z]_)[A-Za-z0-9_-]{43}`).ReplaceAllString(text, "${1}"+strings.Repeat("A", 43))
	text = regexp.MustCompile(`(whsec_)[A-Za-z0-9+/]{43}=`).ReplaceAllString(text, "${1}"+strings.Repeat("A", 43)+"=")
	return strings.Split(strings.NewReplacer(d.registry, "registry.acme.example", d.house.url, "http://127.0.0.1:8480").Replace(text), "\n")
}
