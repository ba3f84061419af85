package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/registrytest"
)

var (
	killSeed   = flag.Uint64("kill-seed", 0, "seed of TestKill; 0 is another one each time, which is printed")
	killRounds = flag.Int("kill-rounds", 50, "how often TestKill kills, over all engines and databases")
)

// killHold is short, so that a run of a killed worker is soon another's. Its margin is
// still three times what the leash needs to notice.
const killHold = "3s"

// longStep, in seconds, is longer than that: such a step would be seen beside its own
// second performance, if nobody ended it.
const longStep = "7"

// holdStep is a step that shows on the machine, as long as it is performed, which run it
// is: by a lock of one byte of the leash's program, which is the same file in every
// container of whatever engine. A container can read it only, and so the lock is a
// shared one; it asks whether somebody else has one too when it has its own, so that of
// two at once the later one always sees the other (fcntl(2), F_SETLK and F_GETLK).
const holdStep = `
import fcntl, os, struct, sys, time

run = int(os.environ["LOCK"])

def lock(how, kind):
    return struct.unpack("hhqqi", fcntl.fcntl(leash, how, struct.pack("hhqqi4x", kind, os.SEEK_SET, run, 1, 0))[:28])[0]

leash = os.open("/.fairlead/fairlead-leash", os.O_RDONLY)
lock(fcntl.F_SETLK, fcntl.F_RDLCK)
if lock(fcntl.F_GETLK, fcntl.F_WRLCK) != fcntl.F_UNLCK:
    print("performed twice at once:", run)
    time.sleep(0.5) # for who watches from outside
    sys.exit(99)
print("begun", run)
time.sleep(float(os.environ.get("SECONDS", "0.5")))
with open("/valohai/outputs/run.txt", "w") as f:
    f.write(str(run))
print("ended", run)
`

// holdProject writes the project of holdStep.
func (h *house) holdProject(image string) {
	h.t.Helper()
	h.write("project/hold.py", holdStep)
	h.write("project/valohai.yaml", "- step:\n    name: hold\n    image: "+image+"\n    command: python hold.py\n")
}

// locks numbers the runs of holdStep over all tests: the leash's file is the same.
var locks struct {
	sync.Mutex
	last int
}

func newLock() int {
	locks.Lock()
	defer locks.Unlock()
	locks.last++
	return locks.last
}

// holders gives, for each run of holdStep, the processes that perform it just now
// (proc_locks(5)). The kernel's list isn't one moment's: a lock may be there twice, but
// not with two processes.
func holders(t *testing.T, bin string) map[int]map[string]bool {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(bin, &st); err != nil {
		t.Fatal(err)
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	b, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]map[string]bool{}
	for line := range strings.Lines(string(b)) {
		// 1: POSIX ADVISORY READ 4711 fe:00:1234 7 7
		f := strings.Fields(line)
		if len(f) != 8 || f[1] != "POSIX" || f[5] != file {
			continue
		}
		if n, err := strconv.Atoi(f[6]); err == nil {
			if all[n] == nil {
				all[n] = map[string]bool{}
			}
			all[n][f[4]] = true
		}
	}
	return all
}

// watchHolders looks all the time whether a run is performed twice at once, until the
// returned function is called, which tells the runs that were seen.
func watchHolders(t *testing.T, bin string) func() map[int]bool {
	t.Helper()
	seen, stop, ended := map[int]bool{}, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			for lock, processes := range holders(t, bin) {
				seen[lock] = true
				if len(processes) > 1 {
					t.Errorf("the run with lock %d is performed twice at once: %v", lock, processes)
				}
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	end := sync.OnceFunc(func() { close(stop); <-ended })
	t.Cleanup(end)
	return func() map[int]bool { end(); return seen }
}

// lookEvery is how often a test looks whether something that nobody tells it of has
// happened.
const lookEvery = 5 * time.Millisecond

// until waits for a condition.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("waiting until %s: %v", what, t.Context().Err())
		}
	}
}

// freePort gives a port that nobody is given by chance: a server that is started again
// must find its own free.
func freePort(t *testing.T) string {
	t.Helper()
	for {
		at := fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(20000)) // below ip_local_port_range
		if l, err := net.Listen("tcp", at); err == nil {
			_ = l.Close()
			return at
		}
	}
}

