package localcredentials

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"

	"fairlead.dev/fairlead"
)

// familyAzure is the family of Azure's registries.
const familyAzure fairlead.Family = "azure-container-registry"

// azure is az, and the variables of Azure's libraries.
type azure struct{}

const sourceAzure = "Azure CLI"

// Find looks at the variables, at the service principals that az logged in as, and at
// its subscriptions.
func (azure) Find(_ context.Context, m Machine) []Found {
	var all []Found
	if f, ok := azureVariables(m); ok {
		all = append(all, f)
	}
	dir := filepath.Dir(m.under("AZURE_CONFIG_DIR", ".azure", "x"))
	if f, text, there := where(sourceAzure, filepath.Join(dir, "service_principal_entries.json")); there {
		f.Family = familyAzure
		if f.Why != nil {
			all = append(all, f)
		} else {
			all = append(all, readPrincipals(f, text)...)
		}
	}
	if f, text, there := where(sourceAzure, filepath.Join(dir, "azureProfile.json")); there {
		f.Family, f.Notes = familyAzure, nil // nothing in it is secret
		if f.Why == nil {
			f = readProfile(f, text)
		}
		if f.Why != nil {
			all = append(all, f)
		}
	}
	return all
}

// azureVariables reads those of EnvironmentCredential in Azure's libraries.
func azureVariables(m Machine) (Found, bool) {
	id, tenant, secret := m.Env("AZURE_CLIENT_ID"), m.Env("AZURE_TENANT_ID"), m.Env("AZURE_CLIENT_SECRET")
	f := Found{Source: "Azure variables", Where: "AZURE_CLIENT_ID", Family: familyAzure, Method: "service-principal", Account: fairlead.Clip(id)}
	switch {
	case id == "" && secret == "":
		return f, false
	case secret == "":
		return f.no("there is no AZURE_CLIENT_SECRET: it is the identity of a workload or of a machine, which can't be taken along",
			"let the application trust Fairlead: "+guide(familyAzure, "federation")), true
	}
	f.keep(map[string]string{"client_id": id, "tenant_id": tenant, "subscription_id": m.Env("AZURE_SUBSCRIPTION_ID")}, map[string]string{"client_secret": secret})
	return f, true
}

// readPrincipals reads service_principal_entries.json: what az keeps of `az login
// --service-principal` where it can't encrypt it. Older ones have other names.
func readPrincipals(f Found, text []byte) []Found {
	var list []struct {
		ID        string `json:"client_id"`
		Tenant    string `json:"tenant"`
		Secret    string `json:"client_secret"`
		OldID     string `json:"servicePrincipalId"`
		OldTenant string `json:"servicePrincipalTenant"`
		OldSecret string `json:"accessToken"`
	}
	if json.Unmarshal(text, &list) != nil {
		return []Found{f.no("it can't be read as JSON", "log in again: `az login --service-principal`")}
	}
	var all []Found
	for _, p := range list[:min(len(list), mostEntries)] {
		one := f
		one.Method, one.Account = "service-principal", fairlead.Clip(first(p.ID, p.OldID))
		secret := first(p.Secret, p.OldSecret)
		if secret == "" {
			all = append(all, one.no("it logs in with a certificate", "give the application a client secret, or better: "+guide(familyAzure, "federation")))
			continue
		}
		one.keep(map[string]string{"client_id": first(p.ID, p.OldID), "tenant_id": first(p.Tenant, p.OldTenant)}, map[string]string{"client_secret": secret})
		all = append(all, one)
	}
	return all
}

// mostEntries bounds how many logins one file may give.
const mostEntries = 200

// readProfile says of a person's login with az that it can't be a connector, and what
// can; it has no Why if nobody is logged in.
func readProfile(f Found, text []byte) Found {
	var p struct {
		Subscriptions []struct {
			ID      string `json:"id"`
			Tenant  string `json:"tenantId"`
			Default bool   `json:"isDefault"`
			User    struct {
				Name string `json:"name"`
				Type string `json:"type"`
			} `json:"user"`
		} `json:"subscriptions"`
	}
	if json.Unmarshal(text, &p) != nil {
		return f.no("it can't be read as JSON", "log in again: `az login`")
	}
	for _, s := range p.Subscriptions {
		if !s.Default || !strings.EqualFold(s.User.Type, "user") {
			continue
		}
		f.Account = fairlead.Clip(s.User.Name)
		return f.no("az is logged in as a person (subscription "+fairlead.Clip(s.ID)+", tenant "+fairlead.Clip(s.Tenant)+"), and its cached tokens are bound to that person and this machine",
			"give Fairlead an application of its own: `fairlead connector guide --family "+string(familyAzure)+" --method federation --tenant-id "+fairlead.Clip(s.Tenant)+
				"` sets one up without a secret; with one: `az ad sp create-for-rbac > sp.json`, then `fairlead connector register NAME --from-file sp.json`")
	}
	return f
}
