package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// accepted is what clients take for a manifest.
const accepted = ocispec.MediaTypeImageManifest + ", " + ocispec.MediaTypeImageIndex

// pulling says how images are pulled.
type pulling struct {
	clients int // at once, each with connections of its own
	atOnce  int // blobs of a client
	verify  bool
	http2   bool
}

// pulled is what came of it.
type pulled struct {
	took time.Duration
	// first is until the last of the clients had its first byte of a blob.
	first time.Duration
}

// client makes a client of its own connections.
func (b *bench) client(http2 bool) *http.Client {
	var p http.Protocols
	p.SetHTTP1(!http2)
	p.SetHTTP2(http2)
	roots := x509.NewCertPool()
	if pem, err := os.ReadFile(b.cert); err == nil {
		roots.AppendCertsFromPEM(pem)
	}
	return &http.Client{Transport: &http.Transport{
		Protocols: &p, MaxIdleConnsPerHost: 16, ReadBufferSize: 256 << 10, DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13},
	}}
}

// pull has clients pull an image, or where only is a digest, that blob.
func (b *bench) pull(ctx context.Context, c *cache, i image, only string, how pulling) (pulled, error) {
	begun := time.Now()
	var all sync.WaitGroup
	var mu sync.Mutex
	var out pulled
	var failed error
	for range how.clients {
		all.Go(func() {
			first, err := b.pullOnce(ctx, c, i, only, how)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
			}
			out.first = max(out.first, first)
		})
	}
	all.Wait()
	out.took = time.Since(begun)
	return out, failed
}

func (b *bench) pullOnce(ctx context.Context, c *cache, i image, only string, how pulling) (time.Duration, error) {
	client := b.client(how.http2)
	defer client.CloseIdleConnections()
	begun := time.Now()
	blobs := i.blobs
	if only != "" {
		blobs = []blob{{digest: only}}
	} else if _, err := drain(ctx, client, c, c.manifest(i, i.tag), i.digest, nil); err != nil {
		return 0, err
	}
	work := make(chan blob, len(blobs))
	for _, x := range blobs {
		work <- x
	}
	close(work)
	var all sync.WaitGroup
	var mu sync.Mutex
	var first time.Duration
	var failed error
	for range how.atOnce {
		all.Go(func() {
			for x := range work {
				digest := ""
				if how.verify {
					digest = x.digest
				}
				_, err := drain(ctx, client, c, c.blob(i, x.digest), digest, func() {
					mu.Lock()
					defer mu.Unlock()
					if first == 0 {
						first = time.Since(begun)
					}
				})
				if err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return first, failed
}

// drain reads a reply, and checks its digest if one is given. begun is called with its
// first byte.
func drain(ctx context.Context, client *http.Client, c *cache, url, digest string, begun func()) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	if c.login != "" {
		req.Header.Set("Authorization", c.login)
	}
	req.Header.Set("Accept", accepted)
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // It was read.
	if res.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(res.Body, 500)) // the status says enough
		return 0, fmt.Errorf("%s: %s: %s", url, res.Status, said)
	}
	buffer, sum := make([]byte, 256<<10), sha256.New()
	var n int64
	for {
		k, err := res.Body.Read(buffer)
		if k > 0 && n == 0 && begun != nil {
			begun()
		}
		n += int64(k)
		if digest != "" {
			_, _ = sum.Write(buffer[:k]) // never fails
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return n, fmt.Errorf("%s: after %d bytes: %w", url, n, err)
		}
	}
	if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); digest != "" && got != digest {
		return n, fmt.Errorf("%s: the bytes are %s", url, got)
	}
	return n, nil
}
