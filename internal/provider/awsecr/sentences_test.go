package awsecr_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/awsecr"
)

var update = flag.Bool("update", false, "write the golden files")

// TestSentences holds what people read when a login comes to nothing against a golden
// file. Every error comes from what the fake of AWS answers.
func TestSentences(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*world) error{}
	for _, group := range []map[string]func(*world) error{keyCases(), sessionCases(), roleCases(), webCases(), instanceCases(), serviceCases(), networkCases(), deployCases()} {
		maps.Copy(cases, group)
	}
	var mu sync.Mutex
	got := map[string]string{}
	t.Run("all", func(t *testing.T) {
		for name, f := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := sentence(t, f(newWorld(t)))
				mu.Lock()
				defer mu.Unlock()
				got[name] = s
			})
		}
	})
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(got)) {
		fmt.Fprintf(&b, "## %s\n%s\n\n", name, got[name])
	}
	golden(t, "testdata/sentences.golden", b.String())
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s\nrun with -update if that is meant", d)
	}
}

// canary is in all secrets of these tests: no error may hold it.
const canary = "canary"

// sentence is an error as people read it.
func sentence(t *testing.T, err error) string {
	t.Helper()
	e, ok := errors.AsType[*fairlead.Error](err)
	if !ok {
		t.Errorf("not a fairlead.Error: %T %v", err, err)
		return fmt.Sprint(err)
	}
	retry := ""
	if !e.RetryAt.IsZero() {
		retry = fmt.Sprintf(" in %v", time.Until(e.RetryAt).Round(time.Minute))
	}
	s := fmt.Sprintf("%s %s %s%s\n%s\n%s", e.Kind, e.Code, e.Field, retry, e.Error(), e.Remedy)
	s = regexp.MustCompile(`A(KIA|SIA)[A-Z2-7]{16}`).ReplaceAllString(s, "A${1}KEY")
	if strings.Contains(s, canary) || strings.Contains(s, "Bearer ") || strings.Contains(s, "Signature=") || strings.Contains(s, "eyJ") {
		t.Errorf("a secret is in an error: %s", s)
	}
	if e.What == "" || e.Remedy == "" || e.Why == "" && e.Unwrap() == nil {
		t.Errorf("it isn't whole: %#v", e)
	}
	return s
}

// logging gives what a login to team/app ends with.
func (w *world) logging(c provider.Opened) error {
	_, err := w.provider().Login(w.t.Context(), c, w.pull())
	return err
}

func wrongSecret(k cloudtest.AWSKey) cloudtest.AWSKey {
	k.Secret = (canary + strings.Repeat("x", 40))[:40]
	return k
}

func keyCases() map[string]func(*world) error {
	return map[string]func(*world) error{
		"key: deleted": func(w *world) error {
			k := w.account.User("u", pullPolicy)
			w.aws.Deactivate(k.ID)
			return w.logging(withKey(k))
		},
		"key: the secret of another": func(w *world) error { return w.logging(withKey(wrongSecret(w.account.User("u", pullPolicy)))) },
		"key: no right": func(w *world) error {
			return w.logging(withKey(w.account.User("u", strings.ReplaceAll(pullPolicy, "GetAuthorizationToken", "Other"))))
		},
		"key: denied explicitly": func(w *world) error {
			return w.logging(withKey(w.account.User("u", strings.ReplaceAll(pullPolicy, "Allow", "Deny"))))
		},
		"key: of another partition": func(w *world) error {
			_, err := w.provider().Login(w.t.Context(), withKey(w.account.User("u", pullPolicy)), scope(account+".dkr.ecr.cn-north-1.amazonaws.com.cn", "a", fairlead.Pull))
			return err
		},
		"half: no secret": func(w *world) error { return w.logging(connector("secret-key", "access_key_id=AKIAQQQQQQQQQQQQQQQQ")) },
		"half: no key":    func(w *world) error { return w.logging(connector("secret-key", "secret_access_key="+canary)) },
		"half: nothing":   func(w *world) error { return w.logging(connector("secret-key")) },
		"half: no session token": func(w *world) error {
			return w.logging(connector("session-token", "access_key_id=ASIAQQQQQQQQQQQQQQQQ", "secret_access_key="+canary))
		},
		"half: no role":        func(w *world) error { return w.logging(connector("federation")) },
		"half: no external ID": func(w *world) error { return w.logging(connector("assume-role", "role_arn="+roleARN, "source=keys")) },
		"half: no keys to assume with": func(w *world) error {
			return w.logging(connector("assume-role", "role_arn="+roleARN, "source=keys", "external_id=e1"))
		},
		"half: keys beside the instance": func(w *world) error {
			return w.logging(connector("assume-role", "role_arn="+roleARN, "source=instance", "external_id=e1", "access_key_id=AKIAQQQQQQQQQQQQQQQQ", "secret_access_key="+canary))
		},
		"half: an unknown method": func(w *world) error { return w.logging(connector("magic")) },
		"public: no right": func(w *world) error {
			_, err := w.provider().Login(w.t.Context(), withKey(w.account.User("u", pullPolicy)), scope("public.ecr.aws", "acme/app", fairlead.Push))
			return err
		},
		"list: no right": func(w *world) error {
			_, err := w.provider().Resources(w.t.Context(), withKey(w.account.User("u", pullPolicy)))
			return err
		},
	}
}

