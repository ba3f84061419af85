package api

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/wire"
)

// Valohai's types of registry credentials.
const (
	typeDocker  = "docker"
	typeECR     = "aws-ecr"
	typeECRRole = "aws-ecr-role"
	typeGCP     = "gcp-cr"
)

// configurationOf lists what each type's configuration must hold, beside the version.
func configurationOf(t string) []string {
	switch t {
	case typeECR:
		return []string{"access_key_id", "secret_access_key", "region"}
	case typeECRRole:
		return []string{"role_name", "region"}
	case typeGCP:
		return []string{"service_account_json"}
	default:
		return []string{"username", "password"}
	}
}

// typeOf is the type of which a connector is, also one that was made otherwise.
func typeOf(c fairlead.Connector) string {
	switch {
	case c.Family == "aws-ecr" && slices.Contains([]string{"secret-key", "session-token"}, c.Method):
		return typeECR
	case c.Family == "aws-ecr":
		return typeECRRole
	case c.Family == "gcp-artifact-registry":
		return typeGCP
	default:
		return typeDocker
	}
}

// credentialDraft makes of type and configuration the connector that opens the pattern's
// host.
func (a *API) credentialDraft(in wire.RegistryCredentialRequest) (provider.Draft, error) {
	p, err := pattern.Parse(in.ImagePattern)
	if err != nil {
		return provider.Draft{}, fairlead.Misread("image_pattern", err)
	}
	var c wire.RegistryConfiguration
	if in.Configuration != nil {
		c = *in.Configuration
	}
	if err := whole(in.Type, c); err != nil {
		return provider.Draft{}, err
	}
	secret := func(field string, s wire.Clear) map[string]fairlead.Secret {
		return map[string]fairlead.Secret{field: s.Secret}
	}
	switch in.Type {
	case typeECR:
		return provider.Draft{Family: "aws-ecr", Method: "secret-key", Given: provider.Given{
			Public: map[string]string{"access_key_id": c.AccessKeyID, "regions": c.Region}, Secret: secret("secret_access_key", c.SecretAccessKey),
		}}, nil
	case typeECRRole:
		role, err := roleOf(c.RoleName, p.Host())
		return provider.Draft{Family: "aws-ecr", Method: "federation", Given: provider.Given{
			Public: map[string]string{"role_arn": role, "regions": c.Region},
		}}, err
	case typeGCP:
		return provider.Draft{Family: "gcp-artifact-registry", Method: "service-account", Given: provider.Given{Secret: secret("key", c.ServiceAccountJSON)}}, nil
	}
	return a.loginDraft(p.Host(), c.Username, c.Password.Secret)
}

// whole refuses a configuration that lacks a key of its type, or has one of another.
func whole(t string, c wire.RegistryConfiguration) error {
	set := map[string]bool{
		"username": c.Username != "", "password": !c.Password.IsZero(), "access_key_id": c.AccessKeyID != "", "secret_access_key": !c.SecretAccessKey.IsZero(),
		"role_name": c.RoleName != "", "region": c.Region != "", "service_account_json": !c.ServiceAccountJSON.IsZero(),
	}
	keys := configurationOf(t)
	for _, name := range slices.Sorted(maps.Keys(set)) {
		switch wanted := slices.Contains(keys, name); {
		case wanted && !set[name]:
			return invalid("configuration", "its configuration lacks "+name, "send version, "+strings.Join(keys, ", "))
		case !wanted && set[name]:
			return invalid("configuration", "type "+t+" has no "+name+" in its configuration", "send version, "+strings.Join(keys, ", "))
		}
	}
	return nil
}

// loginDraft makes of a user name and a password what the family of the host takes: those
// that Valohai has no type for go in as docker there.
func (a *API) loginDraft(host, user string, password fairlead.Secret) (provider.Draft, error) {
	d := provider.Draft{Family: a.Providers.Owner(host), Method: "basic", Given: provider.Given{
		Public: map[string]string{"username": user}, Secret: map[string]fairlead.Secret{"password": password},
	}}
	switch d.Family {
	case "docker":
		d.Given.Public["hosts"] = host
	case "docker-hub":
		d.Method, d.Given.Secret = "access-token", map[string]fairlead.Secret{"token": password}
	case "jfrog-artifactory":
		d.Given.Public["host"] = host
	case "azure-container-registry":
		if guid.MatchString(user) {
			return d, invalid("configuration", "it is a service principal, whose tenant a user name and password don't say",
				"connect it with `fairlead registry add NAME --pattern "+host+"/* --method service-principal --tenant-id TENANT --client-id "+user+"`")
		}
		d.Method, d.Given.Public["login_server"] = "repository-token", host
	case "gcp-artifact-registry":
		if user != "_json_key" && user != "_json_key_base64" {
			return d, invalid("type", host+" is a registry of Google, which takes no password", "use type gcp-cr with the service account's key")
		}
		d.Method, d.Given = "service-account", provider.Given{Secret: map[string]fairlead.Secret{"key": password}}
	default:
		return d, invalid("type", host+" takes no password that lasts", "use type aws-ecr or aws-ecr-role")
	}
	return d, nil
}

var (
	guid    = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	account = regexp.MustCompile(`^[0-9]{12}$`)
)

// roleOf is a role's ARN: it may be sent as a bare name, and is in the registry's account
// then.
func roleOf(role, host string) (string, error) {
	if strings.HasPrefix(role, "arn:") {
		return role, nil
	}
	id, _, _ := strings.Cut(host, ".")
	if !account.MatchString(id) {
		return "", invalid("configuration", "role_name is a bare name, and "+host+" doesn't say of which account", "send the role's ARN")
	}
	partition := "aws"
	if strings.HasSuffix(host, ".amazonaws.com.cn") {
		partition = "aws-cn"
	}
	return "arn:" + partition + ":iam::" + id + ":role/" + role, nil
}

// freeName makes a name of a pattern, which the organization has no registry or connector
// of yet.
func (a *API) freeName(ctx context.Context, who fairlead.Caller, o fairlead.Organization, covers string) (fairlead.Name, error) {
	taken := map[fairlead.Name]bool{}
	registries, err := a.Control.Registries(ctx, who, o.Name)
	if err != nil {
		return "", err
	}
	connectors, err := a.Control.Connectors(ctx, who, o.Name)
	if err != nil {
		return "", err
	}
	for _, r := range registries {
		taken[r.Name] = true
	}
	for _, c := range connectors {
		taken[c.Name] = true
	}
	base := slug(covers)
	name := fairlead.Name(base)
	for n := 2; taken[name]; n++ {
		name = fairlead.Name(fmt.Sprintf("%s-%d", base, n))
	}
	return name, nil
}

// slug is a pattern as a name can be: docker.io/team/* is docker.io-team. There is room
// left for a number.
func slug(covers string) string {
	text := regexp.MustCompile(`[^a-z0-9._]+`).ReplaceAllString(strings.ToLower(covers), "-")
	text = strings.Trim(text[:min(len(text), fairlead.MaxName-8)], "-._")
	if text == "" {
		return "registry"
	}
	return text
}
