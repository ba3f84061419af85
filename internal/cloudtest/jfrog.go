package cloudtest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"fairlead.dev/fairlead/internal/registrytest"
)

// JFrogConfig is what a [JFrog] is made with.
type JFrogConfig struct {
	// Host is the platform's: acme.jfrog.io, or a self-hosted one with its port.
	Host         string
	Users        []JFrogUser
	Groups       map[string][]registrytest.Right
	Repositories []JFrogRepository
	// Subdomains gives each Docker repository a host of its own too: acme-<REPO>.jfrog.io,
	// or <REPO>.<Domain>.
	Subdomains bool
	// Domain is what such hosts are below, if it isn't the platform's own.
	Domain string
	// Ports gives Docker repositories ports of the platform's host, by their keys.
	Ports map[string]string
}

// JFrogUser is who may log in.
type JFrogUser struct {
	Name, Password string
	Admin          bool
	Groups         []string
	// Rights are by <repository key>/<image>.
	Rights []registrytest.Right
}

// JFrogRepository is a repository as Artifactory means it: one holds many images.
type JFrogRepository struct {
	Key  string `json:"key"`
	Type string `json:"type"` // LOCAL, REMOTE, VIRTUAL or FEDERATED
	// PackageType is "Docker", or what else it holds.
	PackageType string `json:"packageType"`
	URL         string `json:"url"`
	Description string `json:"description,omitempty"`
}

// JFrogFaults are the ways in which a platform can differ from others.
type JFrogFaults struct {
	// Anonymous lets everybody in at /v2/ and below: then no client shows a login.
	Anonymous bool
	// Opaque gives tokens of the Docker token endpoint that aren't JWTs.
	Opaque bool
	// Grace takes expired tokens for a refresh (refresh-expiry, since 7.59.5).
	Grace time.Duration
	// NoUsername leaves the username out of the reply of the OIDC exchange.
	NoUsername bool
	// Disabled are users who may not log in any more.
	Disabled []string
}

// JFrog is a JFrog platform: Access (tokens, OIDC) and Artifactory (repositories, the
// Docker API with its token endpoint).
//
// Sources: jfrog.com/help, "Access Tokens", "Create Token", "Refresh Token", "OIDC Token
// Exchange", "Repositories"; jfrog/jfrog-client-go and jfrog/jfrog-credentials-provider
// for the shapes on the wire.
type JFrog struct {
	n        *Internet
	config   JFrogConfig
	key      *rsa.PrivateKey
	registry *registrytest.Registry

	mu        sync.Mutex
	faults    JFrogFaults
	repos     []JFrogRepository
	tokens    map[string]*jfrogToken  // by id
	bearers   map[string]*jfrogBearer // by what is presented
	providers map[string]JFrogOIDC
	keys      map[string]*jfrogKeys // of issuers, by their URL
}

// jfrogSystem is the user as whom [JFrog.Push] pushes.
const jfrogSystem = "_system_"

// The limits of Access: how long a token lives unless something else is asked for, and
// how long one must live to be kept, and so to be revocable
// (jfrog.com/help, "Using the Revocable and Persistency Thresholds").
const (
	jfrogDefaultLife = 365 * 24 * time.Hour
	jfrogPersistency = 3 * time.Hour
	jfrogBearerLife  = time.Hour
)

// jfrogKey signs the tokens of all platforms, which know theirs by their ids: making a
// key takes longer than most tests.
var jfrogKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// NewJFrog puts a platform there.
func NewJFrog(tb testing.TB, n *Internet, c JFrogConfig) *JFrog {
	tb.Helper()
	c.Users = append(slices.Clone(c.Users), JFrogUser{Name: jfrogSystem, Password: rand.Text(), Admin: true})
	j := &JFrog{
		n: n, config: c, key: jfrogKey(), repos: slices.Clone(c.Repositories), tokens: map[string]*jfrogToken{},
		bearers: map[string]*jfrogBearer{}, providers: map[string]JFrogOIDC{}, keys: map[string]*jfrogKeys{},
	}
	j.registry = registrytest.New(tb, registrytest.Config{Auth: registrytest.Guarded, Guard: j.guard, Now: n.Now})
	n.Handle(c.Host, j)
	for _, r := range c.Repositories {
		for _, host := range j.hostsOf(r.Key) {
			n.Handle(host, j)
		}
	}
	return j
}

