package gcpartifactregistry

import (
	"fmt"
	"net/http"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// keyRefused says why a key's assertion wasn't taken. Google's descriptions of these
// errors aren't documented, so what isn't recognised has a sentence of its own.
func (r reply) keyRefused(c provider.Opened, k key) error {
	update := fmt.Sprintf("`fairlead connector update %s --key-file key.json`", c.Name)
	switch e := r.oauthError(); {
	case e.Code == "":
		return r.broken("answers " + r.statusText() + ", and not as Google's token endpoint does")
	case e.says("account not found"):
		return r.refused(fairlead.CodeLoginRefused, "the service account "+k.email+" doesn't exist any more",
			"make another one with a key, then "+update)
	case e.says("signature"):
		return r.refused(fairlead.CodeLoginRefused, "Google doesn't know key "+k.id+" of "+k.email+" (any more): it was deleted or disabled, or the file was changed",
			"make another key with `gcloud iam service-accounts keys create key.json --iam-account="+k.email+"`, then "+update)
	case e.says("disabled"):
		return r.refused(fairlead.CodeLoginRefused, "the service account "+k.email+" is disabled",
			"enable it: `gcloud iam service-accounts enable "+k.email+"`")
	case e.says("timeframe"):
		return r.clock()
	default:
		return r.refused(fairlead.CodeLoginRefused, "Google refuses the key of "+k.email+" ("+oauthWord(e)+")", "make another key, then "+update)
	}
}

// oauthWord gives an error's code if the specifications know it (RFC 6749, section 5.2;
// RFC 8693, section 2.2.2): anything else may repeat what was sent.
func oauthWord(e oauthError) string {
	switch e.Code {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_target":
		return e.Code
	}
	return "with an error that isn't standard"
}

// exchangeRefused says why a subject token wasn't taken.
func (r reply) exchangeRefused(to pool, issuer, subject string) error {
	update := fmt.Sprintf("`gcloud iam workload-identity-pools providers update-oidc %s --project=%s --location=global --workload-identity-pool=%s ", to.provider, to.number, to.id)
	no := func(why, remedy string) error { return r.refused(fairlead.CodeLoginRefused, why, remedy) }
	switch e := r.oauthError(); {
	case e.Code == "":
		return r.broken("answers " + r.statusText() + ", and not as Google's Security Token Service does")
	case e.Code == "invalid_target", e.says(`value for "audience"`):
		return no("there is no workload identity provider "+to.name+", or it or its pool is disabled or deleted",
			"check the name with `gcloud iam workload-identity-pools providers list --project="+to.number+" --location=global --workload-identity-pool="+to.id+"`")
	case e.says("expected audience"):
		return no("the workload identity provider takes tokens for other audiences only",
			"take its list of audiences away, or add this one: "+update+"--allowed-audiences=https:"+to.audience()+"`")
	case e.says("issuer in ID Token"):
		return no("the workload identity provider trusts another issuer than "+issuer, "set it: "+update+"--issuer-uri="+issuer+"`")
	case e.says("given credential's issuer"):
		return no("Google can't fetch the keys of the issuer "+issuer,
			"have "+issuer+"/.well-known/openid-configuration reachable from the Internet, with a certificate that everybody trusts")
	case e.says("JWT signature"):
		return no("the keys that "+issuer+" publishes aren't those that Fairlead signs with",
			"check that the address leads to this Fairlead server; Google keeps an issuer's keys for a while, so try again later too")
	case e.says("stale to sign-in"), e.says("in the future"):
		return r.clock()
	case e.Code == "unauthorized_client", e.says("attribute condition"):
		return no("the workload identity provider's attribute condition doesn't let in "+subject,
			"set it: "+update+`--attribute-condition="assertion.sub=='`+subject+`'"`+"`")
	case e.says("google.subject"):
		return no("the workload identity provider makes no subject of Fairlead's token that Google takes (127 bytes at most)",
			"map it so: "+update+"--attribute-mapping=google.subject=assertion.sub`, and use shorter names")
	default:
		return no("Google refuses Fairlead's token ("+oauthWord(e)+")", "compare the provider with what `fairlead connector guide` prints")
	}
}

// machineRefused says why the metadata server gave no token.
func (r reply) machineRefused() error {
	switch {
	case r.header.Get("Metadata-Flavor") != "Google":
		return &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: r.what, Why: "what answers as " + r.host + " isn't Google's metadata server",
			Remedy: notOnGoogleRemedy,
		}
	case r.status == http.StatusNotFound:
		return r.refused(fairlead.CodeLoginRefused, "the machine that Fairlead runs on has no service account", "give the machine a service account, or use another method")
	default:
		return r.broken("answers " + r.statusText() + " and gives no token")
	}
}

