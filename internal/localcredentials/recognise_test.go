package localcredentials_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/localcredentials"
	"fairlead.dev/fairlead/internal/provider"
)

// TestRecognise reads files as vendors give them out. What its family asks for is there,
// but for what no such file says.
func TestRecognise(t *testing.T) {
	t.Parallel()
	end := now().Add(24 * time.Hour)
	for name, c := range map[string]struct {
		text string
		want string // as line has it
		// beside is what has to be given with it.
		beside map[string]string
	}{
		"google: key":         {"\ufeff" + googleKey() + "\n", "credential file of Google|gcp-artifact-registry|service-account|puller@acme-train.iam.gserviceaccount.com", nil},
		"google: federation":  {`{"type":"external_account","audience":"//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/builders/providers/github"}`, "credential file of Google|gcp-artifact-registry|federation|projects/123456/locations/global/workloadIdentityPools/builders/providers/github", nil},
		"aws: the console's":  {"\ufeffAccess key ID,Secret access key\r\n" + awsID + "," + awsSecret + "\r\n", "access key of AWS' console|aws-ecr|secret-key|", nil},
		"aws: a user's":       {"User name,Password,Access key ID,Secret access key,Console login link\nrobot,," + awsID + "," + awsSecret + ",https://x\n", "access key of AWS' console|aws-ecr|secret-key|robot", nil},
		"aws: iam":            {`{"AccessKey":{"UserName":"robot","AccessKeyId":"` + awsID + `","Status":"Active","SecretAccessKey":"` + awsSecret + `"}}`, "output of aws iam create-access-key|aws-ecr|secret-key|robot", nil},
		"aws: export":         {`{"Version":1,"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"` + awsSecret + `","SessionToken":"` + awsToken + `","Expiration":"2026-11-21T13:00:00+00:00"}`, "keys as the AWS CLI prints them|aws-ecr|session-token||2026-11-21T13:00:00Z", nil},
		"aws: assume-role":    {`{"Credentials":{"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"` + awsSecret + `","SessionToken":"` + awsToken + `","Expiration":"2026-11-21T13:00:00Z"},"AssumedRoleUser":{}}`, "keys as the AWS CLI prints them|aws-ecr|session-token||2026-11-21T13:00:00Z", nil},
		"azure: rbac":         {`{"appId":"` + appID + `","displayName":"fairlead","password":"` + appSecret + `","tenant":"` + tenant + `"}`, "output of az ad sp create-for-rbac|azure-container-registry|service-principal|" + appID, nil},
		"azure: sdk-auth":     {`{"clientId":"` + appID + `","clientSecret":"` + appSecret + `","subscriptionId":"33333333-3333-4333-8333-333333333333","tenantId":"` + tenant + `","resourceManagerEndpointUrl":"https://management.chinacloudapi.cn/"}`, "output of az ad sp create-for-rbac|azure-container-registry|service-principal|" + appID, nil},
		"azure: token":        {`{"credentials":{"activeDirectoryObject":null,"certificates":[],"passwords":[{"creationTime":"x","expiry":"2027-01-31T00:00:00+00:00","name":"password1","value":"C4naryOfTheScopeMapToken0123456789+ACRDabcdef12345"}],"username":"puller"},"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/MyRegistry/tokens/puller","name":"puller","type":"Microsoft.ContainerRegistry/registries/tokens"}`, "output of az acr token create|azure-container-registry|repository-token|puller|2027-01-31T00:00:00Z", nil},
		"jfrog: token":        {`{"token_id":"x","access_token":"` + jwt(end) + `","refresh_token":"aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa","expires_in":86400,"scope":"applied-permissions/user","token_type":"Bearer"}`, "reply of JFrog's Create Token|jfrog-artifactory|access-token||" + end.Format(time.RFC3339), map[string]string{"host": "acme.jfrog.io"}},
		"docker: one login":   {`{"auths":{"reg.example.com":{"auth":"` + auth("robot", "c4nary") + `"}}}`, "file of docker login|docker|basic|robot", nil},
		"kubernetes' own too": {`{"auths":{"https://index.docker.io/v1/":{"username":"ann","password":"dckr_pat_c4nary00000000000000000","email":"x@example.com"}}}`, "file of docker login|docker-hub|access-token|ann", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			f, known, err := localcredentials.Recognise(t.Context(), h.machine, "file", []byte(c.text))
			if err != nil || !known || h.line(f) != c.want {
				t.Fatalf("it is %t %s, want %s: %v", known, h.line(f), c.want, err)
			}
			maps.Copy(f.Public, c.beside)
			p, err := h.machine.Providers.Family(f.Family)
			if err != nil {
				t.Fatal(err)
			}
			m, err := provider.MethodOf(p.Info(), f.Method)
			if err == nil {
				_, err = provider.Examine(p, m, f.Given(), now())
			}
			if err != nil {
				t.Errorf("the family doesn't take it: %v", err)
			}
		})
	}
}

