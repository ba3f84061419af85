package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the store's driver, to plant something in a database

	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/registrytest"
)

// newCanary makes a secret that looks another in every encoding there is.
func newCanary(what string) string { return "c4n4ry " + what + `/+&"<é>:%` + rand.Text() }

// canaries are secrets, in all forms in which they could be somewhere.
type canaries map[string][]byte

// known gives the forms of secrets.
func known(secrets ...string) canaries {
	all := canaries{}
	for _, s := range secrets {
		add := func(form, text string) { all[fmt.Sprintf("%s of %q", form, s[:min(12, len(s))])] = []byte(text) }
		add("itself", s)
		quoted, _ := json.Marshal(s)
		add("JSON", string(bytes.Trim(quoted, `"`)))
		plain := strings.ReplaceAll(s, `"`, `\"`)
		add("JSON, plainly", plain)
		add("JSON in JSON, plainly", strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(plain))
		add("quoted for Go", strings.Trim(fmt.Sprintf("%+q", s), `"`))
		add("JSON in JSON", strings.Trim(fmt.Sprintf("%q", bytes.Trim(quoted, `"`)), `"`))
		add("HTML", html.EscapeString(s))
		add("URL, query", url.QueryEscape(s))
		add("URL, path", url.PathEscape(s))
		add("hexadecimal", hex.EncodeToString([]byte(s)))
		add("HEXADECIMAL", strings.ToUpper(hex.EncodeToString([]byte(s))))
		for i, c := range inBase64(s) {
			add(fmt.Sprintf("base64, %d", i), c)
			add(fmt.Sprintf("base64 for URLs, %d", i), strings.NewReplacer("+", "-", "/", "_").Replace(c))
		}
	}
	return all
}

// inBase64 gives what is in the base64 of every text that the secret is a part of, such
// as user:password: whatever stands around it, it begins at one of three places in a
// group of three bytes.
func inBase64(s string) []string {
	var all []string
	for before := range 3 {
		coded := base64.StdEncoding.EncodeToString(append(make([]byte, before), s...))
		all = append(all, coded[(before*8+5)/6:(before+len(s))*8/6])
	}
	return all
}

// in gives the forms that are in some bytes.
func (c canaries) in(b []byte) []string {
	var found []string
	for form, text := range c {
		if bytes.Contains(b, text) {
			found = append(found, form)
		}
	}
	slices.Sort(found)
	return found
}

// inFiles looks into every file below a directory that was written since, but for what is
// excepted.
func (c canaries) inFiles(dir string, since time.Time, but ...string) []string {
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case slices.Contains(but, path) && d.IsDir():
			return fs.SkipDir
		case slices.Contains(but, path):
			return nil
		case errors.Is(err, fs.ErrNotExist): // it went meanwhile
			return nil
		case err != nil:
			return err
		}
		if forms := c.in([]byte(path)); len(forms) > 0 {
			found = append(found, fmt.Sprintf("the name %s has %q", path, forms))
		}
		info, err := d.Info()
		if err != nil || !d.Type().IsRegular() || info.ModTime().Before(since) {
			return nil //nolint:nilerr // As above.
		}
		b, err := os.ReadFile(path)
		if forms := c.in(b); len(forms) > 0 {
			found = append(found, fmt.Sprintf("%s has %q", path, forms))
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	})
	if err != nil {
		found = append(found, err.Error())
	}
	return found
}

// inProcesses looks at what everybody may see of every process, as ps(1) does, and at
// their environments.
func (c canaries) inProcesses() []string {
	var found []string
	for _, sort := range []string{"cmdline", "environ"} {
		files, _ := filepath.Glob("/proc/[0-9]*/" + sort)
		for _, file := range files {
			b, err := os.ReadFile(file)
			if forms := c.in(b); err == nil && len(forms) > 0 {
				found = append(found, fmt.Sprintf("%s has %q", file, forms))
			}
		}
	}
	return found
}

