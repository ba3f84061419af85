package wire

import (
	"time"

	"fairlead.dev/fairlead"
)

// Providers is the list of providers.
type Providers struct {
	Providers []fairlead.ProviderInfo `json:"providers"`
}

// ConnectorFields are what a connector is made of.
type ConnectorFields struct {
	Family fairlead.Family `json:"family" doc:"As listed by the providers."`
	Method string          `json:"method"`
	// Public are the fields that aren't secret, Secrets the others, by name.
	Public  map[string]string `json:"public,omitempty"`
	Secrets map[string]Clear  `json:"secrets,omitempty"`
	Expires time.Time         `json:"expires,omitzero" doc:"When the account's secret ends, if it does."`
}

// ConnectorRequest registers a connector.
type ConnectorRequest struct {
	OrganizationPath
	Name string `json:"name"`
	ConnectorFields
	ConnectorTrial
}

// ConnectorPath names a connector.
type ConnectorPath struct {
	OrganizationPath
	Connector fairlead.Name `path:"connector" json:"-"`
}

// ConnectorUpdate changes what is set. A secret that isn't given is kept.
type ConnectorUpdate struct {
	ConnectorPath
	Name    string            `json:"name,omitempty" doc:"A new name."`
	Method  string            `json:"method,omitempty" doc:"Another method; its required fields must be given."`
	Public  map[string]string `json:"public,omitempty" doc:"Fields to change; an empty value removes one."`
	Secrets map[string]Clear  `json:"secrets,omitempty" doc:"Secret fields to replace; the others are kept."`
	// Expires replaces the date; the zero time removes it.
	Expires *time.Time `json:"expires,omitempty"`
	ConnectorTrial
	// Version refuses the change if the connector has another one; 0 takes any.
	Version int64 `json:"version,omitempty" doc:"Refuse the change if the connector has another version; 0 takes any."`
}

// Connectors is a list of connectors.
type Connectors struct {
	Connectors []ConnectorInfo `json:"connectors"`
}

// RegistryRequest adds a registry entry.
type RegistryRequest struct {
	OrganizationPath
	Name    string `json:"name,omitempty"`
	Pattern string `json:"pattern,omitempty" doc:"Which images it covers: host[:port]/path[:tag], with *; also an address as it is copied from the provider's console."`
	// Connector names one that is there; NewConnector makes one of the same name with
	// the entry, in one act. Neither: the entry is anonymous.
	Connector    string              `json:"connector,omitempty" doc:"The connector that opens it."`
	Resource     string              `json:"resource,omitempty" doc:"In place of the pattern, the address of something that the connector reaches, or the beginning of one; the name may be left out then."`
	Unverified   bool                `json:"unverified,omitempty" doc:"Take the resource as it is written, without asking the provider whether the connector reaches it."`
	NewConnector *ConnectorFields    `json:"new_connector,omitempty" doc:"Register a connector of the entry's name with it."`
	Disclosure   fairlead.Disclosure `json:"disclosure,omitempty" enum:"scoped,secret" doc:"Default scoped."`
	Push         bool                `json:"push,omitempty" doc:"Let projects push to what it covers; it needs a connector."`
	PlainHTTP    bool                `json:"plain_http,omitempty"`
	CABundle     string              `json:"ca_bundle,omitempty"`
	// ConnectorTrial is of the new connector.
	ConnectorTrial
}

// RegistrySaved is an entry as it was saved, and what whoever saved it should see.
type RegistrySaved struct {
	fairlead.Registry
	Notes []string        `json:"notes" doc:"How the pattern was read where it was given as an address, and what is to be known about it."`
	Proof *fairlead.Proof `json:"proof,omitempty" doc:"What was tried of a login that came with it."`
}

// RegistryPath names a registry entry.
type RegistryPath struct {
	OrganizationPath
	Registry fairlead.Name `path:"registry" json:"-"`
}

