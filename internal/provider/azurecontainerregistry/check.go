package azurecontainerregistry

import (
	"regexp"
	"slices"
	"strings"
)

// nullGUID is the user name with which a registry's own short-lived tokens are
// passwords.
const nullGUID = "00000000-0000-0000-0000-000000000000"

func isGUID(s string) bool {
	return regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`).MatchString(s)
}

// isDomain reports whether s can be a tenant's domain. It becomes part of a URL's path.
func isDomain(s string) bool {
	return len(s) <= 253 && regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$`).MatchString(s)
}

// Check reads the public fields.
func (Provider) Check(method string, public map[string]string) error {
	const what = "checking the fields of the connector"
	for _, field := range []string{tenantID, clientID, identityID, subscriptionID, resourceGroup, location, loginServer, tokenName} {
		value, ok := public[field]
		if !ok || value == "" {
			continue
		}
		if why, remedy := wrong(field, value, public); why != "" {
			return invalid(field, what, why, remedy)
		}
	}
	return nil
}

// wrong says what is wrong with a field's value, and what to do.
func wrong(field, value string, public map[string]string) (why, remedy string) {
	switch field {
	case tenantID:
		return wrongTenant(value)
	case clientID:
		return wrongClient(value)
	case identityID:
		if !regexp.MustCompile(`(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[-\w.()]{1,90}/providers/Microsoft\.ManagedIdentity/userAssignedIdentities/[-\w]{3,128}$`).MatchString(value) {
			return quoted(value) + " is not the resource ID of a user-assigned managed identity",
				"copy it from `az identity show --query id -o tsv`: /subscriptions/.../providers/Microsoft.ManagedIdentity/userAssignedIdentities/NAME"
		}
	case subscriptionID:
		if !isGUID(value) {
			return quoted(value) + " is not a subscription's ID", "copy it from `az account show --query id -o tsv`"
		}
	case resourceGroup:
		if !regexp.MustCompile(`^[-\w.()]{1,90}$`).MatchString(value) || strings.HasSuffix(value, ".") {
			return quoted(value) + " can't be a resource group's name", "use letters, digits, dashes, underscores, dots and parentheses, at most 90, and no dot at the end"
		}
	case location:
		if !regexp.MustCompile(`^[a-z0-9]{3,40}$`).MatchString(value) {
			return quoted(value) + " is not the name of a location", "write it as `az account list-locations --query [].name` does: westeurope, not West Europe"
		}
	case loginServer:
		return wrongServer(value)
	case tokenName:
		return wrongToken(value, public[loginServer])
	}
	return "", ""
}

func wrongTenant(value string) (why, remedy string) {
	const copyIt = "copy it from `az account show --query tenantId -o tsv`"
	switch {
	case slices.Contains([]string{"common", "organizations", "consumers"}, strings.ToLower(value)):
		return quoted(value) + " stands for many tenants, and an application logs in to one", copyIt
	case value == nullGUID:
		return "a tenant's ID isn't all zeros", copyIt
	case !isGUID(value) && !isDomain(value):
		return quoted(value) + " is neither a tenant's ID nor a domain", copyIt
	}
	return "", ""
}

func wrongClient(value string) (why, remedy string) {
	const copyIt = "copy the Application (client) ID from the application's overview in Microsoft Entra: eight, four, four, four and twelve hexadecimal digits"
	switch {
	case value == nullGUID:
		return "a client ID isn't all zeros: that is the user name for tokens of `az acr login`", copyIt
	case !isGUID(value):
		return quoted(value) + " is not a client ID", copyIt
	}
	return "", ""
}

func wrongServer(value string) (why, remedy string) {
	h, ok := parseHost(value)
	switch {
	case !ok:
		return quoted(value) + " is not a registry's login server", "write it as `az acr show --name NAME --query loginServer -o tsv` does: NAME.azurecr.io, in lower case and without https://"
	case h.kind == closedHost:
		return "Microsoft Cloud Germany (azurecr.de) was closed on 29 October 2021", "write the login server of the registry to which the images were moved"
	case h.kind != loginHost:
		return value + " is a " + string(h.kind), "write the login server: " + h.server
	}
	return "", ""
}

func wrongToken(value, server string) (why, remedy string) {
	const another = "make a token with a scope map: `az acr token create`"
	h, _ := parseHost(server)
	switch {
	case value == nullGUID:
		return "that is the user name for tokens of `az acr login`, which end after three hours", another
	case isGUID(value):
		return "that is an application's client ID", "use method service-principal, or " + another
	case strings.EqualFold(value, h.name):
		return "that is the registry's admin user, which may do everything in it and never ends", another
	case !regexp.MustCompile(`^[A-Za-z0-9_-]{1,50}$`).MatchString(value):
		return quoted(value) + " is not a token's name", "use the name that `az acr token list --registry NAME` shows"
	}
	return "", ""
}
