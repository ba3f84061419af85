package cloudtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"

	"fairlead.dev/fairlead/internal/registrytest"
)

// Repository makes a repository of private ECR, unless it is there, and gives its host
// and name as an image's name begins.
func (c *AWSAccount) Repository(region, name string) string {
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	c.repository(region, name)
	return c.Host(region) + "/" + name
}

// Host is the host of the account's registry in a region.
func (c *AWSAccount) Host(region string) string {
	r, _ := awsRegionOf(region)
	return c.ID + "." + r.registries()[0]
}

// RepositoryPolicy gives a repository a policy (JSON).
func (c *AWSAccount) RepositoryPolicy(region, name, policy string) {
	p := c.read([]string{policy})[0]
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	c.repository(region, name).policy = &p
}

// HasRepository reports whether there is a repository.
func (c *AWSAccount) HasRepository(region, name string) bool {
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	_, ok := c.repositories[(&awsRepository{account: c, region: region, name: name}).arn()]
	return ok
}

// Push makes a repository and pushes an image to it as its owner, and gives the digest.
func (c *AWSAccount) Push(region, name, tag string, image registrytest.Writable) string {
	c.Repository(region, name)
	digest, err := registrytest.Write(c.aws.tb.Context(), c.Registry(region), image, name+":"+tag, registrytest.Account{})
	if err != nil {
		c.aws.tb.Fatal(err)
	}
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	c.repository(region, name).full = func() bool { return true }
	return digest
}

// Registry is what is behind the account's registry in a region: for its faults, and
// for what it was asked. Who asks it at its own address is let in.
func (c *AWSAccount) Registry(region string) *registrytest.Registry {
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	if r, ok := c.registries[region]; ok {
		return r
	}
	g := &awsGuard{account: c, region: region}
	home, _ := awsRegionOf(region)
	g.registry = registrytest.New(c.aws.tb, registrytest.Config{
		Auth: registrytest.Guarded, Guard: g.admit, Now: c.aws.net.Now,
		Faults: registrytest.Faults{Redirect: 1000, RedirectTo: "https://" + home.bucket() + "/" + c.ID},
	})
	c.registries[region] = g.registry
	return g.registry
}

var awsRegistryHost = regexp.MustCompile(`^(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.`)

// serveRegistry is the registries of all accounts.
func (a *AWS) serveRegistry(w http.ResponseWriter, req *http.Request) {
	account, region, ok := a.place(req.Host)
	if !ok {
		refuseECR(w, req.Host)
		return
	}
	account.Registry(region).ServeHTTP(w, req) //nolint:contextcheck // The registry lives as long as the test, not as the request.
}

func (a *AWS) place(host string) (*AWSAccount, string, bool) {
	m := awsRegistryHost.FindStringSubmatch(host)
	if m == nil {
		return nil, "", false
	}
	region, known := awsRegionOf(m[2])
	a.mu.Lock()
	defer a.mu.Unlock()
	account, ok := a.accounts[m[1]]
	return account, m[2], ok && known && region.partition == account.Partition
}

// refuseECR asks for a login as ECR does.
func refuseECR(w http.ResponseWriter, host string) {
	w.Header().Set("Www-Authenticate", fmt.Sprintf("Basic realm=%q,service=%q", "https://"+host+"/", "ecr.amazonaws.com"))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte("Not Authorized\n"))
}

// awsGuard is the door of one account's registry in one region.
type awsGuard struct {
	account  *AWSAccount
	region   string
	registry *registrytest.Registry
}

// admit lets in by the rights of whoever the password was given to.
func (g *awsGuard) admit(w http.ResponseWriter, req *http.Request, repository, _ string) (string, bool) {
	if req.Host == g.registry.Host() {
		return "owner", true // the test itself, at the registry's own address
	}
	a := g.account.aws
	a.mu.Lock()
	defer a.mu.Unlock()
	name, password, ok := req.BasicAuth()
	login, known := a.logins[password]
	switch {
	case !ok:
		refuseECR(w, req.Host)
		return "", false
	case name != "AWS" || !known || login.public || login.region != g.region:
		// ECR answers 400 here, and asks for no other login: to garbage (aws/aws-cli#4962)
		// and to a login of another region (aws/aws-cli#5317).
		denyECR(w, http.StatusBadRequest, "DENIED", "Your Authorization Token is invalid.")
		return "", false
	}
	if wrong := login.stale(a); wrong != "" {
		denyECR(w, http.StatusForbidden, "DENIED", wrong)
		return "", false
	}
	if repository == "" {
		return login.who.who.arn, true
	}
	return login.who.who.arn, g.may(w, req, login, repository)
}

