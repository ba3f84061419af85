package docker_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/internal/conform"
	"fairlead.dev/fairlead/internal/dockertest"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/engine/docker"
)

func TestMain(m *testing.M) {
	conform.EngineMain(kind())
	os.Exit(m.Run())
}

func kind() conform.EngineKind {
	return conform.EngineKind{
		Place: func(tb testing.TB) string { tb.Helper(); return dockertest.Host(tb) },
		Open: func(ctx context.Context, place string) (engine.Engine, error) {
			return docker.New(ctx, docker.Options{Host: place, Now: time.Now})
		},
		Files:        func(place string) []string { return []string{filepath.Dir(strings.TrimPrefix(place, "unix://"))} },
		Layers:       125, // the engine's own limit (github.com/moby/moby, layer.maxLayerDepth)
		Capabilities: "00000000a80425fb",
	}
}

func TestDocker(t *testing.T) {
	t.Parallel()
	conform.Engine(t, kind())
}
