package cloudtest

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead/internal/registrytest"
)

// AWS is the part of Amazon Web Services that has to do with registries: IAM as far as
// its policies decide, STS, ECR with its registries, ECR Public, and the metadata
// service of one instance. Its IAM is strict: what it doesn't know in a policy it
// refuses.
type AWS struct {
	tb  testing.TB
	net *Internet

	issuers *http.Client // how it reaches identity providers

	mu       sync.Mutex
	accounts map[string]*AWSAccount
	keys     map[string]*awsKey  // by access key ID
	logins   map[string]awsLogin // by registry password
	public   *awsPublic
	instance *awsInstance
	knobs    AWSKnobs
}

// AWSKnobs are how it can be otherwise. The zero value is as AWS is.
type AWSKnobs struct {
	// Expiry moves what GetAuthorizationToken says about a login's end, and nothing else.
	Expiry time.Duration
	// Password makes the registry passwords: huge ones, or ones with a colon. nil is as
	// AWS makes them.
	Password func() string
	// Session moves what STS says about a session's end, and the end.
	Session time.Duration
	// Undated leaves the header Date out of replies, by which clients learn how far off
	// their clock is.
	Undated bool
	// NoHops has the metadata service's answer to PUT get lost on the way, as it does in
	// a container while the instance's hop limit is 1.
	NoHops bool
}

// AWSKey is an access key. Token is set if it is of a session.
type AWSKey struct{ ID, Secret, Token string }

// NewAWS puts AWS on the internet, with all the regions of awsRegions.
func NewAWS(tb testing.TB, n *Internet) *AWS {
	tb.Helper()
	a := &AWS{
		tb: tb, net: n, issuers: n.Client(),
		accounts: map[string]*AWSAccount{}, keys: map[string]*awsKey{}, logins: map[string]awsLogin{},
	}
	a.public = newAWSPublic(a)
	for _, r := range awsRegions {
		for _, host := range r.hosts("ecr", "api.ecr") {
			n.Handle(host, awsService{a, "ecr", r, awsJSON, awsActions{a.ecr}})
		}
		for _, host := range r.hosts("sts", "sts") {
			n.Handle(host, awsService{a, "sts", r, awsXML, awsActions{a.sts}})
		}
		for _, host := range r.registries() {
			n.Handle("*."+host, http.HandlerFunc(a.serveRegistry))
		}
		n.Handle(r.bucket(), http.HandlerFunc(a.serveBucket))
	}
	global := awsRegions[0]
	n.Handle("sts.amazonaws.com", awsService{a, "sts", global, awsXML, awsActions{a.sts}})
	for _, host := range []string{"api.ecr-public.us-east-1.amazonaws.com", "ecr-public.us-east-1.api.aws"} {
		n.Handle(host, awsService{a, "ecr-public", global, awsJSON, awsActions{a.public.api}})
	}
	for _, host := range []string{"public.ecr.aws", "ecr-public.aws.com"} {
		n.Handle(host, a.public)
	}
	n.Handle("169.254.169.254", http.HandlerFunc(a.serveIMDS))
	return a
}

// Set turns knobs.
func (a *AWS) Set(change func(*AWSKnobs)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.knobs)
}

// Account gives an account of the partition "aws", which it makes if need be.
func (a *AWS) Account(id string) *AWSAccount { return a.AccountIn("aws", id) }

// AccountIn gives an account of a partition.
func (a *AWS) AccountIn(partition, id string) *AWSAccount {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, ok := a.accounts[id]; ok {
		return c
	}
	c := &AWSAccount{
		aws: a, ID: id, Partition: partition,
		users: map[string]*awsUser{}, roles: map[string]*awsRole{}, issuers: map[string][]string{},
		repositories: map[string]*awsRepository{}, registries: map[string]*registrytest.Registry{}, disabled: map[string]bool{},
	}
	a.accounts[id] = c
	return c
}

// Deactivate makes an access key inactive, or ends a session.
func (a *AWS) Deactivate(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.keys, id)
}

// AWSAccount is one account.
type AWSAccount struct {
	aws       *AWS
	ID        string
	Partition string

	// all of it is guarded by the lock of aws
	users        map[string]*awsUser
	roles        map[string]*awsRole
	issuers      map[string][]string // identity providers: URL to client IDs
	repositories map[string]*awsRepository
	registries   map[string]*registrytest.Registry // by region
	disabled     map[string]bool                   // regions in which STS isn't active
}

// awsRegion is one region of the fake.
type awsRegion struct {
	name, partition, suffix, dual, on string
}

// awsRegions are at least one of each partition (botocore, partitions.json).
var awsRegions = []awsRegion{
	{"us-east-1", "aws", "amazonaws.com", "api.aws", "on.aws"},
	{"us-west-2", "aws", "amazonaws.com", "api.aws", "on.aws"},
	{"eu-west-1", "aws", "amazonaws.com", "api.aws", "on.aws"},
	{"eu-central-1", "aws", "amazonaws.com", "api.aws", "on.aws"},
	{"us-gov-west-1", "aws-us-gov", "amazonaws.com", "api.aws", "on.aws"},
	{"cn-north-1", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "on.amazonwebservices.com.cn"},
	{"eusc-de-east-1", "aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu", ""},
	{"us-iso-east-1", "aws-iso", "c2s.ic.gov", "api.aws.ic.gov", ""},
	{"us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud", ""},
	{"eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", ""},
	{"us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov", ""},
}

// hosts are the endpoints of a service: plain, FIPS, dual-stack, and both.
func (r awsRegion) hosts(service, plain string) []string {
	return []string{
		plain + "." + r.name + "." + r.suffix, plain + "-fips." + r.name + "." + r.suffix,
		service + "." + r.name + "." + r.dual, service + "-fips." + r.name + "." + r.dual,
	}
}

// registries are the hosts of registries without the account.
func (r awsRegion) registries() []string {
	list := []string{"dkr.ecr." + r.name + "." + r.suffix, "dkr.ecr-fips." + r.name + "." + r.suffix}
	if r.on != "" {
		list = append(list, "dkr-ecr."+r.name+"."+r.on, "dkr-ecr-fips."+r.name+"."+r.on)
	}
	return list
}

// bucket is where ECR keeps layers.
func (r awsRegion) bucket() string {
	return "prod-" + r.name + "-starport-layer-bucket.s3." + r.name + "." + r.suffix
}

func awsRegionOf(name string) (awsRegion, bool) {
	for _, r := range awsRegions {
		if r.name == name {
			return r, true
		}
	}
	return awsRegion{}, false
}

// awsKeyID makes an access key ID, which says the account as real ones do: the first six
// bytes after the prefix, without the first and the last seven bits.
func awsKeyID(prefix, account string) string {
	var number uint64
	_, _ = fmt.Sscanf(account, "%d", &number)
	number = number<<7 | 1<<47
	b := make([]byte, 10)
	_, _ = rand.Read(b)
	for i := range 6 {
		b[i] = byte(number >> (8 * (5 - i)))
	}
	return prefix + base32.StdEncoding.EncodeToString(b)
}

func awsSecretKey() string { return (rand.Text() + strings.ToLower(rand.Text()))[:40] }
