package localcredentials

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// Recognise reads a file as a vendor's console or client gives it out, by its form: false
// if it is none that is known. The error says why one that is known can't be taken.
func Recognise(ctx context.Context, m Machine, name string, b []byte) (Found, bool, error) {
	f := Found{Where: name}
	text := trim(b)
	if f, ok := readKeyCSV(f, text); ok {
		return m.taken(f)
	}
	var form map[string]json.RawMessage
	_ = json.Unmarshal(text, &form) // what isn't an object has no keys
	has := func(keys ...string) bool {
		for _, k := range keys {
			if form[k] == nil {
				return false
			}
		}
		return true
	}
	ok := true
	switch {
	case has("auths"):
		f, ok = m.oneLogin(ctx, f, text)
	case has("type") && !has("credentials"):
		f.Source = "credential file of Google"
		f, ok = readGoogle(f, text)
	case has("appId", "password", "tenant"), has("clientId", "clientSecret", "tenantId"):
		f = readRBAC(f, text)
	case has("credentials", "id", "name"):
		f, ok = readACRToken(f, text)
	case has("access_token", "token_id"), has("access_token", "refresh_token", "token_type"):
		f = readJFrogToken(f, text, m.Now)
	case has("AccessKey"):
		f, ok = readAccessKey(f, text)
	case has("Version", "AccessKeyId", "SecretAccessKey"), has("Credentials"):
		f, ok = readSession(f, text)
	default:
		ok = false
	}
	if !ok {
		return f, false, nil
	}
	return m.taken(f)
}

// taken is what was recognised, unless it can't be a connector. What its family misses
// may still be given beside it, so that isn't asked here.
func (m Machine) taken(f Found) (Found, bool, error) {
	if f.Why != nil {
		return f, true, f.Why
	}
	return f, true, nil
}

// oneLogin takes the only login of a config.json.
func (m Machine) oneLogin(ctx context.Context, f Found, text []byte) (Found, bool) {
	f.Source, f.Family = "file of docker login", familyDocker
	c, err := readDocker(text)
	if err != nil {
		return f, false
	}
	c.Store, c.Helpers = "", nil // a file that is named is taken for itself
	list := c.logins(ctx, m)
	switch len(list) {
	case 0:
		return f.no("there is no login in it: they are with the machine's credential store", "use --auto-configure on the machine where you logged in"), true
	case 1:
		return f.login(m, list[0]), true
	}
	var keys []string
	for _, l := range list {
		keys = append(keys, fairlead.Clip(l.key))
	}
	return f.no("there are several logins in it: "+strings.Join(keys, ", "), "leave one in it, or choose with --auto-configure --pick"), true
}