// stale says why a password isn't good any more.
func (l awsLogin) stale(a *AWS) string {
	now := a.net.Now()
	switch {
	case !now.Before(l.expires):
		return "Your authorization token has expired. Reauthenticate and try again."
	case a.keys[l.who.ID] != l.who:
		return "The security token included in the request is invalid."
	case !l.who.expires.IsZero() && !now.Before(l.who.expires):
		return "The security token included in the request is expired"
	}
	return ""
}

// may asks for each right that the request needs. The lock is held.
func (g *awsGuard) may(w http.ResponseWriter, req *http.Request, login awsLogin, repository string) bool {
	r := &awsRepository{account: g.account, region: g.region, name: repository}
	arn := r.arn()
	known := g.account.repositories[arn]
	var own *awsPolicy
	if known != nil {
		own = known.policy
	}
	for _, action := range ecrActions(req) {
		if wrong := login.who.who.may("ecr:"+action, arn, g.account, own); wrong != nil {
			denyECR(w, http.StatusForbidden, "DENIED", wrong.message)
			return false
		}
	}
	if known == nil {
		denyECR(w, http.StatusNotFound, "NAME_UNKNOWN",
			fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", repository, g.account.ID))
		return false
	}
	if req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/manifests/") {
		known.full = func() bool { return true }
	}
	return true
}

// ecrActions are the actions that a request to the registry needs (Amazon ECR User
// Guide, "Pushing an image", "Pulling an image").
func ecrActions(req *http.Request) []string {
	isBlob, isManifest := strings.Contains(req.URL.Path, "/blobs/"), strings.Contains(req.URL.Path, "/manifests/")
	switch method := req.Method; {
	case strings.Contains(req.URL.Path, "/blobs/uploads/") && method == http.MethodGet:
		return []string{"UploadLayerPart"}
	case strings.HasSuffix(req.URL.Path, "/tags/list"):
		return []string{"ListImages"}
	case isManifest && (method == http.MethodGet || method == http.MethodHead):
		return []string{"BatchGetImage"}
	case isManifest && method == http.MethodPut:
		return []string{"PutImage"}
	case isBlob && method == http.MethodHead:
		return []string{"BatchCheckLayerAvailability"}
	case isBlob && method == http.MethodGet:
		return []string{"GetDownloadUrlForLayer"}
	case isBlob && method == http.MethodPost:
		return []string{"InitiateLayerUpload"}
	case isBlob && method == http.MethodPatch:
		return []string{"UploadLayerPart"}
	case isBlob && method == http.MethodPut:
		return []string{"UploadLayerPart", "CompleteLayerUpload"}
	default:
		return []string{"Unsupported"}
	}
}

// denyECR is an error of the registry (Distribution specification, "Error Codes").
func denyECR(w http.ResponseWriter, status int, code, message string) {
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string][]entry{"errors": {{code, message}}})
}

// serveBucket is where layers come from: S3, which takes signed URLs and refuses whoever
// shows a login beside.
func (a *AWS) serveBucket(w http.ResponseWriter, req *http.Request) {
	id, path, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	region, _, _ := strings.Cut(strings.TrimPrefix(req.Host, "prod-"), "-starport")
	a.mu.Lock()
	account, ok := a.accounts[id]
	a.mu.Unlock()
	if !ok {
		http.Error(w, "<Error><Code>NoSuchBucket</Code></Error>", http.StatusNotFound)
		return
	}
	to := &url.URL{Scheme: "http", Host: account.Registry(region).StorageHost()} //nolint:contextcheck // as above
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(to)
		p.Out.URL.Path, p.Out.URL.RawPath = "/"+path, ""
	}}
	proxy.ServeHTTP(w, req)
}
