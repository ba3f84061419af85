package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// tries is how often the other organization tries.
const tries = 10_000

// secret is what the organization acme has pulled, of which another knows all names.
type secret struct {
	repository, tag string
	manifest, layer string
	config          string
	bodies          []string // that nobody else may be sent
}

func (r *room) secret(t *testing.T) secret {
	t.Helper()
	image := registrytest.RandomImage(t, 5000)
	s := secret{repository: "team/app", tag: "v1", manifest: r.push(t, image, "team/app:v1")}
	layer, body := layerOf(t, image, 0)
	config, err := image.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	name, err := image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	s.layer, s.config = layer, name.String()
	s.bodies = []string{string(registrytest.Raw(t, image)), string(body), string(config), string(body[:64]), string(body[len(body)-64:])}
	for _, path := range []string{"manifests/v1", "manifests/" + s.manifest, "blobs/" + s.layer, "blobs/" + s.config, "tags/list"} {
		if got := r.get(t, "/v2/"+r.at(s.repository)+"/"+path); got.status != 200 {
			t.Fatalf("%s: %d %s", path, got.status, got.body)
		}
	}
	return s
}

// nobodys is the same as a secret, of what doesn't exist at all.
func (s secret) nobodys() secret {
	other := func(digest string) string {
		return "sha256:" + strings.Map(func(c rune) rune { return rune("123456789abcdef0"[strings.IndexRune("0123456789abcdef", c)]) }, digest[7:])
	}
	return secret{repository: "teal/axe", tag: "v9", manifest: other(s.manifest), layer: other(s.layer), config: other(s.config)}
}

// try is one way to ask, made the same for a secret and for nothing.
type try struct {
	method, path string
	headers      []string
}

