package worker

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
)

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// source is a server of inputs, whose handler each test gives.
func source(t *testing.T, serve http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(serve)
	t.Cleanup(s.Close)
	return s.URL
}

// fetched fetches one input file and gives what is there then.
func fetched(t *testing.T, b *bench, f fairlead.InputFile) ([]byte, error) {
	t.Helper()
	b.run.Spec.Inputs = []fairlead.Input{{Name: "data", Files: []fairlead.InputFile{f}}}
	if err := b.fetchInputs(t.Context()); err != nil {
		return nil, err
	}
	got, err := os.ReadFile(filepath.Join(b.inputsDir(), "data", inputName(b.run.Spec.Inputs[0], f)))
	if err != nil {
		t.Fatal(err)
	}
	return got, nil
}

func nothing(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }

// TestInputs fetches inputs from servers of every sort.
func TestInputs(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789"), 10_000)
	cut := func(w http.ResponseWriter, tag string, from, to int) {
		if tag != "" {
			w.Header().Set("ETag", tag)
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)-from))
		_, _ = w.Write(content[from:to])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	for name, c := range map[string]struct {
		serve     func(w http.ResponseWriter, r *http.Request, n int) // n counts the requests, from 1
		checksums map[string]string
		requests  []string // the ranges that were asked for
		why       string
		kind      fairlead.Kind
	}{
		"whole": {
			serve: func(w http.ResponseWriter, _ *http.Request, _ int) { _, _ = w.Write(content) }, requests: []string{""},
		},
		"with checksums": {
			serve:     func(w http.ResponseWriter, _ *http.Request, _ int) { _, _ = w.Write(content) },
			checksums: map[string]string{"sha256": strings.ToUpper(sum(content)), "md5": "a6d250ca26a67b2a3929e6ce9b3a0d74"}, requests: []string{""},
			why: "its md5 is", kind: fairlead.Invalid,
		},
		"another checksum": {
			serve:     func(w http.ResponseWriter, _ *http.Request, _ int) { _, _ = w.Write(content) },
			checksums: map[string]string{"sha256": sum(nil)}, requests: []string{""}, why: "its sha256 is " + sum(content), kind: fairlead.Invalid,
		},
		"an algorithm that isn't": {checksums: map[string]string{"crc": "0"}, why: "no checksum algorithm crc", kind: fairlead.Invalid},
		"cut twice, then resumed": {
			serve: func(w http.ResponseWriter, r *http.Request, n int) {
				switch n {
				case 1:
					cut(w, `"v1"`, 0, 40_000)
				case 2:
					if r.Header.Get("If-Range") != `"v1"` {
						w.WriteHeader(http.StatusTeapot)
					}
					w.Header().Set("Content-Range", "bytes 40000-99999/100000")
					w.WriteHeader(http.StatusPartialContent)
					_, _ = w.Write(content[40_000:50_000])
					_ = http.NewResponseController(w).Flush()
					panic(http.ErrAbortHandler)
				default:
					w.Header().Set("ETag", `"v1"`)
					http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
				}
			},
			checksums: map[string]string{"sha256": sum(content)}, requests: []string{"", "bytes=40000-", "bytes=50000-"},
		},
		"cut, and another file since": {
			serve: func(w http.ResponseWriter, r *http.Request, n int) {
				if n == 1 {
					cut(w, `"v0"`, 0, 40_000)
				}
				w.Header().Set("ETag", `"v1"`)
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
			},
			checksums: map[string]string{"sha256": sum(content)}, requests: []string{"", "bytes=40000-"},
		},
		"cut, without a validator": {
			serve: func(w http.ResponseWriter, _ *http.Request, n int) {
				if n == 1 {
					cut(w, "", 0, 40_000)
				}
				_, _ = w.Write(content)
			},
			checksums: map[string]string{"sha256": sum(content)}, requests: []string{"", ""},
		},
		"cut, with a weak validator": {
			serve: func(w http.ResponseWriter, _ *http.Request, n int) {
				if n == 1 {
					cut(w, `W/"v0"`, 0, 40_000)
				}
				_, _ = w.Write(content)
			},
			checksums: map[string]string{"sha256": sum(content)}, requests: []string{"", ""},
		},
		"another range than was asked for": {
			serve: func(w http.ResponseWriter, _ *http.Request, n int) {
				switch n {
				case 1:
					cut(w, `"v1"`, 0, 40_000)
				case 2:
					w.Header().Set("Content-Range", "bytes 0-99999/100000")
					w.WriteHeader(http.StatusPartialContent)
					_, _ = w.Write(content)
				default:
					_, _ = w.Write(content)
				}
			},
			checksums: map[string]string{"sha256": sum(content)}, requests: []string{"", "bytes=40000-", ""},
		},
		"busy at first": {
			serve: func(w http.ResponseWriter, _ *http.Request, n int) {
				if n < 3 {
					w.WriteHeader([]int{http.StatusServiceUnavailable, http.StatusTooManyRequests}[n-1])
					return
				}
				_, _ = w.Write(content)
			},
			requests: []string{"", "", ""},
		},
		"never well": {
			serve:    func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusBadGateway) },
			requests: []string{"", "", ""}, why: "502 Bad Gateway", kind: fairlead.Unavailable,
		},
		"always cut at the same byte": {
			serve:    func(w http.ResponseWriter, _ *http.Request, _ int) { cut(w, "", 0, 40_000) },
			requests: []string{"", "", ""}, why: "unexpected EOF", kind: fairlead.Unavailable,
		},
		"not there": {
			serve:    func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusNotFound) },
			requests: []string{""}, why: "404 Not Found", kind: fairlead.Invalid,
		},
		"forbidden": {
			serve:    func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusForbidden) },
			requests: []string{""}, why: "403 Forbidden", kind: fairlead.Invalid,
		},
		"redirected": {
			serve: func(w http.ResponseWriter, r *http.Request, n int) {
				if n == 1 {
					http.Redirect(w, r, "/elsewhere", http.StatusFound)
					return
				}
				_, _ = w.Write(content)
			},
			requests: []string{"", ""},
		},
		"redirected in a circle": {
			serve: func(w http.ResponseWriter, r *http.Request, _ int) {
				http.Redirect(w, r, "/data.bin", http.StatusFound)
			},
			requests: nil, why: "stopped after 10 redirects", kind: fairlead.Unavailable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var ranges []string
			url := source(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				ranges = append(ranges, r.Header.Get("Range"))
				n := len(ranges)
				mu.Unlock()
				c.serve(w, r, n)
			})
			b := newBench(t, fairlead.Run{}, nothing)
			got, err := fetched(t, b, fairlead.InputFile{URL: url + "/data.bin?signature=c4nary", Checksums: c.checksums})
			e := fairlead.AsError("", err)
			if (err != nil) != (c.why != "") || err != nil && (e.Code != fairlead.CodeInput || e.Kind != c.kind || !strings.Contains(e.Why, c.why) || e.Remedy == "") {
				t.Errorf("%v (%s), want %s", err, fairlead.KindOf(err), c.why)
			}
			if err == nil && !bytes.Equal(got, content) {
				t.Errorf("%d bytes, with another digest", len(got))
			}
			if diff := cmp.Diff(c.requests, ranges); c.requests != nil && diff != "" {
				t.Errorf("ranges (-want +got):\n%s", diff)
			}
			if text := fmt.Sprint(err, b.log.texts()); strings.Contains(text, "c4nary") {
				t.Errorf("the URL's query is shown: %s", text)
			}
		})
	}
}

