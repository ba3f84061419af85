package fairlead

import (
	"time"

	"fairlead.dev/fairlead/pattern"
)

// Family is a sort of registry, such as "docker" or "docker-hub".
type Family string

// Method describes one way to log in to a family. Forms, flags, prompts and checks
// are all drawn from it.
type Method struct {
	Name   string  `json:"name" doc:"As it is written in commands and requests."`
	Title  string  `json:"title" doc:"As people read it."`
	Help   string  `json:"help,omitempty"`
	Fields []Field `json:"fields"`
	// Keyless says that nothing secret is stored: the provider trusts Fairlead itself,
	// or the machine that it runs on.
	Keyless bool `json:"keyless" doc:"Nothing secret is stored."`
}

// FieldKind is what a field holds.
type FieldKind string

// The kinds of fields.
const (
	TextField   FieldKind = "text"
	ChoiceField FieldKind = "choice"
)

// Field is one value that a method needs.
type Field struct {
	Name     string    `json:"name" doc:"As it is written in commands (with dashes) and requests."`
	Title    string    `json:"title"`
	Help     string    `json:"help,omitempty"`
	Kind     FieldKind `json:"kind" enum:"text,choice"`
	Choices  []string  `json:"choices,omitempty"`
	Secret   bool      `json:"secret" doc:"Kept sealed, never shown again."`
	Required bool      `json:"required"`
	// With names fields that must be given if this one is.
	With []string `json:"with,omitempty" doc:"Fields that must be given if this one is."`
	// Binds says that the field tells where the secrets may go: who changes it must
	// give the secret fields again, so that nobody can send away what they don't know.
	Binds bool `json:"binds,omitempty" doc:"It says where the secrets may go: changing it needs the secret fields again."`
	// Without names fields that must not be given if this one is.
	Without []string `json:"without,omitempty" doc:"Fields that must not be given if this one is."`
	// Generated says that the house makes the value where it is left empty.
	Generated bool `json:"generated,omitempty" doc:"It is generated if it is left empty."`
}

// ProviderInfo is how a provider describes itself.
type ProviderInfo struct {
	Family  Family   `json:"family"`
	Title   string   `json:"title"`
	Help    string   `json:"help,omitempty"`
	Hosts   []string `json:"hosts" doc:"The forms of the hosts that it owns; empty is any host that no other family owns."`
	Methods []Method `json:"methods"`
}

// Connector is an authenticated account with a provider: all but its secret fields,
// which are kept sealed beside it.
type Connector struct {
	ID           ConnectorID    `json:"id"`
	Organization OrganizationID `json:"organization_id"`
	Name         Name           `json:"name" doc:"Unique in the organization."`
	Family       Family         `json:"family"`
	Method       string         `json:"method"`
	// Public holds the fields that aren't secret.
	Public map[string]string `json:"public,omitempty" doc:"The fields that are not secret."`
	// Secrets names the secret fields that are set.
	Secrets []string `json:"secrets,omitempty" doc:"The names of the secret fields that are set; the values are never shown."`
	// Version counts the changes; a lease of an older version isn't handed out any more.
	Version int64 `json:"version"`
	// Expires is the account's own end, if it has one: zero for never.
	Expires time.Time `json:"expires,omitzero" doc:"When the account's own secret ends, if it does."`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// Expired reports whether the connector's own date has passed.
func (c Connector) Expired(now time.Time) bool {
	return !c.Expires.IsZero() && !now.Before(c.Expires)
}

// SealedField is one secret field as it is stored: ciphertext, bound to organization,
// connector, version and field.
type SealedField struct {
	Field string
	// Version is the connector's version at which the field was sealed: a field that
	// is kept through a change stays as it was sealed.
	Version int64
	Sealed  []byte
}

// Disclosure says how much of a login may leave the house for a registry.
type Disclosure string

// The two disclosures.
const (
	// Scoped: only logins that the registry or provider itself limits.
	Scoped Disclosure = "scoped"
	// StoredSecret: the stored secret itself, where there is no narrower login.
	StoredSecret Disclosure = "secret"
)

// Registry is a registry address that an organization uses: which images, and with
// which connector.
type Registry struct {
	ID           RegistryID      `json:"id"`
	Organization OrganizationID  `json:"organization_id"`
	Name         Name            `json:"name" doc:"Unique in the organization."`
	Pattern      pattern.Pattern `json:"pattern" doc:"Which images it covers; unique in the organization."`
	// Connector opens it; empty means that it is pulled from anonymously.
	Connector     ConnectorID `json:"connector_id,omitempty"`
	ConnectorName Name        `json:"connector,omitempty" doc:"The connector that opens it; empty for anonymous pulls."`
	Disclosure    Disclosure  `json:"disclosure" enum:"scoped,secret" doc:"Whether the stored secret itself may be handed out where the registry knows no narrower login."`
	// Push says that the organization's projects may push what it covers, as far as the
	// connector's account may.
	Push bool `json:"push" doc:"Projects may push to what it covers, as far as the connector's account may."`
	// PlainHTTP says that this host, and only it, is spoken to without TLS.
	PlainHTTP bool `json:"plain_http" doc:"Speak to this one host without TLS."`
	// CABundle holds PEM certificates that are trusted for this registry beside the
	// system's.
	CABundle string    `json:"ca_bundle,omitempty" doc:"PEM certificates that are trusted for this registry."`
	Version  int64     `json:"version"`
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
}
