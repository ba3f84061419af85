package cloudtest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// awsRepository is one repository of private ECR.
type awsRepository struct {
	account      *AWSAccount
	region, name string
	policy       *awsPolicy
	created      time.Time
	// full says that images are in it.
	full func() bool
}

func (r *awsRepository) arn() string {
	return fmt.Sprintf("arn:%s:ecr:%s:%s:repository/%s", r.account.Partition, r.region, r.account.ID, r.name)
}

// awsLogin is what a registry password stands for. Its rights are those of who asked
// for it, as they are when it is used.
type awsLogin struct {
	who     *awsKey
	region  string
	public  bool
	expires time.Time
}

const awsLoginLife = 12 * time.Hour

// login makes a registry password. The lock is held.
func (a *AWS) login(key, region string, public bool) (token string, expires time.Time) {
	b, err := json.Marshal(map[string]any{"payload": rand.Text() + rand.Text(), "datakey": rand.Text(), "version": "2", "type": "DATA_KEY"})
	if err != nil {
		panic(err)
	}
	password := base64.StdEncoding.EncodeToString(b)
	if a.knobs.Password != nil {
		password = a.knobs.Password()
	}
	expires = a.net.Now().Add(awsLoginLife)
	a.logins[password] = awsLogin{who: a.keys[key], region: region, public: public, expires: expires}
	return base64.StdEncoding.EncodeToString([]byte("AWS:" + password)), expires.Add(a.knobs.Expiry)
}

// epoch is a time as the JSON protocol has it.
func epoch(t time.Time) json.Number {
	return json.Number(strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64))
}

// ecr performs an action of private ECR. The lock is held.
func (a *AWS) ecr(c *awsCall) (any, *awsError) {
	if wrong := c.sign(); wrong != nil {
		return nil, wrong
	}
	switch c.action {
	case "GetAuthorizationToken":
		return a.authorizationToken(c)
	case "DescribeRepositories":
		return a.describeRepositories(c)
	case "CreateRepository":
		return a.createRepository(c)
	case "DeleteRepository":
		return a.deleteRepository(c)
	default:
		return nil, awsInvalid("UnknownOperationException", "")
	}
}

func (a *AWS) authorizationToken(c *awsCall) (any, *awsError) {
	var in struct {
		RegistryIDs []string `json:"registryIds"`
	}
	if wrong := c.read(&in); wrong != nil {
		return nil, wrong
	}
	if wrong := c.who.may("ecr:GetAuthorizationToken", "*", c.who.account, nil); wrong != nil {
		return nil, wrong
	}
	registries := in.RegistryIDs
	if len(registries) == 0 {
		registries = []string{c.who.account.ID}
	}
	type datum struct {
		Token    string      `json:"authorizationToken"`
		Expires  json.Number `json:"expiresAt"`
		Endpoint string      `json:"proxyEndpoint"`
	}
	var out struct {
		Data []datum `json:"authorizationData"`
	}
	for _, id := range registries {
		token, expires := a.login(c.key(), c.region.name, false)
		out.Data = append(out.Data, datum{token, epoch(expires), "https://" + id + "." + c.region.registries()[0]})
	}
	return out, nil
}

// key is the access key of a request that is signed.
func (c *awsCall) key() string {
	s, _ := readAWSSignature(c.req.Header.Get("Authorization"))
	return s.key
}

// awsRepositoryJSON is a repository in replies.
type awsRepositoryJSON struct {
	Arn     string      `json:"repositoryArn"`
	Account string      `json:"registryId"`
	Name    string      `json:"repositoryName"`
	URI     string      `json:"repositoryUri"`
	Created json.Number `json:"createdAt"`
	Tags    string      `json:"imageTagMutability,omitempty"`
}

func (r *awsRepository) json() awsRepositoryJSON {
	region, _ := awsRegionOf(r.region)
	return awsRepositoryJSON{r.arn(), r.account.ID, r.name, r.account.ID + "." + region.registries()[0] + "/" + r.name, epoch(r.created), "MUTABLE"}
}

