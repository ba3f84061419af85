package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// What the soak is made of: images of twice the quota, of which tags come and go.
const (
	soakClients = 10
	soakImages  = 20
	soakTags    = 8
	soakQuota   = 1e9
	// soakRate is what the upstream gives in a second; what is there already comes faster.
	soakRate = 60e6
)

// soak has clients pull for a long time while tags change and the quota makes blobs go.
type soak struct {
	b      *bench
	images []image
	server *cache
	up     *source

	mu   sync.Mutex
	tags [soakTags]int // which image each stands for

	pulls, aborts, bytes atomic.Int64
}

// samples of a process, taken every few seconds.
type sample struct {
	memory, disk float64 // bytes
	files        int
}

func measureSoak(ctx context.Context, b *bench) error {
	s := &soak{b: b}
	const layers = 4
	size := int64(2 * soakQuota / soakImages / layers)
	for n := range uint64(soakImages) {
		i, err := makeImage(b.tree, "ml/soak", fmt.Sprintf("i%d", n), 1000+n, size, size, size, size)
		if err != nil {
			return err
		}
		s.images = append(s.images, i)
	}
	for tag := range soakTags {
		if err := s.stand(tag, tag); err != nil {
			return err
		}
	}
	idle, err := s.idle(ctx)
	if err != nil {
		return err
	}
	list, err := s.run(ctx)
	if err != nil {
		return err
	}
	return s.judge(list, idle)
}

// maker starts the server that is looked at.
func (s *soak) maker() maker { return ours("--gateway-quota", "1", "--gateway-tag-life", "2s") }

// idle says how many goroutines a server has that was used a little.
func (s *soak) idle(ctx context.Context) (n int, err error) {
	err = s.b.with(ctx, s.maker(), fast(), func(c *cache, _ *source) error {
		if _, err := s.b.pull(ctx, c, s.images[0], "", pulling{clients: 1, atOnce: 4, verify: true}); err != nil {
			return err
		}
		n, err = c.goroutines()
		return err
	})
	return n, err
}

// run goes on for as long as the bench was told to.
func (s *soak) run(ctx context.Context) (list []sample, err error) {
	up, err := s.b.upstream(soakRate, soakRate, time.Millisecond)
	if err != nil {
		return nil, err
	}
	defer up.stop(syscall.SIGKILL)
	c, err := s.maker().make(ctx, s.b, up)
	if err != nil {
		return nil, err
	}
	s.server, s.up = c, up
	during, cancel := context.WithTimeout(ctx, s.b.soak)
	defer cancel()
	var all sync.WaitGroup
	errs := make([]error, soakClients+1)
	for n := range soakClients {
		all.Go(func() {
			if errs[n] = s.client(during, uint64(n)); errs[n] != nil {
				cancel()
			}
		})
	}
	all.Go(func() { errs[soakClients] = s.change(during) })
	every := s.b.soak / 60
	for tick := time.NewTicker(every); during.Err() == nil; {
		select {
		case <-tick.C:
			list = append(list, s.sample())
		case <-during.Done():
			tick.Stop()
		}
	}
	all.Wait()
	return list, errors.Join(errs...)
}

// client pulls one image after the other, and leaves some in the middle.
func (s *soak) client(ctx context.Context, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 7))
	for ctx.Err() == nil {
		tag := random.IntN(soakTags)
		mine, cancel := ctx, context.CancelFunc(func() {})
		leaves := random.IntN(5) == 0
		if leaves {
			mine, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(400))*time.Millisecond)
		}
		n, err := s.pull(mine, tag)
		left := mine.Err() != nil
		cancel()
		s.bytes.Add(n)
		switch {
		case err != nil && !left:
			return fmt.Errorf("client %d: %w", seed, err)
		case left:
			s.aborts.Add(1)
		default:
			s.pulls.Add(1)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(random.IntN(6000)) * time.Millisecond): // the machine has other things to do
		}
	}
	return nil
}