// TestInputUnreachable gives up: a run that waits for what never comes would hang.
func TestInputUnreachable(t *testing.T) {
	t.Parallel()
	b := newBench(t, fairlead.Run{}, nothing)
	closed := httptest.NewServer(http.HandlerFunc(nothing))
	closed.Close()
	_, err := fetched(t, b, fairlead.InputFile{URL: closed.URL + "/x"})
	if fairlead.CodeOf(err) != fairlead.CodeInput || len(b.waits()) != 2 {
		t.Errorf("%v after waiting %v", err, b.waits())
	}
	lines := strings.Join(b.log.texts(), "\n")
	if strings.Count(lines, "Trying again in") != 2 {
		t.Errorf("the log says %s", lines)
	}
}

// TestInputNames has names and URLs lead where they will: everything stays below the
// inputs.
func TestInputNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		input string
		file  fairlead.InputFile
		keep  string
		want  string // "" is refused
	}{
		"of the URL":         {"data", fairlead.InputFile{URL: "/a/b.bin"}, "", "data/b.bin"},
		"of a bare host":     {"data", fairlead.InputFile{URL: "/"}, "", "data/file"},
		"given":              {"data", fairlead.InputFile{URL: "/a/b.bin", Name: "c.bin"}, "", "data/c.bin"},
		"with directories":   {"data", fairlead.InputFile{URL: "/a/b/c.bin"}, "full", "data/a/b/c.bin"},
		"escaped slashes":    {"data", fairlead.InputFile{URL: "/a%2f..%2f..%2fb.bin"}, "", "data/b.bin"},
		"dots in the URL":    {"data", fairlead.InputFile{URL: "/../../b.bin"}, "full", "data/b.bin"},
		"dots, escaped":      {"data", fairlead.InputFile{URL: "/%2e%2e/%2e%2e/b.bin"}, "full", "data/b.bin"},
		"a name with dots":   {"data", fairlead.InputFile{URL: "/b.bin", Name: "../../b.bin"}, "", ""},
		"an absolute name":   {"data", fairlead.InputFile{URL: "/b.bin", Name: "/etc/b.bin"}, "", "data/etc/b.bin"},
		"an input with dots": {"../..", fairlead.InputFile{URL: "/b.bin"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := source(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("content")) })
			b := newBench(t, fairlead.Run{}, nothing)
			c.file.URL = url + c.file.URL
			b.run.Spec.Inputs = []fairlead.Input{{Name: c.input, Directories: c.keep, Files: []fairlead.InputFile{c.file}}}
			err := b.fetchInputs(t.Context())
			if (err == nil) != (c.want != "") {
				t.Fatalf("%v", err)
			}
			if c.want != "" {
				if _, err := os.Stat(filepath.Join(b.inputsDir(), filepath.FromSlash(c.want))); err != nil {
					t.Error(err)
				}
				if _, err := b.inputsConfig(); err != nil {
					t.Errorf("inputs.json: %v", err)
				}
			}
			files, err := filepath.Glob(filepath.Join(b.Dir, "..", "*.bin"))
			if err != nil || len(files) > 0 {
				t.Errorf("outside are %v, %v", files, err)
			}
		})
	}
}
