package oci

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

func TestParseTokenReply(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		want tokenReply
		bad  bool
	}{
		"both":             {`{"token":"a","access_token":"b","expires_in":300,"issued_at":"2026-11-21T12:00:00Z"}`, tokenReply{"a", 5 * time.Minute, noon}, false},
		"Azure":            {`{"access_token":"b"}`, tokenReply{token: "b"}, false},
		"fraction":         {`{"token":"a","issued_at":"2026-11-21T12:00:00.000000000+00:00"}`, tokenReply{token: "a", issuedAt: noon}, false},
		"bad issued_at":    {`{"token":"a","issued_at":"yesterday"}`, tokenReply{token: "a"}, false},
		"issued_at number": {`{"token":"a","issued_at":1795262400}`, tokenReply{token: "a"}, false},
		"in words":         {`{"token":"a","expires_in":"soon"}`, tokenReply{token: "a"}, false},
		"endless":          {`{"token":"a","expires_in":1e999}`, tokenReply{token: "a"}, false},
		"null":             {`{"token":"a","access_token":null,"expires_in":null,"issued_at":null}`, tokenReply{token: "a"}, false},
		"no token":         {`{}`, tokenReply{}, true},
		"empty":            {`{"token":""}`, tokenReply{}, true},
		"number":           {`{"token":1}`, tokenReply{}, true},
		"space in it":      {`{"token":"a b"}`, tokenReply{}, true},
		"line break in it": {`{"token":"a\r\nX: y"}`, tokenReply{}, true},
		"not ASCII":        {`{"token":"ä"}`, tokenReply{}, true},
		"more after it":    {`{"token":"a"} x`, tokenReply{}, true},
		"a list":           {`["a"]`, tokenReply{}, true},
		"nothing":          {``, tokenReply{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseTokenReply([]byte(c.body))
			if (err != nil) != c.bad {
				t.Error(err)
			}
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(tokenReply{})); d != "" {
				t.Error(d)
			}
		})
	}
}

func FuzzTokenReply(f *testing.F) {
	for _, s := range []string{
		`{"token":"a.b.c","access_token":"b","expires_in":300,"issued_at":"2026-11-21T12:00:00Z"}`, `{"access_token":"b","expires_in":"120"}`,
		`{"token":"a","expires_in":-1e9}`, `{"token":"a","expires_in":1e308}`, `{}`, `[]`, ``, `{"token":"x","issued_at":"0001-01-01T00:00:00Z"}`,
		`{"token":"e30.eyJleHAiOjE3OTUyNjI0MDAsImFjY2VzcyI6W3sidHlwZSI6InJlcG9zaXRvcnkiLCJuYW1lIjoiYSIsImFjdGlvbnMiOlsicHVsbCJdfV19.x"}`,
	} {
		f.Add([]byte(s), int64(0))
		f.Add([]byte(s), int64(1795262400))
	}
	f.Fuzz(func(t *testing.T, body []byte, date int64) {
		r, err := parseTokenReply(body)
		if err != nil {
			return
		}
		if !isBearerToken(r.token) || r.expires < 0 || r.expires > maxLife || r.expires > 0 && r.expires < minLife {
			t.Fatalf("%q: %+v", body, r)
		}
		var at time.Time
		if date != 0 {
			at = time.Unix(date, 0)
		}
		life := r.life(readClaims([]byte(r.token)), noon, at)
		if life <= 0 || life > maxLife || r.expires > 0 && life > r.expires {
			t.Fatalf("%q lives %v", body, life)
		}
	})
}

func jwt(payload string) []byte {
	return []byte("e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln")
}