// TestKill kills the server and a worker again and again, at points that a seed chooses,
// and wants every run that was accepted to end well, and none to be performed twice at
// once.
func TestKill(t *testing.T) {
	t.Parallel()
	seed := *killSeed
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("the seed is %d: again with -kill-seed", seed)
	databases := []string{"sqlite", "postgres"}
	combinations := len(engines()) * len(databases)
	for i, engine := range engines() {
		for j, database := range databases {
			n := i*len(databases) + j
			rounds := (*killRounds + n) / combinations // together they are all
			t.Run(engine+" "+database, func(t *testing.T) {
				t.Parallel()
				k := newKiller(t, engine, database, rand.New(rand.NewPCG(seed, uint64(n))))
				seen := watchHolders(t, k.bin)
				for round := range rounds {
					k.round(round)
				}
				k.startWorker()
				k.settle()
				performed := seen()
				for lock := range k.accepted {
					if !performed[lock] {
						t.Errorf("nobody saw the run with lock %d performed", lock)
					}
				}
				k.nothingLeft()
			})
		}
	}
}

// killer is a house whose server and worker are killed.
type killer struct {
	*house
	person   *house // who types commands meanwhile
	random   *rand.Rand
	worker   *process
	away     bool     // the worker was killed, and not started yet
	rest     int      // rounds for which it stays away
	args     []string // the worker's
	postgres string

	mu       sync.Mutex
	accepted map[int]int64 // the number of each run, by lock
}

func newKiller(t *testing.T, engine, database string, random *rand.Rand) *killer {
	t.Helper()
	registry := registrytest.Debian(t, registrytest.DebianOptions{Auth: registrytest.Bearer, Accounts: accounts()})
	image := registry.Host() + "/acme/train:v1"
	publish(t, image, python(t))
	k := &killer{random: random, away: true, accepted: map[int]int64{}}
	flags := []string{"--listen", freePort(t), "--hold", killHold, "--slots", "4"}
	if database == "postgres" {
		k.postgres = pgtest.URL(t)
		flags = append(flags, "--database", bare(k.postgres))
	}
	k.house = newHouse(t, engine, flags...)
	k.holdProject(image)
	k.setUp()
	k.person = &house{t: t, bin: k.bin, dir: filepath.Join(k.dir, "project"), env: slices.Clip(k.env), url: k.url}
	k.write("robot.txt", robotPassword)
	k.ok("registry", "add", "main", "--pattern", registry.Host()+"/acme/*", "--username", "robot", "--password-file", "robot.txt", "--plain-http")
	k.ok("project", "create", "rings")
	k.write("second.token", k.ok("worker", "add", "second"))
	k.args = append([]string{"worker", "--server", k.url, "--token-file", "second.token", "--dir", "second", "--slots", "4", "--allow-host", "127.0.0.0/8"}, engineFlags(t, engine)...)
	k.startWorker()
	return k
}

// engineFlags choose an engine, for a worker.
func engineFlags(t *testing.T, engine string) []string {
	t.Helper()
	if engine == "docker" {
		return []string{"--engine", "docker", "--docker-host", dockerHost(t)}
	}
	return []string{"--engine", engine}
}

// startWorker starts the worker if it is away.
func (k *killer) startWorker() {
	k.t.Helper()
	if k.away {
		k.worker, k.away = k.spawn("performs runs of", k.args...), false
	}
}

// round queues runs, and kills somebody at some moment of that.
func (k *killer) round(n int) {
	k.t.Helper()
	var asking sync.WaitGroup
	refused := ""
	long := k.random.IntN(4)
	asking.Go(func() {
		for i := range 3 {
			seconds := "0.5"
			if i == long {
				seconds = longStep
			}
			if r := k.queue(seconds); r.code != 0 {
				refused = r.err
			}
		}
	})
	k.moment(1500 * time.Millisecond)
	who := k.random.IntN(5)
	server, worker := who < 3, who >= 2
	if server {
		k.server.stop(syscall.SIGKILL)
	}
	if worker && !k.away {
		k.worker.stop(syscall.SIGKILL)
		k.away, k.rest = true, 4*k.random.IntN(2)
	}
	asking.Wait()
	if refused != "" && !server {
		k.t.Fatalf("a run was refused although the server lived: %s", refused)
	}
	if server {
		if k.random.IntN(3) == 0 {
			k.killStarting(k.serveArgs)
		}
		k.start()
	}
	if k.rest--; k.rest < 0 { // until then nobody clears away what it left, but the leash
		if k.away && k.random.IntN(3) == 0 {
			k.killStarting(k.args)
		}
		k.startWorker()
	}
	k.t.Logf("round %d: server killed %v, worker killed %v", n, server, worker)
}

// moment lets some of the time pass. It is no waiting for something: it is the random
// point.
func (k *killer) moment(most time.Duration) {
	k.t.Helper()
	<-time.NewTimer(time.Duration(k.random.Int64N(int64(most)))).C
}