// hostsOf gives the hosts that a repository has for itself.
func (j *JFrog) hostsOf(key string) (hosts []string) {
	if j.config.Subdomains {
		if name, ok := strings.CutSuffix(j.config.Host, ".jfrog.io"); ok && j.config.Domain == "" {
			hosts = append(hosts, name+"-"+key+".jfrog.io")
		} else if j.config.Domain != "" {
			hosts = append(hosts, key+"."+j.config.Domain)
		} else {
			hosts = append(hosts, key+"."+j.config.Host)
		}
	}
	if port, ok := j.config.Ports[key]; ok {
		name, _, _ := strings.Cut(j.config.Host, ":")
		hosts = append(hosts, name+":"+port)
	}
	return hosts
}

// Set changes the faults.
func (j *JFrog) Set(change func(*JFrogFaults)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(&j.faults)
}

// Registry is where the images are.
func (j *JFrog) Registry() *registrytest.Registry { return j.registry }

// Push puts an image there, as <repository key>/<image>:<tag>, and gives its digest.
func (j *JFrog) Push(tb testing.TB, image v1.Image, name string) string {
	tb.Helper()
	j.mu.Lock()
	u, _ := j.user(jfrogSystem)
	j.mu.Unlock()
	return pushThrough(tb, j.n, j.config.Host+"/"+name, image, u.Name, u.Password)
}

// ServeHTTP is the platform's router.
func (j *JFrog) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Date", j.n.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("X-JFrog-Version", "Artifactory/7.111.4 81104900")
	path := req.URL.Path
	switch {
	case path == "/access/api/v1/tokens":
		j.serveTokens(w, req)
	case strings.HasPrefix(path, "/access/api/v1/tokens/"):
		j.serveToken(w, req, strings.TrimPrefix(path, "/access/api/v1/tokens/"))
	case path == "/access/api/v1/oidc/token":
		j.serveOIDC(w, req)
	case path == "/artifactory/api/repositories":
		j.serveRepositories(w, req)
	case strings.HasPrefix(path, "/artifactory/api/repositories/"):
		j.serveRepository(w, req, strings.TrimPrefix(path, "/artifactory/api/repositories/"))
	case path == "/v2/token" || strings.HasPrefix(path, "/artifactory/api/docker/") && strings.HasSuffix(path, "/v2/token"):
		j.serveDockerToken(w, req)
	case strings.HasPrefix(path, "/v2/"):
		j.serveDocker(w, req)
	default:
		jfrogStatus(w, http.StatusNotFound, "File not found.")
	}
}

func (j *JFrog) user(name string) (JFrogUser, bool) {
	i := slices.IndexFunc(j.config.Users, func(u JFrogUser) bool { return u.Name == name })
	if i < 0 || slices.Contains(j.faults.Disabled, name) {
		return JFrogUser{}, false
	}
	return j.config.Users[i], true
}

// jfrogCode answers as Access does.
func jfrogCode(w http.ResponseWriter, status int, code, message string) {
	replyJSON(w, status, map[string]any{"errors": []any{map[string]string{"code": code, "message": message}}})
}

// jfrogStatus answers as Artifactory does.
func jfrogStatus(w http.ResponseWriter, status int, message string) {
	if status == http.StatusUnauthorized {
		w.Header().Add("WWW-Authenticate", `Basic realm="Artifactory Realm"`)
	}
	replyJSON(w, status, map[string]any{"errors": []any{map[string]any{"status": status, "message": message}}})
}

// replyJSON answers JSON.
func replyJSON(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
