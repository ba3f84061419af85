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

// Images are those of one repository.
type Images struct {
	Repository string `json:"repository"`
	// Registry and Connector are the entry and the connector that opened it.
	Registry  Name `json:"registry,omitempty" doc:"The registry entry that covers it."`
	Connector Name `json:"connector,omitempty" doc:"The connector that opened it; empty without a login."`
	Tags      int  `json:"tags" doc:"How many tags there are, as far as they were counted."`
	More      bool `json:"more" doc:"There are more tags than were counted."`
	// Images are those with the highest tags, as many as were asked for.
	Images []FoundImage `json:"images"`
}

// FoundImage is an image under one tag.
type FoundImage struct {
	Tag    string      `json:"tag"`
	Digest Digest      `json:"digest,omitempty" doc:"Of the index or manifest that the tag names."`
	Parts  []FoundPart `json:"parts,omitempty" doc:"The image for each platform."`
	// MoreParts weren't looked at.
	MoreParts int `json:"more_parts,omitempty" doc:"How many parts were not looked at."`
	// Built is when it was made, as its builder says: registries don't tell when it was
	// pushed.
	Built time.Time `json:"built,omitzero" doc:"When it was made, as its builder says."`
	Error *Error    `json:"error,omitempty" doc:"Why nothing is known of it, or not all."`
}

// FoundPart is an image for one platform.
type FoundPart struct {
	Platform string `json:"platform,omitempty"`
	Digest   Digest `json:"digest"`
	Bytes    int64  `json:"bytes,omitempty" doc:"Of its config and layers, as they are transferred."`
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

// Duty is something that one of several servers does for all of them, for a while: such
// as fetching a blob.
type Duty struct {
	Name string
	// Holder is the server that has it, and Address where the others reach that one; ""
	// if they don't.
	Holder, Address string
	Until           time.Time
}

// Deposit is a blob in the store that several servers share.
type Deposit struct {
	Digest Digest
	Size   int64
	// Sums are checksums of its pieces, as who put it there writes them.
	Sums []byte
	// Whole says that it is there; otherwise it is being put there, or that was broken
	// off.
	Whole bool
	Used  time.Time
}
