package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// workload is one thing that is measured.
type workload struct {
	name, about string
	measure     func(ctx context.Context, b *bench) error
}

func workloads() []workload {
	return []workload{
		{"cold", "one client pulls ml/train, which no cache has, from a fast upstream", cold},
		{"stampede", "8 and 64 clients pull the same blob, which no cache has", stampede},
		{"wan cold", "one client pulls ml/train over a link", wanCold},
		{"wan stampede", "8 clients pull the same blob over a link", wanStampede},
		{"first byte", "a manifest that no cache has, over a link, with a login that is known", firstByte},
		{"warm tag", "a tag that is there, again and again over 16 connections", warmTag},
		{"warm blob", "blobs that are there, over plain HTTP", warmBlob},
		{"warm blob tls", "blobs that are there, over TLS", warmTLS},
		{"hung", "a tag that is there, while the upstream hangs", hung},
		{"memory", "64 clients pull ml/train", memory},
		{"killed", "the cache is killed in the middle of a pull, and started again", killed},
	}
}

// cold is bound by how fast bytes are taken, written and hashed.
func cold(ctx context.Context, b *bench) error {
	const rounds = 2
	best := map[string]float64{}
	for range rounds { // one after the other, so that a slow moment of the machine hits all
		for _, m := range []maker{ours(), distribution3(), distribution2(), nginx()} {
			err := b.with(ctx, m, fast(), func(c *cache, up *source) error {
				before := c.cpu()
				p, err := b.pull(ctx, c, b.train, "", pulling{clients: 1, atOnce: 3})
				if err != nil {
					return err
				}
				used := c.cpu() - before
				s, err := up.stats(ctx)
				if err != nil {
					return err
				}
				// What was sent is checked when it isn't timed: hashing takes a client longer than
				// a cache takes for all else.
				if _, err := b.pull(ctx, c, b.train, "", pulling{clients: 1, atOnce: 2, verify: true}); err != nil {
					return err
				}
				took := p.took.Seconds()
				if best[m.name] == 0 || took < best[m.name] {
					best[m.name] = took
				}
				b.add(result{Workload: "cold", Of: m.name, Value: took, Unit: "s", Note: fmt.Sprintf("%.1f s of CPU, %.2fx the bytes", used, float64(s.Bytes)/float64(b.train.size))})
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	ratio := best["distribution 3"] / best["fairlead"]
	b.target("cold", "x as fast", ratio, ">= 1.3x distribution 3", ratio >= 1.3)
	return nil
}

func stampede(ctx context.Context, b *bench) error {
	for _, clients := range []int{8, 64} {
		name := fmt.Sprintf("stampede %d", clients)
		for _, m := range []maker{ours(), distribution3()} {
			if clients > 8 && m.name != "fairlead" {
				continue
			}
			err := b.with(ctx, m, fast(), func(c *cache, up *source) error {
				p, err := b.pull(ctx, c, b.big, b.big.blobs[0].digest, pulling{clients: clients, atOnce: 1})
				if err != nil {
					return err
				}
				s, err := up.stats(ctx)
				if err != nil {
					return err
				}
				x := float64(s.Bytes) / float64(b.big.blobs[0].size)
				b.add(result{Workload: name, Of: m.name, Value: x, Unit: "x bytes", Note: fmt.Sprintf("%.2f s, last first byte after %.2f s", p.took.Seconds(), p.first.Seconds())})
				if m.name == "fairlead" {
					b.target(name, "x bytes", x, "1.00x", x < 1.005)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func wanCold(ctx context.Context, b *bench) error {
	limit := float64(b.train.size) / wan().rate
	for _, m := range []maker{ours(), distribution3(), nginx()} {
		err := b.with(ctx, m, wan(), func(c *cache, _ *source) error {
			p, err := b.pull(ctx, c, b.train, "", pulling{clients: 1, atOnce: 3, verify: true})
			if err != nil {
				return err
			}
			x := p.took.Seconds() / limit
			b.add(result{Workload: "wan cold", Of: m.name, Value: x, Unit: "x link", Note: fmt.Sprintf("%.2f s", p.took.Seconds())})
			if m.name == "fairlead" {
				b.target("wan cold", "x link", x, "<= 1.06", x <= 1.06)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func wanStampede(ctx context.Context, b *bench) error {
	limit := float64(b.big.blobs[0].size) / wan().rate
	for _, m := range []maker{ours(), distribution3(), nginx()} {
		err := b.with(ctx, m, wan(), func(c *cache, up *source) error {
			p, err := b.pull(ctx, c, b.big, b.big.blobs[0].digest, pulling{clients: 8, atOnce: 1})
			if err != nil {
				return err
			}
			s, err := up.stats(ctx)
			if err != nil {
				return err
			}
			x := p.took.Seconds() / limit
			b.add(result{Workload: "wan stampede", Of: m.name, Value: x, Unit: "x link", Note: fmt.Sprintf("%.2f s, %.2fx the bytes", p.took.Seconds(), float64(s.Bytes)/float64(b.big.size))})
			if m.name == "fairlead" {
				b.target("wan stampede", "x link", x, "<= 1.10", x <= 1.10)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// firstByte asks for the second tag of a repository, whose login is there since the first.
func firstByte(ctx context.Context, b *bench) error {
	for _, m := range []maker{ours(), distribution3(), nginx()} {
		err := b.with(ctx, m, wan(), func(c *cache, up *source) error {
			client := b.client(false)
			defer client.CloseIdleConnections()
			if _, err := drain(ctx, client, c, c.manifest(b.train, b.train.tag), b.train.digest, nil); err != nil {
				return err
			}
			direct := &cache{base: "http://" + up.open}
			once := func(c *cache) (time.Duration, error) {
				begun := time.Now()
				_, err := drain(ctx, client, c, c.manifest(b.more, b.more.tag), b.more.digest, nil)
				return time.Since(begun), err
			}
			if _, err := once(direct); err != nil { // there is a connection then
				return err
			}
			way, err := once(direct)
			if err != nil {
				return err
			}
			took, err := once(c)
			if err != nil {
				return err
			}
			more := float64(took-way) / float64(time.Millisecond)
			b.add(result{Workload: "first byte", Of: m.name, Value: more, Unit: "ms more", Note: fmt.Sprintf("%.1f ms, the upstream itself %.1f ms", took.Seconds()*1e3, way.Seconds()*1e3)})
			if m.name == "fairlead" {
				b.target("first byte", "ms more", more, "<= 5 ms", more <= 5)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// warmTag has wrk ask, which is in C and takes little.
func warmTag(ctx context.Context, b *bench) error {
	rates := map[string]float64{}
	const rounds, seconds = 2, 4
	rate := regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	bad := regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	for range rounds {
		for _, m := range []maker{ours("--gateway-tag-life", "10m"), distribution3(), distribution2(), nginx()} {
			err := b.with(ctx, m, fast(), func(c *cache, up *source) error {
				url := c.manifest(b.train, b.train.tag)
				if _, err := drain(ctx, http.DefaultClient, c, url, b.train.digest, nil); err != nil {
					return err
				}
				if _, err := up.stats(ctx); err != nil {
					return err
				}
				args := []string{"-t2", "-c16", fmt.Sprintf("-d%ds", seconds), "-H", "Accept: " + accepted}
				if c.login != "" {
					args = append(args, "-H", "Authorization: "+c.login)
				}
				before := c.cpu()
				out, err := exec.CommandContext(ctx, "wrk", append(args, url)...).CombinedOutput()
				found := rate.FindSubmatch(out)
				if err != nil || found == nil || bad.Match(out) {
					return fmt.Errorf("wrk: %w\n%s", err, out)
				}
				s, err := up.stats(ctx)
				if err != nil {
					return err
				}
				v, _ := strconv.ParseFloat(string(found[1]), 64)
				rates[m.name] = max(rates[m.name], v)
				b.add(result{Workload: "warm tag", Of: m.name, Value: v, Unit: "requests/s", Note: fmt.Sprintf("%.0f us of CPU each, the upstream was asked %d times", (c.cpu()-before)/v/seconds*1e6, s.Requests)})
				if m.name == "fairlead" && s.Requests > 0 {
					return fmt.Errorf("the upstream was asked %d times inside the tag's life", s.Requests)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	peer := max(rates["distribution 3"], rates["distribution 2.8"])
	b.target("warm tag", "requests/s", rates["fairlead"], ">= 40000, or 5x the best registry", rates["fairlead"] >= min(40_000, 5*peer))
	return nil
}

// warmBlob takes turns, so that both have the same moments of the machine.
func warmBlob(ctx context.Context, b *bench) error {
	how := pulling{clients: 2, atOnce: 1}
	digest := b.big.blobs[0].digest
	return b.with(ctx, ours(), fast(), func(c *cache, up *source) error {
		n, err := nginx().make(ctx, b, up)
		if err != nil {
			return err
		}
		defer n.stop(syscall.SIGTERM)
		var took [2][]float64
		for round := range 8 {
			for k, x := range []*cache{c, n} {
				p, err := b.pull(ctx, x, b.big, digest, how)
				if err != nil {
					return err
				}
				if round > 0 { // the first fills it
					took[k] = append(took[k], p.took.Seconds())
				}
			}
		}
		for k, x := range []*cache{c, n} {
			b.add(result{Workload: "warm blob", Of: x.name, Value: float64(how.clients) * float64(b.big.blobs[0].size) / median(took[k]) / 1e9, Unit: "GB/s", Note: fmt.Sprintf("best %.2f GB/s", float64(how.clients)*float64(b.big.blobs[0].size)/slices.Min(took[k])/1e9)})
		}
		ratio := median(took[1]) / median(took[0])
		b.target("warm blob", "x nginx", ratio, ">= 0.95", ratio >= 0.95)
		return nil
	})
}

func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	return s[len(s)/2]
}

// warmTLS compares with what net/http does if nothing else is said: HTTP/2.
func warmTLS(ctx context.Context, b *bench) error {
	return b.with(ctx, ours("--tls-cert", b.cert, "--tls-key", b.key), fast(), func(c *cache, _ *source) error {
		peer, stop, err := b.defaultServer(ctx)
		if err != nil {
			return err
		}
		defer stop()
		digest := b.big.blobs[0].digest
		var took [2][]float64
		for round := range 6 {
			for k, x := range []*cache{c, peer} {
				p, err := b.pull(ctx, x, b.big, digest, pulling{clients: 1, atOnce: 1, http2: k == 1})
				if err != nil {
					return err
				}
				if round > 0 {
					took[k] = append(took[k], p.took.Seconds())
				}
			}
		}
		for k, x := range []*cache{c, peer} {
			b.add(result{Workload: "warm blob tls", Of: x.name, Value: float64(b.big.blobs[0].size) / median(took[k]) / 1e9, Unit: "GB/s"})
		}
		ratio := median(took[1]) / median(took[0])
		b.target("warm blob tls", "x HTTP/2", ratio, ">= 2x", ratio >= 2)
		return nil
	})
}

// defaultServer serves the tree with net/http as it is, TLS and HTTP/2.
func (b *bench) defaultServer(ctx context.Context) (*cache, func(), error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	pair, err := tls.LoadX509KeyPair(b.cert, b.key)
	if err != nil {
		return nil, nil, err
	}
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, filepath.Join(b.tree, filepath.Base(r.URL.Path)))
		}),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13},
	}
	go func() { _ = s.ServeTLS(l, "", "") }()
	return &cache{name: "net/http, HTTP/2", base: "https://" + l.Addr().String()}, func() { _ = s.Close() }, nil
}

// hung has the tag grow older than its life while the upstream doesn't answer.
func hung(ctx context.Context, b *bench) error {
	return b.with(ctx, ours("--gateway-tag-life", "500ms"), fast(), func(c *cache, up *source) error {
		client := b.client(false)
		defer client.CloseIdleConnections()
		url := c.manifest(b.train, b.train.tag)
		if _, err := drain(ctx, client, c, url, b.train.digest, nil); err != nil {
			return err
		}
		if err := up.hang(ctx); err != nil {
			return err
		}
		time.Sleep(time.Second)
		var took []float64
		for range 200 {
			begun := time.Now()
			if _, err := drain(ctx, client, c, url, b.train.digest, nil); err != nil {
				return err
			}
			took = append(took, time.Since(begun).Seconds()*1e3)
		}
		worst := slices.Max(took)
		b.add(result{Workload: "hung", Of: "fairlead", Value: median(took), Unit: "ms", Note: fmt.Sprintf("the slowest of %d: %.2f ms", len(took), worst)})
		b.target("hung", "ms", worst, "<= 5 ms", worst <= 5)
		return nil
	})
}

// memory is that of a server that nobody has just set a password on: hashing one takes as
// much by itself (argon2id), for a moment.
func memory(ctx context.Context, b *bench) error {
	return b.with(ctx, ours().again(), fast(), func(c *cache, up *source) error {
		p, err := b.pull(ctx, c, b.train, "", pulling{clients: 64, atOnce: 3})
		if err != nil {
			return err
		}
		s, err := up.stats(ctx)
		if err != nil {
			return err
		}
		peak := c.peak() / 1e6
		b.add(result{Workload: "memory", Of: "fairlead", Value: peak, Unit: "MB", Note: fmt.Sprintf("%.1f s, %.2fx the bytes", p.took.Seconds(), float64(s.Bytes)/float64(b.train.size))})
		b.target("memory", "MB", peak, "<= 64 MB", peak <= 64)
		return nil
	})
}

// killed pulls half of the image, kills the server, and pulls all of it from the next one.
func killed(ctx context.Context, b *bench) error {
	up, err := b.upstream(wan().rate, wan().per, wan().delay)
	if err != nil {
		return err
	}
	defer up.stop(syscall.SIGKILL)
	dir, err := os.MkdirTemp(b.dir, "fairlead-")
	if err != nil {
		return err
	}
	c, err := b.fairlead(ctx, dir, up)
	if err != nil {
		return err
	}
	half, cancel := context.WithTimeout(ctx, time.Duration(float64(b.train.size)/wan().rate/2*float64(time.Second)))
	_, _ = b.pull(half, c, b.train, "", pulling{clients: 1, atOnce: 3}) // it is cut off
	cancel()
	c.stop(syscall.SIGKILL)
	before, err := up.stats(ctx)
	if err != nil {
		return err
	}
	c, err = b.fairlead(ctx, dir, up)
	if err != nil {
		return err
	}
	defer c.stop(syscall.SIGTERM)
	if _, err := b.pull(ctx, c, b.train, "", pulling{clients: 1, atOnce: 3, verify: true}); err != nil {
		return err
	}
	after, err := up.stats(ctx)
	if err != nil {
		return err
	}
	const chunk = 8 << 20
	again := before.Bytes + after.Bytes - b.train.size
	chunks := float64(again) / chunk / float64(cmp.Or(len(b.train.blobs)-1, 1))
	b.add(result{Workload: "killed", Of: "fairlead", Value: chunks, Unit: "chunks a blob", Note: fmt.Sprintf("%.1f MB fetched again of %.0f MB", float64(again)/1e6, float64(b.train.size)/1e6)})
	b.target("killed", "chunks a blob", chunks, "<= 1", chunks <= 1)
	return nil
}