// pull pulls what a tag stands for, and checks every byte.
func (s *soak) pull(ctx context.Context, tag int) (int64, error) {
	client := s.b.client(false)
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.manifest(s.images[0], tagName(tag)), http.NoBody)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", s.server.login)
	req.Header.Set("Accept", accepted)
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	_ = res.Body.Close()
	digest := res.Header.Get("Docker-Content-Digest")
	at := slices.IndexFunc(s.images, func(i image) bool { return i.digest == digest })
	if res.StatusCode != http.StatusOK || at < 0 {
		return 0, fmt.Errorf("the tag is %s %q", res.Status, digest)
	}
	i := s.images[at]
	n, err := drain(ctx, client, s.server, s.server.manifest(i, digest), digest, nil)
	for _, x := range i.blobs {
		if err != nil {
			return n, err
		}
		var k int64
		k, err = drain(ctx, client, s.server, s.server.blob(i, x.digest), x.digest, nil)
		n += k
	}
	return n, err
}

func tagName(tag int) string { return fmt.Sprintf("t%d", tag) }

// stand has a tag stand for an image.
func (s *soak) stand(tag, at int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tags[tag] = at
	file := filepath.Join(s.b.tree, "manifests", "ml/soak", tagName(tag))
	if err := os.WriteFile(file+".new", s.images[at].manifest, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// change has one tag after the other stand for another image.
func (s *soak) change(ctx context.Context) error {
	random := rand.New(rand.NewPCG(1, 8))
	for tick := time.NewTicker(3 * time.Second); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-tick.C:
			if err := s.stand(random.IntN(soakTags), random.IntN(soakImages)); err != nil {
				return err
			}
		}
	}
}

func (s *soak) sample() sample {
	x := sample{memory: s.server.anonymous(), files: s.server.files()}
	dir := s.server.dir
	_ = filepath.WalkDir(dir, func(_ string, f fs.DirEntry, err error) error {
		if err != nil || f.IsDir() {
			return nil //nolint:nilerr // It went while it was looked at.
		}
		if info, err := f.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				x.disk += float64(st.Blocks) * 512
			}
		}
		return nil
	})
	return x
}

// judge compares the end with the beginning.
func (s *soak) judge(list []sample, idle int) error {
	time.Sleep(3 * time.Second) // clients have left; what they held goes
	files := s.server.files()
	goroutines, err := s.server.goroutines()
	if err != nil {
		return err
	}
	third := len(list) / 3
	if third == 0 {
		return errors.New("it was too short to be judged")
	}
	most := func(part []sample, of func(sample) float64) (v float64) {
		for _, x := range part {
			v = max(v, of(x))
		}
		return v
	}
	memory := func(x sample) float64 { return x.memory / 1e6 }
	early, late := most(list[third/2:2*third], memory), most(list[2*third:], memory)
	disk := most(list, func(x sample) float64 { return x.disk / 1e6 })
	note := fmt.Sprintf("%d pulls, %d left in the middle, %.1f GB checked in %s", s.pulls.Load(), s.aborts.Load(), float64(s.bytes.Load())/1e9, s.b.soak)
	s.b.add(result{Workload: "soak", Of: "fairlead", Value: float64(s.pulls.Load()), Unit: "pulls", Note: note})
	s.b.target("soak", "MB", late, fmt.Sprintf("memory as before (%.0f MB)", early), late <= early*1.2+8)
	s.b.target("soak", "files", float64(files), "<= 40 open when idle", files <= 40)
	s.b.target("soak", "goroutines", float64(goroutines), fmt.Sprintf("as a new server (%d), and 10", idle), goroutines <= idle+10)
	// What is being fetched may be there beside what is kept, and reserves its room.
	s.b.target("soak", "MB", disk, "<= 1.25 of the quota on the disk", disk <= 1.25*soakQuota/1e6)
	return nil
}

// anonymous is the memory that the process has for itself, in bytes (proc(5), RssAnon).
func (p *process) anonymous() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(`RssAnon:\s+(\d+)`).FindSubmatch(b)
	if m == nil {
		return 0
	}
	kb, _ := strconv.ParseFloat(string(m[1]), 64)
	return kb * 1024
}

// files counts what the process has open, sockets too.
func (p *process) files() int {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		return -1
	}
	return len(list)
}

// goroutines ends the process with SIGQUIT, and counts what it says that it was doing
// (go doc os/signal, "Default behavior of signals in Go programs").
func (p *process) goroutines() (int, error) {
	time.Sleep(time.Second)
	p.stop(syscall.SIGQUIT)
	b, err := os.ReadFile(p.log)
	if err != nil {
		return 0, err
	}
	n := strings.Count(string(b), "\ngoroutine ")
	if n == 0 {
		return 0, fmt.Errorf("it doesn't say what it was doing:\n%s", b)
	}
	return n, nil
}