// TestRecognisedAndRefused: what is known and no good is told with its reason, and no
// secret.
func TestRecognisedAndRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string][2]string{
		"a person":    {`{"type":"authorized_user","refresh_token":"1//c4nary"}`, "a person's own login"},
		"two logins":  {`{"auths":{"a.example.com":{"auth":"` + auth("a", "c4nary") + `"},"b.example.com":{"auth":"` + auth("a", "c4nary") + `"}}}`, "several logins in it: a.example.com, b.example.com"},
		"no login":    {`{"auths":{"a.example.com":{}},"credsStore":"desktop"}`, "no login in it"},
		"no password": {`{"credentials":{"passwords":[{"name":"password1","value":null}],"username":"p"},"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r/tokens/p","name":"p"}`, "holds no password"},
		"ended":       {`{"token_id":"x","access_token":"` + jwt(now()) + `"}`, "has ended"},
	} {
		h := newHome(t)
		_, known, err := localcredentials.Recognise(t.Context(), h.machine, "file", []byte(c[0]))
		if !known || err == nil || !strings.Contains(err.Error(), c[1]) || fairlead.KindOf(err) != fairlead.Invalid || strings.Contains(err.Error(), "c4nary") {
			t.Errorf("%s: %t %v", name, known, err)
		}
	}
	for _, text := range []string{"", "x", "{}", "[]", `{"type":"x"}`, "a,b\n1,2\n", `{"credentials":{},"id":"x","name":"y"}`, "family: docker\n"} {
		h := newHome(t)
		if f, known, err := localcredentials.Recognise(t.Context(), h.machine, "file", []byte(text)); known || err != nil {
			t.Errorf("%q: %v %v", text, f, err)
		}
	}
}

