package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead"
)

func newURL(s string) (*url.URL, error) { return url.Parse(s) }

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after, date string
		want        time.Time
	}{
		"nothing":               {"", "", time.Time{}},
		"seconds":               {"120", "", noon.Add(2 * time.Minute)},
		"with space":            {" 5 ", "", noon.Add(5 * time.Second)},
		"none":                  {"0", "", noon},
		"negative":              {"-5", "", time.Time{}},
		"words":                 {"soon", "", time.Time{}},
		"too many":              {"99999999", "", noon.Add(24 * time.Hour)},
		"beyond an integer":     {"99999999999999999999999", "", time.Time{}},
		"Unix time":             {fmt.Sprint(noon.Add(time.Hour).Unix()), "", noon.Add(time.Hour)},
		"Unix time in the past": {fmt.Sprint(noon.Add(-time.Hour).Unix()), "", noon},
		"Unix time, nonsense":   {"9223372036854775807", "", noon.Add(24 * time.Hour)},
		"date":                  {"Sat, 21 Nov 2026 12:30:00 GMT", "", noon.Add(30 * time.Minute)},
		"date in the past":      {"Sat, 21 Nov 2026 11:30:00 GMT", "", noon},
		"date far away":         {"Sat, 21 Nov 2099 12:30:00 GMT", "", noon.Add(24 * time.Hour)},
		"by the server's clock": {"Sat, 21 Nov 2026 10:30:00 GMT", "Sat, 21 Nov 2026 10:00:00 GMT", noon.Add(30 * time.Minute)},
		"RFC 850":               {"Saturday, 21-Nov-26 12:30:00 GMT", "", noon.Add(30 * time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			h.Set("Retry-After", c.after)
			h.Set("Date", c.date)
			if got := retryAfter(h, noon); !got.Equal(c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "-1", "1795262400", "9223372036854775807", "Sat, 21 Nov 2026 12:30:00 GMT", "Saturday, 21-Nov-26 12:30:00 GMT", "Sat Nov 21 12:30:00 2026", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		f.Add(s, "Sat, 21 Nov 2026 10:00:00 GMT")
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, after, date string) {
		got := retryAfter(http.Header{"Retry-After": {after}, "Date": {date}}, noon)
		if !got.IsZero() && (got.Before(noon) || got.After(noon.Add(24*time.Hour))) {
			t.Fatalf("%q: %v", after, got)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add("application/vnd.oci.image.manifest.v1+json", []byte(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0,"urls":["x"]}]}`))
	f.Add("application/vnd.oci.image.index.v1+json", []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","platform":{"os":"linux","architecture":"arm","variant":"v7"},"annotations":{"vnd.docker.reference.type":"attestation-manifest"}}]}`))
	f.Add("", []byte(`{"schemaVersion":1}`))
	f.Add("text/plain; charset=x", []byte(`{"schemaVersion":2,"mediaType":"x","manifests":null,"layers":[]}`))
	f.Add("a;b=\"", []byte(`null`))
	f.Fuzz(func(t *testing.T, contentType string, raw []byte) {
		d, err := parseManifest(contentType, raw)
		if err != nil {
			if fairlead.CodeOf(err) == "" || strings.ContainsFunc(err.Error(), unicode.IsControl) || len(err.Error()) > 2000 {
				t.Fatalf("%q", err)
			}
			return
		}
		if !isManifestType(d.MediaType) || isIndexType(d.MediaType) != (d.Manifests != nil) || isIndexType(d.MediaType) == (d.Config != nil) {
			t.Fatalf("%q: %+v", raw, d)
		}
		s := search{pull: &pull{}, want: Platform{OS: "linux", Architecture: "arm64"}}
		for _, c := range s.candidates(d.Manifests) {
			if c.rank < 0 {
				t.Fatalf("%q: %+v", raw, c)
			}
		}
		config := ocispec.Image{}
		for _, l := range d.Layers {
			config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.Digest)
		}
		list, err := layers(d, config)
		if err == nil && len(list) != len(d.Layers) || err != nil && fairlead.CodeOf(err) != fairlead.CodeUnsupportedImage {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}

func TestContentRange(t *testing.T) {
	t.Parallel()
	for s, want := range map[string][3]int64{
		"bytes 5-9/10": {5, 10, 1}, "bytes 0-0/1": {0, 1, 1}, "bytes 5-9/*": {5, -1, 1}, "Bytes  5-9/10": {5, 10, 1},
		"": {}, "bytes */10": {}, "bytes 9-5/10": {}, "bytes 5-10/10": {}, "bytes -1-5/10": {}, "chars 5-9/10": {}, "bytes 5-9": {}, "bytes=5-9/10": {}, "bytes 5-9/x": {}, "bytes 5-/10": {},
	} {
		first, total, ok := contentRange(s)
		if got := [3]int64{first, total, map[bool]int64{true: 1}[ok]}; got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 5-9/10", "bytes 5-9/*", "bytes */10", "", "bytes 9223372036854775807-9223372036854775807/9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, total, ok := contentRange(s)
		if ok && (first < 0 || total != unknown && total <= first) {
			t.Fatalf("%q: %d of %d", s, first, total)
		}
	})
}

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain": "plain", " a\r\n\tb ": "a b", "red \x1b[31mred": "red [31mred", "a\u202eb\u200bc\ufeff": "abc", "bad \xff\xfe utf": "bad utf",
		"null\x00byte": "nullbyte", "ünïcode ✓": "ünïcode ✓", strings.Repeat("é", 150): strings.Repeat("é", 100) + "...",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSaid(t *testing.T) {
	t.Parallel()
	secret := fairlead.SecretText("hunter2-and-more")
	for body, want := range map[string]string{
		`{"errors":[{"code":"DENIED","message":"no access"}]}`:                        "no access",
		`{"errors":[{"code":"DENIED"}]}`:                                              "DENIED",
		`{"errors":[{},{"code":"X","message":"second"}]}`:                             "second",
		`{"errors":[{"message":"you sent hunter2-and-more"},{"message":"harmless"}]}`: "harmless",
		`{"errors":[{"message":"you sent hunter2-an..."}]}`:                           "",
		`{"errors":[{"code":"hunter2-and-more","message":"x"}]}`:                      "",
		`{"errors":[]}`: "", `{"errors":"x"}`: "", `{"message":"x"}`: "", `<html>`: "", ``: "", `null`: "",
	} {
		if got := said(parseRegistryErrors([]byte(body)), secret, fairlead.Secret{}); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func FuzzRegistryErrors(f *testing.F) {
	f.Add([]byte(`{"errors":[{"code":"DENIED","message":"requested access to the resource is denied","detail":[{"Type":"repository"}]}]}`))
	f.Add([]byte(`{"errors":[{"code":"\u001b[31m","message":"\u202e"}]}`))
	f.Add([]byte(`{"error":"invalid_grant"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := said(parseRegistryErrors(body))
		if len(s) > 203 || strings.ContainsFunc(s, unicode.IsControl) {
			t.Fatalf("%q: %q", body, s)
		}
		if c := knownCode(body); strings.ContainsFunc(c, func(r rune) bool { return r > 'z' || r < 'A' }) {
			t.Fatalf("%q: %q", body, c)
		}
	})
}

func TestKnownCode(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"error":"invalid_grant","error_description":"secret"}`: "invalid_grant", `{"error":"hunter2"}`: "",
		`{"errors":[{"code":"hunter2"},{"code":"denied"}]}`: "DENIED", `{"details":"incorrect username or password"}`: "", `x`: "",
	} {
		if got := knownCode([]byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestPlatformString(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(Platform{OS: "linux", Architecture: "arm", Variant: "v7"})
	if err != nil || string(b) != `{"os":"linux","architecture":"arm","variant":"v7"}` {
		t.Errorf("%s %v", b, err)
	}
}

func TestPlatformNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[Platform]Platform{
		{"Linux", "AMD64", "v1"}:  {"linux", "amd64", ""},
		{"linux", "x86-64", ""}:   {"linux", "amd64", ""},
		{"linux", "i686", ""}:     {"linux", "386", ""},
		{"linux", "aarch64", "8"}: {"linux", "arm64", ""},
		{"linux", "arm64", "v9"}:  {"linux", "arm64", "v9"},
		{"linux", "armhf", ""}:    {"linux", "arm", "v7"},
		{"linux", "armel", ""}:    {"linux", "arm", "v6"},
		{"linux", "arm", ""}:      {"linux", "arm", "v7"},
		{"linux", "arm", "6"}:     {"linux", "arm", "v6"},
		{"macos", "arm64", ""}:    {"darwin", "arm64", ""},
		{"windows", "amd64", ""}:  {"windows", "amd64", ""},
		{"linux", "riscv64", ""}:  {"linux", "riscv64", ""},
	} {
		if got := in.normal(); got != want {
			t.Errorf("%v is %v, want %v", in, got, want)
		}
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	if err := wait(t.Context(), time.Nanosecond); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStalled)
	if err := wait(ctx, time.Hour); err != context.Canceled { //nolint:errorlint // It has to be itself.
		t.Error(err)
	}
	if _, err := New(Options{}); fairlead.KindOf(err) != fairlead.Invalid {
		t.Error(err)
	}
}

// TestRoutesAreBounded makes more routes than are kept.
func TestRoutesAreBounded(t *testing.T) {
	t.Parallel()
	c, err := New(Options{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for i := range maxRoutes + 10 {
		c.network.routes[routeKey{bundle: [32]byte{byte(i), byte(i >> 8), 1}}] = &route{direct: &http.Transport{}, proxied: &http.Transport{}}
		if len(c.network.routes) > maxRoutes {
			break
		}
	}
	for _, privateToo := range []bool{true, false} {
		if _, err := c.network.route("", privateToo); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.network.routes); n > maxRoutes+1 {
		t.Errorf("%d routes", n)
	}
}

// FuzzRateLimit reads headers of any server's.
func FuzzRateLimit(f *testing.F) {
	f.Add("100;w=21600", "76;w=21600")
	f.Add("", "-1")
	f.Add("9999999999999999999", "1;w=-1;w=x")
	f.Fuzz(func(t *testing.T, of, left string) {
		l := rateLimit(http.Header{"Ratelimit-Limit": {of}, "Ratelimit-Remaining": {left}})
		if !l.Known && l != (RateLimit{}) || l.Left < 0 || l.Of < l.Left || l.Window < 0 {
			t.Errorf("%q, %q: %+v", of, left, l)
		}
	})
}
