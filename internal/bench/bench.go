package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// bench is one run.
type bench struct {
	dir, tree string
	own       bool // dir is to be removed
	binary    string
	cert, key string
	scale     float64
	soak      time.Duration // 0 is none
	// train is an image of six layers, big of one; more has the same layers as train.
	train, big, more image
	results          []result
}

// newBench makes the images.
func newBench(dir, binary string, scale float64, soak time.Duration) (*bench, error) {
	b := &bench{dir: dir, scale: scale, soak: soak}
	var err error
	if b.binary, err = filepath.Abs(binary); err != nil {
		return nil, err
	}
	if dir == "" {
		if b.dir, err = os.MkdirTemp("", "fairlead-bench-"); err != nil {
			return nil, err
		}
		b.own = true
	}
	b.tree = filepath.Join(b.dir, "tree")
	if err := os.MkdirAll(b.tree, 0o700); err != nil {
		return nil, err
	}
	if err := b.certificate(); err != nil {
		return nil, err
	}
	var layers []int64
	for _, mb := range []float64{50, 101, 153, 254, 351, 605} {
		layers = append(layers, int64(mb*1e6*scale))
	}
	fmt.Fprintln(os.Stderr, "# making images")
	var errs [3]error
	b.train, errs[0] = makeImage(b.tree, "ml/train", "v1", 1, layers...)
	b.big, errs[1] = makeImage(b.tree, "ml/big", "v1", 2, int64(504e6*scale))
	b.more, errs[2] = makeImage(b.tree, "ml/train", "v2", 3, 1000)
	return b, errors.Join(errs[:]...)
}

func (b *bench) close() {
	if b.own {
		_ = os.RemoveAll(b.dir)
	}
}

// peer is the path of a peer that was built for this.
func (b *bench) peer(name string) string { return filepath.Join(".tools", "peers", name) }

// certificate makes one for this machine's loopback address.
func (b *bench) certificate() error {
	b.cert, b.key = filepath.Join(b.dir, "cert.pem"), filepath.Join(b.dir, "key.pem")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(b.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(b.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600),
	)
}

func (b *bench) add(r result) {
	b.results = append(b.results, r)
	fmt.Fprintf(os.Stderr, "  %-18s %10s %s %s\n", r.Of, number(r.Value), r.Unit, r.Note)
}

// target says what the gateway has to reach, beside its own figure.
func (b *bench) target(workload, unit string, value float64, target string, met bool) {
	b.add(result{Workload: workload, Of: "target", Value: value, Unit: unit, Target: target, Met: met})
}

// with starts an upstream and a cache in front of it, and ends both.
func (b *bench) with(ctx context.Context, m maker, over linkKind, do func(*cache, *source) error) error {
	up, err := b.upstream(over.rate, over.per, over.delay)
	if err != nil {
		return err
	}
	defer up.stop(syscall.SIGKILL)
	c, err := m.make(ctx, b, up)
	if err != nil {
		return fmt.Errorf("starting %s: %w", m.name, err)
	}
	defer c.stop(syscall.SIGTERM)
	if _, err := up.stats(ctx); err != nil {
		return err
	}
	if err := do(c, up); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	return nil
}

// linkKind is how an upstream is reached.
type linkKind struct {
	rate, per float64
	delay     time.Duration
}

// The links: as fast as the machine is; 1 Gbit/s with 40 MB/s for each connection and
// 20 ms for each request.
func fast() linkKind { return linkKind{} }
func wan() linkKind  { return linkKind{125e6, 40e6, 20 * time.Millisecond} }