// TestDocument reads descriptions of connectors.
func TestDocument(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.write(t, "pw.txt", "c4nary-of-the-file\n")
	h.env["REG_PW"] = "c4nary-of-the-variable"
	for name, c := range map[string][3]string{ // text, password, why not
		"literal":     {"family: docker\nmethod: basic\nname: main\nfields: {hosts: reg.example.com, username: robot}\nsecrets:\n  password: c4nary\nexpires: 2027-01-31\n", "c4nary", ""},
		"JSON":        {`{"family":"docker","fields":{"hosts":"a.example.com"},"secrets":{"password":"0123"}}`, "0123", ""},
		"number":      {"family: docker\nsecrets: {password: 0123}\n", "0123", ""},
		"file":        {"family: docker\nsecrets: {password: {fromFile: pw.txt}}\n", "c4nary-of-the-file", ""},
		"home":        {"family: docker\nsecrets: {password: {fromFile: ~/pw.txt}}\n", "c4nary-of-the-file", ""},
		"variable":    {"family: docker\nsecrets: {password: {fromEnv: REG_PW}}\n", "c4nary-of-the-variable", ""},
		"no file":     {"family: docker\nsecrets: {password: {fromFile: gone.txt}}\n", "", "gone.txt can't be read: it isn't there"},
		"no variable": {"family: docker\nsecrets: {password: {fromEnv: GONE}}\n", "", "the variable GONE is not set"},
		"unknown":     {"family: docker\nsecret: {password: c4nary}\n", "", `line 2: there is no key "secret"`},
		"twice":       {"family: docker\nfamily: c4nary\n", "", "line 2: family is there twice"},
		"wrong form":  {"family: docker\nfields: [c4nary]\n", "", "line 2: fields is of the wrong form"},
		"bad secret":  {"family: docker\nsecrets: {password: {from: c4nary}}\n", "", "line 2: a secret is neither"},
		"empty":       {"family: docker\nsecrets: {password: }\n", "", "secret password: it is empty"},
		"both":        {"family: docker\nsecrets: {password: {fromFile: a, fromEnv: b}}\n", "", "line 2: a secret is neither"},
		"no family":   {"method: basic\n", "", "it names no family"},
		"date":        {"family: docker\nexpires: c4nary\n", "", "expires is not a date"},
		"two":         {"family: docker\n---\nfamily: docker\n", "", "more than one document"},
		"nothing":     {"", "", "neither a connector's description nor a file of a vendor"},
		"a token":     {"c4nary", "", "neither a connector's description nor a file of a vendor"},
		"broken":      {"family: {c4nary", "", "neither a connector's description nor a file of a vendor"},
	} {
		d, err := localcredentials.ReadDocument("c.yaml", []byte(c[0]))
		var f localcredentials.Found
		if err == nil {
			f, err = d.Found(h.machine, "c.yaml", h.dir)
		}
		switch {
		case c[2] == "" && (err != nil || !f.Secrets["password"].Equal(fairlead.SecretText(c[1]))):
			t.Errorf("%s: %v %v", name, err, slices.Sorted(maps.Keys(f.Secrets)))
		case c[2] != "" && (err == nil || !strings.Contains(err.Error(), c[2]) || strings.Contains(err.Error(), "c4nary")):
			t.Errorf("%s: %v, want %s", name, err, c[2])
		}
		if literal := name == "literal" || name == "JSON" || name == "number"; c[2] == "" && d.Literal() != literal {
			t.Errorf("%s: it holds a secret: %t", name, d.Literal())
		}
	}
}

// FuzzFiles reads anything as each of the files: nothing breaks, and what is wrong with
// a file is said without quoting it.
func FuzzFiles(f *testing.F) {
	for _, seed := range []string{
		googleKey(), `{"type":"external_account","audience":"//iam.googleapis.com/a/workloadIdentityPools/b"}`, `{"type":"impersonated_service_account","source_credentials":{}}`,
		`{"auths":{"reg.example.com":{"auth":"YTpi"}},"credsStore":"x","credHelpers":{"a":"b"}}`, `{"servers":[{"url":"https://x","accessToken":"a.b.c"}]}`,
		`{"subscriptions":[{"isDefault":true,"user":{"type":"user"}}]}`, `[{"client_id":"x","client_secret":"y"}]`, "Access key ID,Secret access key\na,b\n",
		"[profile a]\nrole_arn = x\nsource_profile = a\n[default]\naws_access_key_id = x\naws_secret_access_key = y\n", "family: docker\nsecrets: {password: {fromEnv: X}}\n",
		"a: &a [*a]\n", "[[[\n]", `{"credentials":{"passwords":[{"value":"x","expiry":"2026"}]},"id":"/providers/microsoft.containerregistry/registries/r/tokens/t","name":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		h := newHome(t)
		for _, name := range []string{
			".config/gcloud/application_default_credentials.json", ".aws/credentials", ".aws/config", ".azure/azureProfile.json", ".azure/service_principal_entries.json",
			".docker/config.json", ".config/containers/auth.json", ".jfrog/jfrog-cli.conf.v6",
		} {
			h.write(t, name, string(text))
		}
		for _, one := range h.search(t, "") {
			if one.Why != nil && one.Why.Why == "" {
				t.Errorf("no reason is given: %+v", one.Why)
			}
			if one.Why == nil && (one.Family == "" || one.Method == "") {
				t.Errorf("it can be taken and is nothing: %+v", one)
			}
		}
		if one, known, err := localcredentials.Recognise(t.Context(), h.machine, "file", text); !known && err != nil || known && err == nil && one.Family == "" {
			t.Errorf("%+v %t %v", one, known, err)
		}
		if d, err := localcredentials.ReadDocument("file", text); err == nil {
			if _, err := d.Found(h.machine, "file", h.dir); err != nil && fairlead.KindOf(err) != fairlead.Invalid {
				t.Error(err)
			}
		}
	})
}
