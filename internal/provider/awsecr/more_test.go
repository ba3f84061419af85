package awsecr_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/awsecr"
)

var (
	_ provider.Provider  = awsecr.Provider{}
	_ provider.Inspector = awsecr.Provider{}
	_ provider.Describer = awsecr.Provider{}
	_ provider.Reader    = awsecr.Provider{}
	_ provider.Guider    = awsecr.Provider{}
	_ provider.Lister    = awsecr.Provider{}
	_ provider.Deployer  = awsecr.Provider{}
)

// TestNoAmbient has everything lie about that the SDK's own loader would take: empty and
// broken connectors get none of it, and whole ones aren't led astray.
func TestNoAmbient(t *testing.T) { //nolint:paralleltest // It sets the environment.
	w := newWorld(t)
	w.tools.Instance = nil
	server := w.account.User("server", pullPolicy)
	w.aws.Instance(region, w.account.Role("server", ec2Trust, pullPolicy))
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	profile := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", server.ID, server.Secret)
	for name, text := range map[string]string{"credentials": profile, "config": "[default]\nregion = eu-west-1\nendpoint_url = https://evil.example\n"} {
		if err := os.WriteFile(filepath.Join(home, ".aws", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"HOME": home, "AWS_ACCESS_KEY_ID": server.ID, "AWS_SECRET_ACCESS_KEY": server.Secret, "AWS_REGION": "us-east-1", "AWS_PROFILE": "default",
		"AWS_ENDPOINT_URL": "https://evil.example", "AWS_ENDPOINT_URL_ECR": "https://evil.example", "AWS_ENDPOINT_URL_STS": "https://evil.example",
		"AWS_ROLE_ARN": roleARN, "AWS_WEB_IDENTITY_TOKEN_FILE": filepath.Join(home, ".aws", "config"), "AWS_USE_FIPS_ENDPOINT": "true",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.2/creds", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://evil.example",
	} {
		t.Setenv(name, value)
	}
	for _, c := range []provider.Opened{
		connector("secret-key"), connector("secret-key", "access_key_id="+server.ID), connector("secret-key", "access_key_id=", "secret_access_key="),
		connector("session-token"), connector("federation"), connector("assume-role", "role_arn="+roleARN, "external_id=e1", "source=keys"),
		connector("assume-role", "role_arn="+roleARN, "external_id=e1"), connector("instance-role"), connector(""),
		connector("assume-role", "role_arn="+roleARN, "external_id="+awsecr.ExternalID(organization), "source=instance"),
	} {
		if _, err := w.provider().Login(t.Context(), c, w.pull()); err == nil {
			t.Errorf("a login by %s %v", c.Method, c.Public)
		}
		if found, err := w.provider().Resources(t.Context(), c); err == nil {
			t.Errorf("resources by %s %v: %v", c.Method, c.Public, found)
		}
	}
	if asked := w.net.Requests(); len(asked) > 0 {
		t.Errorf("somebody was asked: %v", asked)
	}
	own := w.account.User("own", pullPolicy)
	w.login(withKey(own), w.pull())
	w.login(withFederation(w), w.pull())
	w.tools.Instance = w.net.Client()
	w.login(connector("instance-role"), w.pull())
	hosts := map[string]bool{}
	for _, r := range w.net.Requests() {
		hosts[r.Host] = true
	}
	want := []string{"169.254.169.254", "api.ecr.eu-west-1.amazonaws.com", "fairlead.example", "sts.eu-west-1.amazonaws.com"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(hosts))); diff != "" {
		t.Error(diff)
	}
}

// TestOwns knows all forms of hosts, and what only looks like one.
func TestOwns(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com":                true,
		"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com":       true,
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn":            true,
		"123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu":            true,
		"123456789012.dkr-ecr.us-west-2.on.aws":                       true,
		"123456789012.dkr-ecr-fips.us-west-2.on.aws":                  true,
		"123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn": true,
		"123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov":           true,
		"123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov":               true,
		"123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk":          true,
		"123456789012.dkr.ecr.us-isof-south-1.csp.hci.ic.gov":         true,
		"public.ecr.aws":                                        true,
		"ecr-public.aws.com":                                    true,
		"*.dkr.ecr.eu-west-1.amazonaws.com":                     true, // of patterns
		"123456789012.dkr.ecr.*.amazonaws.com":                  true,
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.com": false,
		"123456789012.dkr.ecr.eu-west-1.amazonaws.comevil.com":  false,
		"evil.com.123456789012.dkr.ecr.eu-west-1.amazonaws.com": false,
		"evil-123456789012.dkr.ecr.eu-west-1.amazonaws.com":     false,
		"0123456789012.dkr.ecr.eu-west-1.amazonaws.com":         false,
		"12345678901.dkr.ecr.eu-west-1.amazonaws.com":           false,
		"123456789012.dkr.ecr.eu-west-1.evil.amazonaws.com":     false,
		"123456789012.dkr.ecr.amazonaws.com":                    false,
		"123456789012.dkrxecr.eu-west-1.amazonaws.com":          false,
		"123456789012.dkr.ecr.eu-west-1.amazonawsxcom":          false,
		"123456789012.dkr-ecr.eu-west-1.amazonaws.com":          false,
		"123456789012.dkr.ecr.eu-west-1.on.aws":                 false,
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com:8443":     false,
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com\n":        false,
		"123456789012.DKR.ecr.eu-west-1.amazonaws.com":          false,
		"api.ecr.eu-west-1.amazonaws.com":                       false,
		"gallery.ecr.aws":                                       false,
		"public.ecr.aws.evil":                                   false,
		"xpublic.ecr.aws":                                       false,
		"docker.io":                                             false,
		"":                                                      false,
	} {
		if got := (awsecr.Provider{}).Owns(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

// TestAccepts holds what is said about hosts against a golden file.
func TestAccepts(t *testing.T) {
	t.Parallel()
	role := func(partition string) fairlead.Connector {
		return connector("federation", "role_arn=arn:"+partition+":iam::123456789012:role/r").Connector
	}
	var b strings.Builder
	for _, row := range []struct {
		c    fairlead.Connector
		host string
	}{
		{role("aws"), "123456789012.dkr.ecr.eu-west-1.amazonaws.com"},
		{role("aws"), "210987654321.dkr-ecr-fips.us-east-1.on.aws"},
		{role("aws"), "*.dkr.ecr.*.amazonaws.com"},
		{role("aws"), "public.ecr.aws"},
		{role("aws-us-gov"), "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com"},
		{role("aws-cn"), "*.dkr.ecr.*.amazonaws.com.cn"},
		{role("aws-us-gov"), "*.dkr.ecr.us-gov-*.amazonaws.com"},
		{role("aws"), "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com"},
		{role("aws-cn"), "public.ecr.aws"},
		{role("aws"), "123456789012.dkr.ecr.cn-north-1.amazonaws.com"},
		{role("aws"), "123456789012.dkr.ecr.eu-west-1.amazonaws.com.cn"},
		{role("aws"), "123456789012.dkr.ecr.ireland.amazonaws.com"},
		{role("aws"), "reg.example.com"},
		{role("aws"), "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.com"},
	} {
		fmt.Fprintf(&b, "## %s %s\n", row.c.Public["role_arn"], row.host)
		if err := (awsecr.Provider{}).Accepts(row.c, row.host); err != nil {
			b.WriteString(sentence(t, err))
		} else {
			b.WriteString("yes")
		}
		b.WriteString("\n\n")
	}
	golden(t, "testdata/accepts.golden", b.String())
}

// TestInspect holds what is said about pasted values against a golden file.
func TestInspect(t *testing.T) {
	t.Parallel()
	const id, sid = "AKIAQYLPMN5HABCDEFGH", "ASIAQYLPMN5HABCDEFGH"
	good := strings.Repeat("aB3/", 10)
	token := strings.Repeat("IQoJb3Jp", 40)
	var b strings.Builder
	for _, row := range []struct {
		name, method string
		fields       []string
	}{
		{"a key", "secret-key", []string{"access_key_id=" + id, "secret_access_key=" + good}},
		{"an old key", "secret-key", []string{"access_key_id=AKIAIOSFODNN7EXAMPLE", "secret_access_key=" + good}},
		{"a session", "session-token", []string{"access_key_id=" + sid, "secret_access_key=" + good, "session_token=" + token}},
		{"a role", "federation", []string{"role_arn=arn:aws:iam::123456789012:role/ml/fairlead", "regions=eu-west-1, us-east-1"}},
		{"a role in China", "federation", []string{"role_arn=arn:aws-cn:iam::123456789012:role/fairlead"}},
		{"a session's key as a user's", "secret-key", []string{"access_key_id=" + sid}},
		{"a user's key as a session's", "session-token", []string{"access_key_id=" + id}},
		{"the secret as key", "secret-key", []string{"access_key_id=" + good}},
		{"garbage as key", "secret-key", []string{"access_key_id=my key"}},
		{"a key in lower case", "secret-key", []string{"access_key_id=" + strings.ToLower(id)}},
		{"the key as secret", "secret-key", []string{"access_key_id=" + id, "secret_access_key=" + id}},
		{"a secret with a blank", "secret-key", []string{"secret_access_key=" + good + "\n"}},
		{"a line of a file", "secret-key", []string{"secret_access_key=aws_secret_access_key = " + good}},
		{"quotation marks", "secret-key", []string{`secret_access_key="` + good + `"`}},
		{"a secret that is cut off", "secret-key", []string{"secret_access_key=" + good[:30]}},
		{"a secret of other characters", "secret-key", []string{"secret_access_key=" + good[:39] + "!"}},
		{"a token with a blank", "session-token", []string{"session_token= " + token}},
		{"a token that is cut off", "session-token", []string{"session_token=" + token[:50]}},
		{"a JWT as token", "session-token", []string{"session_token=eyJ" + token}},
		{"a password as token", "session-token", []string{"session_token=eyJwYXlsb2FkIjoieCJ9"}},
		{"docker's password as token", "session-token", []string{"session_token=QVdTOnBhc3N3b3Jk"}},
		{"a token of other characters", "session-token", []string{"session_token=" + token + "!"}},
		{"a user as role", "federation", []string{"role_arn=arn:aws:iam::123456789012:user/me"}},
		{"a session as role", "federation", []string{"role_arn=arn:aws:sts::123456789012:assumed-role/r/s"}},
		{"a profile as role", "federation", []string{"role_arn=arn:aws:iam::123456789012:instance-profile/p"}},
		{"an unknown partition", "federation", []string{"role_arn=arn:aws-mars:iam::123456789012:role/r"}},
		{"an external ID with a blank", "assume-role", []string{"external_id=a b"}},
		{"regions of two partitions", "federation", []string{"regions=eu-west-1,cn-north-1"}},
		{"a region that is none", "federation", []string{"regions=Ireland"}},
		{"too many regions", "federation", []string{"regions=" + manyRegions()}},
	} {
		c := connector(row.method, row.fields...)
		facts, err := (awsecr.Provider{}).Inspect(row.method, provider.Given{Public: c.Public, Secret: c.Secret}, time.Now())
		fmt.Fprintf(&b, "## %s\n", row.name)
		if err != nil {
			b.WriteString(strings.TrimSpace(sentence(t, err)))
		}
		for _, f := range facts {
			fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
		}
		b.WriteString("\n\n")
		if strings.Contains(b.String(), good) && row.name != "the secret as key" || strings.Contains(b.String(), token) {
			t.Errorf("%s: a secret is shown", row.name)
		}
	}
	golden(t, "testdata/inspect.golden", b.String())
}

func manyRegions() string {
	var names []string
	for i := range 41 {
		names = append(names, fmt.Sprintf("eu-west-%d", i))
	}
	return strings.Join(names, ",")
}

// TestKeyAccount reads the account from keys that the fake made.
func TestKeyAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{account, "000000000001", "999999999999"} {
		k := w.aws.Account(id).User("u", pullPolicy)
		c := withKey(k)
		facts, err := w.provider().Inspect("secret-key", provider.Given{Public: c.Public, Secret: c.Secret}, time.Now())
		if err != nil || facts[len(facts)-1].Value != id {
			t.Errorf("%s: %v %v", id, facts, err)
		}
	}
}

// TestRead holds what pasted addresses become against a golden file.
func TestRead(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, s := range []string{
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/", "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app/",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1", "123456789012.DKR.ECR.eu-west-1.amazonaws.com/team/*",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app@sha256:0123", "docker pull 123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app",
		"123456789012.dkr-ecr.eu-west-1.on.aws/app", "arn:aws:ecr:eu-west-1:123456789012:repository/team/app", "arn:aws:ecr:eu-west-1:123456789012:repository/*",
		"arn:aws-cn:ecr:cn-north-1:123456789012:repository/app", "arn:aws:ecr:cn-north-1:123456789012:repository/app", "arn:aws:ecr:eu-west-1::repository/app",
		"arn:aws:iam::123456789012:role/r", "https://eu-west-1.console.aws.amazon.com/ecr/repositories/private/123456789012/team/app?region=eu-west-1",
		"https://console.aws.amazon.com/ecr/repositories/private/123456789012/team/app/_/details?region=us-east-1",
		"https://us-gov-west-1.console.amazonaws-us-gov.com/ecr/repositories/private/123456789012/app?region=us-gov-west-1",
		"https://cn-north-1.console.amazonaws.cn/ecr/repositories/private/123456789012/app?region=cn-north-1",
		"https://eu-west-1.console.aws.amazon.com/ecr/private-registry/repositories?region=eu-west-1", "https://eu-west-1.console.aws.amazon.com/ec2/home",
		"https://gallery.ecr.aws/docker/library/alpine", "public.ecr.aws/docker/library/alpine:3", "https://gallery.ecr.aws/",
		"12345.dkr.ecr.eu-west-1.amazonaws.com/app", "<account>.dkr.ecr.eu-west-1.amazonaws.com/app", "myaccount.dkr.ecr.eu-west-1.amazonaws.com",
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com/app", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/Team/App", "api.ecr.eu-west-1.amazonaws.com",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.com/app", "https://eu-west-1.console.aws.amazon.com.evil.com/ecr/repositories/private/123456789012/app",
		"evilconsole.aws.amazon.com/ecr/x", "docker.io/library/alpine", "",
	} {
		pattern, notes, ok, err := (awsecr.Provider{}).Read(s)
		fmt.Fprintf(&b, "## %s\n", s)
		switch {
		case err != nil:
			b.WriteString(sentence(t, err))
		case !ok:
			b.WriteString("not of this family")
		default:
			b.WriteString(strings.Join(append([]string{pattern}, notes...), "\n"))
		}
		b.WriteString("\n\n")
	}
	golden(t, "testdata/read.golden", b.String())
}

// TestDescribe holds methods, powers, plans and guides against a golden file.
func TestDescribe(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	p := awsecr.New(provider.Tools{Now: time.Now})
	info, err := json.MarshalIndent(p.Info(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	b.Write(info)
	for _, c := range []provider.Opened{
		connector("federation", "role_arn=arn:aws-cn:iam::123456789012:role/ml/fairlead"), connector("federation"),
		connector("assume-role", "role_arn="+roleARN, "source=keys", "external_id=customer-7", "access_key_id=AKIAQYLPMN5HABCDEFGH"),
		connector("assume-role", "role_arn="+roleARN, "source=instance", "external_id=fairlead:o:X"),
		connector("secret-key", "access_key_id=AKIAQYLPMN5HABCDEFGH"), connector("session-token"), connector("instance-role"),
	} {
		fmt.Fprintf(&b, "\n\n# %s\n%s\n", c.Method, p.Power(c.Connector))
		g := p.Guide(c.Connector, issuerURL, "org:acme:connector:ecr")
		b.WriteString("\n" + g.Intro + "\n")
		for _, s := range g.Steps {
			fmt.Fprintf(&b, "\n## %s (%s)\n%s\n", s.Title, s.Language, s.Text)
		}
	}
	for _, address := range []string{"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app", "public.ecr.aws/acme/app"} {
		plan, err := p.Plan(connector("secret-key").Connector, address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n# plan for %s\n%s\n", address, strings.Join(plan, "\n"))
	}
	golden(t, "testdata/describe.golden", b.String())
}

// TestResources lists all pages of all regions, and what is public.
func TestResources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const many = 1100
	for i := range many {
		w.account.Repository(region, fmt.Sprintf("team/app-%04d", i))
	}
	w.account.Repository("us-east-1", "one")
	w.account.PublicAlias("acme")
	w.account.PublicRepository("acme", "open")
	public := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["ecr-public:DescribeRepositories"]}]}`
	for _, row := range []struct {
		name string
		make func() provider.Opened
		want int
	}{
		{"federation", func() provider.Opened { return withFederation(w) }, many + 1 + 2},
		{"a key that sees the public ones too", func() provider.Opened {
			return withKey(w.account.User("u", strings.ReplaceAll(pullPolicy, "ecr:ListImages", "ecr:DescribeRepositories"), public))
		}, many + 1 + 2 + 1},
	} {
		c := row.make()
		c.Public["regions"] = "eu-west-1, us-east-1"
		found, err := w.provider().Resources(t.Context(), c)
		if err != nil || len(found) != row.want {
			t.Fatalf("%s: %d, want %d: %v", row.name, len(found), row.want, err)
		}
		want := fairlead.FoundResource{
			Kind: fairlead.RegistryResource, Address: account + ".dkr.ecr.eu-west-1.amazonaws.com", Pattern: account + ".dkr.ecr.eu-west-1.amazonaws.com/*",
			Location: "eu-west-1", Detail: "private registry of account 123456789012, 1100 repositories",
		}
		if diff := cmp.Diff(want, found[0]); diff != "" {
			t.Error(diff)
		}
		want = fairlead.FoundResource{
			Kind: fairlead.RepositoryResource, Address: account + ".dkr.ecr.eu-west-1.amazonaws.com/team/app-1099",
			Pattern: account + ".dkr.ecr.eu-west-1.amazonaws.com/team/app-1099", Location: "eu-west-1",
		}
		if diff := cmp.Diff(want, found[many]); diff != "" {
			t.Error(diff)
		}
	}
}

// TestDeploy makes and removes repositories as the guide's rights allow, and no others.
func TestDeploy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := connector("federation", "role_arn="+roleARN)
	w.guided(c, true)
	address := w.account.Host(region) + "/team/new"
	if err := w.provider().Deploy(t.Context(), c, address); err != nil || !w.account.HasRepository(region, "team/new") {
		t.Fatal(err)
	}
	if err := w.provider().Destroy(t.Context(), c, address); err != nil || w.account.HasRepository(region, "team/new") {
		t.Fatal(err)
	}
	w.account.PublicAlias("acme")
	k := w.account.User("u", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["ecr-public:*"]}]}`)
	if err := w.provider().Deploy(t.Context(), withKey(k), "public.ecr.aws/acme/app"); err != nil {
		t.Error(err)
	}
	if err := w.provider().Destroy(t.Context(), withKey(k), "public.ecr.aws/acme/app"); err != nil {
		t.Error(err)
	}
}

