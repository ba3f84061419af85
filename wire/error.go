package wire

import (
	"net/http"

	"fairlead.dev/fairlead"
)

// ErrorReply is the body of every reply that isn't a success.
type ErrorReply struct {
	Error fairlead.Error `json:"error"`
	// Problems are the places that are wrong in a step file, where that is what failed.
	Problems []Problem `json:"problems,omitempty"`
	// Proof is what was tried before something wasn't saved, where that is what failed.
	Proof *fairlead.Proof `json:"proof,omitempty"`
	// Request identifies the request in the server's log.
	Request string `json:"request,omitempty"`
}

// Problem is something wrong at a place of a step file.
type Problem struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Severity string `json:"severity" enum:"error,warning,note"`
	Rule     string `json:"rule" doc:"A stable word for the rule that was broken."`
	Text     string `json:"text"`
	Remedy   string `json:"remedy,omitempty"`
}

// Status gives the HTTP status of an error kind (RFC 9110, section 15; RFC 6585).
func Status(k fairlead.Kind) int {
	switch k {
	case fairlead.Invalid:
		return http.StatusUnprocessableEntity
	case fairlead.Unauthenticated:
		return http.StatusUnauthorized
	case fairlead.Denied:
		return http.StatusForbidden
	case fairlead.NotFound:
		return http.StatusNotFound
	case fairlead.Conflict:
		return http.StatusConflict
	case fairlead.Limited:
		return http.StatusTooManyRequests
	case fairlead.Unavailable:
		return http.StatusServiceUnavailable
	case fairlead.Internal:
		return http.StatusInternalServerError
	default:
		return http.StatusInternalServerError
	}
}

// KindOfStatus gives the error kind of a status whose body says nothing, as a proxy in
// between would send it.
func KindOfStatus(status int) fairlead.Kind {
	switch status {
	case http.StatusUnauthorized:
		return fairlead.Unauthenticated
	case http.StatusForbidden:
		return fairlead.Denied
	case http.StatusNotFound, http.StatusGone:
		return fairlead.NotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return fairlead.Conflict
	case http.StatusTooManyRequests:
		return fairlead.Limited
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return fairlead.Unavailable
	}
	if status >= http.StatusInternalServerError {
		return fairlead.Internal
	}
	return fairlead.Invalid
}
