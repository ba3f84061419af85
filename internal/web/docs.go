package web

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// docGroup is a noun of the API and its operations.
type docGroup struct {
	Name       string
	Operations []docOperation
}

// docOperation is one operation as the page shows it.
type docOperation struct {
	*huma.Operation
	Request, Reply string // JSON schemas, indented
	Open           bool
}

// docs shows the OpenAPI document as a page.
func (w *Web) docs(rw http.ResponseWriter, _ *http.Request) {
	groups := map[string][]docOperation{}
	for _, item := range w.Document.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				groups[op.Tags[0]] = append(groups[op.Tags[0]], w.operation(op))
			}
		}
	}
	var list []docGroup
	for name, ops := range groups {
		slices.SortFunc(ops, func(a, b docOperation) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
		})
		list = append(list, docGroup{Name: name, Operations: ops})
	}
	slices.SortFunc(list, func(a, b docGroup) int { return cmp.Compare(a.Name, b.Name) })
	w.show(rw, http.StatusOK, "docs.html", page{Title: "API", Data: list})
}

func (w *Web) operation(op *huma.Operation) docOperation {
	d := docOperation{Operation: op, Open: len(op.Security) == 0}
	if op.RequestBody != nil {
		d.Request = w.schema(op.RequestBody.Content["application/json"])
	}
	if ok := op.Responses["200"]; ok != nil {
		d.Reply = w.schema(ok.Content["application/json"])
	}
	return d
}

// schema writes a schema, with the one that it refers to in its place.
func (w *Web) schema(m *huma.MediaType) string {
	if m == nil || m.Schema == nil {
		return ""
	}
	s := m.Schema
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		s = w.Document.Components.Schemas.Map()[name]
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return ""
	}
	return string(b)
}