// TestExternalID makes IDs that no other organization can use, and AWS takes.
func TestExternalID(t *testing.T) {
	t.Parallel()
	a, b := awsecr.ExternalID(organization), awsecr.ExternalID(organization)
	if a == b || !strings.Contains(a, string(organization)) {
		t.Errorf("%s %s", a, b)
	}
	if err := (awsecr.Provider{}).Check("assume-role", map[string]string{"external_id": a, "source": "instance"}); err != nil {
		t.Error(err)
	}
}

// FuzzRead has no address lead to a host that isn't ECR's.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app", "arn:aws:ecr:eu-west-1:123456789012:repository/team/app", "https://gallery.ecr.aws/a/b",
		"https://eu-west-1.console.aws.amazon.com/ecr/repositories/private/123456789012/team/app?region=eu-west-1", "123.dkr.ecr",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, _, ok, err := (awsecr.Provider{}).Read(s)
		if err != nil {
			if fairlead.KindOf(err) != fairlead.Invalid || !ok {
				t.Errorf("%v %v", ok, err)
			}
			return
		}
		if !ok {
			return
		}
		host, _, _ := strings.Cut(p, "/")
		if !(awsecr.Provider{}).Owns(host) {
			t.Errorf("%q became %q", s, p)
		}
		again, _, ok, err := (awsecr.Provider{}).Read(p)
		if err != nil || !ok || again != p {
			t.Errorf("%q, read again: %q %v %v", p, again, ok, err)
		}
	})
}

