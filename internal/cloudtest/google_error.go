package cloudtest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// googleJSON answers as the services do.
func googleJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(body)
}

// googleOAuthError is an error of the token endpoints (RFC 6749, section 5.2).
type googleOAuthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

func (e *googleOAuthError) Error() string { return e.Code + ": " + e.Description }

func (e *googleOAuthError) serve(w http.ResponseWriter) {
	status := http.StatusBadRequest
	if e.Code == "invalid_client" {
		status = http.StatusUnauthorized
	}
	googleJSON(w, status, e)
}

// googleStatus is an error of the APIs (docs.cloud.google.com/apis/design/errors).
type googleStatus struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []any  `json:"details,omitempty"`
}

func (e *googleStatus) Error() string { return e.Message }

func (e *googleStatus) serve(w http.ResponseWriter) {
	if e.Code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/"`)
	}
	googleJSON(w, e.Code, map[string]*googleStatus{"error": e})
}

func googleFail(code int, status, format string, args ...any) *googleStatus {
	return &googleStatus{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}

// because adds what the error is for programs.
func (e *googleStatus) because(reason string, metadata map[string]string) *googleStatus {
	info := map[string]any{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
	if len(metadata) > 0 {
		info["metadata"] = metadata
	}
	e.Details = append(e.Details, info)
	return e
}

func googleUnauthenticated(reason string) *googleStatus {
	return googleFail(http.StatusUnauthorized, "UNAUTHENTICATED",
		"Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.").
		because(reason, map[string]string{"service": "googleapis.com"})
}

func googleNoScope(service string) *googleStatus {
	return googleFail(http.StatusForbidden, "PERMISSION_DENIED", "Request had insufficient authentication scopes.").
		because("ACCESS_TOKEN_SCOPE_INSUFFICIENT", map[string]string{"service": service})
}

func googleServiceOff(title, service, number string) *googleStatus {
	return googleFail(http.StatusForbidden, "PERMISSION_DENIED",
		"%s has not been used in project %s before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/%s/overview?project=%s then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.",
		title, number, service, number).
		because("SERVICE_DISABLED", map[string]string{"service": service, "consumer": "projects/" + number})
}

func googleNoPermission(permission, resource string) *googleStatus {
	return googleFail(http.StatusForbidden, "PERMISSION_DENIED", "Permission '%s' denied on resource '%s' (or it may not exist).", permission, resource).
		because("IAM_PERMISSION_DENIED", map[string]string{"permission": permission, "resource": resource})
}
