package cloudtest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead.dev/fairlead/internal/registrytest"
)

// awsPublic is ECR Public: its API in us-east-1, and public.ecr.aws with its token
// endpoint.
type awsPublic struct {
	aws *AWS

	once     sync.Once
	registry *registrytest.Registry

	// guarded by the lock of aws
	aliases      map[string]*AWSAccount
	repositories map[string]bool // alias/name
	tokens       map[string]publicToken
}

// publicToken is a bearer token: whose it is, nil for nobody's.
type publicToken struct {
	login   *awsLogin
	expires time.Time
}

func newAWSPublic(a *AWS) *awsPublic {
	return &awsPublic{aws: a, aliases: map[string]*AWSAccount{}, repositories: map[string]bool{}, tokens: map[string]publicToken{}}
}

// PublicAlias gives an account its alias in ECR Public.
func (c *AWSAccount) PublicAlias(alias string) {
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	c.aws.public.aliases[alias] = c
}

// PublicRepository makes a repository of ECR Public.
func (c *AWSAccount) PublicRepository(alias, name string) {
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	c.aws.public.repositories[alias+"/"+name] = true
}

// Public is what is behind public.ecr.aws. Who asks it at its own address is let in.
func (a *AWS) Public() *registrytest.Registry { return a.public.behind() }

func (p *awsPublic) behind() *registrytest.Registry {
	p.once.Do(func() {
		p.registry = registrytest.New(p.aws.tb, registrytest.Config{Auth: registrytest.Guarded, Guard: p.admit, Now: p.aws.net.Now})
	})
	return p.registry
}

// api performs an action of ECR Public. The lock is held.
func (p *awsPublic) api(c *awsCall) (any, *awsError) {
	if wrong := c.sign(); wrong != nil {
		return nil, wrong
	}
	var in struct {
		Name  string `json:"repositoryName"`
		Force bool   `json:"force"`
	}
	if wrong := c.read(&in); wrong != nil {
		return nil, wrong
	}
	alias := p.aliasOf(c.who.account)
	arn := c.who.account.arn("ecr-public", "repository/"+in.Name)
	switch c.action {
	case "GetAuthorizationToken":
		for _, action := range []string{"ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"} {
			if wrong := c.who.may(action, "*", c.who.account, nil); wrong != nil {
				return nil, wrong
			}
		}
		token, expires := p.aws.login(c.key(), c.region.name, true)
		return map[string]any{"authorizationData": map[string]any{"authorizationToken": token, "expiresAt": epoch(expires)}}, nil
	case "DescribeRepositories":
		if wrong := c.who.may("ecr-public:DescribeRepositories", c.who.account.arn("ecr-public", "repository/*"), c.who.account, nil); wrong != nil {
			return nil, wrong
		}
		return map[string]any{"repositories": p.list(alias, c.who.account)}, nil
	case "CreateRepository":
		if wrong := c.who.may("ecr-public:CreateRepository", arn, c.who.account, nil); wrong != nil {
			return nil, wrong
		}
		if p.repositories[alias+"/"+in.Name] {
			return nil, awsInvalid("RepositoryAlreadyExistsException", "The repository with name '%s' already exists in the registry with id '%s'", in.Name, c.who.account.ID)
		}
		p.repositories[alias+"/"+in.Name] = true
		return map[string]any{"repository": p.json(alias, in.Name, c.who.account)}, nil
	case "DeleteRepository":
		if wrong := c.who.may("ecr-public:DeleteRepository", arn, c.who.account, nil); wrong != nil {
			return nil, wrong
		}
		if !p.repositories[alias+"/"+in.Name] {
			return nil, awsInvalid("RepositoryNotFoundException", "The repository with name '%s' does not exist in the registry with id '%s'", in.Name, c.who.account.ID)
		}
		delete(p.repositories, alias+"/"+in.Name)
		return map[string]any{"repository": p.json(alias, in.Name, c.who.account)}, nil
	default:
		return nil, awsInvalid("UnknownOperationException", "")
	}
}

func (p *awsPublic) aliasOf(c *AWSAccount) string {
	for alias, owner := range p.aliases {
		if owner == c {
			return alias
		}
	}
	return "unaliased"
}