// watchProcesses looks at all processes all the time until it is told to stop, and gives
// what it found.
func (c canaries) watchProcesses(t *testing.T) func() []string {
	t.Helper()
	stop, ended := make(chan struct{}), make(chan struct{})
	found := map[string]bool{}
	go func() {
		defer close(ended)
		tick := time.NewTicker(10 * lookEvery)
		defer tick.Stop()
		for last := false; ; {
			for _, f := range c.inProcesses() {
				found[f] = true
			}
			if last {
				return
			}
			select {
			case <-tick.C:
			case <-stop:
				last = true
			}
		}
	}()
	end := sync.OnceFunc(func() { close(stop); <-ended })
	t.Cleanup(end)
	return func() []string { end(); return slices.Sorted(maps.Keys(found)) }
}

// inPostgres looks into every row of every table of a database, written as JSON. Bytes
// show as hexadecimal.
func (c canaries) inPostgres(t *testing.T, database string) []string {
	t.Helper()
	db, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(t.Context())) }()
	rows, err := db.Query(t.Context(), "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables WHERE schemaname <> 'information_schema' AND schemaname <> 'pg_catalog'")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) == 0 {
		t.Fatalf("the database has %d tables: %v", len(tables), err)
	}
	var found []string
	for _, table := range tables {
		rows, err := db.Query(t.Context(), "SELECT to_jsonb(t)::text FROM "+table+" t")
		if err != nil {
			t.Fatal(err)
		}
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if forms := c.in([]byte(text)); len(forms) > 0 {
				found = append(found, fmt.Sprintf("table %s has %q", table, forms))
			}
		}
	}
	return found
}

// TestCanarySearch plants a secret in each place that TestCanary searches, in each form,
// and wants it found.
func TestCanarySearch(t *testing.T) {
	t.Parallel()
	secret := newCanary("planted")
	c := known(secret)
	begun := time.Now().Add(-time.Minute)
	for form, text := range map[string]string{
		"itself": secret, "with user": base64.StdEncoding.EncodeToString([]byte("robot:" + secret)), "alone": base64.StdEncoding.EncodeToString([]byte(secret)),
		"for URLs": base64.RawURLEncoding.EncodeToString([]byte(`{"username":"robot","password":"` + secret + `"}`)),
		"hex":      hex.EncodeToString([]byte("x" + secret)), "query": url.Values{"password": {secret}}.Encode(), "JSON": fmt.Sprint(jsonOf(secret)),
		"twice": fmt.Sprint(jsonOf(jsonOf(secret))), "Go": fmt.Sprintf("%q", secret), "Go, ASCII": fmt.Sprintf("%+q", secret), "HTML": html.EscapeString(secret),
	} {
		if len(c.in([]byte("before "+text+" behind"))) == 0 {
			t.Errorf("%s isn't found: %s", form, text)
		}
	}
	if forms := known("something else").in([]byte(secret)); len(forms) > 0 {
		t.Errorf("found what isn't there: %q", forms)
	}
	dir := t.TempDir()
	planted := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Dir(file)
	}
	sleeper := func(name string, how func(*exec.Cmd)) {
		cmd := exec.Command("/bin/cat")
		how(cmd)
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(c.watchProcesses(t)()) == 0 {
			t.Errorf("%s isn't found", name)
		}
		_ = in.Close()
		_ = cmd.Wait()
	}
	sleeper("an argument", func(cmd *exec.Cmd) { cmd.Args = []string{"cat", "-", "--", secret} })
	sleeper("a variable", func(cmd *exec.Cmd) { cmd.Env = []string{"PASSWORD=" + secret} })
	places := map[string][]string{
		"a file":        c.inFiles(planted("file/deep/in/there", "password="+secret), begun),
		"a file's name": c.inFiles(planted("name/"+strings.ReplaceAll(url.QueryEscape(secret), "/", "_"), ""), begun),
		"an answer":     c.in(answered(t, secret)),
	}
	if found := c.inFiles(planted("but/secret", secret), begun, filepath.Join(dir, "but")); len(found) > 0 {
		t.Errorf("what is excepted was found: %q", found)
	}
	lite := filepath.Join(dir, "lite")
	planted("lite/x", "")
	db, err := sql.Open("sqlite", filepath.Join(lite, "fairlead.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "PRAGMA journal_mode = wal; CREATE TABLE t (x); INSERT INTO t VALUES (?)", secret); err != nil {
		t.Fatal(err)
	}
	places["SQLite, open"] = c.inFiles(lite, begun)
	_ = db.Close()
	places["SQLite, closed"] = c.inFiles(lite, begun)
	postgres := pgtest.URL(t)
	for i, value := range []any{secret, []byte(secret), map[string]string{"password": secret}} {
		sorts := []string{"text", "bytea", "jsonb"}
		at := "t" + sorts[i]
		pg, err := pgx.Connect(t.Context(), postgres)
		if err == nil {
			_, err = pg.Exec(t.Context(), "CREATE TABLE "+at+" (x "+sorts[i]+")")
		}
		if err == nil {
			_, err = pg.Exec(t.Context(), "INSERT INTO "+at+" VALUES ($1)", value)
		}
		if err != nil {
			t.Fatal(err)
		}
		places["PostgreSQL, "+sorts[i]] = slices.DeleteFunc(c.inPostgres(t, postgres), func(f string) bool { return !strings.Contains(f, at) })
		_ = pg.Close(t.Context())
	}
	for place, found := range places {
		if len(found) == 0 {
			t.Errorf("%s: it isn't found", place)
		}
	}
}

