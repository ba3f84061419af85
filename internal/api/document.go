package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/wire"
)

// newDocument begins the OpenAPI 3.1 document that the routes are added to.
func (a *API) newDocument() *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Fairlead", Version: a.Version,
			Description: "Access to private container registries for ML platforms. Every path is below " + wire.Prefix +
				". An error's kind says what the caller may do next; its remedy says how.",
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Paths: map[string]*huma.PathItem{},
		Components: &huma.Components{
			Schemas: a.schemas,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"token": {Type: "http", Scheme: "bearer", Description: "A session, an API token (flt_...) or a worker's token (flw_...)."},
			},
		},
	}
}

// document adds a route to the document.
func (a *API) document(route wire.Route, b *binding) {
	// OpenAPI has no wildcard over slashes; {name...} is written {name} there.
	op := &huma.Operation{
		OperationID: route.ID, Method: route.Method, Path: strings.ReplaceAll(route.Path, "...}", "}"), Summary: route.Summary,
		Tags: []string{tag(route)}, Responses: map[string]*huma.Response{},
	}
	if route.Action != "" {
		op.Description = "Asks the rights table for `" + string(route.Action) + "`."
	}
	if !route.Open {
		op.Security = []map[string][]string{{"token": {}}}
	}
	for _, p := range b.params {
		op.Parameters = append(op.Parameters, &huma.Param{Name: p.name, In: p.in, Required: p.in == "path", Schema: p.schema, Description: p.doc})
	}
	if b.body != nil {
		op.RequestBody = &huma.RequestBody{Required: true, Content: jsonContent(b.body)}
	}
	if route.BytesIn {
		op.RequestBody = &huma.RequestBody{Required: true, Content: bytesContent()}
	}
	switch {
	case route.BytesOut:
		op.Responses["200"] = &huma.Response{Description: "The bytes.", Content: bytesContent()}
	case route.Out == nil || route.Out == reflect.TypeFor[wire.None]():
		op.Responses["204"] = &huma.Response{Description: "Done."}
	default:
		status := "200"
		if route.Creates {
			status = "201"
		}
		op.Responses[status] = &huma.Response{Description: "Done.", Content: jsonContent(a.schemas.Schema(route.Out, true, ""))}
	}
	failure := reflect.TypeFor[wire.ErrorReply]()
	if strings.HasPrefix(route.Path, wire.ValohaiPrefix+"/") {
		failure = reflect.TypeFor[wire.ValohaiDetail]()
		op.Responses["400"] = &huma.Response{Description: "What is wrong with the request.", Content: jsonContent(a.schemas.Schema(reflect.TypeFor[wire.ValohaiErrors](), true, ""))}
	}
	op.Responses["default"] = &huma.Response{
		Description: "What went wrong, why, and what to do.", Content: jsonContent(a.schemas.Schema(failure, true, "")),
	}
	a.addToPath(route, op)
}

func (a *API) addToPath(route wire.Route, op *huma.Operation) {
	item := a.doc.Paths[op.Path]
	if item == nil {
		item = &huma.PathItem{}
		a.doc.Paths[op.Path] = item
	}
	switch route.Method {
	case http.MethodGet:
		item.Get = op
	case http.MethodPost:
		item.Post = op
	case http.MethodPut:
		item.Put = op
	case http.MethodPatch:
		item.Patch = op
	case http.MethodDelete:
		item.Delete = op
	}
}

// tag groups routes by the noun that their path ends with.
func tag(route wire.Route) string {
	if strings.HasPrefix(route.Path, wire.ValohaiPrefix+"/") {
		return "valohai"
	}
	parts := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(strings.TrimPrefix(route.Path, wire.Prefix), "")
	names := strings.FieldsFunc(parts, func(r rune) bool { return r == '/' })
	switch names[0] {
	case "organizations":
		if len(names) > 1 {
			return names[1]
		}
		return names[0]
	case "projects":
		if len(names) > 1 && names[1] != "transfer" {
			return names[1]
		}
		return names[0]
	case "setup", "sessions", "session", "invitations", "tokens":
		return "identity"
	default:
		return names[0]
	}
}

func (a *API) finishDocument() error {
	b, err := json.Marshal(a.doc)
	if err != nil {
		return fairlead.AsError("writing OpenAPI document", fmt.Errorf("encoding: %w", err))
	}
	a.json = b
	return nil
}

func jsonContent(s *huma.Schema) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{"application/json": {Schema: s}}
}

func bytesContent() map[string]*huma.MediaType {
	return map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}
}
