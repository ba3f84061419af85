package cloudtest

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// awsUser is an IAM user.
type awsUser struct {
	arn      string
	policies []awsPolicy
}

// awsRole is an IAM role.
type awsRole struct {
	account  *AWSAccount
	arn      string
	trust    awsPolicy
	policies []awsPolicy
	// longest is the greatest duration of its sessions.
	longest time.Duration
}

// awsKey is an access key: a user's, or a session's.
type awsKey struct {
	AWSKey
	who awsPrincipal
	// expires is zero for a user's.
	expires time.Time
}

// awsPrincipal is who asks.
type awsPrincipal struct {
	account *AWSAccount
	// arn is what it is called in errors; names are those by which policies mean it.
	arn   string
	names []string
	// user or role has its policies, as they are now.
	user *awsUser
	role *awsRole
	// session is the session policy; nil is none.
	session *awsPolicy
}

func (p awsPrincipal) policies() []awsPolicy {
	if p.role != nil {
		return p.role.policies
	}
	return p.user.policies
}

// User makes an IAM user with policies (JSON) and gives an access key.
func (c *AWSAccount) User(name string, policies ...string) AWSKey {
	u := &awsUser{arn: c.arn("iam", "user/"+name), policies: c.read(policies)}
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	c.users[name] = u
	k := AWSKey{ID: awsKeyID("AKIA", c.ID), Secret: awsSecretKey()}
	c.aws.keys[k.ID] = &awsKey{AWSKey: k, who: awsPrincipal{
		account: c, arn: u.arn, user: u, names: []string{u.arn, c.ID, c.arn("iam", "root")},
	}}
	return k
}

// Role makes a role, or makes it anew, and gives its ARN.
func (c *AWSAccount) Role(name, trust string, policies ...string) string {
	r := &awsRole{account: c, arn: c.arn("iam", "role/"+name), trust: c.read([]string{trust})[0], policies: c.read(policies), longest: time.Hour}
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	c.roles[r.arn] = r
	return r.arn
}

// RemoveRole takes a role away. Its sessions can do nothing more.
func (c *AWSAccount) RemoveRole(arn string) {
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	if r, ok := c.roles[arn]; ok {
		r.policies = nil
	}
	delete(c.roles, arn)
}

// TrustIssuer makes an IAM OIDC identity provider: a URL and its client IDs.
func (c *AWSAccount) TrustIssuer(url string, clients ...string) {
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	c.issuers[strings.TrimPrefix(url, "https://")] = clients
}

// DisableRegion makes STS inactive in a region for the account.
func (c *AWSAccount) DisableRegion(name string) {
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	c.disabled[name] = true
}

// Session gives a session of a role, as if it had been assumed.
func (c *AWSAccount) Session(role string, life time.Duration) AWSKey {
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	return c.aws.session(c.roles[role], "test", nil, life).AWSKey
}

func (c *AWSAccount) arn(service, resource string) string {
	return fmt.Sprintf("arn:%s:%s::%s:%s", c.Partition, service, c.ID, resource)
}

func (c *AWSAccount) read(texts []string) []awsPolicy {
	var list []awsPolicy
	for _, text := range texts {
		p, err := readAWSPolicy(text)
		if err != nil {
			c.aws.tb.Fatalf("a policy of the test: %v\n%s", err, text)
		}
		list = append(list, p)
	}
	return list
}

// session makes a session of a role. The lock is held.
func (a *AWS) session(r *awsRole, name string, policy *awsPolicy, life time.Duration) *awsKey {
	short := r.arn[strings.LastIndexByte(r.arn, '/')+1:]
	who := awsPrincipal{
		account: r.account, role: r, session: policy,
		arn: r.account.arn("sts", "assumed-role/"+short+"/"+name),
	}
	who.names = []string{who.arn, r.arn, r.account.ID, r.account.arn("iam", "root")}
	k := &awsKey{
		AWSKey:  AWSKey{ID: awsKeyID("ASIA", r.account.ID), Secret: awsSecretKey(), Token: "IQoJb3JpZ2luX2VjE" + awsSecretKey() + "/+=" + awsSecretKey()},
		who:     who,
		expires: a.net.Now().Add(life + a.knobs.Session).Truncate(time.Second),
	}
	a.keys[k.ID] = k
	return k
}

// may answers whether a principal may do something to a resource that is the owner's
// and has a policy of its own, if it isn't nil (IAM User Guide, "Policy evaluation
// logic"). The lock is held.
func (p awsPrincipal) may(action, resource string, owner *AWSAccount, own *awsPolicy) *awsError {
	q := awsQuestion{action: action, resource: resource}
	byIdentity, denied := decide(p.policies(), q)
	refuse := func(why string) *awsError {
		return awsDenied("User: %s is not authorized to perform: %s on resource: %s %s", p.arn, action, resource, why)
	}
	if denied {
		return refuse("with an explicit deny in an identity-based policy")
	}
	byResource := false
	if own != nil {
		// A repository's policy names no resource: it is the repository.
		byResource, denied = decide([]awsPolicy{*own}, awsQuestion{action: action, kind: "AWS", who: p.names})
		if denied {
			return refuse("with an explicit deny in a resource-based policy")
		}
	}
	if p.session != nil {
		switch bySession, denied := decide([]awsPolicy{*p.session}, q); {
		case denied:
			return refuse("with an explicit deny in a session policy")
		case !bySession:
			return refuse("because no session policy allows the " + action + " action")
		}
	}
	switch {
	case owner == p.account && (byIdentity || byResource), owner != p.account && byIdentity && byResource:
		return nil
	case !byIdentity:
		return refuse("because no identity-based policy allows the " + action + " action")
	default:
		return refuse("because no resource-based policy allows the " + action + " action")
	}
}

// awsError is what AWS answers a wrong request with. Code is as the JSON protocol has
// it; the query protocol has other words for some.
type awsError struct {
	status        int
	code, message string
}

func awsDenied(format string, args ...any) *awsError {
	return &awsError{400, "AccessDeniedException", fmt.Sprintf(format, args...)}
}

func awsInvalid(code, format string, args ...any) *awsError {
	return &awsError{400, cmp.Or(code, "InvalidParameterException"), fmt.Sprintf(format, args...)}
}
