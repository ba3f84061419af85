package pyimage_test

import (
	"archive/tar"
	"errors"
	"io"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"fairlead.dev/fairlead/internal/pyimage"
)

// TestImage looks into the image that the other tests run.
func TestImage(t *testing.T) {
	t.Parallel()
	dir, err := pyimage.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	image, err := pyimage.Image(t.Context(), dir, func(s string) { t.Log(s) })
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{"usr/bin/dash": true, "usr/bin/sh": true, "usr/bin/python3.11": true, "usr/bin/python": true, "usr/bin/cat": true, "etc/passwd": true}
	flat := mutate.Extract(image)
	defer func() { _ = flat.Close() }()
	var bytes int64
	for r := tar.NewReader(flat); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		bytes += h.Size
		delete(missing, h.Name)
	}
	if len(missing) > 0 {
		t.Errorf("the image lacks %v", missing)
	}
	t.Logf("%d MB", bytes>>20)
}
