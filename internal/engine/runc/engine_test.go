package runc_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead.dev/fairlead/internal/conform"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/engine/runc"
	"fairlead.dev/fairlead/internal/oci"
)

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == runc.HelperName {
		os.Exit(runc.HelperMain(os.Args[1:], os.Stderr))
	}
	if does := children()[filepath.Base(os.Args[0])]; does != nil {
		if err := does(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	conform.EngineMain(kind(""))
	os.Exit(m.Run())
}

// open opens an engine in a directory.
func open(dir string, change ...func(*runc.Options)) (*runc.Engine, error) {
	c, err := oci.New(oci.Options{Now: time.Now, Egress: oci.Egress{Allow: []string{"0.0.0.0/0"}}})
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	o := runc.Options{Dir: dir, Self: self, OCI: c, CacheBytes: 10 << 30, Now: time.Now}
	for _, c := range change {
		c(&o)
	}
	return runc.New(o)
}

func newEngine(tb testing.TB, dir string, change ...func(*runc.Options)) *runc.Engine {
	tb.Helper()
	e, err := open(dir, change...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	return e
}

// kind is the engine with a runtime. Places end in the runtime's name, so that a killed
// worker knows it.
func kind(runtime string) conform.EngineKind {
	return conform.EngineKind{
		Place: func(tb testing.TB) string { tb.Helper(); return filepath.Join(tb.TempDir(), runtime) },
		Open: func(_ context.Context, place string) (engine.Engine, error) {
			return open(place, func(o *runc.Options) { o.Runtime = filepath.Base(place) })
		},
		Files:        func(place string) []string { return []string{place} },
		Zstd:         true,
		Layers:       130,
		Capabilities: "00000000a80405fb", // Docker's but for CAP_NET_RAW
	}
}

func TestCrun(t *testing.T) {
	t.Parallel()
	conform.Engine(t, kind("crun"))
}

func TestRunc(t *testing.T) {
	t.Parallel()
	conform.Engine(t, kind("runc"))
}
