package awsecr_test

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/awsecr"
	"fairlead.dev/fairlead/internal/registrytest"
)

// TestLogin sets each method up as its guide says, and pulls and pushes with its logins.
func TestLogin(t *testing.T) {
	t.Parallel()
	external := awsecr.ExternalID(organization)
	for _, row := range []struct {
		name     string
		make     func(w *world) provider.Opened
		narrowed bool
		life     time.Duration
	}{
		{"federation", func(w *world) provider.Opened {
			c := connector("federation", "role_arn="+roleARN)
			w.guided(c, true)
			return c
		}, true, time.Hour},
		{"assume-role with keys", func(w *world) provider.Opened {
			c := connector("assume-role", "role_arn="+roleARN, "source=keys", "external_id=customer-7")
			k := w.guided(c, true)
			c = connector("assume-role", append(keyFields(k), "role_arn="+roleARN, "source=keys", "external_id=customer-7")...)
			return c
		}, true, time.Hour},
		{"assume-role with the instance", func(w *world) provider.Opened {
			c := connector("assume-role", "role_arn="+roleARN, "source=instance", "external_id="+external)
			assume := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`
			w.aws.Instance(region, w.aws.Account(otherAccount).Role("server", ec2Trust, assume))
			w.guided(c, true)
			return c
		}, true, time.Hour},
		{"secret-key", func(w *world) provider.Opened {
			return withKey(w.guided(connector("secret-key"), false))
		}, false, 12 * time.Hour},
		{"session-token", func(w *world) provider.Opened {
			w.account.Role("mine", ec2Trust, pullPolicy)
			c := withSession(w.account.Session("arn:aws:iam::"+account+":role/mine", 2*time.Hour))
			c.Expires = time.Now().Add(2 * time.Hour)
			return c
		}, false, 2 * time.Hour},
		{"instance-role", func(w *world) provider.Opened {
			w.aws.Instance(region, w.account.Role("server", ec2Trust, pullPolicy))
			return connector("instance-role")
		}, false, 6 * time.Hour},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c := row.make(w)
			w.push("team/app")
			w.push("team/other")
			host := w.account.Host(region)
			l := w.login(c, w.pull())
			if got := time.Until(l.Expires).Round(time.Minute); l.Username != "AWS" || l.Stored || got != row.life {
				t.Errorf("%s, stored %v, for %v", l.Username, l.Stored, got)
			}
			blob := w.layer(host, "team/app", l)
			want := map[string]int{
				"GET /team/app/blobs/" + blob: 200, "GET /team/app/tags/list": 200, "POST /team/app/blobs/uploads/": 403,
				"GET /team/other/manifests/v1": 200,
			}
			if row.narrowed {
				want["GET /team/other/manifests/v1"] = 403
			}
			w.expect(t, host, l, want)
			if row.narrowed {
				l := w.login(c, scope(host, "team/app", fairlead.Push))
				w.expect(t, host, l, map[string]int{
					"POST /team/app/blobs/uploads/": 202, "HEAD /team/app/blobs/" + blob: 200, "GET /team/app/manifests/v1": 200,
					"GET /team/app/blobs/" + blob: 403, "POST /team/other/blobs/uploads/": 403,
				})
			}
		})
	}
}

const (
	ec2Trust   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}`
	pullPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["ecr:GetAuthorizationToken","ecr:BatchGetImage",` +
		`"ecr:GetDownloadUrlForLayer","ecr:BatchCheckLayerAvailability","ecr:ListImages"]}]}`
)

func (w *world) expect(t *testing.T, host string, l provider.Login, want map[string]int) {
	t.Helper()
	got := map[string]int{}
	for request := range want {
		method, path, _ := strings.Cut(request, " ")
		got[request], _ = w.ask(method, "https://"+host+"/v2"+path, l)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestAcross opens another account's repository, and registries under all of their
// hosts.
func TestAcross(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := connector("federation", "role_arn="+roleARN)
	everything := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ecr:*"],"Resource":"*"}]}`
	w.account.TrustIssuer(issuerURL, "sts.amazonaws.com")
	w.account.Role("fairlead", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity","Principal":{"Federated":"arn:aws:iam::`+
		account+`:oidc-provider/fairlead.example"},"Condition":{"StringEquals":{"fairlead.example:sub":"org:acme:connector:ecr"}}}]}`, everything)
	other := w.aws.Account(otherAccount)
	for _, host := range []string{
		account + ".dkr.ecr.eu-west-1.amazonaws.com", account + ".dkr-ecr.eu-west-1.on.aws", account + ".dkr.ecr-fips.us-east-1.amazonaws.com",
		account + ".dkr-ecr-fips.us-west-2.on.aws", otherAccount + ".dkr.ecr.us-west-2.amazonaws.com",
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			where := strings.Split(host, ".")[len(strings.Split(host, "."))-3]
			for _, owner := range []*cloudtest.AWSAccount{w.account, other} {
				owner.Push(where, "team/app", "v1", registrytest.RandomImage(t, 10))
				owner.RepositoryPolicy(where, "team/app", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+account+`"},"Action":["ecr:BatchGetImage"]}]}`)
			}
			l := w.login(c, scope(host, "team/app", fairlead.Pull))
			if status, body := w.ask(http.MethodGet, "https://"+host+"/v2/team/app/manifests/v1", l); status != http.StatusOK {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

// TestPartitions logs in where nothing is shared with the rest of AWS.
func TestPartitions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for id, host := range map[string]string{
		"000000000001": ".dkr.ecr.us-gov-west-1.amazonaws.com", "000000000002": ".dkr.ecr.cn-north-1.amazonaws.com.cn",
		"000000000003": ".dkr.ecr.eusc-de-east-1.amazonaws.eu", "000000000004": ".dkr.ecr.us-iso-east-1.c2s.ic.gov",
	} {
		partition := map[string]string{"000000000001": "aws-us-gov", "000000000002": "aws-cn", "000000000003": "aws-eusc", "000000000004": "aws-iso"}[id]
		t.Run(partition, func(t *testing.T) {
			t.Parallel()
			key := w.aws.AccountIn(partition, id).User("u", pullPolicy)
			w.login(withKey(key), scope(id+host, "team/app", fairlead.Pull))
		})
	}
}

// TestPublic trades logins to ECR Public at its token endpoint.
func TestPublic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account.PublicAlias("acme")
	w.account.PublicRepository("acme", "app")
	registrytest.Push(t, w.aws.Public(), registrytest.RandomImage(t, 10), "acme/app:v1", registrytest.Account{})
	w.account.TrustIssuer(issuerURL, "sts.amazonaws.com")
	w.account.Role("fairlead", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity","Principal":{"Federated":"arn:aws:iam::`+
		account+`:oidc-provider/fairlead.example"}}]}`, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ecr-public:*","sts:GetServiceBearerToken"],"Resource":"*"}]}`)
	c := connector("federation", "role_arn="+roleARN)
	for s, want := range map[fairlead.Scope]int{
		scope("public.ecr.aws", "acme/app", fairlead.Pull): 403, scope("public.ecr.aws", "acme/app", fairlead.Push): 202,
		scope("ecr-public.aws.com", "acme/app", fairlead.Push): 202,
	} {
		l := w.login(c, s)
		status, body := w.ask(http.MethodGet, "https://"+s.Resource.Host+"/token/", l)
		_, rest, _ := strings.Cut(body, `"token":"`)
		token, _, _ := strings.Cut(rest, `"`)
		if status != http.StatusOK || token == "" {
			t.Fatalf("%d %s", status, body)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://public.ecr.aws/v2/acme/app/blobs/uploads/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := w.tools.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%v, pushing: %d, want %d", s, res.StatusCode, want)
		}
	}
}

