package wire

import (
	"time"

	"fairlead.dev/fairlead"
)

// ConnectorSaved is a connector as it was saved, and what its secrets said of themselves.
type ConnectorSaved struct {
	fairlead.Connector
	Facts []fairlead.Fact `json:"facts" doc:"What the given secrets say of themselves, such as whose key it is. They are not kept."`
	Proof *fairlead.Proof `json:"proof,omitempty" doc:"What was proved before it was saved; missing if it wasn't tried."`
}

// ConnectorTrial says how a connector is tried before it is saved.
type ConnectorTrial struct {
	NoVerify bool   `json:"no_verify,omitempty" doc:"Save it untried."`
	Image    string `json:"image,omitempty" doc:"An image that it should open (default: what its registry entries name)."`
}

// ConnectorInfo is a connector and how it does.
type ConnectorInfo struct {
	fairlead.Connector
	Health fairlead.Health `json:"health"`
}

// RotateRequest gives a connector new secrets: all of them.
type RotateRequest struct {
	ConnectorPath
	ConnectorTrial
	Method  string            `json:"method,omitempty" doc:"Another method; its required fields must be given."`
	Public  map[string]string `json:"public,omitempty" doc:"Fields to change beside; an empty value removes one."`
	Secrets map[string]Clear  `json:"secrets,omitempty" doc:"The new secret fields."`
	Expires *time.Time        `json:"expires,omitempty" doc:"When the new secret ends; none is never."`
	Keep    *int64            `json:"keep_seconds,omitempty" minimum:"0" maximum:"2592000" doc:"How long the old secret is kept for a rollback (default: 86400)."`
	Version int64             `json:"version,omitempty" doc:"Refuse the change if the connector has another version; 0 takes any."`
}

// RollbackRequest puts back what a connector was before its secret was rotated.
type RollbackRequest struct {
	ConnectorPath
	Keep *int64 `json:"keep_seconds,omitempty" minimum:"0" maximum:"2592000" doc:"How long what it is now is kept for a rollback (default: 86400)."`
}

// ConnectorRemoval names a connector to delete.
type ConnectorRemoval struct {
	ConnectorPath
	Force bool `query:"force" json:"-" doc:"Delete it although something pulled with it not long ago."`
}

// ConnectorDetail is a connector, what it gives away, and what uses it.
type ConnectorDetail struct {
	ConnectorInfo
	Power  string          `json:"power,omitempty" doc:"What a lease from it can do, and for how long."`
	UsedBy []fairlead.Name `json:"used_by" doc:"The registry entries that use it."`
	// Uses are the latest first, a few of them.
	Uses     []fairlead.ConnectorUse `json:"uses" doc:"Projects and runs that pulled with it in the last 30 days, the latest first."`
	Previous *fairlead.Previous      `json:"previous,omitempty" doc:"What it was before its secret was rotated, while that is kept."`
}

// SecretsComparison asks whether secrets are those that are stored.
type SecretsComparison struct {
	ConnectorPath
	Secrets map[string]Clear `json:"secrets" doc:"Secret fields with their values."`
}

// SecretsCompared says which are.
type SecretsCompared struct {
	Same      []string `json:"same" doc:"The fields whose stored value is the given one."`
	Different []string `json:"different" doc:"The others."`
}

// GuideRequest asks how a connector would be set up that isn't there yet.
type GuideRequest struct {
	OrganizationPath
	Name   string            `json:"name,omitempty" doc:"What the connector is to be called; the provider is told it."`
	Family fairlead.Family   `json:"family"`
	Method string            `json:"method,omitempty" doc:"May be left out where the family has one."`
	Public map[string]string `json:"public,omitempty" doc:"Fields as far as they are known; none of them secret."`
}

// ConnectorGuide says how a connector is set up at its provider.
type ConnectorGuide struct {
	fairlead.Guide
	Family fairlead.Family `json:"family"`
	Method string          `json:"method"`
	// Keyless, Issuer and Subject are about what the provider is to trust.
	Keyless bool   `json:"keyless" doc:"Nothing secret is stored."`
	Issuer  string `json:"issuer,omitempty" doc:"The URL of the issuer of subject tokens; empty if the server is none."`
	Subject string `json:"subject" doc:"The subject of the connector's tokens."`
}