// killStarting starts a process and kills it before, or just when, it is ready.
func (k *killer) killStarting(args []string) {
	k.t.Helper()
	cmd := exec.Command(k.bin, args...)
	cmd.Dir, cmd.Env = k.dir, k.env
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.moment(400 * time.Millisecond)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// queue asks for a run. What is said to be queued is accepted, whatever happens then.
func (k *killer) queue(seconds string) result {
	lock := newLock()
	r := k.person.run("run", "hold", "--detach", "--retries", "10", "--env", fmt.Sprintf("LOCK=%d", lock), "--env", "SECONDS="+seconds, "-o", "json")
	if r.code != 0 {
		return r
	}
	var run fairlead.Run
	if err := json.Unmarshal([]byte(r.out), &run); err != nil {
		k.t.Errorf("fairlead run: %v\n%s", err, r.out)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.accepted[lock] = run.Number
	return r
}

// settle waits until every run has ended, and looks at each.
func (k *killer) settle() {
	k.t.Helper()
	if len(k.accepted) == 0 {
		k.t.Error("no run was accepted: nothing is shown")
	}
	for lock, number := range k.accepted {
		n := strconv.FormatInt(number, 10)
		r := k.person.run("runs", "logs", n, "--follow")
		var run fairlead.Run
		k.read(&run, "runs", "show", n)
		switch {
		case r.code == 0:
			k.whole(run, lock)
		case run.Attempt == run.Spec.Retries+1 && run.Failure != nil && run.Failure.Code == fairlead.CodeWorkerLost:
			k.t.Logf("run %d lost all its workers, as it says: %v", number, run.Failure)
		default:
			k.t.Errorf("run %d ended with %d in its attempt %d: %v\n%s%s", number, r.code, run.Attempt, run.Failure, r.out, r.err)
		}
	}
	var list struct{ Runs []fairlead.Run }
	k.read(&list, "runs", "list", "--limit", "1000")
	lost, numbers := 0, map[int64]bool{}
	for _, r := range list.Runs {
		numbers[r.Number] = true
		lost += max(0, r.Attempt-1)
		if !r.State.Final() { // it was accepted while its caller was cut off
			k.person.run("runs", "logs", strconv.FormatInt(r.Number, 10), "--follow")
		}
	}
	for _, number := range k.accepted {
		if !numbers[number] {
			k.t.Errorf("run %d is lost", number)
		}
	}
	k.t.Logf("%d runs were accepted, %d exist, %d times one was lost by a worker and performed again", len(k.accepted), len(list.Runs), lost)
}

// whole wants a run's record, log and output to be complete.
func (k *killer) whole(run fairlead.Run, lock int) {
	k.t.Helper()
	number := strconv.FormatInt(run.Number, 10)
	if run.State != fairlead.Complete || run.ExitCode == nil || *run.ExitCode != 0 || run.Pulled == nil || run.Began.IsZero() || run.Ended.IsZero() {
		k.t.Errorf("run %s: its record isn't whole: %+v", number, run)
	}
	var log struct{ Lines []fairlead.LogLine }
	k.read(&log, "runs", "logs", number)
	var text strings.Builder
	for i, l := range log.Lines {
		if l.Seq != int64(i+1) {
			k.t.Errorf("run %s: line %d of its log has number %d", number, i+1, l.Seq)
		}
		fmt.Fprintln(&text, l.Text)
	}
	last := text.String()[max(0, strings.LastIndex(text.String(), "Pulling image: ")):]
	for _, want := range []string{"Image digest: sha256:", fmt.Sprintf("\nbegun %d\n", lock), fmt.Sprintf("\nended %d\n", lock), "Outputs kept: 1 "} {
		if !strings.Contains(last, want) {
			k.t.Errorf("run %s: its last attempt's log lacks %q:\n%s", number, want, &text)
		}
	}
	if n := strings.Count(text.String(), "Pulling image: "); n > run.Attempt {
		k.t.Errorf("run %s was claimed %d times, and its log begins %d times", number, run.Attempt, n)
	}
	var outputs struct{ Outputs []fairlead.Output }
	k.read(&outputs, "runs", "outputs", number)
	content := strconv.Itoa(lock)
	want := []fairlead.Output{{Name: "run.txt", Digest: fairlead.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(content)))), Size: int64(len(content))}}
	if diff := cmp.Diff(want, outputs.Outputs); diff != "" {
		k.t.Errorf("run %s: its outputs (-want +got):\n%s", number, diff)
	}
}

