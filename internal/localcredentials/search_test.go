package localcredentials_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestSearch reads each client's files as the client writes them.
func TestSearch(t *testing.T) {
	t.Parallel()
	end := now().Add(30 * 24 * time.Hour)
	cases := map[string]struct {
		set  func(t *testing.T, h *home)
		want []string
	}{
		"nothing": {func(*testing.T, *home) {}, nil},
		"google: key": {func(t *testing.T, h *home) {
			t.Helper()
			h.write(t, "key.json", googleKey())
			h.env["GOOGLE_APPLICATION_CREDENTIALS"] = filepath.Join(h.dir, "key.json")
		}, []string{"Google application default credentials|gcp-artifact-registry|service-account|puller@acme-train.iam.gserviceaccount.com"}},
		"google: a person": {func(t *testing.T, h *home) {
			t.Helper()
			h.write(t, ".config/gcloud/application_default_credentials.json", `{"type":"authorized_user","client_id":"c4nary","client_secret":"c4nary","refresh_token":"1//c4nary"}`)
		}, []string{"Google application default credentials|gcp-artifact-registry|||no: it is a person's own login (authorized_user): it reaches all that this person may, and ends when they log out or leave"}},
		"google: federation": {func(t *testing.T, h *home) {
			t.Helper()
			h.env["CLOUDSDK_CONFIG"] = filepath.Join(h.dir, "g")
			h.write(t, "g/application_default_credentials.json", `{"type":"external_account","audience":"//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/builders/providers/github",
				"service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/puller@acme-train.iam.gserviceaccount.com:generateAccessToken","credential_source":{"file":"/x"}}`)
		}, []string{"Google application default credentials|gcp-artifact-registry|federation|puller@acme-train.iam.gserviceaccount.com"}},
		"google: a workforce": {func(t *testing.T, h *home) {
			t.Helper()
			h.write(t, ".config/gcloud/application_default_credentials.json", `{"type":"external_account","audience":"//iam.googleapis.com/locations/global/workforcePools/people/providers/x"}`)
		}, []string{"Google application default credentials|gcp-artifact-registry|federation||no: it is a federation of people (a workforce pool) or of a form that Fairlead doesn't know"}},
		"google: impersonation": {func(t *testing.T, h *home) {
			t.Helper()
			h.write(t, ".config/gcloud/application_default_credentials.json", `{"type":"impersonated_service_account","source_credentials":`+googleKey()+
				`,"service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/other@acme-train.iam.gserviceaccount.com:generateAccessToken"}`)
		}, []string{"Google application default credentials|gcp-artifact-registry|impersonation|other@acme-train.iam.gserviceaccount.com"}},
		"aws: variables": {func(_ *testing.T, h *home) {
			h.env["AWS_ACCESS_KEY_ID"], h.env["AWS_SECRET_ACCESS_KEY"] = awsID, awsSecret
		}, []string{"AWS variables|aws-ecr|secret-key|AKIAIOSFODNN7EXAMPLE"}},
		"aws: a session in variables": {func(_ *testing.T, h *home) {
			h.env["AWS_ACCESS_KEY_ID"], h.env["AWS_SECRET_ACCESS_KEY"], h.env["AWS_SESSION_TOKEN"] = "ASIAIOSFODNN7EXAMPLE", awsSecret, awsToken
			h.env["AWS_CREDENTIAL_EXPIRATION"] = "2026-11-21T13:00:00+00:00"
		}, []string{"AWS variables|aws-ecr|session-token|ASIAIOSFODNN7EXAMPLE|2026-11-21T13:00:00Z"}},
		"aws: profiles": {func(t *testing.T, h *home) {
			t.Helper()
			h.write(t, ".aws/credentials", "[default]\naws_access_key_id = "+awsID+"\naws_secret_access_key = "+awsSecret+"\n\n[old]\naws_access_key_id=ASIAIOSFODNN7EXAMPLE\naws_secret_access_key="+awsSecret+
				"\naws_session_token="+awsToken+"\nx_security_token_expires = 2026-11-21T11:00:00Z\n")
			h.write(t, ".aws/config", "[default]\nregion = eu-west-1\n[profile role]\nrole_arn = arn:aws:iam::123456789012:role/pull\nsource_profile = default\nexternal_id = x-1\n"+
				"[profile mfa]\nrole_arn = arn:aws:iam::123456789012:role/pull\nsource_profile = default\nmfa_serial = arn:aws:iam::123456789012:mfa/ann\n"+
				"[profile pod]\nrole_arn = arn:aws:iam::123456789012:role/pod\nweb_identity_token_file = /var/run/token\n"+
				"[profile prog]\ncredential_process = /bin/false\n[profile bare]\nregion = us-east-1\n[sso-session acme]\nsso_region = eu-west-1\nsso_start_url = https://acme.awsapps.com/start\n"+
				"[profile sso]\nsso_session = acme\nsso_account_id = 123456789012\nsso_role_name = Puller\n[profile lost]\nrole_arn = arn:aws:iam::123456789012:role/pull\nsource_profile = gone\n")
		}, []string{
			"AWS profile|aws-ecr|secret-key|AKIAIOSFODNN7EXAMPLE",
			"AWS profile|aws-ecr|assume-role|arn:aws:iam::123456789012:role/pull",
			"AWS profile|aws-ecr|||no: its settings don't fit together, or can't be read",
			"AWS profile|aws-ecr|assume-role|arn:aws:iam::123456789012:role/pull|no: the role wants a one-time password (mfa_serial), which nobody types at a pull",
			"AWS profile|aws-ecr|session-token|ASIAIOSFODNN7EXAMPLE|2026-11-21T11:00:00Z|no: it has ended at 2026-11-21 11:00 UTC",
			"AWS profile|aws-ecr|||no: it takes the role arn:aws:iam::123456789012:role/pod with a token or an identity that only this machine has",
			"AWS profile|aws-ecr|||no: its keys come from a program (credential_process), which Fairlead doesn't run",
			"AWS profile|aws-ecr|||no: it is a person's login (SSO), and the AWS CLI has no session of it cached",
		}},
		"aws: one profile": {func(t *testing.T, h *home) {
			t.Helper()
			h.write(t, "c", "[a]\naws_access_key_id="+awsID+"\naws_secret_access_key="+awsSecret+"\n[b]\naws_access_key_id="+awsID+"\naws_secret_access_key="+awsSecret+"\n")
			h.env["AWS_SHARED_CREDENTIALS_FILE"], h.env["AWS_PROFILE"] = "~/c", "b"
			h.env["AWS_CONFIG_FILE"] = "~/none"
		}, []string{"AWS profile|aws-ecr|secret-key|AKIAIOSFODNN7EXAMPLE"}},
		"aws: no such profile": {func(_ *testing.T, h *home) { h.machine.Profile = "b" }, []string{"AWS profile|aws-ecr|||no: there is no such profile in ~/.aws/credentials and ~/.aws/config"}},
		"aws: sso": {func(t *testing.T, h *home) {
			t.Helper()
			h.write(t, ".aws/config", "[sso-session acme]\nsso_region = eu-west-1\nsso_start_url = https://acme.awsapps.com/start\n[profile sso]\nsso_session = acme\nsso_account_id = 123456789012\nsso_role_name = Puller\n")
			// The name as botocore's SSOCredentialFetcher makes it.
			h.write(t, ".aws/cli/cache/4aa035a5e9c8557336afe53d9713df719de05a16.json", `{"ProviderType":"sso","Credentials":{"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"`+awsSecret+`","SessionToken":"`+awsToken+`","Expiration":"2026-11-21T13:00:00Z","AccountId":"123456789012"}}`)
		}, []string{"AWS profile|aws-ecr|session-token|ASIAIOSFODNN7EXAMPLE|2026-11-21T13:00:00Z"}},
		"azure: variables": {func(_ *testing.T, h *home) {
			h.env["AZURE_CLIENT_ID"], h.env["AZURE_TENANT_ID"], h.env["AZURE_CLIENT_SECRET"] = appID, tenant, appSecret
		}, []string{"Azure variables|azure-container-registry|service-principal|" + appID}},
		"azure: a workload": {func(_ *testing.T, h *home) { h.env["AZURE_CLIENT_ID"] = appID }, []string{
			"Azure variables|azure-container-registry|service-principal|" + appID + "|no: there is no AZURE_CLIENT_SECRET: it is the identity of a workload or of a machine, which can't be taken along",
		}},
		"azure: az": {func(t *testing.T, h *home) {
			t.Helper()
			h.write(t, ".azure/azureProfile.json", "\ufeff"+`{"installationId":"x","subscriptions":[{"id":"s1","name":"S","tenantId":"`+tenant+`","isDefault":true,"user":{"name":"ann@example.com","type":"user"}}]}`)
			h.write(t, ".azure/service_principal_entries.json", `[{"client_id":"`+appID+`","tenant":"`+tenant+`","client_secret":"`+appSecret+`"},{"client_id":"cert","tenant":"x","certificate":"/c.pem"}]`)
			h.write(t, ".azure/msal_token_cache.json", `{"AccessToken":{"x":{"secret":"c4nary"}}}`)
		}, []string{
			"Azure CLI|azure-container-registry|service-principal|" + appID,
			"Azure CLI|azure-container-registry|service-principal|cert|no: it logs in with a certificate",
			"Azure CLI|azure-container-registry||ann@example.com|no: az is logged in as a person (subscription s1, tenant " + tenant + "), and its cached tokens are bound to that person and this machine",
		}},
		"jfrog": {func(t *testing.T, h *home) {
			t.Helper()
			h.write(t, ".jfrog/jfrog-cli.conf.v6", `{"servers":[{"url":"https://acme.jfrog.io/","serverId":"a","user":"ci","accessToken":"`+jwt(end)+`","refreshToken":"c4nary"},
				{"artifactoryUrl":"https://art.example.com:8443/artifactory/","serverId":"b","user":"bob","password":"c4nary-pass"},{"serverId":"c"}],"version":"6"}`)
		}, []string{
			"JFrog CLI|jfrog-artifactory|access-token|ci|" + end.Format(time.RFC3339),
			"JFrog CLI|jfrog-artifactory|basic|bob",
			"JFrog CLI|jfrog-artifactory|||no: it has no URL",
		}},
		"jfrog: encrypted": {func(t *testing.T, h *home) {
			t.Helper()
			h.env["JFROG_CLI_HOME_DIR"] = filepath.Join(h.dir, "j")
			h.write(t, "j/jfrog-cli.conf.v6", `{"enc":true,"servers":[{"url":"https://acme.jfrog.io/","serverId":"a","accessToken":"c4nary"}]}`)
		}, []string{"JFrog CLI|jfrog-artifactory|||no: jf keeps it encrypted with a key of its own"}},
		"docker": {func(t *testing.T, h *home) {
			t.Helper()
			h.write(t, ".docker/config.json", `{"auths":{"https://index.docker.io/v1/":{"auth":"`+auth("ann", "dckr_pat_c4nary00000000000000000")+`"},
				"ghcr.io":{"auth":"`+auth("ann", "ghp_c4nary0000000000000000000000000000aa")+`"},"myregistry.azurecr.io":{"auth":"`+auth("puller", "C4naryOfTheScopeMapToken0123456789+ACRDabcdef12345")+`"},
				"other.azurecr.io":{"auth":"`+auth("00000000-0000-0000-0000-000000000000", "")+`","identitytoken":"c4nary"},"sp.azurecr.io":{"auth":"`+auth(appID, appSecret)+`"},
				"123456789012.dkr.ecr.eu-west-1.amazonaws.com":{"auth":"`+auth("AWS", "c4nary")+`"},"us-docker.pkg.dev":{"auth":"`+auth("oauth2accesstoken", "ya29.c4nary")+`"},
				"europe-docker.pkg.dev":{"auth":"`+auth("_json_key", googleKey())+`"},"acme.jfrog.io":{"auth":"`+auth("ci", jwt(end))+`"},"reg.example.com:5000":{"auth":"`+auth("robot", "c4nary")+`"},
				"id.example.com":{"identitytoken":"c4nary-refresh"},"raw.example.com":{"registrytoken":"c4nary-bearer"},"empty.example.com":{}}}`)
		}, []string{
			"docker login|jfrog-artifactory|access-token|ci|" + end.Format(time.RFC3339),
			"docker login|gcp-artifact-registry|service-account|puller@acme-train.iam.gserviceaccount.com",
			"docker login|docker|basic|ann",
			"docker login|docker-hub|access-token|ann",
			"docker login|docker|bearer|",
			"docker login|azure-container-registry|repository-token|puller",
			"docker login|docker|bearer|",
			"docker login|docker|basic|robot",
			"docker login|aws-ecr||AWS|no: it is a login of 12 hours, as `aws ecr get-login-password` makes it",
			"docker login|azure-container-registry||00000000-0000-0000-0000-000000000000|no: it is a login of 3 hours that `az acr login` has made for a person",
			"docker login|azure-container-registry|service-principal|" + appID + "|no: it is a service principal, and a login to the registry doesn't say of which tenant",
			"docker login|gcp-artifact-registry|service-account|oauth2accesstoken|no: it is a token that ends within an hour",
		}},
		"docker: helpers": {func(t *testing.T, h *home) {
			t.Helper()
			h.env["DOCKER_CONFIG"] = filepath.Join(h.dir, "d")
			h.write(t, "d/config.json", `{"auths":{"reg.example.com":{}},"credsStore":"pass","credHelpers":{"us-docker.pkg.dev":"gcloud","x.example.com":"broken","y.example.com":"../evil"}}`)
			h.programs["docker-credential-pass list "] = `{"https://index.docker.io/v1/":"ann","https://index.docker.io/v1/access-token":"ann","id.example.com":"<token>","reg.example.com":"robot"}`
			h.programs["docker-credential-pass get https://index.docker.io/v1/"] = `{"ServerURL":"x","Username":"ann","Secret":"dckr_pat_c4nary00000000000000000"}`
			h.programs["docker-credential-pass get id.example.com"] = `{"Username":"<token>","Secret":"c4nary-refresh"}`
			h.programs["docker-credential-pass get reg.example.com"] = `{"Username":"robot","Secret":"c4nary"}`
		}, []string{
			"docker login|docker-hub|access-token|ann",
			"docker login|docker|bearer|",
			"docker login|docker|basic|robot",
			"docker login|gcp-artifact-registry|||no: docker-credential-gcloud makes a new login at each pull, from an account that this machine is logged in with",
			"docker login|docker|||no: docker-credential-broken gave no login",
		}},
		"podman": {func(t *testing.T, h *home) {
			t.Helper()
			h.env["XDG_RUNTIME_DIR"] = filepath.Join(h.dir, "run")
			h.write(t, "run/containers/auth.json", `{"auths":{"quay.io/team":{"auth":"`+auth("team+robot", "c4nary")+`"}}}`)
			h.write(t, ".config/containers/auth.json", `{"auths":{"other.example.com":{"auth":"`+auth("a", "b")+`"}}}`)
		}, []string{"podman login|docker|basic|team+robot"}},
		"garbage": {func(t *testing.T, h *home) {
			t.Helper()
			for _, name := range []string{
				".config/gcloud/application_default_credentials.json", ".docker/config.json", ".jfrog/jfrog-cli.conf.v6", ".azure/azureProfile.json", ".azure/service_principal_entries.json",
			} {
				h.write(t, name, "{c4nary")
			}
		}, []string{
			"Google application default credentials|gcp-artifact-registry|||no: it is no credential file of Google's that Fairlead knows",
			"Azure CLI|azure-container-registry|||no: it can't be read as JSON",
			"Azure CLI|azure-container-registry|||no: it can't be read as JSON",
			"JFrog CLI|jfrog-artifactory|||no: it can't be read as JSON",
			"docker login|docker|||no: it can't be read as JSON",
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			c.set(t, h)
			var got []string
			for _, f := range h.search(t, "") {
				got = append(got, h.line(f))
				if shown := told(f); strings.Contains(shown, "c4n") || strings.Contains(shown, awsSecret) || strings.Contains(shown, "PRIVATE KEY") {
					t.Errorf("a secret is shown: %s", shown)
				}
				if f.Why != nil && f.Why.Remedy == "" {
					t.Errorf("it isn't said what to do: %s", f.Why)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestFamily looks for one family alone.
func TestFamily(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.env["AWS_ACCESS_KEY_ID"], h.env["AWS_SECRET_ACCESS_KEY"] = awsID, awsSecret
	h.env["AZURE_CLIENT_ID"], h.env["AZURE_TENANT_ID"], h.env["AZURE_CLIENT_SECRET"] = appID, tenant, appSecret
	if got := h.search(t, "aws-ecr"); len(got) != 1 || got[0].Family != "aws-ecr" {
		t.Errorf("found %v", got)
	}
}

// TestFiles: what isn't a plain file of a sensible size is refused without waiting, and
// files that others may read are told of.
func TestFiles(t *testing.T) {
	t.Parallel()
	const path = ".docker/config.json"
	refused := func(t *testing.T, h *home, why string) {
		t.Helper()
		if got := h.search(t, ""); len(got) != 1 || got[0].Why == nil || !strings.Contains(got[0].Why.Why, why) {
			t.Errorf("found %+v, want %q", got, why)
		}
	}
	h := newHome(t)
	h.write(t, path, strings.Repeat(" ", 1<<20+1))
	refused(t, h, "longer than 1024 KiB")

	h = newHome(t)
	h.write(t, ".docker/x", "")
	if err := unix.Mkfifo(filepath.Join(h.dir, path), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, h, "isn't a regular file")

	h = newHome(t)
	h.write(t, path+"/x", "") // a directory
	refused(t, h, "isn't a regular file")

	h = newHome(t)
	h.write(t, path, `{"auths":{"reg.example.com":{"auth":"`+auth("robot", "c4nary")+`"}}}`)
	if got := h.search(t, ""); len(got) != 1 || len(got[0].Notes) != 0 {
		t.Errorf("found %+v", got)
	}
	if err := os.Chmod(filepath.Join(h.dir, path), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := h.search(t, ""); len(got) != 1 || len(got[0].Notes) != 1 || !strings.Contains(got[0].Notes[0], "chmod 600") {
		t.Errorf("found %+v", got)
	}
}

// TestMany: a file with more logins than anybody has is cut.
func TestMany(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	auths := map[string]any{}
	for i := range 1000 {
		auths["r"+strings.Repeat("x", i%50)+string(rune('a'+i%26))+strings.Repeat("y", i/50)+".example.com"] = map[string]string{"auth": auth("a", "b")}
	}
	b, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, ".docker/config.json", string(b))
	if got := h.search(t, ""); len(got) != 200 {
		t.Errorf("found %d", len(got))
	}
}