// draw makes a try out of random choices.
func (r *room) draw(n *rand.Rand, s secret, tokens map[string]string, names []string) try {
	pick := func(list ...string) string { return list[n.IntN(len(list))] }
	host := strings.Replace(r.reg.Host(), ":", "__", 1)
	repository := pick(s.repository, s.repository, "side/own", "side/"+s.repository, strings.ToUpper(s.repository), strings.Replace(s.repository, "/", "%2F", 1),
		strings.Replace(s.repository, "/", "%2f", 1), "side/../"+s.repository, "./"+s.repository, s.repository+"/", "/"+s.repository, strings.Replace(s.repository, "/", "%252F", 1))
	name := pick(host+"/"+repository, host+"/"+repository, "main/"+repository, "evil/"+repository, repository, r.reg.Host()+"/"+repository, strings.ToUpper(host)+"/"+repository)
	digest := pick(s.manifest, s.layer, s.config, strings.ToUpper(s.layer), strings.Replace(s.layer, ":", "%3A", 1), strings.Replace(s.manifest, ":", "%3a", 1))
	kind := pick("manifests/"+s.tag, "manifests/"+digest, "blobs/"+digest, "blobs/"+digest, "referrers/"+digest, "tags/list", "blobs/uploads/?mount="+digest+"&from="+host+"/"+s.repository, "blobs/uploads/")
	query := pick("", "", "", "?ns="+r.reg.Host(), "?ns="+r.reg.Host()+"&ns="+r.reg.Host(), "?ns=main", "?NS="+r.reg.Host(), "?n%73="+r.reg.Host(), "?artifactType=x", "?n=1&last=a", "?ns=docker.io", "?ns=")
	if strings.Contains(kind, "?") {
		query = strings.Replace(query, "?", "&", 1)
	}
	c := try{method: pick("GET", "GET", "GET", "HEAD", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"), path: "/v2/" + name + "/" + kind + query}
	c.headers = append(c.headers, tokens[names[n.IntN(len(names))]])
	switch n.IntN(6) {
	case 0:
		c.headers = append(c.headers, "Range: bytes="+pick("0-", "0-0", "-1", "1-2", "999999-"))
	case 1:
		c.headers = append(c.headers, `If-None-Match: "`+digest+`"`)
	case 2:
		c.headers = append(c.headers, "If-None-Match: *")
	case 3:
		c.headers = append(c.headers, "Accept: "+pick("*/*", "application/vnd.oci.image.index.v1+json", "application/json"))
	case 4:
		c.headers = append(c.headers, "X-Original-Url: /v2/"+host+"/"+s.repository+"/blobs/"+s.layer)
	}
	return c
}

// shown is all of a reply that a client can see, with the names that it asked for put out
// of it.
func (s secret) shown(r reply) string {
	h := maps.Clone(r.header)
	h.Del("Date")
	var b strings.Builder
	fmt.Fprintln(&b, r.status)
	for _, k := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintln(&b, k, h[k])
	}
	b.WriteString(r.body)
	text := b.String()
	dashed := strings.NewReplacer(":", "-")
	for _, word := range []string{dashed.Replace(s.manifest), dashed.Replace(s.layer), dashed.Replace(s.config), s.manifest, s.layer, s.config, strings.ToUpper(s.layer), s.repository, strings.ToUpper(s.repository), ":" + s.tag, "tag " + s.tag} {
		text = strings.ReplaceAll(text, word, "(asked)")
	}
	return text
}

// TestOtherOrganization has an organization that knows every name and digest of another's
// try ten thousand times: it is answered as if nothing of it were there.
func TestOtherOrganization(t *testing.T) {
	t.Parallel()
	n := tries
	if testing.Short() {
		n /= 10
	}
	for _, auth := range []registrytest.Auth{registrytest.Basic, registrytest.Bearer} {
		t.Run(string(auth), func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, auth, fairleadtest.WithoutLog())
			s := r.secret(t)
			eve := r.Organization("evil", "eve")
			r.add(t, eve, "evil", "evil", "*", "side", "side-"+password)
			r.push(t, registrytest.RandomImage(t, 10), "side/own:latest")
			token := r.tokenOf(t, eve)
			none := s.nobodys()
			basic := func(user, token string) string { return "Authorization: " + basicOf(user, token) }
			trade := func(s secret) string {
				x, status := r.trade(t, "eve", token, "&scope=repository:"+r.at(s.repository)+":pull&scope=repository:main/"+s.repository+":pull&scope=repository:side/own:pull")
				if status != 200 {
					t.Fatal(status)
				}
				return bearer(x.Token)
			}
			tokens := func(s secret) map[string]string {
				return map[string]string{
					"own": basic("eve", token), "for acme": basic("acme", token), "bearer": bearer(token), "traded": trade(s),
					"none": "X: y", "broken": bearer(token + "x"),
				}
			}
			theirs, nobodys := tokens(s), tokens(none)
			names := slices.Sorted(maps.Keys(theirs))
			for i := range n / 2 {
				seed := uint64(i)
				a := r.draw(rand.New(rand.NewPCG(seed, 1)), s, theirs, names)
				b := r.draw(rand.New(rand.NewPCG(seed, 1)), none, nobodys, names)
				got, want := r.ask(t, a.method, a.path, "", a.headers...), r.ask(t, b.method, b.path, "", b.headers...)
				for _, body := range s.bodies {
					if strings.Contains(got.body, body) {
						t.Fatalf("%s %s %q gives what is acme's", a.method, a.path, a.headers[1:])
					}
				}
				if x, y := s.shown(got), none.shown(want); x != y {
					t.Fatalf("%s %s %q is told apart from what isn't there:\n%s\n%s", a.method, a.path, a.headers[1:], x, y)
				}
			}
			// What is acme's still is, and eve has her own.
			if got := r.get(t, "/v2/"+r.at("team/app")+"/blobs/"+s.layer); got.status != 200 {
				t.Errorf("acme itself: %d", got.status)
			}
			if got := r.ask(t, "GET", "/v2/"+r.at("side/own")+"/manifests/latest", token); got.status != 200 {
				t.Errorf("eve's own: %d %s", got.status, got.body)
			}
		})
	}
}

func basicOf(user, password string) string {
	req := http.Request{Header: http.Header{}}
	req.SetBasicAuth(user, password)
	return req.Header.Get("Authorization")
}

// liar is a registry that says of every digest that it has it, as its owner can make it.
type liar struct {
	size int
	// asked lists what it was asked.
	asked chan string
	// hang has its blobs not come.
	hang chan struct{}
}

