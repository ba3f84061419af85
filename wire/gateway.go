package wire

import "fairlead.dev/fairlead"

// PruneRequest says what the gateway is to let go of.
type PruneRequest struct {
	To        string `query:"to" json:"-" doc:"How many bytes may be left; the images that weren't used for the longest time go first."`
	UnusedFor int64  `query:"unused_for" json:"-" minimum:"0" doc:"For how many seconds an image wasn't used."`
	Registry  string `query:"registry" json:"-" doc:"Images of this registry's host."`
	Image     string `query:"image" json:"-" doc:"Images of this repository, or one by its tag or digest."`
	DryRun    bool   `query:"dry_run" json:"-" doc:"Say what would go, and let go of nothing."`
}

// PruneGatewayRequest prunes what is kept for an organization.
type PruneGatewayRequest struct {
	OrganizationPath
	PruneRequest
}

// PruneLine is a line of the reply to a pruning: an image that has gone, or the end.
type PruneLine struct {
	Image  *fairlead.CachedImage   `json:"image,omitempty"`
	Pruned *fairlead.GatewayPruned `json:"pruned,omitempty"`
	Error  *fairlead.Error         `json:"error,omitempty"`
}

// PinRequest names an image to be kept.
type PinRequest struct {
	OrganizationPath
	Image     string   `json:"image"`
	Platforms []string `json:"platforms,omitempty" doc:"Only for these, such as linux/amd64; none are all that are there."`
}

// UnpinRequest names an image that needn't be kept any more.
type UnpinRequest struct {
	OrganizationPath
	Image string `json:"image"`
}

// PrefetchRequest names an image to be fetched ahead of time.
type PrefetchRequest struct {
	OrganizationPath
	Image    string `query:"image" json:"-"`
	Platform string `query:"platform" json:"-" doc:"Only for these, with commas between them; none are all."`
}

// The operations on the gateway of an organization.
var (
	ShowGateway = Operation[OrganizationPath, fairlead.GatewayStatus]{
		ID: "show-gateway", Method: "GET", Path: "/organizations/{organization}/gateway", Action: fairlead.GatewayRead,
		Summary: "Show how the gateway does for an organization",
	}
	ListCached = Operation[OrganizationPath, fairlead.GatewayUsage]{
		ID: "list-cached-images", Method: "GET", Path: "/organizations/{organization}/gateway/images", Action: fairlead.GatewayRead,
		Summary: "List the images that the gateway keeps for an organization",
	}
	PruneGateway = Stream[PruneGatewayRequest]{
		ID: "prune-gateway", Method: "POST", Path: "/organizations/{organization}/gateway/prune", Action: fairlead.GatewayPrune,
		Summary: "Let go of images that the gateway keeps for an organization; a line of JSON each", BytesOut: true,
	}
	PinImage = Operation[PinRequest, fairlead.GatewayPinned]{
		ID: "pin-image", Method: "POST", Path: "/organizations/{organization}/gateway/pin", Action: fairlead.GatewayPin,
		Summary: "Keep an image in the gateway until it is unpinned",
	}
	UnpinImage = Operation[UnpinRequest, fairlead.GatewayPinned]{
		ID: "unpin-image", Method: "POST", Path: "/organizations/{organization}/gateway/unpin", Action: fairlead.GatewayUnpin,
		Summary: "Let an image go when others need its room",
	}
	PrefetchImage = Stream[PrefetchRequest]{
		ID: "prefetch-image", Method: "POST", Path: "/organizations/{organization}/gateway/prefetch", Action: fairlead.GatewayPrefetch,
		Summary: "Fetch an image into the gateway; a line of JSON on how far it is now and then", BytesOut: true,
	}
)

// The operations that an operator has on the server's own machine, about all that it
// keeps: below OperatorPrefix at the socket OperatorSocket in the data directory.
const (
	OperatorPrefix = "/operator/v1"
	OperatorSocket = "operator.sock"
)

// The operator's operations.
var (
	OperateStatus = Operation[None, fairlead.GatewayStatus]{
		ID: "operate-gateway-status", Method: "GET", Base: OperatorPrefix, Path: "/gateway", Action: fairlead.GatewayRead, Summary: "Show how the gateway does",
	}
	OperateUsage = Operation[None, fairlead.GatewayUsage]{
		ID: "operate-gateway-usage", Method: "GET", Base: OperatorPrefix, Path: "/gateway/images", Action: fairlead.GatewayRead, Summary: "List all images that the gateway keeps",
	}
	OperatePrune = Stream[PruneRequest]{
		ID: "operate-gateway-prune", Method: "POST", Base: OperatorPrefix, Path: "/gateway/prune", Action: fairlead.GatewayPrune,
		Summary: "Let go of images that the gateway keeps; a line of JSON each", BytesOut: true,
	}
)
