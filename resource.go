package fairlead

import "time"

// Fact is something that a secret says about itself, such as whose key it is. It is
// never the secret.
type Fact struct {
	Name  string `json:"name" doc:"What it is, such as \"account\" or \"expires\"."`
	Value string `json:"value"`
}

// ResourceKind is what a [FoundResource] is.
type ResourceKind string

// The kinds.
const (
	// RegistryResource holds repositories.
	RegistryResource ResourceKind = "registry"
	// RepositoryResource holds images.
	RepositoryResource ResourceKind = "repository"
)

// FoundResource is something that a connector reaches at its provider.
type FoundResource struct {
	Kind ResourceKind `json:"kind" enum:"registry,repository"`
	// Address is as an image's name begins: host, and path if there is one.
	Address string `json:"address" doc:"As an image's name begins, such as europe-docker.pkg.dev/acme/train."`
	// Pattern is the match pattern of an entry for it.
	Pattern string `json:"pattern" doc:"The match pattern of a registry entry for it."`
	// Location is the provider's region or location, if it has one.
	Location string `json:"location,omitempty"`
	// Detail is what else the provider says, for people.
	Detail string `json:"detail,omitempty"`
}

// Guide says how a connector is set up at its provider.
type Guide struct {
	// Intro says what will be made, and the least rights that are enough.
	Intro string      `json:"intro"`
	Steps []GuideStep `json:"steps"`
}

// GuideStep is one thing to do.
type GuideStep struct {
	Title string `json:"title"`
	// Language is that of Text: sh, hcl or text.
	Language string `json:"language" enum:"sh,hcl,text"`
	Text     string `json:"text"`
}

// Origin is an upstream host that the gateway has had a blob from, or has begun to.
type Origin struct {
	Digest Digest
	// Host is the registry's, with "http://" before it if it is reached without TLS.
	Host string
	// Whole says that it has given all of the bytes by itself.
	Whole bool
	// Since is when it began.
	Since time.Time
}