func sessionCases() map[string]func(*world) error {
	session := func(w *world, life time.Duration) cloudtest.AWSKey {
		return w.account.Session(w.account.Role("r", ec2Trust, pullPolicy), life)
	}
	return map[string]func(*world) error{
		"session: ended": func(w *world) error { return w.logging(withSession(session(w, -time.Minute))) },
		"session: revoked": func(w *world) error {
			k := session(w, time.Hour)
			w.aws.Deactivate(k.ID)
			return w.logging(withSession(k))
		},
		"session: the token of another": func(w *world) error {
			k := session(w, time.Hour)
			k.Token = canary + session(w, time.Hour).Token
			return w.logging(withSession(k))
		},
	}
}

func roleCases() map[string]func(*world) error {
	// assuming has a role that is set up as its guide says, and then changed.
	assuming := func(change func(w *world, c *provider.Opened)) func(*world) error {
		return func(w *world) error {
			fields := []string{"role_arn=" + roleARN, "source=keys", "external_id=customer-7"}
			k := w.guided(connector("assume-role", fields...), false)
			c := connector("assume-role", append(keyFields(k), fields...)...)
			change(w, &c)
			return w.logging(c)
		}
	}
	broken := func(code, message string, status int) func(*world) error {
		return assuming(func(w *world, _ *provider.Opened) {
			w.net.Break(cloudtest.AWSFault("sts.eu-west-1.amazonaws.com", status, code, message))
		})
	}
	return map[string]func(*world) error{
		"role: another external ID": assuming(func(_ *world, c *provider.Opened) { c.Public["external_id"] = "customer-8" }),
		"role: removed":             assuming(func(w *world, _ *provider.Opened) { w.account.RemoveRole(roleARN) }),
		"role: may not log in": assuming(func(w *world, _ *provider.Opened) {
			w.account.Role("fairlead", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"*"}}]}`, strings.ReplaceAll(pullPolicy, "GetAuth", "Other"))
		}),
		"role: region switched off": assuming(func(w *world, _ *provider.Opened) { w.account.DisableRegion(region) }),
		"role: another partition": assuming(func(_ *world, c *provider.Opened) {
			c.Public["role_arn"] = strings.Replace(roleARN, "aws", "aws-cn", 1)
		}),
		"role: garbage":            assuming(func(_ *world, c *provider.Opened) { c.Public["role_arn"] = "fairlead" }),
		"role: sessions too short": broken("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", 400),
		"role: policy refused":     broken("PackedPolicyTooLarge", "Packed policy consumes 120%", 400),
		"role: throttled":          broken("Throttling", "Rate exceeded", 400),
		"role: session revoked since": func(w *world) error {
			c := withFederation(w)
			w.net.Break(cloudtest.AWSFault("api.ecr.eu-west-1.amazonaws.com", 400, "UnrecognizedClientException", "The security token included in the request is invalid."))
			return w.logging(c)
		},
	}
}

func webCases() map[string]func(*world) error {
	web := func(change func(w *world)) func(*world) error {
		return func(w *world) error {
			c := withFederation(w)
			change(w)
			return w.logging(c)
		}
	}
	return map[string]func(*world) error{
		"web: no identity provider": func(w *world) error {
			c := withFederation(w)
			w.issuer.url = "https://fairlead2.example"
			return w.logging(c)
		},
		"web: audience not listed":   web(func(w *world) { w.account.TrustIssuer(issuerURL, "other") }),
		"web: wrong audience":        web(func(w *world) { w.issuer.audience = "api://AzureADTokenExchange" }),
		"web: another subject":       web(func(w *world) { w.issuer.subject = "org:evil:connector:ecr" }),
		"web: role removed":          web(func(w *world) { w.account.RemoveRole(roleARN) }),
		"web: keys can't be fetched": web(func(w *world) { w.net.Break(cloudtest.Fault{Host: "fairlead.example", Status: 403}) }),
		"web: key not published": web(func(w *world) {
			w.net.Break(cloudtest.Fault{Host: "fairlead.example", Path: "/keys", Status: 200, Body: `{"keys":[]}`})
		}),
		"web: clock behind": web(func(w *world) { w.issuer.now = func() time.Time { return time.Now().Add(-time.Hour) } }),
		"web: clock ahead":  web(func(w *world) { w.issuer.now = func() time.Time { return time.Now().Add(time.Hour) } }),
		"web: no issuer":    web(func(w *world) { w.tools.Issuer = nil }),
		"web: not a JWT": web(func(w *world) {
			w.net.Break(cloudtest.AWSFault("sts.eu-west-1.amazonaws.com", 400, "InvalidIdentityToken", "The ID Token provided is not a valid JWT."))
		}),
	}
}

func instanceCases() map[string]func(*world) error {
	return map[string]func(*world) error{
		"instance: not allowed": func(w *world) error {
			w.tools.Instance = nil
			return w.logging(connector("instance-role"))
		},
		"instance: no role": func(w *world) error {
			w.aws.Instance(region, "")
			return w.logging(connector("instance-role"))
		},
		"instance: no answer": func(w *world) error {
			w.aws.Set(func(k *cloudtest.AWSKnobs) { k.NoHops = true })
			return w.within(200*time.Millisecond, connector("instance-role"))
		},
		"instance: refuses": func(w *world) error {
			w.net.Break(cloudtest.Fault{Host: "169.254.169.254", Status: 403})
			return w.logging(connector("instance-role"))
		},
		"instance: garbage": func(w *world) error {
			w.aws.Instance(region, w.account.Role("server", ec2Trust, pullPolicy))
			w.net.Break(cloudtest.Fault{Host: "169.254.169.254", Path: "/server", Status: 200, Body: `{"Code":"Failed","Token":"` + canary + `"}`})
			return w.logging(connector("instance-role"))
		},
		"instance: not allowed for a role": func(w *world) error {
			w.tools.Instance = nil
			return w.logging(connector("assume-role", "role_arn="+roleARN, "source=instance", "external_id="+awsecr.ExternalID(organization)))
		},
		"instance: the external ID of another organization": func(w *world) error {
			return w.logging(connector("assume-role", "role_arn="+roleARN, "source=instance", "external_id=fairlead:another:ABC"))
		},
	}
}

// within gives what a login ends with that has so long.
func (w *world) within(d time.Duration, c provider.Opened) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	_, err := w.provider().Login(ctx, c, w.pull())
	return err
}

func serviceCases() map[string]func(*world) error {
	const host = "api.ecr.eu-west-1.amazonaws.com"
	unwell := func(f cloudtest.Fault) func(*world) error {
		return func(w *world) error {
			f.Host = host
			w.net.Break(f)
			return w.logging(withKey(w.account.User("u", pullPolicy)))
		}
	}
	after := func(f cloudtest.Fault, wait string) cloudtest.Fault {
		f.Header["Retry-After"] = wait
		return f
	}
	knob := func(change func(*cloudtest.AWSKnobs)) func(*world) error {
		return func(w *world) error {
			w.aws.Set(change)
			return w.logging(withKey(w.account.User("u", pullPolicy)))
		}
	}
	return map[string]func(*world) error{
		"ecr: throttled":                       unwell(cloudtest.AWSFault(host, 400, "ThrottlingException", "Rate exceeded")),
		"ecr: throttled, and says until when":  unwell(after(cloudtest.AWSFault(host, 429, "TooManyRequestsException", "Rate exceeded"), "120")),
		"ecr: in trouble":                      unwell(cloudtest.AWSFault(host, 500, "ServerException", "")),
		"ecr: in trouble, and says until when": unwell(after(cloudtest.AWSFault(host, 503, "ServiceUnavailable", ""), "300")),
		"ecr: a page of a proxy":               unwell(cloudtest.Fault{Status: 502, Body: "<html>" + canary + "</html>"}),
		"ecr: not JSON":                        unwell(cloudtest.Fault{Status: 200, Body: canary}),
		"ecr: an empty reply":                  unwell(cloudtest.Fault{Status: 200, Body: `{}`}),
		"ecr: a login that is none":            unwell(cloudtest.Fault{Status: 200, Body: `{"authorizationData":[{"authorizationToken":"` + canary + `!","expiresAt":4000000000}]}`}),
		"ecr: a login without end":             unwell(cloudtest.Fault{Status: 200, Body: `{"authorizationData":[{"authorizationToken":"QVdTOng="}]}`}),
		"ecr: a login that has ended":          knob(func(k *cloudtest.AWSKnobs) { k.Expiry = -13 * time.Hour }),
		"ecr: region mismatch":                 unwell(cloudtest.AWSFault(host, 400, "InvalidSignatureException", "Credential should be scoped to a valid region. ")),
		"ecr: signature taken off":             unwell(cloudtest.AWSFault(host, 400, "MissingAuthenticationTokenException", "Missing Authentication Token")),
		"ecr: something new":                   unwell(cloudtest.AWSFault(host, 400, "BrandNewException", canary)),
		"clock: behind, and AWS doesn't say": func(w *world) error {
			w.net.SetClock(func() time.Time { return time.Now().Add(time.Hour) })
			return knob(func(k *cloudtest.AWSKnobs) { k.Undated = true })(w)
		},
		"clock: ahead": func(w *world) error {
			f := cloudtest.AWSFault(host, 400, "InvalidSignatureException", "Signature not yet current: x is still later than y")
			f.Header["Date"] = time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
			w.net.Break(f)
			return w.logging(withKey(w.account.User("u", pullPolicy)))
		},
		"ecr: slow": func(w *world) error {
			w.net.Break(cloudtest.Fault{Host: host, Hang: true})
			return w.within(200*time.Millisecond, withKey(w.account.User("u", pullPolicy)))
		},
		"sts: slow": func(w *world) error {
			c := withFederation(w)
			w.net.Break(cloudtest.Fault{Host: "sts.eu-west-1.amazonaws.com", Hang: true})
			return w.within(200*time.Millisecond, c)
		},
		"cancelled": func(w *world) error {
			ctx, cancel := context.WithCancel(w.t.Context())
			w.net.Break(cloudtest.Fault{Host: host, Hang: true, Match: func(*http.Request) bool { cancel(); return true }})
			_, err := w.provider().Login(ctx, withKey(w.account.User("u", pullPolicy)), w.pull())
			if !errors.Is(err, context.Canceled) {
				w.t.Errorf("the caller's own end is lost: %v", err)
			}
			e := *fairlead.AsError("", err)
			e.Remedy = "-" // There is none.
			return &e
		},
	}
}

// failing is a way to AWS that ends in an error.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func networkCases() map[string]func(*world) error {
	through := func(err error) func(*world) error {
		return func(w *world) error {
			w.tools.HTTP = &http.Client{Transport: failing{err}}
			return w.logging(withKey(w.account.User("u", pullPolicy)))
		}
	}
	return map[string]func(*world) error{
		"network: no such region": func(w *world) error {
			w.tools.HTTP = &http.Client{Transport: failing{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "api.ecr.eu-west-9.amazonaws.com", IsNotFound: true}}}}
			_, err := w.provider().Login(w.t.Context(), withKey(w.account.User("u", pullPolicy)), scope(account+".dkr.ecr.eu-west-9.amazonaws.com", "a", fairlead.Pull))
			return err
		},
		"network: no name server": through(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}),
		"network: refused":        through(&net.OpError{Op: "dial", Err: errors.New("connection refused")}),
		"network: egress": through(&fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeEgress, Why: "api.ecr.eu-west-1.amazonaws.com is at 127.0.0.1, this machine",
			Remedy: "if that is meant, have the operator of Fairlead allow the host",
		}),
		"network: not trusted": func(w *world) error {
			w.tools.HTTP = &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(w.net.ProxyURL())}}
			return w.logging(withKey(w.account.User("u", pullPolicy)))
		},
	}
}

func deployCases() map[string]func(*world) error {
	const all = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["ecr:*"]}]}`
	address := account + ".dkr.ecr." + region + ".amazonaws.com/team/app"
	deploy := func(policy, address string) func(*world) error {
		return func(w *world) error {
			w.account.Repository(region, "team/app")
			return w.provider().Deploy(w.t.Context(), withKey(w.account.User("u", policy)), address)
		}
	}
	return map[string]func(*world) error{
		"deploy: there is one":     deploy(all, address),
		"deploy: no right":         deploy(pullPolicy, address+"2"),
		"deploy: no repository":    deploy(all, account+".dkr.ecr.eu-west-1.amazonaws.com"),
		"deploy: not ECR":          deploy(all, "reg.example.com/team/app"),
		"deploy: a tag":            deploy(all, address+":v1"),
		"deploy: public, no alias": deploy(all, "public.ecr.aws/app"),
		"deploy: another account": func(w *world) error {
			return w.provider().Deploy(w.t.Context(), withFederation(w), otherAccount+".dkr.ecr.eu-west-1.amazonaws.com/a/b")
		},
		"deploy: quota": func(w *world) error {
			w.net.Break(cloudtest.AWSFault("api.ecr.eu-west-1.amazonaws.com", 400, "LimitExceededException", ""))
			return deploy(all, address)(w)
		},
		"destroy: none": func(w *world) error {
			return w.provider().Destroy(w.t.Context(), withKey(w.account.User("u", all)), address)
		},
		"destroy: with images": func(w *world) error {
			w.push("team/app")
			return w.provider().Destroy(w.t.Context(), withKey(w.account.User("u", all)), address)
		},
	}
}