// RegistryUpdate changes what is set.
type RegistryUpdate struct {
	RegistryPath
	Name       string              `json:"name,omitempty" doc:"A new name."`
	Pattern    string              `json:"pattern,omitempty" doc:"Another pattern; also an address as it is copied from the provider's console."`
	Connector  *string             `json:"connector,omitempty" doc:"Another connector; empty makes the entry anonymous."`
	Disclosure fairlead.Disclosure `json:"disclosure,omitempty" enum:"scoped,secret"`
	Push       *bool               `json:"push,omitempty" doc:"Let projects push to what it covers."`
	PlainHTTP  *bool               `json:"plain_http,omitempty"`
	CABundle   *string             `json:"ca_bundle,omitempty"`
	// Secrets and Public change the entry's connector in the same act.
	Public  map[string]string `json:"public,omitempty" doc:"Fields of the entry's connector to change."`
	Secrets map[string]Clear  `json:"secrets,omitempty" doc:"Secret fields of the entry's connector to replace; the others are kept."`
	ConnectorTrial
	Version int64 `json:"version,omitempty" doc:"Refuse the change if the entry has another version; 0 takes any."`
}

// RegistryRemoval names a registry entry to remove.
type RegistryRemoval struct {
	RegistryPath
	// WithConnector removes the entry's connector too, unless another entry uses it.
	WithConnector bool `query:"with_connector" json:"-" doc:"Remove its connector too, if no other entry uses it."`
}

// Registries is a list of registry entries.
type Registries struct {
	Registries []fairlead.Registry `json:"registries"`
}

// The operations on providers, connectors and registries.
var (
	ListProviders = Operation[None, Providers]{
		ID: "list-providers", Method: "GET", Path: "/providers", Summary: "List the families of registries and how to log in to each",
	}
	ListConnectors = Operation[OrganizationPath, Connectors]{
		ID: "list-connectors", Method: "GET", Path: "/organizations/{organization}/connectors", Action: fairlead.ConnectorRead,
		Summary: "List connectors",
	}
	RegisterConnector = Operation[ConnectorRequest, ConnectorSaved]{
		ID: "register-connector", Method: "POST", Path: "/organizations/{organization}/connectors", Action: fairlead.ConnectorRegister,
		Summary: "Register a connector",
	}
	DescribeConnector = Operation[ConnectorPath, ConnectorDetail]{
		ID: "describe-connector", Method: "GET", Path: "/organizations/{organization}/connectors/{connector}", Action: fairlead.ConnectorRead,
		Summary: "Describe a connector and what uses it",
	}
	UpdateConnector = Operation[ConnectorUpdate, ConnectorSaved]{
		ID: "update-connector", Method: "PATCH", Path: "/organizations/{organization}/connectors/{connector}", Action: fairlead.ConnectorUpdate,
		Summary: "Change a connector; secrets that are not given are kept",
	}
	DeleteConnector = Operation[ConnectorRemoval, None]{
		ID: "delete-connector", Method: "DELETE", Path: "/organizations/{organization}/connectors/{connector}", Action: fairlead.ConnectorDelete,
		Summary: "Delete a connector that nothing uses",
	}
	ListRegistries = Operation[OrganizationPath, Registries]{
		ID: "list-registries", Method: "GET", Path: "/organizations/{organization}/registries", Action: fairlead.RegistryRead,
		Summary: "List registry entries",
	}
	AddRegistry = Operation[RegistryRequest, RegistrySaved]{
		ID: "add-registry", Method: "POST", Path: "/organizations/{organization}/registries", Action: fairlead.RegistryAdd,
		Summary: "Add a registry entry, with a connector of its own or one that is there",
	}
	ShowRegistry = Operation[RegistryPath, fairlead.Registry]{
		ID: "show-registry", Method: "GET", Path: "/organizations/{organization}/registries/{registry}", Action: fairlead.RegistryRead,
		Summary: "Show a registry entry",
	}
	UpdateRegistry = Operation[RegistryUpdate, RegistrySaved]{
		ID: "update-registry", Method: "PATCH", Path: "/organizations/{organization}/registries/{registry}", Action: fairlead.RegistryUpdate,
		Summary: "Change a registry entry",
	}
	RemoveRegistry = Operation[RegistryRemoval, None]{
		ID: "remove-registry", Method: "DELETE", Path: "/organizations/{organization}/registries/{registry}", Action: fairlead.RegistryRemove,
		Summary: "Remove a registry entry",
	}
)