// ServeHTTP answers.
func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case l.asked <- r.Method + " " + r.URL.Path:
	default:
	}
	digest := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if r.URL.Path == "/v2/" {
		return
	}
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	w.Header().Set("Content-Length", fmt.Sprint(l.size))
	w.Header().Set("Etag", `"`+digest+`"`)
	if r.Method == http.MethodHead {
		return
	}
	if l.hang != nil && strings.Contains(r.URL.Path, "/blobs/") {
		w.(http.Flusher).Flush()
		<-l.hang
		return
	}
	_, _ = io.Copy(w, bytes.NewReader(make([]byte, l.size)))
}

// TestLyingRegistry has an organization run a registry of its own that claims to have
// another's blobs: it is sent nothing but what that registry itself sends.
func TestLyingRegistry(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Basic)
	s := r.secret(t)
	evil, token := r.liar(t, len(s.bodies[1]), nil)
	for _, path := range []string{
		"blobs/" + s.layer, "blobs/" + s.config, "manifests/" + s.manifest, "manifests/v1",
	} {
		for range 2 {
			for _, h := range [][]string{nil, {"Range: bytes=0-63"}, {"Range: bytes=-64"}} {
				got := r.askCut(t, "/v2/"+evil+"/team/app/"+path, token, h...)
				if strings.Trim(got.body, "\x00") != "" && got.status < 300 {
					t.Errorf("%s %q: %d %d bytes that aren't the liar's", path, h, got.status, len(got.body))
				}
				for _, body := range s.bodies {
					if strings.Contains(got.body, body) {
						t.Errorf("%s %q: %d gives what is acme's", path, h, got.status)
					}
				}
			}
		}
	}
}

// TestLyingFirst has the liar be asked for a digest before its owner has pulled it, and
// have its reader wait: what then comes for the owner isn't read along.
func TestLyingFirst(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Basic)
	image := registrytest.RandomImage(t, 200_000)
	r.push(t, image, "team/app:v1")
	layer, body := layerOf(t, image, 0)
	hang := make(chan struct{})
	evil, token := r.liar(t, len(body), hang)
	eves := make(chan reply, 1)
	go func() { eves <- r.askCut(t, "/v2/"+evil+"/team/app/blobs/"+layer, token) }()
	eventually(t, "eve's flight", func() bool {
		list, err := r.Store.OriginsOf(t.Context(), fairlead.Digest(layer))
		return err == nil && len(list) == 1
	})
	if got := r.get(t, "/v2/"+r.at("team/app")+"/manifests/v1"); got.status != 200 {
		t.Fatal(got.status)
	}
	for range 3 {
		if got := r.get(t, "/v2/"+r.at("team/app")+"/blobs/"+layer); got.status != 200 || got.body != string(body) {
			t.Fatalf("acme: %d, %d bytes: %s", got.status, len(got.body), r.Log.String())
		}
	}
	close(hang)
	if got := <-eves; strings.Contains(got.body, string(body[:64])) {
		t.Error("eve was sent acme's bytes")
	}
	if got := r.askCut(t, "/v2/"+evil+"/team/app/blobs/"+layer, token); strings.Contains(got.body, string(body[:64])) {
		t.Error("eve was sent acme's bytes afterwards")
	}
	// After the time that a first one has, the depot is the owner's.
	r.clock.Move(6 * time.Hour)
	r.reg.Forget()
	for range 2 {
		if got := r.get(t, "/v2/"+r.at("team/app")+"/blobs/"+layer); got.status != 200 || got.body != string(body) {
			t.Fatalf("acme: %d", got.status)
		}
	}
	if n := r.fronts("GET", "/blobs/"); n != 1 {
		t.Errorf("%d blobs were fetched, want 1", n)
	}
}

// liar starts a lying registry with an organization that has an entry for it; it gives
// its host as it stands in names, and a token.
func (r *room) liar(t *testing.T, size int, hang chan struct{}) (host, token string) {
	t.Helper()
	l := &liar{size: size, asked: make(chan string, 1000), hang: hang}
	address := serve(t, l)
	eve := r.Organization("evil", "eve")
	fairleadtest.Must(t, eve, wire.AddRegistry, wire.RegistryRequest{
		OrganizationPath: wire.OrganizationPath{Organization: "evil"}, Name: "liar", Pattern: address + "/*", PlainHTTP: true,
	})
	return strings.Replace(address, ":", "__", 1), r.tokenOf(t, eve)
}