// readKeyCSV reads what the console of AWS downloads for an access key: a heading and one
// line.
func readKeyCSV(f Found, text []byte) (Found, bool) {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	heading, err := r.Read()
	if err != nil {
		return f, false
	}
	line, err := r.Read()
	if err != nil {
		return f, false
	}
	value := map[string]string{}
	for i, name := range heading {
		if i < len(line) {
			value[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(line[i])
		}
	}
	if value["access key id"] == "" || value["secret access key"] == "" {
		return f, false
	}
	f.Source, f.Family = "access key of AWS' console", familyAWS
	f = f.keys(value["access key id"], value["secret access key"], "", "")
	if user := value["user name"]; user != "" {
		f.Account = fairlead.Clip(user)
	}
	return f, true
}

// readAccessKey reads what `aws iam create-access-key` prints.
func readAccessKey(f Found, text []byte) (Found, bool) {
	var k struct {
		AccessKey struct {
			UserName, AccessKeyId, SecretAccessKey string
		}
	}
	if json.Unmarshal(text, &k) != nil || k.AccessKey.AccessKeyId == "" {
		return f, false
	}
	f.Source, f.Family, f.Account = "output of aws iam create-access-key", familyAWS, fairlead.Clip(k.AccessKey.UserName)
	return f.keys(k.AccessKey.AccessKeyId, k.AccessKey.SecretAccessKey, "", ""), true
}

// readSession reads what `aws configure export-credentials` and `aws sts assume-role`
// print.
func readSession(f Found, text []byte) (Found, bool) {
	type session struct {
		AccessKeyId, SecretAccessKey, SessionToken, Expiration string
	}
	var s struct {
		session
		Credentials session
	}
	if json.Unmarshal(text, &s) != nil {
		return f, false
	}
	if s.Credentials.AccessKeyId != "" {
		s.session = s.Credentials
	}
	if s.AccessKeyId == "" || s.SecretAccessKey == "" {
		return f, false
	}
	f.Source, f.Family, f.Expires = "keys as the AWS CLI prints them", familyAWS, stamp(s.Expiration)
	return f.keys(s.AccessKeyId, s.SecretAccessKey, s.SessionToken, ""), true
}

// readRBAC reads what `az ad sp create-for-rbac` prints, also with --sdk-auth.
func readRBAC(f Found, text []byte) Found {
	var p struct {
		AppID           string `json:"appId"`
		Password        string `json:"password"`
		Tenant          string `json:"tenant"`
		ClientID        string `json:"clientId"`
		ClientSecret    string `json:"clientSecret"`
		TenantID        string `json:"tenantId"`
		Subscription    string `json:"subscriptionId"`
		ResourceManager string `json:"resourceManagerEndpointUrl"`
	}
	_ = json.Unmarshal(text, &p) // what is of another form is missing then
	f.Source, f.Family, f.Method = "output of az ad sp create-for-rbac", familyAzure, "service-principal"
	f.Account = fairlead.Clip(first(p.AppID, p.ClientID))
	cloud := ""
	switch {
	case strings.Contains(p.ResourceManager, "chinacloudapi.cn"):
		cloud = "china"
	case strings.Contains(p.ResourceManager, "usgovcloudapi.net"):
		cloud = "government"
	}
	f.keep(map[string]string{"client_id": first(p.AppID, p.ClientID), "tenant_id": first(p.Tenant, p.TenantID), "subscription_id": p.Subscription, "cloud": cloud},
		map[string]string{"client_secret": first(p.Password, p.ClientSecret)})
	return f
}

// readACRToken reads what `az acr token create` prints. The host is made of the
// registry's name; where a registry has another one, it is given beside it.
func readACRToken(f Found, text []byte) (Found, bool) {
	var t struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		Credentials struct {
			Username  string `json:"username"`
			Passwords []struct {
				Value  string `json:"value"`
				Expiry string `json:"expiry"`
			} `json:"passwords"`
		} `json:"credentials"`
	}
	if json.Unmarshal(text, &t) != nil {
		return f, false
	}
	_, rest, ok := strings.Cut(strings.ToLower(t.ID), "/providers/microsoft.containerregistry/registries/")
	registry, _, isToken := strings.Cut(rest, "/tokens/")
	if !ok || !isToken {
		return f, false
	}
	f.Source, f.Family, f.Method = "output of az acr token create", familyAzure, "repository-token"
	f.Account = fairlead.Clip(first(t.Credentials.Username, t.Name))
	secret := ""
	for _, p := range t.Credentials.Passwords {
		if p.Value != "" {
			secret, f.Expires = p.Value, stamp(p.Expiry)
			break
		}
	}
	if secret == "" {
		return f.no("it holds no password: Azure shows one once, when it is made", "make one: `az acr token credential generate --name TOKEN --registry REGISTRY --password1`"), true
	}
	f.keep(map[string]string{"login_server": registry + ".azurecr.io", "username": first(t.Credentials.Username, t.Name)}, map[string]string{"password": secret})
	return f, true
}

// readJFrogToken reads the reply of Create Token. It doesn't say of which platform it is.
func readJFrogToken(f Found, text []byte, now time.Time) Found {
	var t struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	_ = json.Unmarshal(text, &t) // what is of another form is missing then
	f.Source, f.Family, f.Method = "reply of JFrog's Create Token", familyJFrog, "access-token"
	f.Expires = jwtEnd(t.Access)
	f.keep(nil, map[string]string{"access_token": t.Access, "refresh_token": t.Refresh})
	if !f.Expires.IsZero() && !now.Before(f.Expires) && t.Refresh == "" {
		return f.no("the token has ended at "+f.Expires.Format("2006-01-02 15:04 MST"), "make a new one")
	}
	return f
}