func jsonOf(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// answered has a server answer something, and gives what the way to it kept.
func answered(t *testing.T, text string) []byte {
	t.Helper()
	at := freePort(t)
	s := &http.Server{Addr: at, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })}
	go func() { _ = s.ListenAndServe() }()
	defer s.Close() //nolint:errcheck // It ends with the test.
	w := newWay(t, at)
	until(t, "the server answers", func() bool { return get(t, w.url()) == nil })
	return w.answers()
}

// get fetches a page, whatever is in it.
func get(t *testing.T, address string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// TestCanary does all that is done with secrets, and wants none of them anywhere but in
// the file that it came from.
func TestCanary(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		engine   string
		auth     registrytest.Auth
		postgres bool
	}{
		{"docker", registrytest.Bearer, true},
		{"docker", registrytest.Basic, false},
		{"runc", registrytest.Bearer, false},
		{"runc", registrytest.Basic, true},
	} {
		t.Run(row.engine+" "+string(row.auth), func(t *testing.T) {
			t.Parallel()
			newCage(t, row.engine, row.auth, row.postgres).whole()
		})
	}
}

// cage is a house with secrets, all of which are watched.
type cage struct {
	*house
	way      *way
	registry string
	postgres string
	auth     registrytest.Auth
	begun    time.Time
	// password opens the registry; wrong doesn't, and spare is of a connector that
	// nothing uses.
	password, wrong, spare string
	canaries               canaries
	said                   bytes.Buffer // by all commands
	watched                func() []string
}