func TestClaims(t *testing.T) {
	t.Parallel()
	scope := fairlead.Scope{Resource: ref.Resource{Host: "reg.io", Repository: "team/app"}, Verb: fairlead.Pull}
	for name, c := range map[string]struct {
		token   []byte
		expires time.Time
		lacks   bool
	}{
		"pull":            {jwt(`{"exp":1795262400,"access":[{"type":"repository","name":"team/app","actions":["pull"]}]}`), noon, false},
		"everything":      {jwt(`{"access":[{"type":"repository","name":"team/app","actions":["*"]}]}`), time.Time{}, false},
		"longer name":     {jwt(`{"access":[{"type":"repository","name":"docker-local/team/app","actions":["pull"]}]}`), time.Time{}, false},
		"only push":       {jwt(`{"access":[{"type":"repository","name":"team/app","actions":["push"]}]}`), time.Time{}, true},
		"no actions":      {jwt(`{"access":[{"type":"repository","name":"team/app","actions":[]}]}`), time.Time{}, true},
		"another":         {jwt(`{"access":[{"type":"repository","name":"team/other","actions":["pull"]}]}`), time.Time{}, true},
		"ends like it":    {jwt(`{"access":[{"type":"repository","name":"evilteam/app","actions":["pull"]}]}`), time.Time{}, true},
		"another type":    {jwt(`{"access":[{"type":"registry","name":"team/app","actions":["pull"]}]}`), time.Time{}, true},
		"empty":           {jwt(`{"access":[]}`), time.Time{}, true},
		"null":            {jwt(`{"access":null}`), time.Time{}, true},
		"not said":        {jwt(`{"exp":"1795262400"}`), noon, false},
		"of another form": {jwt(`{"access":"team/app"}`), time.Time{}, false},
		"nonsense exp":    {jwt(`{"exp":-5}`), time.Time{}, false},
		"huge exp":        {jwt(`{"exp":1e300}`), time.Time{}, false},
		"padding":         {[]byte("e30.eyJleHAiOjE3OTUyNjI0MDB9==.x"), noon, false},
		"opaque":          {[]byte("0123456789abcdef"), time.Time{}, false},
		"two parts":       {[]byte("a.b"), time.Time{}, false},
		"not base64":      {[]byte("a.%%.c"), time.Time{}, false},
		"not JSON":        {jwt(`x`), time.Time{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := readClaims(c.token)
			if !got.expires.Equal(c.expires) || got.lack(scope) != c.lacks {
				t.Errorf("expires %v, lacks %v", got.expires, got.lack(scope))
			}
		})
	}
}

// TestLife is what the clocks and a reply say together.
func TestLife(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reply tokenReply
		exp   time.Time
		date  time.Time
		want  time.Duration
	}{
		"nothing said":                {tokenReply{}, time.Time{}, noon, time.Minute},
		"expires_in":                  {tokenReply{expires: 300 * time.Second}, time.Time{}, noon, 5 * time.Minute},
		"exp alone":                   {tokenReply{}, noon.Add(75 * time.Minute), noon, 75 * time.Minute},
		"exp alone, past":             {tokenReply{}, noon.Add(-time.Hour), noon, time.Minute},
		"exp alone, wrong clock":      {tokenReply{}, noon.Add(-time.Hour), noon.Add(-2 * time.Hour), time.Hour},
		"exp sooner":                  {tokenReply{expires: time.Hour}, noon.Add(10 * time.Minute), noon, 10 * time.Minute},
		"exp later":                   {tokenReply{expires: time.Hour}, noon.Add(10 * time.Hour), noon, time.Hour},
		"issued a while ago":          {tokenReply{expires: time.Hour, issuedAt: noon.Add(-50 * time.Minute)}, time.Time{}, noon, 10 * time.Minute},
		"nearly over, server's clock": {tokenReply{expires: time.Hour, issuedAt: noon.Add(-59*time.Minute - 30*time.Second)}, time.Time{}, noon, 30 * time.Second},
		"nearly over, our clock":      {tokenReply{expires: time.Hour, issuedAt: noon.Add(-59*time.Minute - 30*time.Second)}, time.Time{}, time.Time{}, time.Minute},
		"over":                        {tokenReply{expires: time.Hour, issuedAt: noon.Add(-2 * time.Hour)}, time.Time{}, noon, time.Minute},
		"issued in the future":        {tokenReply{expires: time.Hour, issuedAt: noon.Add(time.Hour)}, time.Time{}, noon, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.reply.life(claims{expires: c.exp}, noon, c.date); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