func (p *awsPublic) list(alias string, c *AWSAccount) []awsRepositoryJSON {
	list := []awsRepositoryJSON{}
	for full := range p.repositories {
		if name, ok := strings.CutPrefix(full, alias+"/"); ok {
			list = append(list, p.json(alias, name, c))
		}
	}
	slices.SortFunc(list, func(x, y awsRepositoryJSON) int { return strings.Compare(x.Name, y.Name) })
	return list
}

func (p *awsPublic) json(alias, name string, c *AWSAccount) awsRepositoryJSON {
	return awsRepositoryJSON{
		Arn: c.arn("ecr-public", "repository/"+name), Account: c.ID, Name: name,
		URI: "public.ecr.aws/" + alias + "/" + name, Created: epoch(p.aws.net.Now()),
	}
}

// ServeHTTP is public.ecr.aws.
func (p *awsPublic) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/token/" {
		p.serveToken(w, req)
		return
	}
	p.behind().ServeHTTP(w, req) //nolint:contextcheck // The registry lives as long as the test, not as the request.
}

// serveToken gives a bearer token to a login, and to nobody one with which only pulling
// goes.
func (p *awsPublic) serveToken(w http.ResponseWriter, req *http.Request) {
	a := p.aws
	a.mu.Lock()
	defer a.mu.Unlock()
	t := publicToken{expires: a.net.Now().Add(awsLoginLife)}
	if name, password, ok := req.BasicAuth(); ok {
		login, known := a.logins[password]
		if name != "AWS" || !known || !login.public {
			denyECR(w, http.StatusUnauthorized, "UNAUTHORIZED", "Your Authorization Token is invalid.")
			return
		}
		if wrong := login.stale(a); wrong != "" {
			denyECR(w, http.StatusForbidden, "DENIED", wrong)
			return
		}
		t.login = &login
	}
	token := rand.Text() + rand.Text()
	p.tokens[token] = t
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": int(awsLoginLife / time.Second)})
}

// admit lets in by token: anybody's to pull, its owner's to push.
func (p *awsPublic) admit(w http.ResponseWriter, req *http.Request, repository, action string) (string, bool) {
	if req.Host == p.registry.Host() {
		return "owner", true
	}
	a := p.aws
	a.mu.Lock()
	defer a.mu.Unlock()
	scheme, proof, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	t, ok := p.tokens[proof]
	switch {
	case strings.EqualFold(scheme, "bearer") && ok && a.net.Now().Before(t.expires):
	case proof != "":
		// As private ECR, with no challenge (aws/containers-roadmap#2835).
		denyECR(w, http.StatusBadRequest, "DENIED", "Your Authorization Token is invalid.")
		return "", false
	default:
		w.Header().Set("Www-Authenticate", `Bearer realm="https://public.ecr.aws/token/",service="public.ecr.aws",scope="aws"`)
		denyECR(w, http.StatusUnauthorized, "UNAUTHORIZED", "Not Authorized")
		return "", false
	}
	who := "anonymous"
	if t.login != nil {
		if wrong := t.login.stale(a); wrong != "" {
			denyECR(w, http.StatusForbidden, "DENIED", wrong)
			return "", false
		}
		who = t.login.who.who.arn
	}
	if repository == "" {
		return who, true
	}
	if !p.repositories[repository] {
		denyECR(w, http.StatusNotFound, "NAME_UNKNOWN", fmt.Sprintf("The repository with name '%s' does not exist", repository))
		return "", false
	}
	return who, action == "pull" || p.mayPush(w, req, t, repository)
}

func (p *awsPublic) mayPush(w http.ResponseWriter, req *http.Request, t publicToken, repository string) bool {
	alias, name, _ := strings.Cut(repository, "/")
	owner := p.aliases[alias]
	if t.login == nil || owner == nil || owner != t.login.who.who.account {
		denyECR(w, http.StatusForbidden, "DENIED", "Not Authorized")
		return false
	}
	for _, action := range ecrActions(req) {
		if wrong := t.login.who.who.may("ecr-public:"+action, owner.arn("ecr-public", "repository/"+name), owner, nil); wrong != nil {
			denyECR(w, http.StatusForbidden, "DENIED", wrong.message)
			return false
		}
	}
	return true
}