// VerifyRequest has a connector proved.
type VerifyRequest struct {
	ConnectorPath
	Image string `json:"image,omitempty" doc:"An image that it should open (default: what its registry entries name)."`
}

// ResourcesRequest asks what connectors reach.
type ResourcesRequest struct {
	OrganizationPath
	Connector fairlead.Name `query:"connector" json:"-" doc:"Only this one."`
	Timeout   int           `query:"timeout" json:"-" minimum:"0" maximum:"300" doc:"Seconds for each connector; 0 is 20."`
}

// Resources is what connectors reach, a row for each.
type Resources struct {
	Connectors []fairlead.Reached `json:"connectors"`
}

// ImagesRequest asks for a repository's images.
type ImagesRequest struct {
	OrganizationPath
	Repository string        `query:"repository" json:"-" doc:"HOST/PATH; may be left out if the registry entry names one."`
	Registry   fairlead.Name `query:"registry" json:"-" doc:"Open it as this registry entry says."`
	Connector  fairlead.Name `query:"connector" json:"-" doc:"Open it with this connector."`
	Limit      int           `query:"limit" json:"-" minimum:"0" maximum:"200" doc:"How many images to describe; 0 is 20."`
	Timeout    int           `query:"timeout" json:"-" minimum:"0" maximum:"300" doc:"Seconds for all of them; 0 is 20."`
}

// The operations with which a connector is set up and tried.
var (
	GuideConnector = Operation[ConnectorPath, ConnectorGuide]{
		ID: "guide-connector", Method: "GET", Path: "/organizations/{organization}/connectors/{connector}/guide", Action: fairlead.ConnectorRead,
		Summary: "Say how a connector is set up at its provider",
	}
	GuideNewConnector = Operation[GuideRequest, ConnectorGuide]{
		ID: "guide-new-connector", Method: "POST", Path: "/organizations/{organization}/connector-guides", Action: fairlead.ConnectorRead,
		Summary: "Say how a connector would be set up that is not there yet",
	}
	RotateConnector = Operation[RotateRequest, ConnectorSaved]{
		ID: "rotate-connector", Method: "POST", Path: "/organizations/{organization}/connectors/{connector}/rotate", Action: fairlead.ConnectorRotate,
		Summary: "Give a connector new secrets, proved first, and keep the old ones for a while",
	}
	RollbackConnector = Operation[RollbackRequest, fairlead.Connector]{
		ID: "rollback-connector", Method: "POST", Path: "/organizations/{organization}/connectors/{connector}/rollback", Action: fairlead.ConnectorRollback,
		Summary: "Put back what a connector was before its secret was rotated",
	}
	CompareSecrets = Operation[SecretsComparison, SecretsCompared]{
		ID: "compare-secrets", Method: "POST", Path: "/organizations/{organization}/connectors/{connector}/compare", Action: fairlead.ConnectorUpdate,
		Summary: "Say whether secrets are those that are stored; each try is recorded",
	}
	VerifyConnector = Operation[VerifyRequest, fairlead.Proof]{
		ID: "verify-connector", Method: "POST", Path: "/organizations/{organization}/connectors/{connector}/verify", Action: fairlead.ConnectorVerify,
		Summary: "Prove step by step what a connector can do",
	}
	ListResources = Operation[ResourcesRequest, Resources]{
		ID: "list-resources", Method: "GET", Path: "/organizations/{organization}/resources", Action: fairlead.ConnectorDiscover,
		Summary: "List what connectors reach at their providers",
	}
	ListImages = Operation[ImagesRequest, fairlead.Images]{
		ID: "list-images", Method: "GET", Path: "/organizations/{organization}/images", Action: fairlead.ConnectorDiscover,
		Summary: "List the images of a repository",
	}
)