func newCage(t *testing.T, engine string, auth registrytest.Auth, inPostgres bool) *cage {
	t.Helper()
	c := &cage{auth: auth, begun: time.Now(), password: newCanary("good"), wrong: newCanary("wrong"), spare: newCanary("spare")}
	c.canaries = known(c.password, c.wrong, c.spare)
	registry := registrytest.Debian(t, registrytest.DebianOptions{Auth: auth, Accounts: []registrytest.Account{
		{Name: "robot", Password: c.password, Rights: registrytest.Reads("acme/")},
		{Name: "publisher", Password: publisherPassword, Rights: registrytest.Everything()},
	}})
	c.registry = registry.Host()
	publish(t, c.registry+"/acme/train:v1", python(t))
	at := freePort(t)
	c.way = newWay(t, at)
	flags := []string{"--listen", at, "--public-url", c.way.url(), "--log-level", "debug"}
	if inPostgres {
		c.postgres = pgtest.URL(t)
		flags = append(flags, "--database", bare(c.postgres))
	}
	c.house = newHouse(t, engine, flags...)
	for _, dir := range []string{"tmp", "given"} {
		if err := os.Mkdir(filepath.Join(c.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c.env = append(slices.Clip(c.env), "TMPDIR="+filepath.Join(c.dir, "tmp"))
	c.write("given/good", c.password+"\n")
	c.write("given/wrong", c.wrong)
	c.holdProject(c.registry + "/acme/train:v1")
	c.watched = c.canaries.watchProcesses(t)
	return c
}

// tell runs a command, with something on its standard input, and keeps what it says.
func (c *cage) tell(in string, args ...string) result {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), c.bin, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = c.dir, append(slices.Clip(c.env), "FAIRLEAD_SERVER="+c.url), strings.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if _, exited := errors.AsType[*exec.ExitError](err); !exited {
			c.t.Fatal(err)
		}
	}
	c.said.Write(out.Bytes())
	c.said.Write(errs.Bytes())
	return result{out: out.String(), err: errs.String(), code: cmd.ProcessState.ExitCode()}
}

func (c *cage) do(args ...string) {
	c.t.Helper()
	if r := c.tell("", args...); r.code != 0 {
		c.t.Fatalf("fairlead %q: exit code %d\n%s%s\n%s", args, r.code, r.out, r.err, c.server.output())
	}
}

func (c *cage) whole() {
	c.t.Helper()
	c.setUp()
	c.connect()
	c.do("run", "hold", "--file", "project/valohai.yaml", "--env", fmt.Sprintf("LOCK=%d", newLock()), "--env", "SECONDS=1")
	c.fail()
	for _, args := range [][]string{{"keys", "rotate", "--data", "data"}, {"keys", "rotate", "--data", "data", "--data-keys", "acme"}, {"keys", "prune", "--data", "data"}, {"keys", "status", "--data", "data"}} {
		if c.postgres != "" {
			args = append(args, "--database", bare(c.postgres))
		}
		c.do(args...)
	}
	c.do("run", "hold", "--file", "project/valohai.yaml", "--env", fmt.Sprintf("LOCK=%d", newLock()))
	c.lookAtAll()
	c.search("while it runs")
	c.server.stop(syscall.SIGTERM)
	c.search("when it has ended")
}

// connect gives the secrets in every way that there is but the terminal.
func (c *cage) connect() {
	c.t.Helper()
	disclosure := "scoped"
	if c.auth == registrytest.Basic {
		disclosure = "secret"
	}
	c.do("registry", "add", "main", "--pattern", c.registry+"/acme/*", "--username", "robot", "--password-file", "given/good", "--plain-http", "--disclosure", disclosure)
	if r := c.tell(c.spare+"\n", "connector", "register", "spare", "--family", "docker", "--hosts", c.registry, "--username", "robot", "--password-file", "-", "--no-verify"); r.code != 0 {
		c.t.Fatal(r.err)
	}
	if r := c.tell(c.spare+"\n", "connector", "update", "spare", "--username", "other", "--password-file", "-", "--no-verify"); r.code != 0 {
		c.t.Fatal(r.err)
	}
	// Mistakes of a kind that invites to repeat what was given.
	for _, args := range [][]string{
		{"connector", "register", "spare", "--family", "docker", "--hosts", c.registry, "--username", "robot", "--password-file", "-"},
		{"connector", "register", "Not A Name", "--family", "docker", "--hosts", c.registry, "--username", "robot", "--password-file", "-"},
		{"connector", "register", "hub", "--family", "docker-hub", "--username", "robot", "--token-file", "-", "--method", "basic"},
		{"connector", "update", "missing", "--password-file", "-"},
		{"connector", "rotate", "spare", "--username", "nobody", "--password-file", "-"},
		{"registry", "add", "more", "--pattern", "no pattern", "--username", "robot", "--password-file", "-"},
		{"login", c.url, "--name", "ann", "--password-file", "-"},
		{"whoami", "--api-token-file", "-"},
	} {
		if r := c.tell(c.spare+"\n", args...); r.code == 0 {
			c.t.Errorf("fairlead %q succeeds", args)
		}
	}
	c.do("project", "create", "rings")
}

// fail has the registry refuse a login, and mends it again.
func (c *cage) fail() {
	c.t.Helper()
	if r := c.tell("", "registry", "update", "main", "--username", "robot", "--password-file", "given/wrong"); r.code != 1 {
		c.t.Errorf("a wrong login is taken: %d\n%s%s", r.code, r.out, r.err)
	}
	c.do("registry", "update", "main", "--username", "robot", "--password-file", "given/wrong", "--no-verify")
	r := c.tell("", "run", "hold", "--file", "project/valohai.yaml")
	if r.code != 1 || !strings.Contains(r.out+r.err, "refuse") {
		c.t.Errorf("a run with a wrong login ended with %d:\n%s%s", r.code, r.out, r.err)
	}
	c.do("registry", "update", "main", "--username", "robot", "--password-file", "given/good")
}

// lookAtAll looks at everything that can be shown, in every form, and at every page.
func (c *cage) lookAtAll() {
	c.t.Helper()
	for _, format := range []string{"table", "json", "yaml"} {
		for _, args := range [][]string{
			{"registry", "list"},
			{"registry", "show", "main"},
			{"connector", "list"},
			{"connector", "describe", "main"},
			{"connector", "describe", "spare"},
			{"connector", "types"},
			{"connector", "types", "docker"},
			{"runs", "list"},
			{"runs", "show", "1"},
			{"runs", "show", "2"},
			{"runs", "logs", "1"},
			{"runs", "logs", "2"},
			{"runs", "outputs", "1"},
			{"project", "list"},
			{"project", "show", "rings"},
			{"organization", "list"},
			{"organization", "show"},
			{"member", "list"},
			{"worker", "list"},
			{"token", "list"},
			{"whoami"},
			{"events", "--limit", "200"},
		} {
			r := c.tell("", append(args, "-o", format)...)
			if strings.Join(args, " ") == "runs logs 2" && format == "table" {
				r.code = 0 // it shows the log of a run that failed
			}
			if r.code != 0 {
				c.t.Errorf("fairlead %q: %s", args, r.err)
			}
		}
	}
	for _, page := range []string{"/", "/docs", "/setup", "/join", "/openapi.json", "/healthz", "/readyz", "/nowhere", "/api/v1/nowhere", "/debug/pprof/", "/metrics"} {
		if err := get(c.t, c.way.url()+page); err != nil {
			c.t.Error(err)
		}
	}
}

// search looks everywhere.
func (c *cage) search(when string) {
	c.t.Helper()
	docker, _ := strings.CutSuffix(strings.TrimPrefix(dockerHost(c.t), "unix://"), "/docker.sock")
	found := map[string][]string{
		"the house":         c.canaries.inFiles(c.dir, c.begun, filepath.Join(c.dir, "given")),
		"the Docker engine": c.canaries.inFiles(docker, c.begun),
		"what was said":     c.canaries.in(c.said.Bytes()),
		"the log":           c.canaries.in([]byte(c.server.output())),
		"what was answered": c.canaries.in(c.way.answers()),
		"processes":         c.watched(),
	}
	if c.postgres != "" {
		found["PostgreSQL"] = c.canaries.inPostgres(c.t, c.postgres)
	}
	for place, list := range found {
		if len(list) > 0 {
			c.t.Errorf("%s, %s: %s", when, place, strings.Join(list, "\n"))
		}
	}
	if !strings.Contains(c.server.output(), "level=DEBUG") || c.said.Len() == 0 || len(c.way.answers()) == 0 {
		c.t.Error("the search is of nothing")
	}
}

// TestNoCore kills servers and workers that have opened a secret, by the signals that
// have a process written into a core file, and wants no core, and no secret in what the
// program says of its own end.
func TestNoCore(t *testing.T) {
	t.Parallel()
	if status := dumped(t, "kill -ABRT $$"); !status.CoreDump() {
		t.Fatalf("no process leaves a core on this machine, and so nothing is shown: %v", status)
	}
	password := newCanary("core")
	c := known(password)
	registry := registrytest.Debian(t, registrytest.DebianOptions{Auth: registrytest.Basic, Accounts: []registrytest.Account{
		{Name: "robot", Password: password, Rights: registrytest.Reads("acme/")},
		{Name: "publisher", Password: publisherPassword, Rights: registrytest.Everything()},
	}})
	publish(t, registry.Host()+"/acme/train:v1", python(t))
	for _, s := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGTRAP} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "")
			h.env = append(slices.Clip(h.env), "GOTRACEBACK=crash")
			h.holdProject(registry.Host() + "/acme/train:v1")
			h.serveArgs = append([]string{"-c", coreLimit, h.bin}, h.serveArgs...)
			fairlead := h.bin
			h.bin = "/bin/sh"
			h.start()
			server := h.server
			h.bin = fairlead
			h.write("ann.txt", "correct horse battery")
			h.ok("setup", "--data", "data", "--organization", "acme", "--name", "ann", "--password-file", "ann.txt")
			h.write("robot.txt", password)
			h.ok("registry", "add", "main", "--pattern", registry.Host()+"/acme/*", "--username", "robot", "--password-file", "robot.txt", "--plain-http", "--disclosure", "secret")
			h.ok("project", "create", "rings")
			h.write("w.token", h.ok("worker", "add", "w"))
			h.bin = "/bin/sh"
			worker := h.spawn("performs runs of", "-c", coreLimit, fairlead, "worker", "--server", h.url, "--token-file", "w.token", "--dir", "w", "--allow-host", "127.0.0.0/8", "--engine", "runc")
			h.bin = fairlead
			h.ok("run", "hold", "--file", "project/valohai.yaml", "--env", fmt.Sprintf("LOCK=%d", newLock()))
			for name, p := range map[string]*process{"server": server, "worker": worker} {
				p.stop(s)
				status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
				if !ok || !status.Signaled() {
					t.Errorf("the %s ended otherwise: %v\n%s", name, p.cmd.ProcessState, p.output())
				}
				if status.CoreDump() {
					t.Errorf("the %s left a core", name)
				}
				// The kernel writes none over another.
				_ = os.Rename(filepath.Join(h.dir, "core"), filepath.Join(h.dir, "core-"+name))
				if forms := c.in([]byte(p.output())); len(forms) > 0 || !strings.Contains(p.output(), "goroutine ") {
					t.Errorf("the %s's last words have %q:\n%s", name, forms, p.output())
				}
			}
			if found := c.inFiles(h.dir, time.Time{}, filepath.Join(h.dir, "robot.txt")); len(found) > 0 {
				t.Errorf("left behind: %q", found)
			}
		})
	}
}

