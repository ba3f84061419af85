package localcredentials

import (
	"context"
	"encoding/json"
	"path"
	"strings"

	"fairlead.dev/fairlead"
)

// familyGoogle is the family of Google's registries.
const familyGoogle fairlead.Family = "gcp-artifact-registry"

// google is gcloud, and what libraries take as application default credentials
// (google.aip.dev/auth/4110).
type google struct{}

const sourceGoogle = "Google application default credentials"

// Find looks where libraries do, in their order.
func (google) Find(_ context.Context, m Machine) []Found {
	var paths []string
	if named := m.Env("GOOGLE_APPLICATION_CREDENTIALS"); named != "" {
		paths = append(paths, named)
	}
	paths = append(paths, m.under("CLOUDSDK_CONFIG", ".config/gcloud", "application_default_credentials.json"))
	var all []Found
	for _, p := range paths {
		f, text, there := where(sourceGoogle, p)
		f.Family = familyGoogle
		switch {
		case !there:
			continue
		case f.Why == nil:
			var ok bool
			if f, ok = readGoogle(f, text); !ok {
				f = f.no("it is no credential file of Google's that Fairlead knows", "make a service account key, or use federation, which needs none: "+guide(familyGoogle, "federation"))
			}
		}
		all = append(all, f)
	}
	return all
}

// guide is the command that prints how a method is set up.
func guide(family fairlead.Family, method string) string {
	if method == "" {
		return "`fairlead connector types " + string(family) + "` lists how"
	}
	return "`fairlead connector guide --family " + string(family) + " --method " + method + "`"
}

// googleFile is what credential files hold, by their type.
type googleFile struct {
	Type          string          `json:"type"`
	ClientID      string          `json:"client_id"`
	Email         string          `json:"client_email"`
	Quota         string          `json:"quota_project_id"`
	Audience      string          `json:"audience"`
	Impersonation string          `json:"service_account_impersonation_url"`
	Source        json.RawMessage `json:"source_credentials"`
}

// readGoogle reads a credential file, false if it isn't one.
func readGoogle(f Found, text []byte) (Found, bool) {
	var g googleFile
	if json.Unmarshal(text, &g) != nil {
		return f, false
	}
	f.Family = familyGoogle
	switch g.Type {
	case "service_account":
		f.Method, f.Account = "service-account", fairlead.Clip(g.Email)
		f.keep(nil, map[string]string{"key": string(text)})
	case "authorized_user", "external_account_authorized_user":
		return f.no("it is a person's own login ("+g.Type+"): it reaches all that this person may, and ends when they log out or leave",
			"give Fairlead an account of its own: "+guide(familyGoogle, "federation")+" sets one up without a key, "+guide(familyGoogle, "service-account")+" with one"), true
	case "impersonated_service_account":
		return readImpersonated(f, g), true
	case "external_account":
		return readExternal(f, g), true
	default:
		return f, false
	}
	return f, true
}

// readImpersonated reads what `gcloud auth application-default login
// --impersonate-service-account` writes, and what is made by hand around a key.
func readImpersonated(f Found, g googleFile) Found {
	var source googleFile
	_ = json.Unmarshal(g.Source, &source)
	f.Method, f.Account = "impersonation", impersonated(g.Impersonation)
	if source.Type != "service_account" {
		return f.no("it acts as "+first(f.Account, "a service account")+" with a person's own login",
			"let Fairlead act as that account by itself: "+guide(familyGoogle, "federation"))
	}
	f.keep(map[string]string{"service_account": f.Account}, map[string]string{"key": string(g.Source)})
	return f
}

// impersonated is the account in .../serviceAccounts/ACCOUNT:generateAccessToken.
func impersonated(url string) string {
	return fairlead.Clip(strings.TrimSuffix(path.Base("/"+url), ":generateAccessToken"))
}

// readExternal reads a configuration of workload identity federation. Nothing in it is
// secret: where this machine's own tokens come from isn't taken along.
func readExternal(f Found, g googleFile) Found {
	f.Method = "federation"
	name, ok := strings.CutPrefix(g.Audience, "//iam.googleapis.com/")
	if !ok || !strings.Contains(name, "/workloadIdentityPools/") {
		return f.no("it is a federation of people (a workforce pool) or of a form that Fairlead doesn't know",
			"make a workload identity pool: "+guide(familyGoogle, "federation"))
	}
	account := ""
	if g.Impersonation != "" {
		account = impersonated(g.Impersonation)
	}
	f.keep(map[string]string{"workload_identity_provider": name, "service_account": account}, nil)
	f.Account = first(account, fairlead.Clip(name))
	f.Notes = append(f.Notes, "the provider has to trust this server's issuer beside the one that it trusts now: "+guide(familyGoogle, "federation"))
	return f
}