// FuzzOwns keeps each host that is owned below a domain of AWS'.
func FuzzOwns(f *testing.F) {
	f.Add("123456789012.dkr.ecr.eu-west-1.amazonaws.com")
	f.Add("123456789012.dkr-ecr-fips.us-east-1.on.aws")
	f.Fuzz(func(t *testing.T, host string) {
		if !(awsecr.Provider{}).Owns(host) {
			return
		}
		for _, domain := range []string{
			".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".on.aws", ".on.amazonwebservices.com.cn",
			".c2s.ic.gov", ".sc2s.sgov.gov", ".cloud.adc-e.uk", ".csp.hci.ic.gov",
		} {
			if strings.HasSuffix(host, domain) {
				return
			}
		}
		if host != "public.ecr.aws" && host != "ecr-public.aws.com" {
			t.Errorf("%q is owned", host)
		}
	})
}

// FuzzInspect has no value that is pasted shown.
func FuzzInspect(f *testing.F) {
	f.Add("AKIAQYLPMN5HABCDEFGH", strings.Repeat("aB3/", 10), "token", "arn:aws:iam::123456789012:role/r")
	f.Fuzz(func(t *testing.T, id, secret, token, role string) {
		for _, method := range []string{"secret-key", "session-token", "assume-role"} {
			facts, err := (awsecr.Provider{}).Inspect(method, provider.Given{
				Public: map[string]string{"access_key_id": id, "role_arn": role},
				Secret: map[string]fairlead.Secret{"secret_access_key": fairlead.SecretText(secret), "session_token": fairlead.SecretText(token)},
			}, time.Now())
			if err != nil && fairlead.KindOf(err) != fairlead.Invalid {
				t.Error(err)
			}
			if len(secret) >= 40 && !strings.Contains(id+role, secret) && strings.Contains(fmt.Sprint(facts, err), secret) {
				t.Errorf("%v %v", facts, err)
			}
		}
	})
}
