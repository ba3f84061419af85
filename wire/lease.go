package wire

import (
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// Lease is a [fairlead.Lease] on the wire.
type Lease struct {
	ID          string               `json:"id"`
	Host        string               `json:"host"`
	Repository  string               `json:"repository"`
	Verb        fairlead.Verb        `json:"verb" enum:"pull,push"`
	Kind        fairlead.LeaseKind   `json:"kind" enum:"anonymous,registry-token,short-login,stored-secret,gateway"`
	Username    string               `json:"username,omitempty"`
	Password    Clear                `json:"password,omitzero"`
	Bearer      Clear                `json:"bearer,omitzero" doc:"Present it to the registry as Authorization: Bearer."`
	Expires     time.Time            `json:"expires,omitzero"`
	Registry    fairlead.Name        `json:"registry,omitempty" doc:"The entry that matched."`
	Connector   fairlead.Name        `json:"connector,omitempty" doc:"The connector that opened it."`
	PlainHTTP   bool                 `json:"plain_http,omitempty"`
	CABundle    string               `json:"ca_bundle,omitempty"`
	Note        *fairlead.Error      `json:"note,omitempty" doc:"Why the lease is less than might be expected."`
	RegistryID  fairlead.RegistryID  `json:"registry_id,omitempty"`
	ConnectorID fairlead.ConnectorID `json:"connector_id,omitempty"`
}

// FromLease writes a lease for the wire.
func FromLease(l fairlead.Lease) Lease {
	return Lease{
		ID: l.ID, Host: l.For.Resource.Host, Repository: l.For.Resource.Repository, Verb: l.For.Verb, Kind: l.Kind,
		Username: l.Username, Password: Clear{l.Password}, Bearer: Clear{l.Bearer}, Expires: l.Expires,
		Registry: l.RegistryName, Connector: l.ConnectorName, RegistryID: l.Registry, ConnectorID: l.Connector,
		PlainHTTP: l.PlainHTTP, CABundle: l.CABundle, Note: l.Note,
	}
}

// Lease reads it back.
func (l Lease) Lease() fairlead.Lease {
	return fairlead.Lease{
		ID: l.ID, For: fairlead.Scope{Resource: ref.Resource{Host: l.Host, Repository: l.Repository}, Verb: l.Verb}, Kind: l.Kind,
		Username: l.Username, Password: l.Password.Secret, Bearer: l.Bearer.Secret, Expires: l.Expires,
		RegistryName: l.Registry, ConnectorName: l.Connector, Registry: l.RegistryID, Connector: l.ConnectorID,
		PlainHTTP: l.PlainHTTP, CABundle: l.CABundle, Note: l.Note,
	}
}