// TestNoCoreOfCommand does the same to a command that is being given a secret.
func TestNoCoreOfCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	h.setUp()
	password := newCanary("typed")
	cmd := exec.Command("/bin/sh", "-c", coreLimit, h.bin, "connector", "register", "main", "--family", "docker", "--hosts", "registry.example", "--username", "robot", "--password-file", "-")
	cmd.Dir, cmd.Env = h.dir, append(slices.Clip(h.env), "GOTRACEBACK=crash", "FAIRLEAD_SERVER="+h.url)
	in, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &said, &said
	if err := errors.Join(cmd.Start(), in.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := write.WriteString(password); err != nil {
		t.Fatal(err)
	}
	until(t, "it has read the secret", func() bool {
		n, err := unix.IoctlGetInt(int(write.Fd()), unix.TIOCINQ)
		return err == nil && n == 0
	})
	_ = cmd.Process.Signal(syscall.SIGQUIT)
	_ = cmd.Wait()
	_ = write.Close()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.CoreDump() {
		t.Errorf("it ended otherwise, or left a core: %v", cmd.ProcessState)
	}
	if found := known(password).in(said.Bytes()); len(found) > 0 || !strings.Contains(said.String(), "goroutine ") {
		t.Errorf("its last words have %q:\n%s", found, &said)
	}
	if found := known(password).inFiles(h.dir, time.Time{}); len(found) > 0 {
		t.Errorf("left behind: %q", found)
	}
}

// coreLimit runs a program that may leave a core of any size.
const coreLimit = `ulimit -c unlimited; exec "$0" "$@"`

// dumped runs a shell that may leave a core, in a directory of its own.
func dumped(t *testing.T, script string) syscall.WaitStatus {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "ulimit -c unlimited; "+script)
	cmd.Dir = t.TempDir()
	_ = cmd.Run()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok {
		t.Fatal("this isn't Linux")
	}
	return status
}