// target is the registry that a call is about, and the repository's resource.
func (c *awsCall) target(a *AWS, registry, name string) (*AWSAccount, string) {
	account := c.who.account
	if registry != "" {
		account = a.accounts[registry]
	}
	id := registry
	if account != nil {
		id = account.ID
	}
	return account, fmt.Sprintf("arn:%s:ecr:%s:%s:repository/%s", c.region.partition, c.region.name, id, name)
}

func (a *AWS) describeRepositories(c *awsCall) (any, *awsError) {
	var in struct {
		Registry string   `json:"registryId"`
		Names    []string `json:"repositoryNames"`
		Next     string   `json:"nextToken"`
		Most     int      `json:"maxResults"`
	}
	if wrong := c.read(&in); wrong != nil {
		return nil, wrong
	}
	account, resource := c.target(a, in.Registry, "*")
	if wrong := c.who.may("ecr:DescribeRepositories", resource, account, nil); wrong != nil {
		return nil, wrong
	}
	if in.Most < 0 || in.Most > 1000 {
		return nil, awsInvalid("", "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value less than or equal to 1000'")
	}
	if in.Most == 0 {
		in.Most = 100
	}
	list := []awsRepositoryJSON{}
	for _, r := range account.repositories {
		if r.region == c.region.name && (len(in.Names) == 0 || slices.Contains(in.Names, r.name)) {
			list = append(list, r.json())
		}
	}
	slices.SortFunc(list, func(x, y awsRepositoryJSON) int { return strings.Compare(x.Name, y.Name) })
	from, err := strconv.Atoi("0" + in.Next)
	if err != nil || from > len(list) {
		return nil, awsInvalid("", "Invalid parameter at 'nextToken'")
	}
	out := map[string]any{}
	if to := from + in.Most; to < len(list) {
		out["nextToken"], list = strconv.Itoa(to), list[:to]
	}
	out["repositories"] = list[from:]
	return out, nil
}

var awsRepositoryName = regexp.MustCompile(`^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$`)

func (a *AWS) createRepository(c *awsCall) (any, *awsError) {
	var in struct {
		Registry string `json:"registryId"`
		Name     string `json:"repositoryName"`
	}
	if wrong := c.read(&in); wrong != nil {
		return nil, wrong
	}
	account, resource := c.target(a, in.Registry, in.Name)
	if wrong := c.who.may("ecr:CreateRepository", resource, account, nil); wrong != nil {
		return nil, wrong
	}
	switch {
	case !awsRepositoryName.MatchString(in.Name):
		return nil, awsInvalid("", "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression'")
	case account.repositories[resource] != nil:
		return nil, awsInvalid("RepositoryAlreadyExistsException", "The repository with name '%s' already exists in the registry with id '%s'", in.Name, account.ID)
	}
	return map[string]any{"repository": account.repository(c.region.name, in.Name).json()}, nil
}

func (a *AWS) deleteRepository(c *awsCall) (any, *awsError) {
	var in struct {
		Registry string `json:"registryId"`
		Name     string `json:"repositoryName"`
		Force    bool   `json:"force"`
	}
	if wrong := c.read(&in); wrong != nil {
		return nil, wrong
	}
	account, resource := c.target(a, in.Registry, in.Name)
	var own *awsPolicy
	var r *awsRepository
	if account != nil {
		if r = account.repositories[resource]; r != nil {
			own = r.policy
		}
	}
	if wrong := c.who.may("ecr:DeleteRepository", resource, account, own); wrong != nil {
		return nil, wrong
	}
	switch {
	case r == nil:
		return nil, awsInvalid("RepositoryNotFoundException", "The repository with name '%s' does not exist in the registry with id '%s'", in.Name, account.ID)
	case r.full() && !in.Force:
		return nil, awsInvalid("RepositoryNotEmptyException", "The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", in.Name, account.ID)
	}
	delete(account.repositories, resource)
	return map[string]any{"repository": r.json()}, nil
}

// repository makes a repository. The lock is held.
func (c *AWSAccount) repository(region, name string) *awsRepository {
	r := &awsRepository{account: c, region: region, name: name, created: c.aws.net.Now(), full: func() bool { return false }}
	if old, ok := c.repositories[r.arn()]; ok {
		return old
	}
	c.repositories[r.arn()] = r
	return r
}