const notOnGoogleRemedy = "use this method only where Fairlead runs on Google Cloud, or use another one"

// notOnGoogle adds to the error of a metadata server that can't be reached what that
// most often means.
func notOnGoogle(err error) error {
	e := *fairlead.AsError("", err)
	if e.Code == fairlead.CodeDNS || e.Code == fairlead.CodeConnect || e.Code == fairlead.CodeTimeout {
		e.Why += ", so Fairlead's machine seems not to be one of Google Cloud"
		e.Remedy = notOnGoogleRemedy
	}
	return &e
}

// generationRefused says why a short-lived token wasn't made.
func (r reply) generationRefused(c provider.Opened, g generation) error {
	e := r.apiError()
	switch {
	case e.Status == "":
		return r.broken("answers " + r.statusText() + ", and not as Google's APIs do")
	case e.reason("SERVICE_DISABLED"):
		return r.refused(fairlead.CodeNoRight, "the project of "+g.target+" has the IAM Service Account Credentials API switched off",
			"switch it on: `gcloud services enable iamcredentials.googleapis.com --project="+projectOf(g.target)+"`")
	case e.reason("ACCESS_TOKEN_SCOPE_INSUFFICIENT"):
		return r.refused(fairlead.CodeNoRight, "the machine that Fairlead runs on may not use all of Google Cloud's APIs (its access scopes)",
			"give the machine the scope cloud-platform, and limit its service account by roles instead")
	case e.Status == "NOT_FOUND":
		return r.refused(fairlead.CodeLoginRefused, "there is no service account "+g.target, "check the address: `gcloud iam service-accounts list` shows those of a project")
	case e.Status == "FAILED_PRECONDITION":
		return r.refused(fairlead.CodeLoginRefused, "the service account "+g.target+" is disabled", "enable it: `gcloud iam service-accounts enable "+g.target+"`")
	case e.Status == "UNAUTHENTICATED":
		return r.refused(fairlead.CodeLoginRefused, "Google gave a token and then didn't take it", "try again; the account may just have been changed")
	case e.Status == "PERMISSION_DENIED":
		return r.noTokenCreator(c, g)
	default:
		return r.refused(fairlead.CodeLoginRefused, "Google refuses to make a short-lived token of "+g.target+" ("+r.statusText()+")", "check the service account's address")
	}
}

// noTokenCreator is that the role for generateAccessToken is missing.
func (r reply) noTokenCreator(c provider.Opened, g generation) error {
	remedy := fmt.Sprintf("give it: `gcloud iam service-accounts add-iam-policy-binding %s --member=%s --role=%s`", g.target, g.callerName, g.role)
	why := fmt.Sprintf("%s doesn't exist, or %s has no role %s on it", g.target, strings.TrimPrefix(g.callerName, "serviceAccount:"), g.role)
	if c.Method == accountKey {
		why = fmt.Sprintf("%s has no role %s on itself, which tokens of less than an hour need", g.target, g.role)
		remedy += fmt.Sprintf("; or be content with an hour: `fairlead connector update %s --token-lifetime %s`", c.Name, lifeLong)
	}
	return r.refused(fairlead.CodeNoRight, why, remedy)
}

// unknownProject stands where people have to put a project's ID themselves.
const unknownProject = "PROJECT_ID"

// projectOf is the project in a service account's address.
func projectOf(email string) string {
	_, domain, _ := strings.Cut(email, "@")
	if id, ok := strings.CutSuffix(domain, ".iam.gserviceaccount.com"); ok && !strings.Contains(id, ".") {
		return id
	}
	return unknownProject
}
