package wire

import (
	"net/http"

	"fairlead.dev/fairlead"
)

// The paths of the gateway: what clients of registries speak with it, and where they
// trade a login for a token. GatewayPeerPath, with a digest behind it, is where servers of
// one house ask each other for blobs.
const (
	GatewayPrefix    = "/v2/"
	GatewayTokenPath = "/gateway/token"
	GatewayPeerPath  = "/gateway/blobs/"
)

// DistributionCode is an error code of the OCI Distribution Specification (1.1, "Error
// Codes"), or one of Docker's that clients know.
type DistributionCode string

// The codes that the gateway answers with.
const (
	BlobUnknown     DistributionCode = "BLOB_UNKNOWN"
	DigestInvalid   DistributionCode = "DIGEST_INVALID"
	ManifestUnknown DistributionCode = "MANIFEST_UNKNOWN"
	NameInvalid     DistributionCode = "NAME_INVALID"
	NameUnknown     DistributionCode = "NAME_UNKNOWN"
	PageInvalid     DistributionCode = "PAGINATION_NUMBER_INVALID"
	RangeInvalid    DistributionCode = "RANGE_INVALID"
	Unauthorized    DistributionCode = "UNAUTHORIZED"
	AccessDenied    DistributionCode = "DENIED"
	Unsupported     DistributionCode = "UNSUPPORTED"
	TooManyRequests DistributionCode = "TOOMANYREQUESTS"
	NotAvailable    DistributionCode = "UNAVAILABLE"
	UnknownError    DistributionCode = "UNKNOWN"
)

// DistributionError is one entry of a [DistributionErrors].
type DistributionError struct {
	Code    DistributionCode `json:"code"`
	Message string           `json:"message"`
	// Detail says what to do about it.
	Detail string `json:"detail,omitempty"`
}

// DistributionErrors is the body of every reply of the gateway that isn't a success.
type DistributionErrors struct {
	Errors []DistributionError `json:"errors"`
}

// DistributionStatus gives the HTTP status of a code.
func DistributionStatus(c DistributionCode) int {
	switch c {
	case BlobUnknown, ManifestUnknown, NameUnknown:
		return http.StatusNotFound
	case DigestInvalid, NameInvalid, PageInvalid:
		return http.StatusBadRequest
	case RangeInvalid:
		return http.StatusRequestedRangeNotSatisfiable
	case Unsupported:
		return http.StatusMethodNotAllowed
	case Unauthorized:
		return http.StatusUnauthorized
	case AccessDenied:
		return http.StatusForbidden
	case TooManyRequests:
		return http.StatusTooManyRequests
	case NotAvailable:
		return http.StatusBadGateway
	default:
		return http.StatusInternalServerError
	}
}

// DistributionCodeOf gives the code that says to a client of registries what an error's
// kind says; missing is what a thing is called that isn't there.
func DistributionCodeOf(k fairlead.Kind, missing DistributionCode) DistributionCode {
	switch k {
	case fairlead.Unauthenticated:
		return Unauthorized
	case fairlead.Denied:
		return AccessDenied
	case fairlead.NotFound:
		return missing
	case fairlead.Limited:
		return TooManyRequests
	case fairlead.Unavailable, fairlead.Invalid, fairlead.Conflict:
		return NotAvailable
	default:
		return UnknownError
	}
}
