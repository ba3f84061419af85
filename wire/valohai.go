package wire

import (
	"net/http"

	"fairlead.dev/fairlead"
)

// ValohaiPrefix is where the API lives that has Valohai's form: what was written for
// registry credentials there (a Terraform provider, scripts) works here with another host
// and token. One of its objects is a registry entry with a connector of its own.
const ValohaiPrefix = "/api/v0"

// RegistryCredentialRequest makes or replaces a registry credential.
type RegistryCredentialRequest struct {
	Type         string `json:"type" enum:"docker,aws-ecr,aws-ecr-role,gcp-cr"`
	ImagePattern string `json:"image_pattern" doc:"Which images it covers."`
	// Owner is the organization: a number there, and here its name too.
	Owner         any                    `json:"owner,omitempty" doc:"The organization, by its number (as replies have it) or name; it can be left out if the caller has one only."`
	Configuration *RegistryConfiguration `json:"configuration,omitempty"`
}

// RegistryConfiguration is the login itself: which of its fields there are, the type says.
type RegistryConfiguration struct {
	Version            string `json:"version,omitempty" enum:"1"`
	Username           string `json:"username,omitempty" doc:"docker"`
	Password           Clear  `json:"password,omitzero" doc:"docker"`
	AccessKeyID        string `json:"access_key_id,omitempty" doc:"aws-ecr"`
	SecretAccessKey    Clear  `json:"secret_access_key,omitzero" doc:"aws-ecr"`
	RoleName           string `json:"role_name,omitempty" doc:"aws-ecr-role: a name or an ARN"`
	Region             string `json:"region,omitempty" doc:"aws-ecr, aws-ecr-role"`
	ServiceAccountJSON Clear  `json:"service_account_json,omitzero" doc:"gcp-cr: the key file's text"`
}

// RegistryCredentialPath names a registry credential.
type RegistryCredentialPath struct {
	Credential fairlead.RegistryID `path:"credential" json:"-"`
}

// RegistryCredentialReplacement replaces all of a registry credential.
type RegistryCredentialReplacement struct {
	RegistryCredentialPath
	RegistryCredentialRequest
}

// RegistryCredentialChange changes what is set.
type RegistryCredentialChange struct {
	RegistryCredentialPath
	Type          string                 `json:"type,omitempty" enum:"docker,aws-ecr,aws-ecr-role,gcp-cr"`
	ImagePattern  string                 `json:"image_pattern,omitempty"`
	Owner         any                    `json:"owner,omitempty" doc:"The organization that it is of already."`
	Configuration *RegistryConfiguration `json:"configuration,omitempty"`
}

// RegistryCredentialsRequest chooses registry credentials.
type RegistryCredentialsRequest struct {
	Owner  string `query:"owner" json:"-" doc:"The organization, by number or name; default all of the caller's."`
	Limit  int    `query:"limit" json:"-" minimum:"0" maximum:"1000" doc:"0 is 100."`
	Offset int    `query:"offset" json:"-" minimum:"0"`
}

// RegistryCredential is one, without its configuration: that is never shown.
type RegistryCredential struct {
	ID           fairlead.RegistryID `json:"id"`
	Type         string              `json:"type"`
	ImagePattern string              `json:"image_pattern"`
	Owner        int64               `json:"owner" doc:"The organization's number."`
	OwnerName    fairlead.Name       `json:"owner_name"`
	Name         fairlead.Name       `json:"name" doc:"The registry entry's name."`
	Connector    fairlead.Name       `json:"connector" doc:"The connector's name."`
}

// RegistryCredentials is a page of them.
type RegistryCredentials struct {
	Count    int                  `json:"count" doc:"How many there are on all pages."`
	Next     *string              `json:"next" doc:"The URL of the next page, null on the last one."`
	Previous *string              `json:"previous" doc:"The URL of the page before, null on the first one."`
	Results  []RegistryCredential `json:"results"`
}

// ValohaiErrors is a reply to a request that is wrong in itself.
type ValohaiErrors struct {
	NonField []ValohaiError `json:"non_field_errors"`
}

// ValohaiError is one thing that is wrong.
type ValohaiError struct {
	Message string `json:"message"`
	Code    string `json:"code"`
}

// ValohaiDetail is every other reply that isn't a success.
type ValohaiDetail struct {
	Detail string `json:"detail"`
}

// ValohaiStatus gives the HTTP status of an error kind there: what is wrong with a request
// is 400.
func ValohaiStatus(k fairlead.Kind) int {
	if k == fairlead.Invalid || k == fairlead.Conflict {
		return http.StatusBadRequest
	}
	return Status(k)
}

// The operations in Valohai's form.
var (
	ListRegistryCredentials = Operation[RegistryCredentialsRequest, RegistryCredentials]{
		ID: "valohai-list-registry-credentials", Method: "GET", Base: ValohaiPrefix, Path: "/registry-credentials/", Action: fairlead.RegistryRead,
		Summary: "List registry credentials (Valohai's form)",
	}
	CreateRegistryCredential = Operation[RegistryCredentialRequest, RegistryCredential]{
		ID: "valohai-create-registry-credential", Method: "POST", Base: ValohaiPrefix, Path: "/registry-credentials/", Action: fairlead.RegistryAdd, Creates: true,
		Summary: "Add a registry entry with a connector of its own (Valohai's form)",
	}
	ShowRegistryCredential = Operation[RegistryCredentialPath, RegistryCredential]{
		ID: "valohai-show-registry-credential", Method: "GET", Base: ValohaiPrefix, Path: "/registry-credentials/{credential}/", Action: fairlead.RegistryRead,
		Summary: "Show a registry credential (Valohai's form)",
	}
	ReplaceRegistryCredential = Operation[RegistryCredentialReplacement, RegistryCredential]{
		ID: "valohai-replace-registry-credential", Method: "PUT", Base: ValohaiPrefix, Path: "/registry-credentials/{credential}/", Action: fairlead.RegistryUpdate,
		Summary: "Replace a registry credential (Valohai's form)",
	}
	ChangeRegistryCredential = Operation[RegistryCredentialChange, RegistryCredential]{
		ID: "valohai-change-registry-credential", Method: "PATCH", Base: ValohaiPrefix, Path: "/registry-credentials/{credential}/", Action: fairlead.RegistryUpdate,
		Summary: "Change a registry credential (Valohai's form)",
	}
	DeleteRegistryCredential = Operation[RegistryCredentialPath, None]{
		ID: "valohai-delete-registry-credential", Method: "DELETE", Base: ValohaiPrefix, Path: "/registry-credentials/{credential}/", Action: fairlead.RegistryRemove,
		Summary: "Remove a registry credential with its connector (Valohai's form)",
	}
)