// TestWildcards refuses scopes that would be more than one repository in a policy.
func TestWildcards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := withFederation(w)
	asked := len(w.net.Requests())
	for _, s := range []fairlead.Scope{
		scope(w.account.Host(region), "*", fairlead.Pull), scope(w.account.Host(region), "team/*", fairlead.Push), scope(w.account.Host(region), "team/a?p", fairlead.Pull),
		scope(w.account.Host(region), "${aws:username}", fairlead.Pull), scope("*.dkr.ecr.eu-west-1.amazonaws.com", "team/app", fairlead.Pull),
		scope(account+".dkr.ecr.*.amazonaws.com", "team/app", fairlead.Pull),
	} {
		if _, err := w.provider().Login(t.Context(), c, s); fairlead.KindOf(err) != fairlead.Invalid {
			t.Errorf("%v: %v", s, err)
		}
	}
	if len(w.net.Requests()) != asked {
		t.Errorf("AWS was asked: %v", w.net.Requests())
	}
	w.push("team/app")
	l := w.login(c, scope(w.account.Host(region), "", fairlead.Pull))
	w.expect(t, w.account.Host(region), l, map[string]int{"GET /": 200, "GET /team/app/manifests/v1": 403})
}

// TestTrade has the house's own client find out what the logins are for: private
// registries take them as they are, the public one trades them.
func TestTrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.push("team/app")
	w.account.PublicAlias("acme")
	w.account.PublicRepository("acme", "app")
	ca, err := os.ReadFile(w.net.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	client, err := oci.New(oci.Options{Now: time.Now, Proxy: http.ProxyURL(w.net.ProxyURL())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c := withKey(w.account.User("u", pullPolicy, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ecr-public:*","sts:GetServiceBearerToken"],"Resource":"*"}]}`))
	private, public := w.pull(), scope("public.ecr.aws", "acme/app", fairlead.Pull)
	for s, want := range map[fairlead.Scope]error{private: oci.ErrNoTokenEndpoint, public: nil} {
		l := w.login(c, s)
		e := oci.Endpoint{Host: s.Resource.Host, CABundle: string(ca)}
		login := oci.Login{Username: l.Username, Password: l.Password}
		b, err := client.Trade(t.Context(), e, login, s)
		if !errors.Is(err, want) || want == nil && b.Token.IsZero() {
			t.Errorf("%v: %v", s, err)
		}
		if err := client.Verify(t.Context(), e, login); err != nil {
			t.Errorf("%v: %v", s, err)
		}
		wrong := login
		wrong.Password = fairlead.SecretText("wrong-password")
		if err := client.Verify(t.Context(), e, wrong); fairlead.CodeOf(err) != fairlead.CodeLoginRefused {
			t.Errorf("%v with a wrong password: %v", s, err)
		}
	}
}

// TestExpires looks at the ends of logins: the earliest of all, by this machine's clock.
func TestExpires(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		make func(w *world) provider.Opened
		want time.Duration
	}{
		{"a user's", func(w *world) provider.Opened { return withKey(w.account.User("u", pullPolicy)) }, 12 * time.Hour},
		{"the connector's own date", func(w *world) provider.Opened {
			c := withKey(w.account.User("u", pullPolicy))
			c.Expires = time.Now().Add(30 * time.Minute)
			return c
		}, 30 * time.Minute},
		{"ECR's own end", func(w *world) provider.Opened {
			w.aws.Set(func(k *cloudtest.AWSKnobs) { k.Expiry = -11*time.Hour - 30*time.Minute })
			return withFederation(w)
		}, 30 * time.Minute},
		{"the session's", withFederation, time.Hour},
		{"a session that ends early", func(w *world) provider.Opened {
			w.aws.Set(func(k *cloudtest.AWSKnobs) { k.Session = -40 * time.Minute })
			return withFederation(w)
		}, 20 * time.Minute},
		{"a clock that is behind", func(w *world) provider.Opened {
			w.net.SetClock(func() time.Time { return time.Now().Add(3 * time.Hour) })
			return withKey(w.account.User("u", pullPolicy))
		}, 12 * time.Hour},
		{"an instance's, with a clock that is behind", func(w *world) provider.Opened {
			w.net.SetClock(func() time.Time { return time.Now().Add(3 * time.Hour) })
			w.aws.Instance(region, w.account.Role("server", ec2Trust, pullPolicy))
			return connector("instance-role")
		}, 6 * time.Hour},
		{"a clock that is ahead", func(w *world) provider.Opened {
			w.net.SetClock(func() time.Time { return time.Now().Add(-3 * time.Hour) })
			return withKey(w.account.User("u", pullPolicy))
		}, 12 * time.Hour},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			l := w.login(row.make(w), w.pull())
			if got := time.Until(l.Expires).Round(time.Minute); got != row.want {
				t.Errorf("for %v, want %v", got, row.want)
			}
		})
	}
}

func withFederation(w *world) provider.Opened {
	c := connector("federation", "role_arn="+roleARN)
	w.guided(c, false)
	return c
}

// TestRotation pulls while the issuer's keys change.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := withFederation(w)
	c.Project, c.Run = "acme/train", "run-7"
	for range 3 {
		w.login(c, w.pull())
		w.issuer.rotate()
	}
	want := provider.Subject{
		Organization: "acme", Connector: "ecr", Audience: "sts.amazonaws.com", Scope: w.pull(), Project: "acme/train", Run: "run-7",
	}
	if diff := cmp.Diff(want, w.issuer.subjects[2]); diff != "" {
		t.Error(diff)
	}
}

// TestPassword takes passwords of any form and length.
func TestPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := withKey(w.account.User("u", pullPolicy))
	for _, password := range []string{strings.Repeat("p", 4096), "a:b:c", "=a==:"} {
		w.aws.Set(func(k *cloudtest.AWSKnobs) { k.Password = func() string { return password } })
		if l := w.login(c, w.pull()); string(l.Password.Reveal()) != password {
			t.Errorf("%d bytes of %d", l.Password.Len(), len(password))
		}
	}
}

// TestTrouble gets over what passes at once, without the caller.
func TestTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := withFederation(w)
	for _, host := range []string{"sts.eu-west-1.amazonaws.com", "api.ecr.eu-west-1.amazonaws.com"} {
		f := cloudtest.AWSFault(host, 500, "InternalFailure", "")
		f.Times = 1
		w.net.Break(f)
	}
	w.login(c, w.pull())
}