// read reads what a command says.
func (k *killer) read(v any, args ...string) {
	k.t.Helper()
	if err := json.Unmarshal([]byte(k.person.ok(append(args, "-o", "json")...)), v); err != nil {
		k.t.Error(err)
	}
}

// nothingLeft ends server and worker as an operator would, and wants nothing left of
// what was killed: no process, container, mount, cgroup, lock or half a file.
func (k *killer) nothingLeft() {
	k.t.Helper()
	k.worker.stop(syscall.SIGTERM)
	k.server.stop(syscall.SIGTERM)
	for _, p := range []*process{k.worker, k.server} {
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			k.t.Errorf("it ended with %d:\n%s", code, p.output())
		}
	}
	k.noTraces()
	for lock := range k.accepted {
		if n := holders(k.t, k.bin)[lock]; len(n) != 0 {
			k.t.Errorf("lock %d is left", lock)
		}
	}
	f, err := os.Open(filepath.Join(k.dir, "data", "lock"))
	if err != nil {
		k.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		k.t.Errorf("the data directory's lock is held: %v", err)
	}
	if k.postgres != "" {
		k.noSessions()
	}
	k.wholeBlobs()
}

// noTraces wants nothing of the machine to know of this house's directory any more.
func (h *house) noTraces() {
	h.t.Helper()
	for _, sort := range []string{"cmdline", "mountinfo"} {
		for _, file := range glob(h.t, "/proc/[0-9]*/"+sort) {
			if b, err := os.ReadFile(file); err == nil && bytes.Contains(b, []byte(h.dir)) {
				h.t.Errorf("%s still knows the house:\n%s", file, b)
			}
		}
	}
	for _, dir := range []string{"data/worker", "second"} {
		for _, below := range []string{"runs", "runc/runs", "runc/state/crun", "runc/state/runc"} {
			if left := glob(h.t, filepath.Join(h.dir, dir, below, "*")); len(left) > 0 {
				h.t.Errorf("these are left: %q", left)
			}
		}
		sum := sha256.Sum256([]byte(filepath.Join(h.dir, dir, "runc"))) // as internal/engine/runc names its cgroup
		if left := append(glob(h.t, fmt.Sprintf("/sys/fs/cgroup/fairlead-%x", sum[:6])), glob(h.t, fmt.Sprintf("/sys/fs/cgroup/*/fairlead-%x", sum[:6]))...); len(left) > 0 {
			h.t.Errorf("these cgroups are left: %q", left)
		}
	}
	if strings.Contains(strings.Join(h.serveArgs, " "), "--docker-host") {
		h.noContainers()
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// noContainers wants the Docker engine to have none of the house's.
func (h *house) noContainers() {
	h.t.Helper()
	api, err := client.New(client.WithHost(dockerHost(h.t)))
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = api.Close() }()
	list, err := api.ContainerList(h.t.Context(), client.ContainerListOptions{All: true})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, c := range list.Items {
		if strings.HasPrefix(c.Labels["dev.fairlead.owner"], h.dir+"/") {
			h.t.Errorf("container %v is left, and %s", c.Names, c.Status)
		}
	}
}

// noSessions wants nobody to be connected to the database any more, and so no lock.
func (k *killer) noSessions() {
	k.t.Helper()
	c, err := pgx.Connect(k.t.Context(), k.postgres)
	if err != nil {
		k.t.Fatal(err)
	}
	defer func() { _ = c.Close(k.t.Context()) }()
	for {
		// The engine notices a little later that a client is gone.
		var sessions int
		if err := c.QueryRow(k.t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").Scan(&sessions); err != nil {
			k.t.Fatal(err)
		}
		if sessions == 0 {
			break
		}
	}
	var locks int
	if err := c.QueryRow(k.t.Context(), "SELECT count(*) FROM pg_locks WHERE pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").Scan(&locks); err != nil || locks != 0 {
		k.t.Errorf("%d locks are left in the database: %v", locks, err)
	}
}

// wholeBlobs wants every kept file to be what its name says. What a killed server had
// half written is beside them, where nobody reads it, and goes a day later.
func (k *killer) wholeBlobs() {
	k.t.Helper()
	count := 0
	err := filepath.WalkDir(filepath.Join(k.dir, "data", "blobs", "sha256"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		count++
		b, err := os.ReadFile(path)
		if sum := fmt.Sprintf("%x", sha256.Sum256(b)); err != nil || filepath.Base(path) != sum {
			k.t.Errorf("%s isn't a whole file: it has digest %s: %v", path, sum, err)
		}
		return nil
	})
	if err != nil || count == 0 {
		k.t.Errorf("looking at the files that are kept: %d of them, %v", count, err)
	}
}
